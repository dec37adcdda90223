"""Chosen records between reading and writing: added in source order, read back in any, never all in memory."""

from __future__ import annotations

import tempfile
from array import array
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from zipfit.corpus.records import dump_record, parse_record, rows_of
from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from zipfit.corpus.records import Records

_BATCH = 4096


class LineSpool:
    """Chosen records as JSON texts in a temporary file: added in source order, read back in any.

    So a selection may be far larger than memory; 8 bytes a record, its offset, stay in it.
    """

    def __init__(self) -> None:
        self._file = cast("BinaryIO", tempfile.TemporaryFile(prefix="zipfit-spool-"))
        self._offsets = array("q", [0])

    def add(self, records: Records) -> None:
        try:
            lines = records if isinstance(records, list) else [dump_record(record) for record in rows_of(records)]
        except UnicodeDecodeError as error:
            raise ZipfitError("a chosen record holds a string that is not UTF-8: write .parquet or .arrow") from error
        for line in lines:
            self._file.write(line)
            self._offsets.append(self._offsets[-1] + len(line))

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

        batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
        types: dict[str, pa.DataType] = {}
        for batch in batches:
            rows = [parse_record(line) for line in self.lines(batch)]
            for name in dict.fromkeys(name for row in rows for name in row):
                types[name] = _common_type(name, types.get(name), [row.get(name) for row in rows])
        schema = pa.schema(list(types.items()))
        for batch in batches:
            rows = [parse_record(line) for line in self.lines(batch)]
            columns = [_column(name, [row.get(name) for row in rows], kind) for name, kind in types.items()]
            yield pa.Table.from_arrays(columns, schema=schema)

    def close(self) -> None:
        self._file.close()


class TableSpool:
    """Chosen records as Arrow batches of one schema in a temporary, memory-mapped file; see `LineSpool`.

    The file is an Arrow stream, since an Arrow file takes no column whose dictionary differs from batch to batch.
    """

    def __init__(self, schema: pa.Schema) -> None:
        import pyarrow as pa

        self._file = tempfile.NamedTemporaryFile(prefix="zipfit-spool-")
        self._schema = schema
        self._writer: Any = pa.ipc.new_stream(self._file.name, schema)

    def add(self, records: Records) -> None:
        if isinstance(records, list):
            raise ZipfitError("the inputs mix columnar and row formats: write the selection as .jsonl")
        if not records.schema.equals(self._schema):
            raise ZipfitError(
                f"the inputs' columns differ ({_columns_text(self._schema)}; {_columns_text(records.schema)}): "
                "write the selection as .jsonl"
            )
        self._writer.write_batch(records)

    def tables(self, order: Sequence[int]) -> Iterator[pa.Table]:
        """The records at indices `order`, as Arrow tables of a few thousand rows."""
        import pyarrow as pa

        self._writer.close()
        with pa.memory_map(self._file.name) as source:
            table = pa.ipc.open_stream(source).read_all().unify_dictionaries()
            for start in range(0, len(order), _BATCH):
                yield table.take(list(order[start : start + _BATCH]))

    def close(self) -> None:
        self._writer.close()
        self._file.close()


def _columns_text(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)


def _common_type(name: str, known: pa.DataType | None, values: list[Any]) -> pa.DataType:
    import pyarrow as pa

    kind = _column(name, values, None).type
    if known is None:
        return kind
    schemas = [pa.schema([("value", known)]), pa.schema([("value", kind)])]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException as error:
        raise _no_column(name, error) from error


def _column(name: str, values: list[Any], kind: pa.DataType | None) -> pa.Array:
    import pyarrow as pa

    try:
        column = pa.array(values, type=kind)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise _no_column(name, error) from error
    # Arrow turns integers and truth values into floats without a word where another value is a float.
    if pa.types.is_floating(column.type):
        if any(isinstance(v, bool) for v in values):
            raise _no_column(name, ValueError("truth values among numbers"))
        if any(isinstance(v, int) and int(float(v)) != v for v in values):
            raise _no_column(name, ValueError("an integer is too large for a column of floats"))
    return column


def _no_column(name: str, error: Exception) -> ZipfitError:
    return ZipfitError(f"field {name!r} cannot be a column ({str(error).splitlines()[0]}): write .jsonl instead")
