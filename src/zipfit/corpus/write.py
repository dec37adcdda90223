"""Records out: kept apart until they are written in their order, in the format that an output's extension names."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
import re
import tempfile
from array import array
from bisect import bisect_right
from contextlib import ExitStack, contextmanager, suppress
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from zipfit.corpus.formats import TABLES, format_of_name
from zipfit.corpus.records import dump_record, parse_record, places_of, without_nan
from zipfit.corpus.streams import COMPRESSION_SUFFIXES
from zipfit.errors import BadRecordError, ZipfitError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from zipfit.corpus.records import Records
    from zipfit.corpus.shards import Sharding

SCORE_FIELD = "zipfit_score"
RANK_FIELD = "zipfit_rank"
_ADDED = (SCORE_FIELD, RANK_FIELD)

_ROW_FORMATS = ("jsonl", "json", "csv", "tsv")

_BATCH = 4096
"""Records of a table at a time."""


def output_format(path: str) -> str:
    """The format that an output's extension names; standard output (`-`) is JSON Lines.

    Raises:
        ZipfitError: it names none that can be written.
    """
    kind = "jsonl" if path == "-" else format_of_name(path)
    compressed = path.lower().endswith(COMPRESSION_SUFFIXES)
    if kind in _ROW_FORMATS or (kind in TABLES and not compressed):
        return kind
    raise ZipfitError(
        f"{path}: its extension names no output format: use .jsonl, .json, .csv or .tsv (each also with "
        f"{', '.join(COMPRESSION_SUFFIXES)}), .parquet or .arrow"
    )


class LineSpool:
    """Chosen records as JSON texts in a temporary file: added in source order, read back in any.

    So a selection may be far larger than memory; 8 bytes a record, its offset, stay in it.

    Args:
        strict: write null for NaN and infinity of records that were no JSON text, as JSON has neither.
        text_columns: the fields whose bytes are UTF-8.

    Attributes:
        nulled: how many.
    """

    def __init__(self, strict: bool, text_columns: Collection[str]) -> None:
        self._strict = strict
        self._text_columns = text_columns
        self.nulled = 0
        self._file = cast("BinaryIO", tempfile.TemporaryFile(prefix="zipfit-spool-"))
        self._offsets = array("q", [0])

    def add(self, records: Records) -> None:
        for record in records if isinstance(records, list) else _rows(records):
            line = record if isinstance(record, bytes) else self._line(record)
            self._file.write(line)
            self._offsets.append(self._offsets[-1] + len(line))

    def _line(self, record: dict[str, Any]) -> bytes:
        for name, value in record.items():
            if isinstance(value, bytes) and name in self._text_columns:
                with suppress(UnicodeDecodeError):  # the text was another column's
                    record = record | {name: value.decode("utf-8")}
        try:
            text = dump_record(record)
        except (TypeError, ValueError, RecursionError) as error:
            raise ZipfitError(f"a chosen record has no JSON form: {error}") from error
        if self._strict:
            text, nulled = without_nan(text)
            self.nulled += nulled
        return text

    def lines(self, order: Sequence[int]) -> Iterator[bytes]:
        """The records at indices `order`."""
        for index in order:
            self._file.seek(self._offsets[index])
            yield self._file.read(self._offsets[index + 1] - self._offsets[index])

    def tables(self, order: Sequence[int]) -> Iterator[pa.Table]:
        """The records at indices `order`, as Arrow tables of a few thousand rows and one schema.

        Raises:
            ZipfitError: a field's values have no common Arrow type.
        """
        import pyarrow as pa

        from zipfit.corpus.columns import column_of, common_type

        batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
        types: dict[str, pa.DataType] = {}
        for batch in batches:
            rows = [parse_record(line) for line in self.lines(batch)]
            for name in dict.fromkeys(name for row in rows for name in row):
                types[name] = common_type(name, types.get(name), [row.get(name) for row in rows])
        schema = pa.schema(list(types.items()))
        for batch in batches:
            rows = [parse_record(line) for line in self.lines(batch)]
            columns = [column_of(name, [row.get(name) for row in rows], kind) for name, kind in types.items()]
            yield pa.Table.from_arrays(columns, schema=schema)

    def close(self) -> None:
        self._file.close()


class TableSpool:
    """Chosen records as Arrow batches in temporary, memory-mapped files, one for each run of a schema; see `LineSpool`.

    They are Arrow streams, since an Arrow file takes no column whose dictionary differs from batch to batch.

    Attributes:
        nulled: no number becomes null.
    """

    nulled = 0

    def __init__(self) -> None:
        self._schemas: list[pa.Schema] = []
        self._files: list[Any] = []
        self._writers: list[Any] = []

    def add(self, records: Records) -> None:
        import pyarrow as pa

        if isinstance(records, list):
            raise _mixed()
        if not self._schemas or not records.schema.equals(self._schemas[-1]):
            self._schemas.append(records.schema)
            self._files.append(tempfile.NamedTemporaryFile(prefix="zipfit-spool-"))
            self._writers.append(pa.ipc.new_stream(self._files[-1].name, records.schema))
        self._writers[-1].write_batch(records)

    def tables(self, order: Sequence[int]) -> Iterator[pa.Table]:
        """The records at indices `order`, as Arrow tables of a few thousand rows and one schema.

        Raises:
            ZipfitError: as `columns.together`.
        """
        import pyarrow as pa

        from zipfit.corpus.columns import together

        for writer in self._writers:
            writer.close()
        with ExitStack() as stack:
            sources = [stack.enter_context(pa.memory_map(file.name)) for file in self._files]
            parts = [pa.ipc.open_stream(source).read_all() for source in sources]
            yield from _picked(together(parts), order)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()
        for file in self._files:
            file.close()


def _picked(table: pa.Table, order: Sequence[int]) -> Iterator[pa.Table]:
    """Rows of a table, a few thousand at a time; Arrow would put all of its rows together each time."""
    batches = table.to_batches()
    ends = list(accumulate(batch.num_rows for batch in batches))
    for start in range(0, len(order), _BATCH):
        yield from _rows_at(batches, ends, order[start : start + _BATCH])


def _rows_at(batches: list[pa.RecordBatch], ends: list[int], order: Sequence[int]) -> Iterator[pa.Table]:
    """Rows by their index among those of all batches, of which `ends` are the ends: as one table, if Arrow can."""
    import pyarrow as pa

    by_batch: dict[int, list[int]] = {}
    for place, row in enumerate(order):
        by_batch.setdefault(bisect_right(ends, row), []).append(place)
    parts = [
        batches[number].take(places_of(order[place] - ends[number] + batches[number].num_rows for place in places))
        for number, places in by_batch.items()
    ]
    now = {place: index for index, place in enumerate(chain.from_iterable(by_batch.values()))}
    try:
        table = pa.Table.from_batches(parts).take(places_of(now[place] for place in range(len(order))))
    except pa.ArrowInvalid:  # a column of strings has no more than 2 GiB
        if len(order) == 1:
            raise
        half = len(order) // 2
        yield from _rows_at(batches, ends, order[:half])
        yield from _rows_at(batches, ends, order[half:])
    else:
        yield table


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    from zipfit.corpus.rows import rows_of

    try:
        return rows_of(batch)
    except UnicodeDecodeError as error:
        raise ZipfitError("a chosen record holds a string that is not UTF-8: write .parquet or .arrow") from error


def check_schemas(path: str, schemas: Sequence[pa.Schema], mixed: bool) -> None:
    """Check that a path's format can hold records of tables of these schemas, as far as these tell.

    Args:
        path: an output.
        schemas: of each table.
        mixed: whether there are records of row formats as well.

    Raises:
        ZipfitError: it cannot.
    """
    kind = output_format(path)
    if kind in TABLES and mixed:
        raise _mixed()
    if kind in TABLES and schemas:
        from zipfit.corpus.columns import made_up

        # Each twice, as their dictionaries may differ from batch to batch.
        records = [made_up(schema) for schema in dict.fromkeys(schemas) for _ in range(2)]
        write_records(io.BytesIO(), path, records, range(len(records)), None)


def _mixed() -> ZipfitError:
    return ZipfitError("the inputs mix columnar and row formats: write the selection as .jsonl")


@contextmanager
def _compressed(stream: BinaryIO, suffix: str | None) -> Iterator[BinaryIO]:
    """A file that goes to the stream, compressed as a suffix says: the same bytes each time (no time stamps)."""
    if suffix is None:
        yield stream
    elif suffix == ".zst":
        import zstandard

        # A frame says how long its content is, for readers that ask; so it must be known at the beginning.
        with tempfile.TemporaryFile(prefix="zipfit-spool-") as content:
            yield cast("BinaryIO", content)
            size = content.tell()
            content.seek(0)
            zstandard.ZstdCompressor().copy_stream(content, stream, size=size)
    elif suffix == ".gz":
        with gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0) as file:
            yield cast("BinaryIO", file)
    else:
        library = {".bz2": "bz2", ".xz": "lzma", ".lz4": "lz4.frame"}[suffix]
        with importlib.import_module(library).open(stream, "wb") as file:
            yield file


def write_records(
    stream: BinaryIO,
    path: str,
    batches: Iterable[Records],
    order: Sequence[int],
    added: Sequence[tuple[float, int]] | None,
    text_columns: Collection[str] = (),
) -> int:
    """Write records in a path's format.

    Args:
        stream: where the bytes go.
        path: whose extension names format and compression; `-` is JSON Lines.
        batches: the records in source order.
        order: index of each record to write among those of `batches`, in the order of writing.
        added: for each record of `order`, the score and rank that are added as fields; None to add nothing.
        text_columns: the fields whose bytes are UTF-8, which formats of text write as text; other bytes become base64.

    Returns:
        How many numbers became null, as the format has no NaN and no infinity.

    Raises:
        ZipfitError: the records do not fit the format (columns without a common type, say).
    """
    with _spooled(path, batches, text_columns) as spool:
        if isinstance(spool, LineSpool) and output_format(path) not in TABLES:
            _write_lines(stream, path, spool, order, added)
        else:
            _write_tables(stream, path, _with_columns(spool.tables(order), added))
        return spool.nulled


def as_table(batches: Iterable[Records], order: Sequence[int], added: Sequence[tuple[float, int]] | None) -> pa.Table:
    """Records as an Arrow table; arguments as of `write_records`.

    Raises:
        ZipfitError: their values make no columns, or their columns do not go together.
    """
    import pyarrow as pa

    from zipfit.corpus.columns import table_of, together

    held = list(batches)
    tables = [pa.Table.from_batches([batch]) for batch in held if isinstance(batch, pa.RecordBatch)]
    if tables and len(tables) == len(held):
        whole = together(tables)
        table = pa.concat_tables([whole.slice(0, 0), *_picked(whole, order)])
    else:
        records = [record for batch in held for record in (batch if isinstance(batch, list) else _rows(batch))]
        values = [parse_record(record) if isinstance(record, bytes) else record for record in records]
        table = table_of([values[index] for index in order])
    return next(_with_columns([table], added))


def write_shards(
    open_shard: Callable[[str], AbstractContextManager[BinaryIO]],
    sharding: Sharding,
    batches: Iterable[Records],
    order: Sequence[int],
    added: Sequence[tuple[float, int]] | None,
    text_columns: Collection[str] = (),
) -> tuple[list[int], int]:
    """Write records as several files, which one after another hold what one file would.

    Args:
        open_shard: opens a file by its name; called for one at a time, in order.
        sharding: where to cut.
        batches: as of `write_records`, as all that follow.
        order: likewise.
        added: likewise.
        text_columns: likewise.

    Returns:
        The number of records in each file, and how many numbers became null.

    Raises:
        ZipfitError: as `write_records`.
    """
    path = sharding.names(1)[0]
    with _spooled(path, batches, text_columns) as spool:
        sizes: Iterable[int] = ()
        if isinstance(spool, LineSpool):
            sizes = (len(line) + 1 for line in _with_fields(spool.lines(order), added))
        counts = sharding.counts(len(order), sizes)
        names = sharding.names(len(counts))
        if isinstance(spool, LineSpool) and output_format(path) not in TABLES:
            start = 0
            for name, count in zip(names, counts, strict=True):
                rows = slice(start, start := start + count)
                with open_shard(name) as stream:
                    _write_lines(stream, name, spool, order[rows], None if added is None else added[rows])
        else:
            tables = _with_columns(spool.tables(order), added)
            for name, shard in zip(names, _heads(tables, counts), strict=True):
                with open_shard(name) as stream:
                    _write_tables(stream, name, shard)
        return counts, spool.nulled


@contextmanager
def _spooled(path: str, batches: Iterable[Records], text_columns: Collection[str]) -> Iterator[LineSpool | TableSpool]:
    """Records that are to be written in a path's format, once they are all there."""
    kind = output_format(path)
    strict = kind in ("jsonl", "json")
    spool: LineSpool | TableSpool | None = None
    try:
        for batch in batches:
            if spool is None:
                as_table = kind in TABLES and not isinstance(batch, list)
                spool = TableSpool() if as_table else LineSpool(strict, text_columns)
            spool.add(batch)
        spool = spool or LineSpool(strict, text_columns)
        yield spool
    except BadRecordError as error:
        raise ZipfitError(f"{path}: a chosen record cannot be written: {error}") from error
    finally:
        if spool is not None:
            spool.close()


