"""Scoring a pool part by part, each part's work kept in a folder as it goes, so that a killed job goes on where it was.

A part is a share of the pool's pieces (`corpus.pieces`), and its folder holds tables: blocks of consecutive records
with their scores. What a block's records belong to is said by its segments: which piece, which rows of it, and what
stamp the file had. A block counts as long as the job is the same and the file's stamp is.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import HeldInput, as_files
from zipfit.corpus.pieces import PieceInput, pieces_of, stamp
from zipfit.errors import ZipfitError, need
from zipfit.methods.base import HasEngine, HasNotes, HasPairs, is_measurer, is_scorer, scores_of
from zipfit.methods.registry import class_path, method_options, short_name
from zipfit.selection.manifest import describe_documents, describe_environment, describe_method, describe_reading
from zipfit.selection.ranking import fit
from zipfit.selection.score_tables import Segment, block_table, read_table, table_about, write_table
from zipfit.selection.sources import Stopwatch
from zipfit.system.ahead import read_ahead
from zipfit.system.progress import TerminalProgress
from zipfit.system.runtime import available_cores
from zipfit.system.values import as_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from zipfit.corpus.corpus import Batch, Rejected
    from zipfit.corpus.inputs import Input
    from zipfit.corpus.pieces import Piece
    from zipfit.corpus.records import Chunk
    from zipfit.corpus.store import Store
    from zipfit.methods.base import Method, Pool
    from zipfit.selection.sources import Sources
    from zipfit.system.texts import Texts

DONE = "done.json"
"""What a part's folder holds when all of it is scored."""

_BLOCK_CHUNKS = 64
"""Chunks of the pool that are scored and kept together: up to 32,768 records, seconds of work."""


@dataclass(frozen=True)
class Kept:
    """A segment, and where its rows are: a table in a folder, and how many rows of it come before."""

    segment: Segment
    store: Store
    table: str
    offset: int

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Its rows."""
        table = _table(self.store, self.table, None if columns is None else tuple(columns))
        return table.slice(self.offset, self.segment.records)


def segments_of(about: dict[str, Any]) -> list[Segment]:
    """The segments that a part's `done.json` or a table's metadata names."""
    return as_type(about["segments"], list[Segment])


def kept_in(store: Store, table: str, about: dict[str, Any]) -> Iterator[Kept]:
    """The segments of a table, and where the rows of each begin."""
    offset = 0
    for segment in segments_of(about):
        yield Kept(segment, store, table, offset)
        offset += segment.records


@lru_cache(maxsize=1)
def _table(store: Store, name: str, columns: tuple[str, ...] | None) -> pa.Table:
    """A table, of which the next segments may be too: of many small files, thousands are."""
    return read_table(store, name, columns)


class _Watched:
    """A pool that remembers whether anybody read it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.was_read = False

    def __iter__(self) -> Iterator[Sequence[str]]:
        self.was_read = True
        return iter(self._pool)

    def map(self, function: Callable[..., Any], only: NDArray[np.bool_] | None = None) -> Iterator[Any]:
        self.was_read = True
        return self._pool.map(function, only)


def can_be_parted(method: Method) -> bool:
    """Whether it looks at documents one by one, so that several machines or several nights can share them."""
    return is_scorer(method) or is_measurer(method)


def check_can_be_parted(method: Method, parts: int) -> None:
    """Check that a method can be scored in so many parts, each kept as it goes.

    Raises:
        ZipfitError: the method ranks the pool as a whole.
    """
    need(
        can_be_parted(method),
        f"{short_name(method)} ranks the pool as a whole, so it cannot be scored "
        + ("in parts: score on one machine, or choose another method" if parts > 1 else "and kept as it goes"),
    )


