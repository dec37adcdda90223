"""The parts of a pool's scores, put together as one machine would have made them."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import FileInput, Files
from zipfit.corpus.pieces import place_in_file
from zipfit.corpus.sample import Sample
from zipfit.corpus.store import Store
from zipfit.corpus.streams import file_at
from zipfit.errors import ZipfitError, need
from zipfit.methods.base import HasNotes, is_measurer
from zipfit.methods.registry import build_method, need_consent
from zipfit.selection.manifest import describe_input, readings_of, whereabouts
from zipfit.selection.parts import DONE, kept_in, segments_of
from zipfit.selection.ranking import ranks_and_scores
from zipfit.selection.score_tables import (
    KEPT,
    MANIFEST,
    WORK,
    final_table,
    is_good,
    measured_of,
    table_about,
    write_scores,
)
from zipfit.selection.sources import CorpusPool, UnreadableFiles
from zipfit.system.runtime import available_cores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from zipfit.corpus.corpus import Rejected
    from zipfit.selection.parts import Kept
    from zipfit.selection.score_tables import Segment


def part_name(number: int, parts: int) -> str:
    """The folder of a part, from 1."""
    return f"{number:05d}-of-{parts:05d}"


def merge_scores(
    folder: str | os.PathLike[str], *, max_bad_files: float | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Put the parts of a pool's scores together.

    The tables are the same, bit for bit, whatever the number of parts.

    Args:
        folder: where `score` put the parts.
        max_bad_files: the largest share of files that the parts may have passed over; None for half of them.
        overwrite: replace what an earlier merge has put together.

    Returns:
        The manifest.

    Raises:
        ZipfitError: a part is missing or not done, parts belong to different jobs, or saw other files; or a table of
            one is gone or damaged.
    """
    store = Store(os.fspath(folder))
    need(overwrite or not store.has(MANIFEST), f"{store.of(MANIFEST)}: exists already (give --overwrite to replace it)")
    work = store.below(WORK)
    done = _parts(work)
    first = done[0]
    unreadable = {name: reason for each in done for name, reason in each["unreadable"].items()}
    stamps = {name: stamp for name, stamp in first["files"] if name not in unreadable}
    if unreadable:
        told = UnreadableFiles(0.5 if max_bad_files is None else max_bad_files)
        for name, reason in unreadable.items():
            told(name, reason)
        told.taken(len(stamps))
    by_name = _segments(work, done, stamps)
    _check_whole(by_name)
    described = dict(first["description"])
    files = Files(**described["source"]["files"])
    inputs = [FileInput(file_at(whereabouts(name, described)), files.layout) for name in stamps]
    for item, kept in zip(inputs, by_name.values(), strict=True):
        _settle(item, [each.segment for each in kept])
    order = _measured_order(described, first["terms"], by_name, inputs)
    told_of_inputs = [
        describe_input(item) | {"name": name, "stamp": stamps[name]} for name, item in zip(stamps, inputs, strict=True)
    ]
    about = {
        **described,
        "source": {**described["source"], "inputs": told_of_inputs},
        **({"files_unreadable": [{"name": n, "reason": r} for n, r in unreadable.items()]} if unreadable else {}),
        "sample": _merged_sample(by_name),
    }
    seconds = {name: sum(each["seconds"].get(name, 0.0) for each in done) for name in first["seconds"]}
    return write_scores(store, about, _rows(described, by_name, order), seconds)


def _parts(work: Store) -> list[dict[str, Any]]:
    from zipfit.selection.scores_schema import read_done

    names = work.names()
    need(bool(names), f"{work.path}: holds no part of any scores")
    numbers = {name.partition("-of-")[2] for name in names}
    need(len(numbers) == 1, f"{work.path}: holds parts of different numbers ({', '.join(sorted(names)[:4])})")
    parts = int(numbers.pop()) if next(iter(numbers)).isdecimal() else 0
    wanted = [part_name(number, parts) for number in range(1, parts + 1)]
    missing = [name for name in wanted if name not in names or not work.below(name).has(DONE)]
    need(
        not missing and set(wanted) == set(names),
        f"{work.path}: {len(missing)} of {parts} parts are missing or not done: {', '.join(missing[:5])}",
    )
    done: list[dict[str, Any]] = []
    for name in wanted:
        path = work.below(name)
        try:
            each = read_done(path.read(DONE))
        except (ValueError, RecursionError) as error:
            raise ZipfitError(f"{path.of(DONE)}: does not say what a part's folder holds ({error})") from error
        need(
            each["job"] == (done[0] if done else each)["job"],
            f"{path.path}: belongs to another job than {work.of(wanted[0])}: target, method, options or version differ",
        )
        need(
            each["files"] == (done[0] if done else each)["files"],
            f"{path.path}: was scored from other files than {work.of(wanted[0])}",
        )
        done.append(each)
    return done


