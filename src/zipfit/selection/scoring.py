"""Scoring a pool, or a part of it, into a folder."""

from __future__ import annotations

import os
import reprlib
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zipfit.corpus.pieces import stamp
from zipfit.corpus.store import Store
from zipfit.errors import need
from zipfit.methods.base import Shortlister
from zipfit.methods.registry import as_method
from zipfit.selection.manifest import describe_input
from zipfit.selection.merge import merge_scores, part_name
from zipfit.selection.parts import can_be_parted, describe, score_part
from zipfit.selection.ranking import rank, ranks_and_scores
from zipfit.selection.reading_options import bad_files_share, check_options, open_with
from zipfit.selection.score_tables import (
    MANIFEST,
    SAVING,
    TABLE_ROWS,
    WORK,
    block_table,
    final_table,
    is_final_table,
    write_scores,
)
from zipfit.system.plain_types import check_arguments, is_one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa
    from typing_extensions import Unpack

    from zipfit.corpus.inputs import Documents
    from zipfit.methods.base import Method
    from zipfit.selection.reading_options import ReadingOptions
    from zipfit.selection.sources import Sources


def score_pool(
    source: Documents,
    target: Documents,
    folder: str | os.PathLike[str],
    *,
    method: str | Method = "zipfit",
    options: Mapping[str, Any] | None = None,
    part: tuple[int, int] | None = None,
    if_exists: Literal["error", "resume", "overwrite"] = "error",
    **reading: Unpack[ReadingOptions],
) -> dict[str, Any]:
    """Score every document of a pool, or of one part of it, into a folder, which `open_scores` opens.

    Args:
        source: the pool's files, as in `zipfit.select`.
        target: the task's examples, likewise.
        folder: where the scores go: a folder of their own, local or remote.
        method: as in `zipfit.select`; any that scores or ranks all documents.
        options: likewise.
        part: (i, n) for the i-th of n parts, i from 1; `merge_scores` puts them together. For methods that score
            documents one by one. None for the whole pool.
        if_exists: what to do where the folder holds scores already: `resume` goes on with those of the same job, whose
            documents have not changed since.
        reading: as in `zipfit.alignment`.

    Returns:
        The manifest of the scores; of a part, what is said of it.

    Raises:
        TypeError: a keyword is none of these.
        ZipfitError: as `zipfit.select`, or the folder cannot be written, or holds something already.
    """
    need(
        if_exists in ("error", "resume", "overwrite"),
        f"if_exists must be error, resume or overwrite, not {if_exists!r}",
    )
    check_options(reading)
    check_arguments(score_pool, locals())
    is_pair = part is None or (isinstance(part, tuple) and len(part) == 2)
    need(is_pair, f"part must be (i, n) for the i-th of n parts, not {reprlib.repr(part)}")
    for number in part or ():
        need(is_one_of(number, {"int"}), f"part must be of whole numbers, not {reprlib.repr(part)}")
    built = as_method(method, options)
    sources = open_with(reading, source, target, find_bad_files=False)
    how = {"resume": if_exists == "resume", "overwrite": if_exists == "overwrite"}
    return score(sources, built, os.fspath(folder), part=part, **how, max_bad_files=bad_files_share(reading))


