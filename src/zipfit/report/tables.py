"""A study's tables: of its arms, of what selections begin with, of what failed, and flat rows for other tools."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from zipfit.report.statistics import Standing, best_selection, has_no_gap, standings
from zipfit.report.wording import (
    NO_GAP,
    WITHOUT_ENCODING,
    count,
    excerpt,
    percent,
    plural,
    seconds,
    seeds_of,
    signed,
    tidy,
)
from zipfit.study.schema import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zipfit.study.results import Results
    from zipfit.study.schema import Arm, Cell

_NONE = "–"
_TEXT = 200

# What a column's head leaves open.
_EXPLAINED = {
    "Test loss": "the loss in nats a token, ± the sample standard deviation of the seeds",
    "Against random": "'against random' is the difference seed by seed, with its lowest and highest",
    "Gap closed": "'gap closed' is (random − arm) / (random − target), with the lowest and highest seed",
    "Test overlap": "'test overlap' counts test documents found whole / by 13-grams in the training documents",
}


Kind: TypeAlias = Literal["n", "long", "text", ""]
"""What a column holds: numbers, whole sentences, texts of documents, or words."""

Column: TypeAlias = tuple[str, Kind]
"""A column's head and what it holds."""

Entry: TypeAlias = str | tuple[str, str]
"""What stands in a cell: a text, or a text and a remark on it."""


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: a heading.
        caption: one sentence on what stands in it.
        columns: the first names the rows.
        rows: cells, as many as columns.
    """

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]


def methods_table(results: Results, model: str, budget: int | None, arms: Sequence[Arm]) -> Table | None:
    """Arms at one budget, the lowest loss first, with all that was measured of them; None if no cell is finished.

    A mean over seeds stands in each column; of the loss its sample standard deviation as well, and of the difference to
    random choice (seed by seed) and the share of the gap the lowest and highest seed.
    """
    everyone = standings(results, model, budget)
    ranked = [found for found in everyone if found.arm in arms]
    if not ranked:
        return None
    columns: list[tuple[str, Kind, Callable[[Standing], Entry]]] = [
        ("Arm", "", lambda found: tidy(found.arm.name, 200)),
        ("Test loss", "n", _loss),
        ("Against random", "n", _against),
        ("Gap closed", "n", _gap),
        ("Bits a byte", "n", lambda found: _mean(found, lambda cell: cell.losses[-1].bits_per_byte, "{:.4f}".format)),
        ("pass@1", "n", lambda found: _mean(found, lambda cell: cell.pass_at.get(1), "{:.1%}".format)),
        ("pass@10", "n", lambda found: _mean(found, lambda cell: cell.pass_at.get(10), "{:.1%}".format)),
        ("Time to select", "n", _time),
        ("Documents", "n", lambda found: _mean(found, lambda cell: cell.documents, count)),
        ("Tokens", "n", lambda found: _mean(found, lambda cell: cell.tokens, count)),
        ("Mean bytes", "n", lambda found: _mean(found, lambda cell: cell.mean_bytes, count)),
        ("Alignment", "n", lambda found: _mean(found, lambda cell: cell.alignment, "{:.3f}".format)),
        ("Test overlap", "n", _overlap),
        ("Seeds", "n", lambda found: str(len(found.cells))),
    ]
    filled = [column for column in columns if any(column[2](found) != _NONE for found in ranked)]
    titles = [title for title, _, _ in filled]
    no_gap = f" {NO_GAP}" if "Gap closed" not in titles and has_no_gap(results, everyone) else ""
    budget_words = "all tokens" if budget is None else f"{count(budget)} tokens"
    return Table(
        title=f"The arms at {budget_words}",
        caption=f"Means over {seeds_of([len(found.cells) for found in ranked])}, the lowest test loss first; "
        + "; ".join(_EXPLAINED[title] for title in titles if title in _EXPLAINED)
        + f".{no_gap}",
        columns=tuple((title, kind) for title, kind, _ in filled),
        rows=tuple(tuple(value(found) for _, _, value in filled) for found in ranked),
    )


def _loss(found: Standing) -> Entry:
    mean, _, deviation = str(found.loss).partition(" ")
    return (mean, deviation) if deviation else mean


def _against(found: Standing) -> Entry:
    spread = found.against_random
    if spread is None:
        return _NONE
    mean = signed(spread.mean)
    return (mean, f"{signed(spread.low)} to {signed(spread.high)}") if len(spread.values) > 1 else mean


def _gap(found: Standing) -> Entry:
    if found.gap is None:
        return _NONE
    seeds, share = found.gap.seeds, percent(found.gap.share)
    return (share, f"{percent(min(seeds))} to {percent(max(seeds))}") if len(seeds) > 1 else share


def _time(found: Standing) -> Entry:
    mean = _mean(found, lambda cell: cell.selection_seconds, seconds)
    return (mean, WITHOUT_ENCODING) if found.is_spared_encoding else mean


def _mean(found: Standing, value: Callable[[Cell], float | None], write: Callable[[float], str]) -> str:
    values = [number for cell in found.cells if (number := value(cell)) is not None]
    return write(statistics.fmean(values)) if values else _NONE


def _overlap(found: Standing) -> str:
    overlaps = [cell.overlap for cell in found.cells if cell.overlap]
    if not overlaps:
        return _NONE
    return " / ".join(str(max(getattr(overlap, kind) for overlap in overlaps)) for kind in ("exact", "ngram"))


def top_documents(results: Results, model: str) -> list[Table]:
    """What selections begin with (Table 1 of the paper and its appendix): ZIP-FIT's, DSIR's and the best arm's.

    Each of them is the first such arm's selection for the first seed at the largest budget that has one.
    """
    budget = results.main_budget(model, results.arms)
    best = best_selection(standings(results, model, budget), budget)
    arms: list[Arm] = []
    for method in ("zipfit", "dsir"):
        arms += [arm for arm in results.arms if arm.method == method and arm.is_selection][:1]
    if best is not None and best.arm not in arms:
        arms.append(best.arm)
    return [table for arm in arms if (table := _top(results, arm, model)) is not None]


def _top(results: Results, arm: Arm, model: str) -> Table | None:
    cells = [cell for budget in reversed(results.budgets_of(arm)) for cell in results.done(arm.name, model, budget)]
    keys = [cell.selection for cell in cells if cell.selection in results.selections]
    top = results.selections[str(keys[0])].top if keys else ()
    if not top:
        return None
    rows = [
        (
            str(document.rank),
            _NONE if document.score is None else f"{document.score:#.4g}",
            _NONE if document.alignment is None else f"{document.alignment:.3f}",
            _NONE if document.label is None else tidy(document.label, 40),
            "(text not published)" if document.text is None else excerpt(document.text, _TEXT),
        )
        for document in top
    ]
    columns: tuple[Column, ...] = (
        ("Rank", "n"),
        ("Score", "n"),
        ("Alignment", "n"),
        ("Source", ""),
        ("Text", "text"),
    )
    shown = len(columns) if any(document.text is not None for document in top) else len(columns) - 1
    return Table(
        title=tidy(arm.name, 80),
        caption=f"The first {plural(len(top), 'document')} of {tidy(arm.name, 80)}'s ranking: its own score, the "
        "ZIP-FIT alignment (gzip 6) with the target, the source label "
        + ("and the first characters." if shown == len(columns) else "(their texts were not published)."),
        columns=columns[:shown],
        rows=tuple(row[:shown] for row in rows),
    )


def failed_table(results: Results) -> Table | None:
    """Each failed cell with its reason; None if there is none."""
    if not results.failed:
        return None
    rows = tuple(
        (
            tidy(cell.arm, 200),
            _NONE if cell.budget is None else count(cell.budget),
            tidy(cell.model, 80),
            str(cell.seed),
            tidy(" ".join(str(cell.error).split()), 500),
            f"{count(cell.losses[-1].tokens)} tokens" if cell.losses else "nothing",
        )
        for cell in results.failed
    )
    return Table(
        title="Cells that failed",
        caption="Cells that did not reach their end, with the reason and what was finished; no figure shows them.",
        columns=(
            ("Arm", ""),
            ("Budget", "n"),
            ("Model", ""),
            ("Seed", "n"),
            ("Reason", "long"),
            ("Finished", "n"),
        ),
        rows=rows,
    )


def missing_table(results: Results) -> Table | None:
    """Arms of which cells are not run yet, with those cells; None if every cell is there."""
    places = results.missing
    if not places:
        return None
    rows: dict[tuple[str, str, str], list[str]] = {}
    for place in places:
        budget = "all" if place.budget is None else count(place.budget)
        rows.setdefault((tidy(place.arm, 200), tidy(place.model, 80), budget), []).append(str(place.seed))
    return Table(
        title="Cells not run yet",
        caption="Cells that the study asks for and that are neither finished nor failed.",
        columns=(("Arm", ""), ("Model", "long"), ("Budget", "n"), ("Seeds", "n")),
        rows=tuple((*place, ", ".join(seeds)) for place, seeds in rows.items()),
    )


def arms_table(results: Results) -> Table:
    """What each arm is."""
    return Table(
        title="Arms",
        caption="What each arm trains on.",
        columns=(("Arm", ""), ("Documents", "long"), ("Budgets", "n")),
        rows=tuple(
            (
                tidy(arm.name, 200),
                describe_arm(arm),
                ", ".join("all" if budget is None else count(budget) for budget in results.budgets_of(arm)),
            )
            for arm in results.arms
        ),
    )


def describe_arm(arm: Arm) -> str:
    """An arm in words: its method and options, or where its documents come from otherwise."""
    options = ", ".join(f"{name} {value}" for name, value in arm.options.items() if value is not None)
    whole = "the target itself" if arm.train_on == "target" else "the whole source, in an order drawn by the seed"
    parts = [
        "" if arm.method is None else f"chosen by {arm.method}" + (f" ({options})" if options else ""),
        "" if arm.train_on is None else whole,
        "" if arm.label is None else f"the source {arm.label}, in an order drawn by the seed",
        "" if arm.lengths_of is None else f"random documents of the lengths of {arm.lengths_of}'s",
        "" if arm.min_score is None else f"all that score at least {arm.min_score:g}",
        "" if arm.target_size is None else f"seeing {plural(arm.target_size, 'target example')}",
        "" if arm.within is None else f"within {', '.join(arm.within)}",
        ", ".join(f"{name.replace('_', '-')} {value}" for name, value in arm.rules.items()),
    ]
    return tidy("; ".join(filter(None, parts)) or "documents of the source", 300)


def cell_rows(results: Results) -> Iterator[dict[str, Any]]:
    """A row a cell, finished or failed: all that its file says, nested names joined by dots, without its curves."""
    for cell in results.cells:
        final = cell.losses[-1] if cell.losses else None
        last = {f"final_{name}": getattr(final, name, None) for name in ("tokens", "loss", "bits_per_byte")}
        yield {"format": FORMAT, **_flat(cell.to_json()), **last}


def _flat(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        elif not isinstance(value, list):
            flat[f"{before}{name}"] = value
    return flat


def loss_rows(results: Results) -> Iterator[dict[str, Any]]:
    """A row a loss: on the test set (`split` test) and of training steps (`split` train)."""
    for cell in results.cells:
        place = {"key": cell.key, "arm": cell.arm, "budget": cell.budget, "model": cell.model, "seed": cell.seed}
        for loss in cell.losses:
            row = {"split": "test", "tokens": loss.tokens, "loss": loss.loss, "bits_per_byte": loss.bits_per_byte}
            yield {**place, **row}
        for step in cell.training_losses:
            yield {**place, "split": "train", "tokens": step.tokens, "loss": step.loss}


def selection_rows(results: Results) -> Iterator[dict[str, Any]]:
    """A row a selected document, in rank order: where it lies in the source, its score, label, tokens and bytes."""
    names = ("position", "score", "label", "tokens", "bytes")
    for key in sorted({cell.selection for cell in results.cells if cell.selection in results.selections}, key=str):
        lists = {name: getattr(results.selections[str(key)], name) for name in names}
        for index in range(max(map(len, lists.values()))):
            values = {name: found[index] if index < len(found) else None for name, found in lists.items()}
            yield {"selection": key, "rank": index + 1, **values}


ROWS: dict[str, Callable[[Results], Iterator[dict[str, Any]]]] = {
    "cells": cell_rows,
    "losses": loss_rows,
    "selections": selection_rows,
}
"""The files of rows beside a report, by name."""