def _segments(work: Store, done: list[dict[str, Any]], names: Iterable[str]) -> dict[str, list[Kept]]:
    """The segments of each file, in the order of its records."""
    by_name: dict[str, list[Kept]] = {name: [] for name in names}
    for each in done:
        store = work.below(part_name(each["part"] + 1, each["parts"]))
        found: dict[Any, Kept] = {}
        for table in each["tables"]:
            about = table_about(store, table)
            need(about is not None, f"{store.of(table)}: is missing, or not whole")
            assert about is not None
            need(about["job"] == each["job"], f"{store.of(table)}: belongs to another job than its part")
            found |= {_key(kept.segment): kept for kept in kept_in(store, table, about)}
        for segment in segments_of(each):
            if segment.name in by_name:
                kept = found.get(_key(segment))
                need(kept is not None, f"{store.path}: holds no scores of {segment.name} from record {segment.first}")
                assert kept is not None
                by_name[segment.name].append(replace(kept, segment=segment))
    return by_name


def _key(segment: Segment) -> Any:
    return (segment.name, segment.begin, segment.end, segment.first, segment.records, segment.is_last)


def _check_whole(by_name: dict[str, list[Kept]]) -> None:
    for name, segments in by_name.items():
        begin: int | None = 0
        row = 0
        for kept in segments:
            segment = kept.segment
            whole = segment.first == row and (segment.begin == begin or segment.first > 0)
            need(begin is not None and whole, f"{name}: its scores have a gap or are there twice; score it again")
            row = segment.first + segment.records
            begin = segment.end if segment.is_last else segment.begin
            row = 0 if segment.is_last else row
        need(bool(segments) and segments[-1].segment.is_last, f"{name}: is not scored to its end")


def _settle(item: FileInput, segments: list[Segment]) -> None:
    """Set what reading an input would have told of it."""
    item.documents = sum(segment.records - sum(segment.skipped.values()) for segment in segments)
    for segment in segments:
        for reason, count in segment.skipped.items():
            item.skipped[reason] = item.skipped.get(reason, 0) + count
    item.file.bytes, item.file.sha256 = segments[-1].bytes, segments[-1].sha256
    if item.file.sha256 is None:
        item.file.hash_contents()


def _measured_order(
    described: dict[str, Any], terms: dict[str, Any] | None, by_name: dict[str, list[Kept]], inputs: list[FileInput]
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Rank and score of each document, of a method that ranks what it measured: see `ranks_and_scores`."""
    if terms is None:
        return None
    method = described["method"]
    need(method["options"] is not None, f"the options of {method['class']} are not known, so it cannot be built again")
    need_consent(method["class"], (), method["options"])
    built = build_method(method["class"], method["options"])
    if not is_measurer(built):
        raise ZipfitError(f"method {method['class']} ranks nothing that it measured")
    built.terms = terms
    measures = (measured_of(kept.rows()) for segments in by_name.values() for kept in segments)
    documents = sum(item.documents for item in inputs)
    reading, _ = readings_of(described)
    corpus = Corpus(inputs, reading, on_rejected=_pass_over if reading.skip_bad else None, threads=available_cores())
    try:
        order = ranks_and_scores(built.rank_measured(measures, CorpusPool(corpus, available_cores(), None)), documents)
    except (LookupError, TypeError, ValueError, zlib.error) as error:  # a stranger may have written it
        raise ZipfitError(f"what the parts measured is nothing that {method['class']} ranks ({error!r})") from error
    if isinstance(built, HasNotes):
        method["notes"] |= built.notes
    return order


def _pass_over(rejected: Rejected) -> None:
    """Nothing: the parts have kept it."""


def _merged_sample(by_name: dict[str, list[Kept]]) -> list[list[Any]]:
    sample = Sample()
    tables = dict.fromkeys((kept.store, kept.table) for segments in by_name.values() for kept in segments)
    for store, table in tables:
        sample.extend((table_about(store, table) or {"sample": []})["sample"])
    return sample.to_json()


def _rows(
    described: dict[str, Any],
    by_name: dict[str, list[Kept]],
    order: tuple[NDArray[np.int64], NDArray[np.float64]] | None,
) -> Iterator[pa.Table]:
    """The rows of the final tables, their positions aside."""
    import pyarrow as pa

    documents = 0
    for name, segments in by_name.items():
        row = 0
        for kept in segments:
            table = kept.rows(["score", *KEPT])
            count = table.num_rows
            if kept.segment.begin and table["place"].null_count < count:
                path = whereabouts(name, described)
                places = [place and place_in_file(path, place) for place in table["place"].to_pylist()]
                table = table.set_column(table.column_names.index("place"), "place", pa.array(places, pa.string()))
            need(count == kept.segment.records, f"{kept.store.of(kept.table)}: is not a whole table of scores")
            run = slice(documents, documents + int(is_good(table).sum()))
            yield final_table(name, row, table, None if order is None else (order[0][run], order[1][run]))
            documents = run.stop
            row += count