def score(
    sources: Sources,
    method: Method,
    folder: str,
    *,
    part: tuple[int, int] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    max_bad_files: float | None = None,
) -> dict[str, Any]:
    """Score a pool, or one part of it, into a folder.

    Args:
        sources: pool and target.
        method: not fitted yet.
        folder: where the scores go.
        part: (i, n) for the i-th of n parts, i from 1: then `merge_scores` puts them together. None for the whole pool.
        resume: go on with what the folder holds of the same job.
        overwrite: begin anew, whatever it holds.
        max_bad_files: pass over files that cannot be read, up to this share; None to pass over none.

    Returns:
        The manifest of the scores, and how many records were `kept` of an earlier run and `scored` in this one; of a
        part, what its `done.json` says with these.

    Raises:
        ZipfitError: as `zipfit.select`; the folder holds something already; a part of no pool, or a method that ranks
            the pool as a whole and cannot be parted.
    """
    store = Store(folder)
    number, parts = part or (1, 1)
    need(parts >= 1 and 1 <= number <= parts, f"part must be from 1/{parts} to {parts}/{parts}, not {number}/{parts}")
    _check_folder(store, number, parts, resume=resume, overwrite=overwrite)
    need(
        not isinstance(method, Shortlister),
        "racing finds the head of a ranking for one budget, so it gives no scores to keep: use zipfit",
    )
    unreadable = None if max_bad_files is None else {item["name"]: item["reason"] for item in sources.unreadable or ()}
    if parts == 1 and not can_be_parted(method):
        return _score_whole(sources, method, store)
    own = store.below(f"{WORK}/{part_name(number, parts)}")
    again = resume or overwrite  # when the other parts may be of the job that this one is to take the place of
    others = [] if again else [store.below(f"{WORK}/{name}") for name in store.below(WORK).names()]
    done = score_part(sources, method, own, number - 1, parts, unreadable, others)
    if part is not None:
        return done
    manifest = merge_scores(folder, max_bad_files=max_bad_files, overwrite=True)
    return manifest | {name: done[name] for name in ("kept", "scored")}


def _check_folder(store: Store, number: int, parts: int, *, resume: bool, overwrite: bool) -> None:
    names = store.names()
    known = {MANIFEST, WORK, SAVING}
    foreign = [name for name in names if name not in known and not is_final_table(name)]
    need(not foreign, f"{store.path}: holds something else ({', '.join(foreign[:3])}): name a folder of its own")
    work = store.below(WORK)
    own = part_name(number, parts)
    others = [name for name in work.names() if not name.endswith(f"-of-{parts:05d}")]
    wrong_number = f"{work.path}: holds parts of another number ({', '.join(others[:3])})"
    if overwrite:
        if parts == 1:
            for name in names:
                store.remove(name)
        else:
            work.remove(own)
        return
    if resume:
        need(not others, wrong_number)
        return
    need(parts == 1 or not others, wrong_number)
    there = MANIFEST in names or own in work.names() or others
    what = f"part {number} of {parts}" if own in work.names() and parts > 1 else "scores"
    need(
        not there,
        f"{store.path}: holds {what} already (give --resume to go on, or --overwrite to begin {what} anew; in Python "
        "if_exists='resume' or 'overwrite')",
    )


def _score_whole(sources: Sources, method: Method, store: Store) -> dict[str, Any]:
    """Score by a method that ranks the pool as a whole."""
    import pyarrow as pa

    with store.locked():
        ranking = rank(sources, method)
        corpus, facts = sources.pool.corpus, sources.pool.facts
        ranks, scores = ranks_and_scores(ranking.whole(), len(facts.lengths))
        labels = pa.array(facts.label_names, pa.string())
        rejected = iter(() if sources.rejected is None else sources.rejected.of_source(sources.examples))

        def rows() -> Iterator[pa.Table]:
            first = 0
            for item, bad in zip(corpus.inputs, corpus.bad_rows, strict=True):
                total = item.documents + len(bad)
                for start in range(0, total, TABLE_ROWS):
                    count = min(TABLE_ROWS, total - start)
                    good = np.array([row for row in range(count) if start + row not in bad], np.int64)
                    run = slice(first, first + len(good))
                    first = run.stop
                    table = block_table(
                        count,
                        good,
                        scores[run],
                        (facts.lengths[run], facts.hashes[run], labels.take(pa.array(facts.labels[run]))),
                        list(islice(rejected, count - len(good))),
                    )
                    yield final_table(item.name, start, table, (ranks[run], scores[run]))

        described = describe(sources, method)
        inputs = [describe_input(item) | {"stamp": stamp(item)} for item in corpus.inputs]
        source = {**described["source"], "inputs": inputs}
        about = {**described, "source": source, "sample": corpus.sample.to_json()}
        return write_scores(store, about, rows(), sources.seconds | ranking.stopwatch.seconds)