def score_part(
    sources: Sources,
    method: Method,
    store: Store,
    part: int,
    parts: int,
    unreadable: dict[str, str] | None,
    others: Sequence[Store] = (),
) -> dict[str, Any]:
    """Score one part of a pool, and keep each block as it is done.

    Args:
        sources: the whole pool, and the target.
        method: not fitted yet.
        store: the part's folder. What it holds of the same job is taken over.
        part: which part, from 0, below `parts`.
        parts: how many there are.
        unreadable: collects names and reasons of files that cannot be read, which are passed over; None to raise.
        others: folders of parts that must be of the same job, as far as they are done.

    Returns:
        What the part's `done.json` says (see `scores_schema`), and how many records were `kept` and `scored`.

    Raises:
        ZipfitError: as `rank`; the method ranks the pool as a whole; the folder cannot be written, or another process
            writes there.
    """
    check_can_be_parted(method, parts)
    stopwatch = Stopwatch()
    inputs = sources.pool.corpus.inputs
    counts = Counter(item.name for item in inputs)
    files = [(item.name, stamp(item)) for item in inputs]
    for name, mark in files:
        need(counts[name] == 1, f"{name}: is given twice, and scores are kept by file")
        need(mark is not None, f"{name}: scores are kept of files, from which records are read again")
    pool = _Watched(sources.pool)
    with stopwatch.stage("fit"):
        fit(method, sources, pool)
    job = _job(sources, method, files if pool.was_read else None)
    for other in others:
        found = _done(other)
        need(
            found is None or found["job"] == job,
            f"{other.path}: is done for another job: target, method, options or version differ (give --resume or "
            "--overwrite to score all parts anew)",
        )
    with store.locked():
        done = _done(store)
        if done is not None and done["job"] == job and done["files"] == [list(file) for file in files]:
            return done | {"kept": sum(item["records"] for item in done["segments"]), "scored": 0}
        if store.has(DONE):
            store.remove(DONE)
        with stopwatch.stage("score"):
            scoring = _Scoring(sources, method, store, job, unreadable)
            scoring.run(pieces_of(inputs, part, parts), dict(files))
        about = {
            "job": job,
            "part": part,
            "parts": parts,
            "files": files,
            "description": describe(sources, method),
            "terms": method.terms if is_measurer(method) else None,
            "unreadable": scoring.unreadable or {},
            "tables": scoring.tables,
            "segments": [asdict(segment) for segment in scoring.segments],
            "seconds": sources.seconds | stopwatch.seconds,
        }
        store.write(DONE, json.dumps(about, indent=1).encode())
        for name in store.names():  # of jobs that were another
            if name.endswith(".parquet") and name not in scoring.tables:
                store.remove(name)
    return about | {"kept": scoring.kept, "scored": scoring.scored}


def _done(store: Store) -> dict[str, Any] | None:
    """What a part's folder says of it; None if it is not done, or damaged."""
    from zipfit.selection.scores_schema import read_done

    with suppress(ValueError, RecursionError):
        return read_done(store.read(DONE)) if store.has(DONE) else None
    return None


def describe(sources: Sources, method: Method) -> dict[str, Any]:
    """How a pool was scored, as JSON values; of its inputs, the names alone."""
    files = as_files(sources.source)
    assert files is not None
    return {
        **describe_environment(),
        "source": {"files": {**vars(files), "paths": list(files.paths)}},
        "target": describe_documents(sources.target, sources.examples.inputs),
        "files_passed_over": sources.passed_over,
        "method": describe_method(method, method.notes if isinstance(method, HasNotes) else {}),
        "parameters": {**describe_reading(sources), "skip_bad": sources.reading.skip_bad},
    }


