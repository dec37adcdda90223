"""The short summary after a selection: as JSON values, and on the terminal."""

from __future__ import annotations

from collections import Counter
from math import floor, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.folders import split_of
from zipfit.corpus.outputs import REJECTED
from zipfit.methods.registry import Named
from zipfit.system.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from rich.console import Console

    from zipfit.corpus.corpus import Corpus
    from zipfit.selection.selection import Selection

_EXAMPLES = 3
_FILES = 5
_LABELS_SHOWN = 15
_BINS = 12
_WIDTH = 30
_LINE = 96
_EXAMPLE = 40

_NOTHING_FOUND = {"equal_to_examples": 0, "containing_examples": 0, "prompts_only": None, "off_task": None}


def summarise(selection: Selection, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what there is to say of a selection.

    Args:
        selection: k documents, k at least 1.
        manifest: as `Selection.save` returned it.
    """
    facts = selection.ranking.sources.pool.facts
    pool_counts = selection.ranking.sources.pool.label_counts()
    chosen_labels = np.bincount(facts.labels[selection.cut.indices], minlength=len(facts.label_names))
    chosen = {label: int(count) for label, count in zip(facts.label_names, chosen_labels, strict=True) if count}
    return {
        **{key: manifest[key] for key in ("pool", "selection", "output", "method", "seconds")},
        "read_as": {role: _read_as(corpus) for role, corpus in _corpora(selection)},
        "findings": _NOTHING_FOUND | manifest.get("findings", {}),
        "check": manifest.get("check"),
        "files_passed_over": manifest["files_passed_over"],
        "files_unreadable": manifest.get("files_unreadable", []),
        "text_files": sum(item["format"] == "text" for item in manifest["source"]["inputs"]),
        "files": len(manifest["source"]["inputs"]),
        **_skipped(manifest),
        "duplicates_chosen": len(selection) - len(set(facts.hashes[selection.cut.indices].tolist())),
        "scored_in": _scored_in(selection),
        "scores": _score_bins(selection.scores, selection.pool_scores),
        "labels": [
            {
                "label": label,
                "selected": count,
                "share_of_selection": count / len(selection),
                "share_of_pool": pool_counts[label] / len(facts.lengths),
            }
            for label, count in sorted(chosen.items(), key=lambda item: -item[1])
        ],
        "labels_in_pool": len(pool_counts),
        "examples": _examples(selection),
    }


def _skipped(manifest: dict[str, Any]) -> dict[str, Any]:
    """How many records of the source were passed over, for what most of them, and where they are."""
    reasons: Counter[str] = Counter()
    for item in manifest["source"]["inputs"]:
        reasons.update(item["skipped"])
    reason, count = next(iter(reasons.most_common(1)), (None, 0))
    path = manifest["output"]["path"] if manifest["output"] else "-"
    return {
        "skipped": reasons.total(),
        "skipped_most": reason and {"reason": reason, "records": count},
        "rejected": None if path == "-" else f"{path}{REJECTED}",
    }


def _scored_in(selection: Selection) -> float | None:
    """Seconds that making the scores took, where they were made before they were cut; None where both were one work."""
    ranking = selection.ranking
    return sum(ranking.sources.seconds.values()) if isinstance(ranking.method, Named) else None


def _corpora(selection: Selection) -> list[tuple[str, Corpus]]:
    sources = selection.ranking.sources
    return [("source", sources.pool.corpus), ("target", sources.examples)]


def _read_as(corpus: Corpus) -> dict[str, str]:
    """How most documents were read, and the first of those."""
    example = corpus.sample.mostly()
    return {"as": example.read_as.what, "example": first_line(example.text, _EXAMPLE)}


def _score_bins(chosen: NDArray[np.float64], pool: NDArray[np.float64] | None) -> dict[str, Any]:
    """Quantiles of the chosen scores, and counts in bins of equal width over the scores of all (or the chosen)."""
    scores = chosen if pool is None else pool
    finite = scores[np.isfinite(scores)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    edges = np.linspace(low, high, _BINS + 1) if high > low else np.array([low, low + max(1.0, abs(low))])
    return {
        "quantiles": {str(q): float(np.quantile(chosen, q, method="nearest")) for q in (0, 0.25, 0.5, 0.75, 1)},
        "edges": edges.tolist(),
        "pool": None if pool is None else np.histogram(finite, edges)[0].tolist(),
        "selected": np.histogram(chosen[np.isfinite(chosen)], edges)[0].tolist(),
    }


def _examples(selection: Selection) -> dict[str, list[dict[str, Any]]]:
    count = min(_EXAMPLES, len(selection))
    ranks = list(range(count))
    ranks += range(max(count, len(selection) - _EXAMPLES), len(selection))
    texts = selection.ranking.sources.pool.texts(selection.cut.indices[ranks])
    shown = [
        {"rank": rank + 1, "score": float(selection.scores[rank]), "text": first_line(text)}
        for rank, text in zip(ranks, texts, strict=True)
    ]
    return {"best": shown[:count], "nearest_the_cut": shown[count:]}


def first_line(text: str, width: int = _LINE) -> str:
    """The first line of a text that says anything, cut to a width, control characters made harmless."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = "".join(char if char.isprintable() else " " for char in line)
    return line if len(line) <= width else line[: width - 1] + "…"


def print_summary(summary: dict[str, Any], console: Console) -> None:
    """Print a summary."""
    pool, chosen, output = summary["pool"], summary["selection"], summary["output"]
    console.print(
        f"[bold]{chosen['documents']:,}[/] of {pool['documents']:,} documents selected "
        f"({chosen['documents'] / pool['documents']:.2%}; {megabytes(chosen['bytes'])} of {megabytes(pool['bytes'])}"
        + (f"; {chosen['tokens']:,} tokens" if chosen["tokens"] is not None else "")
        + ")"
    )
    ties = chosen["ties_at_cut"]
    at_cut = f"scores from {chosen['best_score']:.4g} to {chosen['score_at_cut']:.4g} at the cut"
    if ties is not None and ties["left"]:
        tied = ties["taken"] + ties["left"]
        at_cut += f", where {tied:,} documents tie: the first {ties['taken']:,} in source order were taken"
    console.print(at_cut, highlight=False)
    duplicates = "duplicates in the pool"
    if repeated := summary["duplicates_chosen"]:
        duplicates += f", {repeated:,} of them chosen (--dedup exact leaves them out)"
    counts = {duplicates: pool["duplicates"], "empty documents": pool["empty"]}
    notes = [f"{count:,} {what}" for what, count in counts.items() if count]
    notes += [f"{count:,} passed over ({reason})" for reason, count in chosen["dropped"].items()]
    if notes:
        console.print("; ".join(notes), highlight=False)
    if (most := summary["skipped_most"]) is not None:
        share = "" if most["records"] == summary["skipped"] else f"{most['records']:,} of them: "
        what = f"{summary['skipped']:,} bad records skipped ({share}{most['reason']})"
        what += "" if summary["rejected"] is None else f"; all are in {summary['rejected']}"
        console.print(harmless(what), highlight=False, markup=False, soft_wrap=True)
    if 0 < summary["text_files"] < summary["files"]:
        what = f"text and records are mixed: {summary['text_files']:,} of {summary['files']:,} files are text"
        console.print(what, highlight=False)
    if files := summary["files_passed_over"]:
        shown = ", ".join(map(harmless, files[:_FILES])) + (", …" if len(files) > _FILES else "")
        what = f"{len(files):,} files of folders passed over ({shown})"
        if any(map(split_of, files)):
            what += "; FOLDER@SPLIT reads another split"
        console.print(what, highlight=False, markup=False, soft_wrap=True)
    for line in skipped_lines(0, summary["files_unreadable"]):
        console.print(harmless(line), highlight=False, markup=False, soft_wrap=True)
    if nulled := output.get("numbers_made_null"):
        console.print(f"written as null, as JSON has no NaN and no infinity: {nulled:,}", highlight=False)
    if auto := summary["method"]["notes"].get("auto"):
        console.print(_chosen_method(auto), highlight=False, markup=False, soft_wrap=True)
    racing = summary["method"]["notes"]
    if racing.get("statistical"):
        console.print(
            f"statistical: found by racing, from {racing['share_of_pairs_evaluated']:.1%} of the pairs; "
            "the scores are exact",
            highlight=False,
        )
    for line in [_read(summary["read_as"]), *found_lines(summary)]:
        console.print(line, highlight=False, markup=False)
    _print_histogram(summary["scores"], console)
    _print_labels(summary, console)
    for title, examples in summary["examples"].items():
        if examples:
            console.print(f"\n[bold]{title.replace('_', ' ')}[/]")
        for example in examples:
            line = f"{example['rank']:>7,}  {example['score']:<9.4g} {example['text']}"
            console.print(line, markup=False, highlight=False, no_wrap=True, overflow="ellipsis")
    seconds, scored_in = sum(summary["seconds"].values()), summary["scored_in"]
    took = f"{seconds - (scored_in or 0):.1f} s" + ("" if scored_in is None else f"; the scores took {scored_in:.1f} s")
    console.print(f"\nwritten to {harmless(output['path'])} in {took}", highlight=False, markup=False)


def _chosen_method(auto: dict[str, Any]) -> str:
    """Which method `auto` chose, and why."""
    means = {name: sum(bits) / len(bits) for name, bits in auto["bits_per_byte"].items()}
    others = sorted((bits, name) for name, bits in means.items() if name not in (auto["chosen"], "target"))
    splits = len(auto["bits_per_byte"][auto["chosen"]])
    return (
        f"method {auto['chosen']}, chosen by preview: {means[auto['chosen']]:.3f} bits a byte of held-out target, "
        f"best in {auto['best_in']} of {splits} splits; " + ", ".join(f"{name} {bits:.3f}" for bits, name in others)
    )


def skipped_lines(records: int, files: Sequence[dict[str, str]]) -> list[str]:
    """What to say of bad records and files (each with its `reason`) that were passed over; nothing if none were."""
    lines = [f"{records:,} bad records skipped"] if records else []
    lines += [f"{len(files):,} files passed over, as they cannot be read:"] if files else []
    lines += [f"  {item['reason']}" for item in files[:_FILES]]
    return lines + (["  …"] if len(files) > _FILES else [])


def _read(read_as: dict[str, Any]) -> str:
    said = (f'{role} read as: {harmless(item["as"])}, as in "{item["example"]}"' for role, item in read_as.items())
    return "; ".join(said)


def found_lines(summary: dict[str, Any]) -> Iterator[str]:
    """What the selection's makers should hear, each with what to do."""
    found, check = summary["findings"], summary["check"]
    counts = {
        "equal a target example": found["equal_to_examples"],
        "contain a target example whole": found["containing_examples"],
    }
    said = [f"{count:,} chosen documents {what}" for what, count in counts.items() if count]
    if said:
        yield f"{'; '.join(said)} (--exclude TARGET leaves them out)"
    if found["prompts_only"]:
        yield (
            "the target has prompts alone, and most of the source has answers: give the target answers, or try "
            f"{found['prompts_only']}"
        )
    if found["off_task"]:
        yield (
            "the selection looks off the task: its documents hold "
            f"{found['off_task']['typical_words']:.0%} as many words typical of the target as its examples do; "
            "zipfit preview compares methods"
        )
    if check is not None:
        files = ", ".join(harmless(item["name"]) for item in check["inputs"])
        yield f"{check['overlapping']:,} chosen documents overlap with {files}"
        for case in check["cases"]:
            example = f"{harmless(case['test_file'])}, row {case['test_row']}"
            yield f"{case['rank']:>7,}  {case['overlap']:.0%} of {example}: {first_line(case['shared_words'])}"


def megabytes(size: int) -> str:
    """A size for reading: 2.5 kB, 5.0 MB."""
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def _print_histogram(scores: dict[str, Any], console: Console) -> None:
    """One bar a bin on a scale of square roots, so that a small selection shows beside a large pool."""
    totals: Sequence[int] = scores["pool"] or scores["selected"]
    largest = max(max(totals), 1)
    console.print(f"\n[bold]scores[/] ([green]█[/] selected{', ░ pool' if scores['pool'] else ''}; √ scale)")
    for low, total, chosen in zip(_said(scores["edges"]), totals, scores["selected"], strict=False):
        whole = _bar(total, largest)
        part = min(_bar(chosen, largest), whole)
        counts = f"{chosen:,} of {total:,}" if scores["pool"] else f"{chosen:,}"
        console.print(f"{low:>8} [green]{'█' * part}[/]{'░' * (whole - part)} {counts}", highlight=False)


def _said(edges: Sequence[float]) -> list[str]:
    """The edges of bins of one width, with as many decimals as tell them apart."""
    step = edges[1] - edges[0]
    plain = len(edges) > 2 and 1e-7 < step < np.inf  # a single bin has no width to go by
    decimals = max(3, 1 - floor(log10(step))) if plain else None
    return [f"{edge:.3g}" if decimals is None else f"{round(edge, decimals) + 0.0:.{decimals}f}" for edge in edges]


def _bar(count: int, largest: int) -> int:
    return int(np.ceil(_WIDTH * np.sqrt(count / largest)))


def _print_labels(summary: dict[str, Any], console: Console) -> None:
    labels = summary["labels"]
    if summary["labels_in_pool"] < 2:
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title_justify="left")
    table.add_column("label", max_width=40, no_wrap=True)
    for name in ("selected", "of selection", "of pool", "ratio"):
        table.add_column(name, justify="right")
    for row in labels[:_LABELS_SHOWN]:
        table.add_row(
            escape(first_line(row["label"], 40)),
            f"{row['selected']:,}",
            f"{row['share_of_selection']:.1%}",
            f"{row['share_of_pool']:.1%}",
            f"{row['share_of_selection'] / row['share_of_pool']:.1f}x",
        )
    console.print()
    console.print(table)
    rest = labels[_LABELS_SHOWN:]
    none = summary["labels_in_pool"] - len(labels)
    said = []
    if rest:
        said.append(f"{sum(row['selected'] for row in rest):,} documents of {len(rest)} more labels")
    if none:
        said.append(f"{none} of {summary['labels_in_pool']} labels have none")
    if said:
        console.print("; ".join(said), highlight=False)