def _write_lines(
    stream: BinaryIO, path: str, spool: LineSpool, order: Sequence[int], added: Sequence[tuple[float, int]] | None
) -> None:
    kind = output_format(path)
    suffix = next((suffix for suffix in COMPRESSION_SUFFIXES if path.lower().endswith(suffix)), None)
    with _compressed(stream, suffix) as output:
        if kind in ("csv", "tsv"):
            _write_csv(output, spool, order, added, "\t" if kind == "tsv" else ",")
        else:
            _write_json(output, _with_fields(spool.lines(order), added), as_array=kind == "json")


def _heads(tables: Iterator[pa.Table], counts: Sequence[int]) -> Iterator[Iterator[pa.Table]]:
    """Cut tables, one after another, into as many rows as each count says; each part is read before the next."""
    rest: list[pa.Table] = []

    def rows(count: int) -> Iterator[pa.Table]:
        while count:
            table = rest.pop() if rest else next(tables)
            yield table.slice(0, count)
            if table.num_rows > count:
                rest.append(table.slice(count))
            count -= min(count, table.num_rows)

    yield from map(rows, counts)


def _with_fields(lines: Iterable[bytes], added: Sequence[tuple[float, int]] | None) -> Iterator[bytes]:
    """Append score and rank to each JSON object, leaving its own text as it is."""
    if added is None:
        yield from lines
        return
    for line, (score, rank) in zip(lines, added, strict=True):
        text = line.strip()
        if b'"zipfit_' in text:  # perhaps a selection of a selection: the old fields give way
            text = _without_fields(text)
        body = text[:-1].rstrip()
        separator = b"" if body == b"{" else b", "
        yield b'%b%b"%b": %b, "%b": %d}' % (
            body, separator, SCORE_FIELD.encode(), json.dumps(score).encode(), RANK_FIELD.encode(), rank,
        )  # fmt: skip