def _job(sources: Sources, method: Method, files: list[tuple[str, str | None]] | None) -> str:
    """What must be the same for scores to be: a hash of all that they depend on, besides the documents."""
    given = as_files(sources.source)
    target = hashlib.sha256()
    for text, group in zip(sources.texts.encoded(), sources.groups, strict=True):
        target.update(b"%d %r " % (len(text), group.encode("utf-8", "surrogatepass")) + text)
    said = {
        "zipfit": version("zipfit"),
        "method": class_path(method),
        "options": method_options(method),
        "engine": method.engine if isinstance(method, HasEngine) else None,
        "notes": method.notes if isinstance(method, HasNotes) else None,
        "reading": asdict(sources.reading),
        "layout": None if given is None else asdict(given.layout),
        "target": target.hexdigest(),
        "pool": files,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class _Held:
    """Consecutive chunks of a piece that wait to be scored; the rest is as of `Segment`."""

    piece: Piece
    stamp: str | None
    first: int
    chunks: list[Chunk] = field(default_factory=list)
    ends: bool = False


class _Scoring:
    """The work on a part."""

    def __init__(
        self, sources: Sources, method: Method, store: Store, job: str, unreadable: dict[str, str] | None
    ) -> None:
        self.segments: list[Segment] = []
        self.tables: list[str] = []
        self.unreadable = unreadable
        self.kept = self.scored = 0
        self._sources = sources
        self._method = method
        self._store = store
        self._job = job
        self._held: list[_Held] = []

    def run(self, pieces: Sequence[Piece], stamps: dict[str, str | None]) -> None:
        """Score what is not scored yet."""
        sources = self._sources
        inputs = sources.pool.corpus.inputs
        known = _known(self._store, self._job)
        terminal = TerminalProgress() if sources.progress else None
        pairs = self._method.pairs_per_document if isinstance(self._method, HasPairs) else 0
        whole = all(piece.is_whole for piece in pieces)
        size = sources.pool.corpus.size() if whole and len(pieces) == len(inputs) else None
        threads = sources.threads or available_cores()
        told = terminal and terminal.begin(size, pairs)
        with told or nullcontext() as advance, ThreadPoolExecutor(threads, thread_name_prefix="zipfit") as executor:
            self._map = executor.map if threads > 1 else map
            self._advance = advance
            kept = {piece: known.get(_key(inputs[piece.input], piece, stamps), []) for piece in pieces}
            finished = {piece for piece, segments in kept.items() if segments and segments[-1].segment.is_last}
            chunks = [self._chunks(piece) for piece in pieces if piece not in finished]
            with closing(read_ahead(lambda chunk: chunk, chunks, threads)) as read:
                for piece in pieces:
                    item = inputs[piece.input]
                    if piece in finished:
                        self._take_over(kept[piece])
                        if advance is not None:
                            advance.raw(item.size() or 0)
                        continue
                    try:
                        self._piece(piece, stamps[item.name], kept[piece], next(read))
                    except _CannotBeReadError as error:
                        if self.unreadable is None:
                            raise ZipfitError(str(error)) from error
                        self.unreadable[item.name] = str(error)
                        self._held = [held for held in self._held if held.piece != piece]
            self._flush()

    def _chunks(self, piece: Piece) -> Iterator[Chunk]:
        item = PieceInput(self._sources.pool.corpus.inputs[piece.input], piece)
        return item.chunks(self._sources.reading.columns, None if self._advance is None else self._advance.raw)

    def _piece(self, piece: Piece, mark: str | None, before: list[Kept], read: Iterator[Chunk]) -> None:
        """Score the records of a piece of which some are kept."""
        item = self._sources.pool.corpus.inputs[piece.input]
        done = sum(kept.segment.records for kept in before)
        row = 0
        taken_over = not before
        for chunk in _readable(read):
            start, row = row, row + len(chunk)
            if row <= done:
                continue
            if not taken_over:
                if start != done:  # chunks end elsewhere than they did: another library read them
                    deque(read, maxlen=0)
                    self._piece(piece, mark, [], self._chunks(piece))
                    return
                self._flush()
                self._take_over(before)
                taken_over = True
            self._hold(piece, mark, start, chunk)
        if not taken_over:
            need(row == done, f"{item.name}: the documents changed while they were being read")
            self._flush()
            self._take_over(before)
        self._hold(piece, mark, row, None)

    def _take_over(self, before: list[Kept]) -> None:
        self.segments += [kept.segment for kept in before]
        self.tables += [kept.table for kept in before if kept.table not in self.tables]
        self.kept += sum(kept.segment.records for kept in before)

    def _hold(self, piece: Piece, mark: str | None, row: int, chunk: Chunk | None) -> None:
        """Put a chunk with those that wait to be scored; None for the end of its piece."""
        if not self._held or self._held[-1].piece != piece:
            self._held.append(_Held(piece, mark, row))
        if chunk is None:
            self._held[-1].ends = True
        else:
            self._held[-1].chunks.append(chunk)
        if sum(len(held.chunks) for held in self._held) >= _BLOCK_CHUNKS:
            self._flush()

    def _flush(self) -> None:
        """Score what waits, and keep it."""
        import pyarrow as pa

        if not self._held:
            return
        held, self._held = self._held, []
        sources = self._sources
        inputs = [HeldInput(sources.pool.corpus.inputs[each.piece.input].name, each.chunks) for each in held]
        rejected: list[Rejected] = []
        corpus = Corpus(inputs, sources.reading, on_rejected=rejected.append if sources.reading.skip_bad else None)
        batches = list(corpus.read())
        values = [*self._map(partial(_values, self._method), [batch.texts for batch in batches])] or [np.empty(0)]
        lengths = np.concatenate([np.empty(0, np.int64), *(batch.texts.lengths for batch in batches)])
        hashes = np.concatenate([np.empty(0, np.uint64), *map(_hashes, batches)])
        segments, good, rows = [], [], 0
        for each, item, bad in zip(held, inputs, corpus.bad_rows, strict=True):
            piece = each.piece
            records = sum(map(len, each.chunks))
            begin = each.chunks[0].first_row if each.chunks else 0
            good += [rows + row for row in range(records) if begin + row not in bad]
            rows += records
            read = sources.pool.corpus.inputs[piece.input].identity() if each.ends and piece.is_whole else {}
            segments.append(
                Segment(
                    item.name,
                    piece.start,
                    piece.stop,
                    each.stamp,
                    each.first,
                    records,
                    item.skipped,
                    each.ends,
                    read.get("bytes"),  # type: ignore[arg-type]
                    read.get("sha256"),  # type: ignore[arg-type]
                )
            )
        labels = pa.array([label for batch in batches for label in batch.labels], pa.string())
        facts = (lengths, hashes, labels)
        table = block_table(rows, np.array(good, np.int64), np.concatenate(values), facts, rejected)
        about = {
            "job": self._job,
            "segments": [asdict(segment) for segment in segments],
            "sample": corpus.sample.to_json(),
        }
        name = f"{hashlib.sha256(json.dumps(about['segments']).encode()).hexdigest()[:16]}.parquet"
        write_table(self._store, name, table, about)
        self.tables.append(name)
        self.segments += segments
        self.scored += rows
        if self._advance is not None:
            self._advance.documents(rows)


def _hashes(batch: Batch) -> NDArray[np.uint64]:
    assert batch.hashes is not None  # of a first pass
    return batch.hashes


class _CannotBeReadError(Exception):
    """A file that cannot be read; the message is the reason."""


def _readable(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Tell what goes wrong in reading a file from what is wrong with a record."""
    try:
        yield from chunks
    except ZipfitError as error:
        raise _CannotBeReadError(str(error)) from error


def _values(method: Method, texts: Texts) -> NDArray[Any]:
    """Scores, or what was measured, as `block_table` takes them."""
    if is_scorer(method):
        return scores_of(method, texts)
    assert is_measurer(method)
    return method.measure(texts)


def _key(item: Input, piece: Piece, stamps: dict[str, str | None]) -> tuple[str, int, int | None, str | None]:
    """What the kept segments of a piece are found by."""
    return item.name, piece.start, piece.stop, stamps[item.name]


def _known(store: Store, job: str) -> dict[tuple[str, int, int | None, str | None], list[Kept]]:
    """The segments in a part's folder that belong to the job, of each piece those that follow each other from row 0."""
    found: dict[tuple[str, int, int | None, str | None], list[Kept]] = defaultdict(list)
    for name in store.names():
        if not name.endswith(".parquet"):
            continue
        about = table_about(store, name)
        if about is None or about.get("job") != job:
            continue
        for kept in kept_in(store, name, about):
            segment = kept.segment
            found[segment.name, segment.begin, segment.end, segment.stamp].append(kept)
    return {key: _following(segments) for key, segments in found.items()}


def _following(kept: list[Kept]) -> list[Kept]:
    taken: list[Kept] = []
    row = 0
    for item in sorted(kept, key=lambda item: (item.segment.first, -item.segment.records, not item.segment.is_last)):
        if item.segment.first == row and not (taken and taken[-1].segment.is_last):
            taken.append(item)
            row += item.segment.records
    return taken
