"""The tables that scores are kept in, and the manifest that names them.

A folder of scores holds `scores.json` (how they were made) and the tables that it names, with a row for each record of
the pool in source order. Its folder `work` holds what they were put together from, part by part.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.reading import NO_LABEL
from zipfit.corpus.write import RANK_FIELD, SCORE_FIELD
from zipfit.errors import ZipfitError, need
from zipfit.selection.manifest import dump_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from zipfit.corpus.corpus import Rejected
    from zipfit.corpus.store import Store

MANIFEST = "scores.json"
WORK = "work"
VERSION = 1

SAVING = "saving"
"""A file that says that a selection of these scores is being written, so that what lies in its place may be its own."""

KEPT = ("bytes", "hash", "label", "place", "reason", "raw")
"""The columns that a block and a final table have in common; the last three are of bad records."""

TABLE_ROWS = 1 << 17
"""Records of a final table."""

_ABOUT = b"zipfit"

# Columns of a block alone: what was measured of the good records, numbers or bytes.
_MEASURE, _FOUND = "measure_", "found"


@dataclass(frozen=True)
class Segment:
    """Consecutive records of a piece that are scored.

    Attributes:
        name: the input.
        begin: `start` of the piece.
        end: its `stop`.
        stamp: of the file then; see `corpus.pieces.stamp`.
        first: the first record's place among the piece's, from 0.
        records: how many, bad ones counted.
        skipped: reason to number of bad ones.
        is_last: whether the piece ends here.
        bytes: of the file, where the piece is all of it and ends here.
        sha256: likewise.
    """

    name: str
    begin: int
    end: int | None
    stamp: str | None
    first: int
    records: int
    skipped: dict[str, int]
    is_last: bool
    bytes: int | None = None
    sha256: str | None = None


def block_table(
    rows: int,
    good: NDArray[np.int64],
    measured: NDArray[Any],
    facts: tuple[NDArray[np.int64], NDArray[np.uint64], pa.Array],
    rejected: Sequence[Rejected],
) -> pa.Table:
    """A block as a table, a row for each record, bad ones too.

    Args:
        rows: R, the number of records.
        good: rows of the N good ones.
        measured: their scores, shape (N,), or what was measured of them: numbers, shape (N, F), or bytes, shape (N,).
        facts: their lengths, hashes and labels, shape (N,).
        rejected: the R - N bad ones.
    """
    import pyarrow as pa

    index = np.full(rows, -1, np.int64)
    index[good] = np.arange(len(good))
    bad = np.flatnonzero(index < 0)
    places: list[Any] = [None] * rows
    reasons: list[Any] = [None] * rows
    raws: list[Any] = [None] * rows
    for row, item in zip(bad.tolist(), rejected, strict=True):
        places[row], reasons[row], raws[row] = item.place, item.reason, item.raw
    take = pa.array(index, mask=index < 0)
    is_scored = measured.ndim == 1 and measured.dtype != object
    scores = pa.array(measured if is_scored else np.full(len(good), np.nan), pa.float64())
    columns = {
        "score": scores.take(take),
        "bytes": pa.array(facts[0], pa.int64()).take(take),
        "hash": pa.array(facts[1], pa.uint64()).take(take),
        "label": facts[2].take(take),
        "place": pa.array(places, pa.string()),
        "reason": pa.array(reasons, pa.string()),
        "raw": pa.array(raws, pa.binary()),
    }
    if measured.dtype == object:
        columns[_FOUND] = pa.array(measured, pa.large_binary()).take(take)
    elif measured.ndim == 2:
        for feature in range(measured.shape[1]):
            columns[f"{_MEASURE}{feature}"] = pa.array(measured[:, feature], pa.float64()).take(take)
    return pa.table(columns)


def measured_of(table: pa.Table) -> NDArray[Any]:
    """What was measured of the good rows of a block, as `block_table` takes it."""
    good = is_good(table)
    if _FOUND in table.column_names:
        return np.array(table[_FOUND].filter(good).to_pylist(), dtype=object)
    columns = [table[name].to_numpy()[good] for name in table.column_names if name.startswith(_MEASURE)]
    return np.column_stack(columns) if columns else np.empty((int(good.sum()), 0))


def is_good(table: pa.Table) -> NDArray[np.bool_]:
    """Which rows of a block are no bad records, shape (R,)."""
    return np.asarray(table["reason"].is_null())


def final_table(
    name: str, first: int, table: pa.Table, order: tuple[NDArray[np.int64], NDArray[np.float64]] | None
) -> pa.Table:
    """Rows of a final table, their positions aside.

    Args:
        name: the input that they are of.
        first: the row of the first of them there.
        table: the block of them.
        order: rank, from 0, and score of each good one, shape (N,), the rank -1 where it is not ranked; None where the
            block's scores are the ranking.
    """
    import pyarrow as pa

    rows = table.num_rows
    scores, ranks = table["score"], pa.nulls(rows, pa.int64())
    if order is not None:
        good = is_good(table)
        take, unranked = pa.array(np.cumsum(good) - 1, mask=~good), order[0] < 0
        ranks = pa.array(order[0], pa.int64(), mask=unranked).take(take)
        scores = pa.array(order[1], pa.float64(), mask=unranked).take(take)
    columns = {
        "file": pa.array([name] * rows, pa.string()),
        "row": pa.array(np.arange(first, first + rows), pa.int64()),
        SCORE_FIELD: scores,
        RANK_FIELD: ranks,
    }
    columns |= {column: table[column] for column in KEPT}
    return pa.table(columns)


def write_table(store: Store, name: str, table: pa.Table, about: dict[str, Any]) -> bytes:
    """Write a table with what it is about, as JSON values; return its bytes, which are always the same."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    said = json.dumps(about, ensure_ascii=True).encode()
    pq.write_table(table.replace_schema_metadata({_ABOUT: said}), buffer, compression="zstd", write_page_checksum=True)
    data = buffer.getvalue()
    store.write(name, data)
    return data


