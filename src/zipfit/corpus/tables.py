"""Parquet and Arrow: rows in batches, of one schema a file."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from zipfit.corpus.records import CHUNK_RECORDS, TableChunk, all_types, pickable, retyped
from zipfit.corpus.remote import is_remote
from zipfit.corpus.streams import RefusedError, is_compressed, naming, open_raw, refuse_foreign
from zipfit.errors import ZipfitError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    import pyarrow.parquet as pq

    from zipfit.corpus.streams import HashedFile, OnRead

# A chunk's rows: of about so many bytes, but no fewer and no more.
_CHUNK_BYTES = 1 << 21
_FEWEST, _MOST = CHUNK_RECORDS // 8, 4 * CHUNK_RECORDS

# A large file is read in parts of whole row groups of about so many bytes, which several threads read side by side: as
# much as waits in chunks for its turn, see `zipfit.system.ahead`.
_PART_BYTES = 1 << 24

_INTERVAL_MONTHS = 21
"""As Arrow numbers its types; pyarrow before 22 has no name for this one."""


# Bytes that tell what a file is that is none of these.
_HEAD = 512


class RowGroups(NamedTuple):
    """Row groups `start` to `stop` of a Parquet file, of which the first begins with the row `first_row`.

    The file's metadata come with them where they were read already.
    """

    start: int
    stop: int
    first_row: int
    metadata: pq.FileMetaData | None = None


@contextmanager
def _random_access(file: HashedFile) -> Iterator[Any]:
    """What Arrow can read at random: where the file lies or, if that is not here, a stream of it."""
    if is_remote(file.path):
        with open_raw(file.path) as stream:
            yield stream
    else:
        yield file.local_path


@contextmanager
def _without_keys() -> Iterator[None]:
    """Say of an encrypted file that it is one; Arrow says which of its own parts were not set up."""
    try:
        yield
    except OSError as error:
        if error.errno is None and "crypt" in str(error):
            raise RefusedError("is encrypted, and zipfit has no key") from error
        raise


@contextmanager
def _decompressed(file: HashedFile) -> Iterator[Any]:
    """The same of a file that may be compressed, by a temporary copy."""
    if not is_compressed(file.local_path):
        with _random_access(file) as source:
            yield source
        return
    with tempfile.NamedTemporaryFile(prefix="zipfit-input-") as copy:
        with file.open() as stream:
            shutil.copyfileobj(stream, copy)
        copy.flush()
        yield copy.name


def read_tables(
    file: HashedFile,
    kind: str,
    columns: Sequence[str] | None,
    progress: OnRead | None,
    groups: RowGroups | None = None,
) -> Iterator[TableChunk]:
    """Read a file's rows in order, or those of some row groups of Parquet; arguments and errors as of `read_chunks`."""
    import pyarrow as pa

    if groups is None:
        file.hash_contents()
    with naming(file.path), _without_keys(), _decompressed(file) as source:
        size = file.bytes or file.size() or 0
        done, row = 0, 0 if groups is None else groups.first_row
        try:
            if kind == "parquet":
                batches = _parquet_batches(file.path, source, columns, groups)
            else:
                batches = _arrow_batches(file.path, source, columns)
            for batch, share in batches:
                # Not `nbytes`, of which pyarrow crashes where a union has no rows, be it within empty lists.
                rows = _rows_at_a_time(batch.get_total_buffer_size(), batch.num_rows)
                for start in range(0, batch.num_rows, rows):
                    yield TableChunk(row + start, batch.slice(start, rows))
                row += batch.num_rows
                if progress is not None:
                    progress(int(size * share) - done)
                    done = int(size * share)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise _unreadable(file, kind, error) from error


def parquet_parts(
    file: HashedFile, columns: Sequence[str] | None, progress: OnRead | None
) -> list[Iterator[TableChunk]]:
    """What `read_tables` yields, in parts that may be read side by side; the first of several hashes the file."""
    whole = [read_tables(file, "parquet", columns, progress)]
    if is_remote(file.path) or (file.size() or 0) < 2 * _PART_BYTES:
        return whole
    stamp = file.stamp()
    try:
        if is_compressed(file.local_path):
            return whole
        metadata = _metadata(file)
    except ZipfitError:  # which is said when the file's turn comes
        return whole
    parts: list[RowGroups] = []
    start = first_row = size = rows = 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        size, rows = size + group.total_byte_size, rows + group.num_rows
        if size >= _PART_BYTES or index + 1 == metadata.num_row_groups:
            parts.append(RowGroups(start, index + 1, first_row, metadata))
            start, first_row, size, rows = index + 1, first_row + rows, 0, 0
    if len(parts) < 2:
        return whole
    return [_hashed(file, stamp), *(_part(file, columns, progress, groups, stamp) for groups in parts)]


def _hashed(file: HashedFile, stamp: tuple[int, ...] | None) -> Iterator[TableChunk]:
    """Nothing; but the hash is then that of what other parts may have read before."""
    file.hash_contents()
    file.need_stamp(stamp)
    yield from ()


def _part(
    file: HashedFile,
    columns: Sequence[str] | None,
    progress: OnRead | None,
    groups: RowGroups,
    stamp: tuple[int, ...] | None,
) -> Iterator[TableChunk]:
    try:
        yield from read_tables(file, "parquet", columns, progress, groups)
    except ZipfitError:
        file.need_stamp(stamp)  # another file's rows are not where this one's were
        raise


