"""A selection's page: what was chosen and where the cut is, whom it serves, what was passed over, what leaks."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.outputs import Outputs
from zipfit.report.rendering import template
from zipfit.report.rivals import comparison
from zipfit.report.summary import first_line, found_lines, megabytes, summarise
from zipfit.report.wording import count, excerpt, percent, plural, tidy
from zipfit.selection.findings import Observer
from zipfit.selection.nearness import nearness
from zipfit.selection.rivals import methods_of, rivals_of
from zipfit.system.plain_types import check_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zipfit.report.tables import Column
    from zipfit.selection.nearness import Nearness, Pair
    from zipfit.selection.rivals import Against, Rival
    from zipfit.selection.selection import Selection

_BINS = 24
_TICKS = 3
_HEIGHT = 170
"""Of the highest bar, in pixels."""

_ROWS = 20
"""Of a table that could have one for each document."""


def report_selection(
    selection: Selection,
    path: str | os.PathLike[str],
    manifest: dict[str, Any] | None = None,
    *,
    against: Against = (),
    overwrite: bool = False,
) -> str:
    """Write a page about a selection: one file that asks nothing of the network.

    The same selection gives the same bytes.

    Args:
        selection: k documents, k at least 1.
        path: ends in `.html`.
        manifest: as `Selection.save` returned it; None for a selection that has not been saved. Its documents are then
            read once more, to look for leaks.
        against: other methods, as of `zipfit.select`, to show what they choose by the same budget and rules, besides
            those that `select` asked. Each reads the pool and scores it.
        overwrite: replace what is there.

    Returns:
        The page's path.

    Raises:
        ZipfitError: the page cannot be written, exists, or would replace one of the inputs; an input changed; or as
            `zipfit.select` of another method.
    """
    check_arguments(report_selection, locals())
    others = methods_of(against)
    outputs = Outputs.of_page(os.fspath(path), overwrite)
    test_sets = [each for each in (selection.terms.exclude, selection.check) if each is not None]
    outputs.check([*selection.ranking.sources.input_names, *(item.name for each in test_sets for item in each.inputs)])
    rivals = [*selection.rivals, *rivals_of(selection, others)]
    content = _page(selection, _observed(selection) if manifest is None else manifest, rivals).encode("utf-8")
    with outputs.writing() as files, files.open(outputs.path) as written:
        written.file.write(content)
    return outputs.path


def _observed(selection: Selection) -> dict[str, Any]:
    """The manifest of a selection that is not saved, with what saving it would find."""
    observer = Observer(selection.ranking.sources, selection.ranking.method, len(selection), selection.check)
    for rank, text in enumerate(selection.texts):
        observer.see(rank, text)
    manifest = selection.manifest | {"findings": observer.findings()}
    return manifest if selection.check is None else manifest | {"check": manifest["check"] | (observer.checked() or {})}


def _page(selection: Selection, manifest: dict[str, Any], rivals: Sequence[Rival]) -> str:
    summary = summarise(selection, manifest)
    pool, chosen, output = manifest["pool"], manifest["selection"], manifest["output"]
    name = "selection" if output is None else output["path"]
    method = manifest["method"]["class"].rpartition(":")[2]
    near, check = nearness(selection, rivals), summary["check"]
    facts = [
        ("documents", count(chosen["documents"])),
        ("of the pool", f"{chosen['documents'] / pool['documents']:.2%}"),
        ("text", megabytes(chosen["bytes"])),
        ("score at the cut", f"{chosen['score_at_cut']:.4g}"),
    ]
    if chosen["tokens"] is not None:
        facts.insert(3, ("tokens", count(chosen["tokens"])))
    lengths = selection.ranking.sources.pool.facts.lengths
    return template("selection.html").render(
        title=f"{tidy(name, 200)} · zipfit selection",
        name=name,
        lead=f"{plural(chosen['documents'], 'document')} out of {count(pool['documents'])}, by {method}.",
        facts=facts,
        warnings=list(found_lines(summary | {"check": check if check and check["overlapping"] else None})),
        scores=_scores(selection, chosen),
        lengths=_lengths(lengths, selection.cut.indices),
        labels=_labels(summary),
        labels_left_out=_labels_left_out(summary),
        coverage=_coverage(near, len(selection), len(selection.ranking.sources.texts)),
        comparison=comparison(selection, rivals, near, method) if rivals else None,
        pairs=[_pair(pair) for pair in near.pairs],
        dropped=_dropped(selection, pool["duplicates"]),
        leaks=_leaks(selection, manifest),
        settings=_settings(manifest),
        inputs=_inputs(manifest),
    )


@dataclass(frozen=True)
class _Place:
    """Words at a place of a histogram, in percent from its left."""

    x: float
    words: str

    @property
    def anchor(self) -> str:
        return "start" if self.x < 15 else "end" if self.x > 85 else "middle"


@dataclass(frozen=True)
class _Bar:
    """A bin: its place in percent, its heights in pixels, and what it says."""

    left: float
    width: float
    pool: float
    selected: float
    words: str


@dataclass(frozen=True)
class _Histogram:
    """A histogram as it is drawn, and as a table."""

    name: str
    title: str
    description: str
    bars: list[_Bar]
    ticks: list[_Place]
    cut: _Place | None
    rows: list[tuple[str, ...]]
    has_pool: bool

    @property
    def columns(self) -> list[Column]:
        pool: list[Column] = [("pool", "n")] if self.has_pool else []
        return [("from", ""), ("to", ""), *pool, ("selected", "n")]


def _histogram(
    name: str,
    title: str,
    description: str,
    values: tuple[NDArray[np.float64] | None, NDArray[np.float64]],
    edges: NDArray[np.float64],
    say: Callable[[float], str],
    cut: float | None = None,
) -> _Histogram:
    """Count values, of the pool and of the selection, in bins, and draw them equally wide."""
    whole, chosen = (None if each is None else np.histogram(each, edges)[0] for each in values)
    assert chosen is not None
    highest = max(1, int(max(chosen.max(), 0 if whole is None else whole.max())))
    width = 100 / (len(edges) - 1)

    def height(number: int) -> float:
        return round(_HEIGHT * float(np.sqrt(number / highest)), 1)

    bars, rows = [], []
    for place, selected in enumerate(chosen.tolist()):
        among = None if whole is None else int(whole[place])
        low, high = say(float(edges[place])), say(float(edges[place + 1]))
        numbers = ([] if among is None else [count(among)]) + [count(selected)]
        words = f"{low} to {high}: {count(selected)} selected" + ("" if among is None else f" of {count(among)}")
        bars.append(_Bar(round(place * width, 3), round(0.9 * width, 3), height(among or 0), height(selected), words))
        if selected or among:
            rows.append((low, high, *numbers))
    ticks = [_Place(round(100 * part / _TICKS, 2), "") for part in range(_TICKS + 1)]
    ticks = [_Place(tick.x, say(float(edges[round(tick.x / width)]))) for tick in ticks]
    line = None
    if cut is not None and edges[0] <= cut <= edges[-1]:
        line = _Place(round(100 * float((cut - edges[0]) / (edges[-1] - edges[0])), 3), f"cut at {cut:.4g}")
    return _Histogram(name, title, description, bars, ticks, line, rows, whole is not None)


def _scores(selection: Selection, chosen: dict[str, Any]) -> _Histogram:
    pool, scores = selection.pool_scores, selection.scores
    finite = [each[np.isfinite(each)] for each in (scores if pool is None else pool, scores)]
    low, high = (float(finite[0].min()), float(finite[0].max())) if finite[0].size else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + max(1.0, abs(low)), _BINS + 1)

    def say(score: float) -> str:
        return f"{score:.3g}"

    words = f"The chosen documents score from {chosen['best_score']:.4g} to {chosen['score_at_cut']:.4g} at the cut."
    if (ties := chosen["ties_at_cut"]) is not None and ties["left"]:
        tied = count(ties["taken"] + ties["left"])
        words += f" There {tied} tie: the first {count(ties['taken'])} in source order were taken."
    if pool is None:
        words += " The method ranks the pool without a score for each document, so only the chosen are drawn."
    drawn = (None if pool is None else finite[0], finite[1])
    return _histogram("score-histogram", "Scores", words, drawn, edges, say, chosen["score_at_cut"])


def _lengths(lengths: NDArray[np.int64], indices: NDArray[np.int64]) -> _Histogram:
    """Lengths in bytes, in bins that grow by one factor."""
    chosen = lengths[indices]
    medians = [int(np.quantile(each, 0.5, method="nearest")) for each in (chosen, lengths)]
    words = (
        f"Half of the chosen documents have at most {count(medians[0])} bytes; in the pool it is {count(medians[1])}. "
        f"The shortest chosen has {count(chosen.min())}, the longest {count(chosen.max())}. The scale is logarithmic."
    )
    edges = np.geomspace(max(1, lengths.min()), max(2, lengths.max()) + 1, _BINS + 1)
    edges[0] = 0 if lengths.min() == 0 else edges[0]
    drawn = (lengths.astype(np.float64), chosen.astype(np.float64))
    return _histogram("length-histogram", "Lengths in bytes", words, drawn, edges, lambda number: count(round(number)))


def _labels(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            first_line(row["label"]),
            count(row["selected"]),
            f"{row['share_of_selection']:.1%}",
            f"{row['share_of_pool']:.1%}",
            f"{row['share_of_selection'] / row['share_of_pool']:.1f}",
        )
        for row in summary["labels"][:_ROWS]
    ]


def _labels_left_out(summary: dict[str, Any]) -> str:
    rest, none = summary["labels"][_ROWS:], summary["labels_in_pool"] - len(summary["labels"])
    said = [f"{count(sum(row['selected'] for row in rest))} documents of {count(len(rest))} more labels."] * bool(rest)
    said += [f"Of the pool's {plural(summary['labels_in_pool'], 'label')}, {count(none)} have no document."] * bool(
        none
    )
    return " ".join(said)


def _coverage(near: Nearness, documents: int, examples: int) -> dict[str, Any]:
    """Which examples are served by nothing that was chosen."""
    unserved = sorted((each for each in near.served if each.by_nothing), key=lambda each: -each.distance)
    looked_at = len(near.served)
    words = (
        "An example is served if some chosen document is at least as near to it as the nearest of a sample: as many "
        "documents, taken evenly from the whole pool. Distance is from 0 (the same) to about 1."
    )
    if looked_at < examples or near.documents < documents:
        words += (
            f" This looks at {count(looked_at)} of {plural(examples, 'example')} and at {count(near.documents)} of "
            f"{plural(documents, 'document')}, evenly spread."
        )
    headline = f"{count(looked_at - len(unserved))} of {plural(looked_at, 'example')} are served"
    headline += f"; {count(len(unserved))} by nothing that was chosen." if unserved else "."
    return {
        "words": words,
        "headline": headline,
        "rows": [
            (each.example, each.rank, f"{each.distance:.3f}", f"{each.unasked:.3f}", excerpt(each.text))
            for each in unserved[:_ROWS]
        ],
        "left_out": f"and {count(len(unserved) - _ROWS)} more" if len(unserved) > _ROWS else "",
    }


@dataclass(frozen=True)
class _Piece:
    text: str
    shared: bool


@dataclass(frozen=True)
class _Marked:
    """A text in pieces, those that are shared marked."""

    pieces: list[_Piece]
    is_cut: bool


def _pair(pair: Pair) -> dict[str, Any]:
    shared = f"They share {plural(len(pair.shared), 'string')} of 6 characters or more, at most five counted."
    return {
        "rank": pair.rank,
        "heading": f"Rank {count(pair.rank)}, score {pair.score:.4g}",
        "words": f"Distance to target example {pair.example}: {pair.distance:.3f}. {shared}",
        "example_heading": f"target example {pair.example}",
        "document": marked(pair.text, pair.shared),
        "example": marked(pair.example_text, pair.shared),
    }


def marked(text: str, shared: Sequence[str], most: int = 1200) -> _Marked:
    """Cut a text into pieces, wherever one of the strings that it shares begins or ends.

    Args:
        text: any.
        shared: strings to be marked, each wherever it occurs.
        most: characters that are kept.
    """
    kept = text[:most]
    covered = np.zeros(len(kept) + 1, dtype=bool)
    for string in shared:
        for found in re.finditer(re.escape(string), text[: most + len(string)]) if string else ():
            covered[found.start() : min(found.end(), most)] = True
    edges = [0, *(np.flatnonzero(np.diff(covered[: len(kept)])) + 1).tolist(), len(kept)]
    pieces = [_Piece(kept[start:end], bool(covered[start])) for start, end in pairwise(edges)]
    return _Marked([piece for piece in pieces if piece.text], len(text) > most)


_REASONS = {
    "short": "shorter than --min-bytes",
    "long": "longer than --max-bytes",
    "share": "its label had its share",
    "overlap": "overlaps with a test set",
    "duplicate": "a duplicate of a document taken",
}


def _dropped(selection: Selection, duplicates: int) -> dict[str, Any]:
    """What ranked high enough but was not taken."""
    dropped = selection.cut.dropped
    reasons = {reason: sum(item.reason == reason for item in dropped) for reason in _REASONS}
    pairs = [(item.position, item.duplicate_of) for item in dropped if item.duplicate_of is not None]
    shown = np.array(pairs[:_ROWS], dtype=np.int64).reshape(-1)
    positions = selection.ranking.sources.pool.corpus.source_positions(shown).reshape(-1, 2).tolist()
    words = (
        "Every document down to the cut was taken."
        if not dropped
        else (f"{plural(len(dropped), 'document')} ranked above the cut and were not taken.")
    )
    words += f" {plural(duplicates, 'document')} of the pool equal an earlier one." if duplicates else ""
    if duplicates and selection.terms.rules.dedup is None:
        words += " They may be chosen, as no --dedup was asked for."
    return {
        "words": words,
        "reasons": [(_REASONS[reason], count(number)) for reason, number in reasons.items() if number],
        "rows": positions,
        "left_out": f"and {count(len(pairs) - _ROWS)} more duplicates" if len(pairs) > _ROWS else "",
    }


def _leaks(selection: Selection, manifest: dict[str, Any]) -> dict[str, Any]:
    """What the chosen documents, and those left out, share with test sets and with the target."""
    found, check, exclude = manifest.get("findings", {}), manifest.get("check"), selection.terms.exclude
    equal, containing = (found.get(name, 0) for name in ("equal_to_examples", "containing_examples"))
    words = [
        f"Of the chosen documents, {count(equal)} equal an example of the target, and {count(containing)} contain one."
    ]
    tables = []
    if check is not None:
        words.append(f"{count(check['overlapping'])} overlap with the test set to check.")
        cases = [(case["rank"], case) for case in check["cases"]]
        tables.append(_overlaps("Chosen documents that overlap with the test set", "rank", cases, check["overlapping"]))
    if exclude is not None:
        left_out = [(item.position, item.overlap[0]) for item in selection.cut.dropped if item.overlap is not None]
        words.append(
            f"{plural(len(left_out), 'document')} were left out, as they overlap with the test set to exclude."
        )
        shown = np.array([position for position, _ in left_out[:_ROWS]], dtype=np.int64)
        places = selection.ranking.sources.pool.corpus.source_positions(shown).tolist()
        described = [exclude.describe(match) for _, match in left_out[:_ROWS]]
        cases = list(zip(places, described, strict=True))
        tables.append(_overlaps("Documents left out, by position in the source", "position", cases, len(left_out)))
    if check is None and exclude is None:
        words.append("No test set was given to look for (--check, --exclude).")
    return {"words": " ".join(words), "tables": [each for each in tables if each["rows"]]}


def _overlaps(title: str, place: str, cases: list[tuple[int, dict[str, Any]]], total: int) -> dict[str, Any]:
    """A table of documents that overlap with examples of a test set, each as `TestSet.describe` describes it."""
    rows = [
        (
            f"{case['test_file']}, row {case['test_row']}",
            count(at),
            percent(case["overlap"]),
            excerpt(case["shared_words"]),
        )
        for at, case in cases
    ]
    left = f"and {count(total - len(rows))} more" if total > len(rows) else ""
    columns: list[Column] = [("example", ""), (place, "n"), ("overlap", "n"), ("shared words", "text")]
    return {"title": title, "columns": columns, "rows": rows, "left_out": left}


def _settings(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Method, budget and rules, as far as they were given."""
    method, parameters = manifest["method"], manifest["parameters"]
    rows = [("method", method["class"])]
    rows += [(name, str(value)) for name, value in (method["options"] or {}).items()]
    aside = {"threads", "progress"}
    aside |= {"dedup_threshold"} if parameters["dedup"] is None else set()
    aside |= set() if parameters["min_bytes"] else {"min_bytes"}
    given = {name: value for name, value in parameters.items() if value is not None and value is not False}
    rows += [(name, str(value)) for name, value in given.items() if name not in aside]
    versions = {"zipfit": manifest["zipfit"], "python": manifest["python"], "platform": manifest["platform"]}
    return [*rows, *versions.items()]


def _inputs(manifest: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for role in ("source", "target", "exclude", "check"):
        for item in manifest[role]["inputs"] if role in manifest else ():
            size, digest = item.get("bytes"), item.get("sha256")
            rows.append(
                (item["name"], role, count(item["documents"]), "" if size is None else count(size), digest or "")
            )
    return rows