_FIELDS_AT_END = re.compile(rf',?\s*"{SCORE_FIELD}": [^\s,"{{}}\[\]]+, "{RANK_FIELD}": \d+\s*(?=\}}$)'.encode())


def _without_fields(text: bytes) -> bytes:
    """A JSON object without the score and rank of an earlier selection; all else as it is."""
    import msgspec

    text = _FIELDS_AT_END.sub(b"", text)  # where zipfit writes them
    record = parse_record(text)
    if record.keys().isdisjoint(_ADDED):
        return text
    try:
        fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:  # of NaN, say, which is no JSON
        return dump_record({name: value for name, value in record.items() if name not in _ADDED})
    kept = (dump_record({name: None})[1:-5] + bytes(value) for name, value in fields.items() if name not in _ADDED)
    return b"{" + b", ".join(kept) + b"}"


def _write_json(output: BinaryIO, lines: Iterable[bytes], as_array: bool) -> None:
    if as_array:
        output.write(b"[")
    for index, line in enumerate(lines):
        output.write((b",\n" if index else b"\n") + line if as_array else line + b"\n")
    if as_array:
        output.write(b"\n]\n")


def _write_csv(
    output: BinaryIO,
    spool: LineSpool,
    order: Sequence[int],
    added: Sequence[tuple[float, int]] | None,
    delimiter: str,
) -> None:
    """Write a header that names every record's fields, then the records; nested values as JSON text, null as empty."""
    names = list(dict.fromkeys(name for line in spool.lines(order) for name in parse_record(line)))
    if added is not None:
        names = [*(name for name in names if name not in _ADDED), *_ADDED]
    text = io.TextIOWrapper(output, encoding="utf-8", newline="")
    # The line ends of RFC 4180: with others, the library leaves a carriage return in a value without its quotes.
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    try:
        writer.writerow(names)
        for line in _with_fields(spool.lines(order), added):
            record = parse_record(line)
            writer.writerow([_cell(record.get(name)) for name in names])
        text.flush()
    except UnicodeEncodeError as error:
        raise ZipfitError("a record holds a lone surrogate, which CSV cannot hold: write .jsonl instead") from error
    except csv.Error as error:  # of Python 3.10 alone
        raise ZipfitError(f"a record holds what CSV cannot hold ({error}): write .jsonl instead") from error
    finally:
        text.detach()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _with_columns(tables: Iterable[pa.Table], added: Sequence[tuple[float, int]] | None) -> Iterator[pa.Table]:
    import pyarrow as pa

    start = 0
    for table in tables:
        if added is None:
            yield table
            continue
        part = added[start : start + table.num_rows]
        start += table.num_rows
        kept = table.drop_columns([name for name in _ADDED if name in table.column_names])
        kept = kept.append_column(SCORE_FIELD, pa.array([score for score, _ in part], pa.float64()))
        yield kept.append_column(RANK_FIELD, pa.array([rank for _, rank in part], pa.int64()))


def _write_tables(stream: BinaryIO, path: str, tables: Iterator[pa.Table]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    open_writer = pq.ParquetWriter if output_format(path) == "parquet" else pa.ipc.new_file
    try:
        first = next(tables, pa.table({}))
        with open_writer(stream, first.schema) as writer:
            for table in chain([first], tables):
                writer.write_table(table)
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:  # the file's, not the format's
            raise
        raise ZipfitError(
            f"{path}: the format cannot hold the records ({one_line(error)}): write .jsonl instead"
        ) from error