def _rows_at_a_time(size: int, rows: int) -> int:
    """Rows of a chunk, where so many rows have so many bytes."""
    return max(_FEWEST, min(_MOST, _CHUNK_BYTES * rows // max(size, 1)))


def need_distinct(name: str, columns: Sequence[str], of: str = "column") -> None:
    """Check that no two columns, or fields of a struct, have one name, as one of the two would be lost.

    Raises:
        ZipfitError: two have.
    """
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise ZipfitError(f"{name}: has the {of} {twice!r} twice")


def check_schema(name: str, schema: pa.Schema) -> None:
    """Check that no name is there twice, in the schema or in a struct of it, and that rows can be picked.

    Raises:
        ZipfitError: one is; or Arrow can pick no rows of a column of its type.
    """
    import pyarrow as pa

    need_distinct(name, schema.names)
    for kind in (each for column in schema.types for each in all_types(column)):
        if kind.id == _INTERVAL_MONTHS:
            raise ZipfitError(f"{name}: has a column of {kind}, of which Arrow gives no values")
        if pa.types.is_struct(kind):
            need_distinct(name, [field.name for field in kind], "field")
    for field in schema:
        try:
            pickable(pa.nulls(0, field.type)).take(pa.nulls(0, pa.int64()))
        except pa.ArrowException as error:
            raise ZipfitError(f"{name}: rows cannot be picked of the column {field.name!r}: {field.type}") from error


def schema_of(file: HashedFile, kind: str) -> pa.Schema:
    """The schema of a file, of which no row is read.

    Raises:
        ZipfitError: as `check_schema`, or the file is not of its format.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with naming(file.path), _without_keys(), _decompressed(file) as source:
        try:
            if kind == "parquet":
                schema = pq.read_schema(source)
            else:
                with _arrow_reader(source, None) as (reader, _):
                    schema = reader.schema
            check_schema(file.path, schema)
        except (pa.ArrowException, UnicodeDecodeError) as error:  # the latter of a column's name
            raise _unreadable(file, kind, error) from error
    return schema


def _unreadable(file: HashedFile, kind: str, error: Exception) -> ZipfitError:
    try:
        with open_raw(file.local_path) as raw:
            refuse_foreign(raw.read(_HEAD))
    except RefusedError as refused:
        return ZipfitError(f"{file.path}: {refused}")
    return ZipfitError(f"{file.path}: not a readable {kind.capitalize()} file ({one_line(error)})")


def row_groups(file: HashedFile) -> list[tuple[int, int]]:
    """Rows and bytes of each row group of a Parquet file that is not compressed as a whole.

    Raises:
        ZipfitError: the file cannot be read.
    """
    metadata = _metadata(file)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    return [(group.num_rows, group.total_byte_size) for group in groups]


def _metadata(file: HashedFile) -> pq.FileMetaData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with naming(file.path), _without_keys(), _random_access(file) as source:
        try:
            return pq.read_metadata(source)
        except pa.ArrowException as error:
            raise _unreadable(file, "parquet", error) from error


def _parquet_batches(
    name: str, source: Any, columns: Sequence[str] | None, groups: RowGroups | None
) -> Iterator[tuple[Any, float]]:
    import pyarrow.parquet as pq

    known = None if groups is None else groups.metadata
    with pq.ParquetFile(source, metadata=known, page_checksum_verification=True) as parquet:
        check_schema(name, parquet.schema_arrow)
        # All of them where no field is named, or the one named is missing: a message names the rest.
        wanted = [name for name in parquet.schema_arrow.names if name in (columns or ())] or None
        total = max(parquet.metadata.num_rows, 1)
        done = 0
        some = range(parquet.metadata.num_row_groups) if groups is None else range(groups.start, groups.stop)
        sizes = map(parquet.metadata.row_group, some)
        at_a_time = min((_rows_at_a_time(group.total_byte_size, group.num_rows) for group in sizes), default=_MOST)
        # Arrow's own threads would take a column each; the reader's take files or row groups, which costs less.
        for batch in parquet.iter_batches(at_a_time, list(some), wanted, use_threads=False):
            done += batch.num_rows
            yield batch, done / total


def _arrow_batches(name: str, source: Any, columns: Sequence[str] | None) -> Iterator[tuple[Any, float]]:
    with _arrow_reader(source, None) as (reader, _):
        check_schema(name, reader.schema)
        wanted = [index for index, column in enumerate(reader.schema.names) if column in (columns or ())] or None
    with _arrow_reader(source, wanted) as (reader, stream):
        if stream is None:
            for index in range(reader.num_record_batches):
                yield _checked(reader.get_batch(index)), (index + 1) / reader.num_record_batches
        else:
            for batch in reader:
                yield _checked(batch), stream.tell() / max(stream.size(), 1)


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, if what its buffers say of each other is right: Arrow takes a file's word for it, and would crash.

    Strings that are not UTF-8 are let pass, as they spoil their own records alone.

    Raises:
        pa.ArrowInvalid: it is not.
    """
    import pyarrow as pa

    plain = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
    for column in batch.columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            if "UTF8" not in str(error):
                raise
            column.cast(retyped(column.type, lambda each: plain.get(each, each))).validate(full=True)
    return batch


@contextmanager
def _arrow_reader(source: Any, fields: list[int] | None) -> Iterator[tuple[Any, Any]]:
    """A reader of an Arrow IPC file or, as Hugging Face `datasets` keeps them, an IPC stream, which comes with it.

    Args:
        source: see `_random_access`.
        fields: indices of the columns to decode; None for all.
    """
    import pyarrow as pa

    options = pa.ipc.IpcReadOptions(included_fields=fields)
    with pa.memory_map(source) if isinstance(source, str) else pa.PythonFile(source, "r") as stream:
        stream.seek(0)
        is_file = stream.read(6) == b"ARROW1"
        stream.seek(0)
        if is_file:
            with pa.ipc.open_file(stream, options=options) as reader:
                yield reader, None
        else:
            with pa.ipc.open_stream(stream, options=options) as reader:
                yield reader, stream