def read_table(store: Store, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table.

    Raises:
        ZipfitError: it is missing, or none that `write_table` wrote.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(
            store.source(name),
            columns=None if columns is None else list(columns),
            partitioning=None,
            page_checksum_verification=True,
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ZipfitError(f"{store.of(name)}: is not a whole table of scores") from error


def table_about(store: Store, name: str) -> dict[str, Any] | None:
    """What a block is about; None if it is none that was written whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from zipfit.selection.scores_schema import read_about

    try:
        metadata = pq.read_schema(store.source(name)).metadata or {}
        return read_about(metadata[_ABOUT])
    except (pa.ArrowException, OSError, KeyError, ValueError, RecursionError):
        return None


def is_final_table(name: str) -> bool:
    """Whether a file in a folder of scores is one of its tables, by its name."""
    return name.startswith("scores-") and name.endswith(".parquet")


def write_scores(
    store: Store, about: dict[str, Any], rows: Iterable[pa.Table], seconds: dict[str, float]
) -> dict[str, Any]:
    """Write the tables and, when all are there, the manifest.

    Args:
        store: the folder.
        about: what the manifest says.
        rows: the tables' rows, in any pieces.
        seconds: by stage, of the scoring.

    Returns:
        The manifest.

    Raises:
        ZipfitError: there is no document, or none has the field that is to label it.
    """
    import pyarrow as pa

    store.remove(MANIFEST)
    written: list[dict[str, Any]] = []
    totals = {"records": 0, "documents": 0, "bytes": 0}
    labels: set[str] = set()

    def write(table: pa.Table) -> None:
        positions = pa.array(np.arange(totals["records"], totals["records"] + table.num_rows))
        table = table.add_column(0, "position", positions).combine_chunks()
        name = f"scores-{len(written):05d}.parquet"
        data = write_table(store, name, table, {})
        about_it = {"records": table.num_rows, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        written.append({"path": name, **about_it})
        totals["records"] += table.num_rows
        totals["documents"] += table.num_rows - table["bytes"].null_count
        totals["bytes"] += table["bytes"].drop_null().to_numpy().sum()
        if len(labels) < 2:
            labels.update(table["label"].unique().drop_null().to_pylist()[:2])

    waiting: list[pa.Table] = []
    for table in rows:
        waiting.append(table)
        while sum(each.num_rows for each in waiting) >= TABLE_ROWS:
            joined = pa.concat_tables(waiting)
            write(joined.slice(0, TABLE_ROWS))
            waiting = [joined.slice(TABLE_ROWS)]
    if sum(each.num_rows for each in waiting):
        write(pa.concat_tables(waiting))
    bad = f"all of its {totals['records']} records are bad" if totals["records"] else "it holds no document"
    need(totals["documents"] > 0, f"the source is empty: {bad}")
    by = about["parameters"]["by"]
    need(by is None or labels != {NO_LABEL}, f"no document has the field {by!r} that is to label it")
    for name in store.names():
        if is_final_table(name) and name not in {each["path"] for each in written}:
            store.remove(name)
    seconds = {name: round(value, 4) for name, value in seconds.items()}
    pool = {name: int(total) for name, total in totals.items()}
    manifest = {"scores_version": VERSION, **about, "pool": pool, "tables": written, "seconds": seconds}
    store.write(MANIFEST, dump_manifest(manifest))
    return manifest
