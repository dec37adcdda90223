"""The part of a selection's page that compares it with what other methods choose by the same budget and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.report.summary import first_line
from zipfit.report.wording import count, excerpt, percent, plural, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zipfit.selection.cut import Cut
    from zipfit.selection.nearness import Nearness, Served
    from zipfit.selection.rivals import Rival
    from zipfit.selection.selection import Selection
    from zipfit.selection.sources import Facts

_LABELS = 15
_DOCUMENTS = 5
_EXAMPLES = 3
"""Rows of a table: labels; documents that one of the two has alone; examples that one of the two comes nearer to."""

_NAME = 80


def comparison(selection: Selection, rivals: Sequence[Rival], near: Nearness, method: str) -> dict[str, Any]:
    """What the page says of all methods beside each other, and of each rival.

    Args:
        selection: what was chosen.
        rivals: what other methods choose, at least one.
        near: how near all of these come to the target's examples.
        method: the selection's own, as the page calls it.
    """
    pool = selection.ranking.sources.pool
    alone = [
        (_alone(pool.facts, selection.cut, rival.cut), _alone(pool.facts, rival.cut, selection.cut)) for rival in rivals
    ]
    shown = [selection.cut.indices[here[:_DOCUMENTS]] for here, _ in alone]
    shown += [rival.cut.indices[there[:_DOCUMENTS]] for rival, (_, there) in zip(rivals, alone, strict=True)]
    positions = np.unique(np.concatenate(shown))
    texts = dict(zip(positions.tolist(), map(excerpt, pool.texts(positions)), strict=True))
    cards, rows = [], [(f"{method}, this page", *_numbers(selection, selection.cut, near.served))]
    for rival, served, (here, there) in zip(rivals, near.by_rivals, alone, strict=True):
        name = tidy(rival.name, _NAME)
        rows.append((name, *_numbers(selection, rival.cut, served)))
        cards.append(
            {
                "name": name,
                "words": _words(name, rival.cut, len(there), len(here)),
                "documents": len(rival.cut.indices),
                "labels": _labels(pool.facts, selection.cut, rival.cut),
                "coverage": _coverage(name, near.served, served),
                "examples": _examples(near.served, served),
                "here": _documents(pool.facts, selection.cut, here, texts),
                "there": _documents(pool.facts, rival.cut, there, texts),
            }
        )
    return {"rows": rows, "cards": cards}


def _alone(facts: Facts, cut: Cut, other: Cut) -> NDArray[np.int64]:
    """The ranks, from 0, of the documents whose text the other has not."""
    return np.flatnonzero(~np.isin(facts.hashes[cut.indices], facts.hashes[other.indices]))


def _numbers(selection: Selection, cut: Cut, served: Sequence[Served]) -> tuple[str, ...]:
    facts, documents = selection.ranking.sources.pool.facts, len(cut.indices)
    if not documents:
        return ("0", "0", "0", "–", "–", "–")
    lengths = facts.lengths[cut.indices]
    shared = documents - len(_alone(facts, cut, selection.cut))
    return (
        count(documents),
        f"{count(shared)} ({percent(shared / documents)})",
        count(int(lengths.sum())),
        count(int(np.quantile(lengths, 0.5, method="nearest"))),
        count(sum(not each.by_nothing for each in served)),
        f"{np.mean([each.distance for each in served]):.3f}",
    )


def _words(name: str, cut: Cut, there: int, here: int) -> str:
    if not len(cut.indices):
        return f"{name} chooses nothing by this budget and these rules."
    shared = len(cut.indices) - there
    return (
        f"{name} chooses {plural(len(cut.indices), 'document')}, of which this selection has {count(shared)} "
        f"({percent(shared / len(cut.indices))}) too. {count(here)} of this selection's are not among them."
    )


def _labels(facts: Facts, here: Cut, there: Cut) -> dict[str, Any]:
    """The labels that either has, those that one of them has most of first."""
    chosen = [np.bincount(facts.labels[cut.indices], minlength=len(facts.label_names)) for cut in (here, there)]
    pool = np.bincount(facts.labels, minlength=len(facts.label_names))
    order = np.argsort(-np.maximum(*chosen), kind="stable")
    held = order[: np.count_nonzero(np.maximum(*chosen))].tolist()
    rows = [
        (
            first_line(facts.label_names[label]),
            *(f"{each[label] / each.sum():.1%}" if each[label] else "–" for each in (*chosen, pool)),
        )
        for label in held[:_LABELS]
    ]
    return {"rows": rows, "left_out": f"and {count(len(held) - _LABELS)} more" if len(held) > _LABELS else ""}


def _coverage(name: str, here: Sequence[Served], there: Sequence[Served]) -> list[tuple[str, str]]:
    """How many examples are served by which of the two."""
    served = [(not one.by_nothing, not other.by_nothing) for one, other in zip(here, there, strict=False)]
    kinds = {
        "both": (True, True),
        "this selection alone": (True, False),
        f"{name} alone": (False, True),
        "neither": (False, False),
    }
    return [(words, count(served.count(kind))) for words, kind in kinds.items()]


def _examples(here: Sequence[Served], there: Sequence[Served]) -> list[tuple[str, ...]]:
    """The examples that one of the two comes nearer to by most: the other's first."""
    pairs = sorted(zip(here, there, strict=False), key=lambda pair: pair[1].distance - pair[0].distance)
    nearer_there = [pair for pair in pairs if pair[1].distance < pair[0].distance][:_EXAMPLES]
    nearer_here = [pair for pair in pairs if pair[0].distance < pair[1].distance][-_EXAMPLES:]
    return [
        (str(one.example), f"{one.distance:.3f}", f"{other.distance:.3f}", excerpt(one.text))
        for one, other in nearer_there + nearer_here
    ]


def _documents(facts: Facts, cut: Cut, ranks: NDArray[np.int64], texts: Mapping[int, str]) -> dict[str, Any]:
    """The first of the documents that one of the two has alone."""
    rows = [
        (count(rank + 1), f"{cut.scores[rank]:.4g}", first_line(facts.label(position)), texts[position])
        for rank, position in zip(ranks[:_DOCUMENTS].tolist(), cut.indices[ranks[:_DOCUMENTS]].tolist(), strict=True)
    ]
    return {"rows": rows, "left_out": f"and {count(len(ranks) - _DOCUMENTS)} more" if len(ranks) > _DOCUMENTS else ""}
