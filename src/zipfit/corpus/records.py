"""Runs of consecutive records as a format reads them: JSON text, or Arrow batches.

A record must come out as it went in. So records of row formats travel as the very JSON text that the file holds (no
float is re-written, no big integer rounded, no field reordered), and records of columnar formats as Arrow batches with
their own schema; neither is converted unless the output's format is of the other kind.

There are four kinds of `Chunk`, consecutive records of one file, good and bad alike, and all of them have

- `first_row`: the 0-based row in the file of the first; rows count every record, blank lines excepted;
- `record(index)`: the record as Python values; BadRecordError if it is not a readable record;
- `place(index)`: where the record lies in its file, as a message says it: `line 12` or `record 12`;
- `raw(index)`: the record's bytes, for the file of rejected records;
- `take(indices)`: the records at `indices`, whole, on their way out;
- `plain(fields)`: text and label of all that are plain (see `zipfit.corpus.plain`), or None if that cannot be told.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zipfit.errors import BadRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    import pyarrow as pa

    from zipfit.corpus.json_lines import LinesChunk
    from zipfit.corpus.plain import PlainFields, PlainTexts

    Chunk: TypeAlias = "JsonChunk | LinesChunk | TableChunk | ObjectChunk"
    Records: TypeAlias = list[bytes] | list[dict[str, Any]] | pa.RecordBatch
    """Records on their way out: JSON texts (each one line, without its end), Python's, or an Arrow batch."""


# A chunk is what one thread scores at a time: small enough to share out evenly and to show progress, large enough that
# handing it over costs nothing beside scoring it.
CHUNK_RECORDS = 512
CHUNK_BYTES = 1 << 18

# Rows of a table that are made Python values at a time: few, where one of them is wanted; many, where all are.
_WINDOW = 64


class JsonChunk:
    """Records as JSON text.

    Args:
        first_row: row of the first record.
        places: for each record, where it lies (`line 12`).
        texts: for each record, its JSON text as UTF-8; for one that the format itself could not read, its bytes.
        errors: index to reason, for those.
    """

    def __init__(self, first_row: int, places: list[str], texts: list[bytes], errors: dict[int, str]) -> None:
        self.first_row = first_row
        self._places = places
        self._texts = texts
        self._errors = errors

    def __len__(self) -> int:
        return len(self._texts)

    def record(self, index: int) -> dict[str, Any]:
        if index in self._errors:
            raise BadRecordError(self._errors[index])
        return parse_record(self._texts[index])

    def place(self, index: int) -> str:
        return self._places[index]

    def raw(self, index: int) -> bytes:
        return self._texts[index]

    def take(self, indices: Sequence[int]) -> list[bytes]:
        return [self._texts[index] for index in indices]

    def plain(self, fields: PlainFields) -> PlainTexts | None:  # noqa: ARG002
        return None


class TableChunk:
    """Records as an Arrow batch; `batch` may hold only the columns that the text needs."""

    def __init__(self, first_row: int, batch: pa.RecordBatch) -> None:
        self.first_row = first_row
        self._batch = batch
        self._window = -1
        self._rows: list[dict[str, Any]] | None = None  # of the window

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def record(self, index: int) -> dict[str, Any]:
        from zipfit.corpus.rows import rows_of

        window, place = divmod(index, _WINDOW)
        if window != self._window:
            self._window, self._rows = window, None
            with suppress(UnicodeDecodeError):  # some row's; the others are good
                self._rows = rows_of(self._batch.slice(window * _WINDOW, _WINDOW))
        if self._rows is not None:
            return self._rows[place]
        try:
            return rows_of(self._batch.slice(index, 1))[0]
        except UnicodeDecodeError as error:
            raise BadRecordError(f"invalid UTF-8 at byte {error.start} of a field") from error

    def place(self, index: int) -> str:
        return f"record {self.first_row + index + 1}"

    def raw(self, index: int) -> bytes:
        from zipfit.corpus.rows import rows_of

        return repr(rows_of(self._batch.slice(index, 1), "backslashreplace")[0]).encode("utf-8", "backslashreplace")

    def take(self, indices: Sequence[int]) -> pa.RecordBatch:
        batch = self._batch
        for index, (field, column) in enumerate(zip(batch.schema, batch.columns, strict=True)):
            changed = pickable(column)
            if changed is not column:
                batch = batch.set_column(index, field.with_type(changed.type), changed)
        return batch.take(places_of(indices))

    def narrow(self, columns: Sequence[str] | None) -> TableChunk:
        """The records with these columns alone; with all of them for None, or where none of these is there."""
        names = [name for name in self._batch.schema.names if name in (columns or ())]
        return TableChunk(self.first_row, self._batch.select(names)) if names else self

    def plain(self, fields: PlainFields) -> PlainTexts | None:
        from zipfit.corpus.plain import plain_columns

        return plain_columns(self._batch, fields)


def places_of(indices: Iterable[int]) -> pa.Array:
    """Indices as Arrow takes them; where pandas is installed, Arrow would load it to make an array of a list."""
    import pyarrow as pa

    numbers = array("q", indices)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def pickable(column: pa.Array) -> pa.Array:
    """The column as Arrow picks rows of it and writes it.

    Strings stand for views of them, plain values for run-end-encoded ones, and no dictionary holds a null; also within.

    Raises:
        pa.ArrowException: it cannot be brought to one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, types = column.type, pa.types
    if not any(word in str(kind) for word in ("_view", "run_end_encoded", "dictionary")):
        return column
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return column.cast(pa.large_string() if types.is_string_view(kind) else pa.large_binary())
    if types.is_run_end_encoded(kind):
        return pickable(pc.run_end_decode(column))
    if types.is_dictionary(kind):
        values, codes = pickable(column.dictionary), column.indices
        if values.null_count:
            valid = values.is_valid()
            counted = pc.subtract(pc.cumulative_sum(valid.cast(pa.int64())), 1)
            codes = pc.if_else(valid, counted, pa.scalar(None, pa.int64())).take(codes).cast(kind.index_type)
            values = values.drop_null()
        return pa.DictionaryArray.from_arrays(codes, values, ordered=kind.ordered)
    if types.is_struct(kind):
        children = [pickable(child) for child in column.flatten()]
        return pa.StructArray.from_arrays(children, names=[field.name for field in kind], mask=column.is_null())
    if types.is_map(kind):
        entries = [pickable(column.keys), pickable(column.items)]
        kind = _holding(kind, [each.type for each in entries])
        inner = pa.StructArray.from_arrays(entries, fields=[kind.key_field, kind.item_field])
    elif hasattr(kind, "value_field"):  # a list
        inner = pickable(column.values)
        kind = _holding(kind, [inner.type])
    else:
        return column
    own = column.buffers()[: kind.num_buffers]
    return pa.Array.from_buffers(kind, len(column), own, column.null_count, column.offset, [inner])


def retyped(kind: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """A type with what `change` makes of it and of each type within it, the innermost first."""
    return change(_holding(kind, [retyped(inner, change) for inner in types_within(kind)]))


def types_within(kind: pa.DataType) -> list[pa.DataType]:
    """The types that a type holds: of fields, elements, a map's keys and items, a dictionary's values."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return [kind.storage_type]
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        return [kind.field(index).type for index in range(kind.num_fields)]
    parts = ("key_type", "item_type") if pa.types.is_map(kind) else ("value_type",)
    return [getattr(kind, part) for part in parts if hasattr(kind, part)]


def all_types(kind: pa.DataType) -> list[pa.DataType]:
    """A type and all within it, at every depth."""
    found = [kind]
    for each in found:  # which grows by what each holds
        found += types_within(each)
    return found


def _holding(kind: pa.DataType, inner: Sequence[pa.DataType]) -> pa.DataType:
    """A type that holds others in place of `types_within(kind)`; unions and extensions stay as they are."""
    import pyarrow as pa

    types = pa.types
    if types.is_struct(kind):
        return pa.struct([field.with_type(each) for field, each in zip(kind, inner, strict=True)])
    if types.is_map(kind):
        return pa.map_(kind.key_field.with_type(inner[0]), kind.item_field.with_type(inner[1]))
    if types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, inner[0], kind.ordered)
    if types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(inner[0]), kind.list_size)
    lists = {"list": pa.list_, "large_list": pa.large_list, "list_view": pa.list_view}
    maker = lists.get(str(kind).partition("<")[0], pa.large_list_view)
    return maker(kind.value_field.with_type(inner[0])) if hasattr(kind, "value_field") else kind


class ObjectChunk:
    """Records that are Python dicts or strings already; a string is the record `{"text": string}`."""

    def __init__(self, first_row: int, objects: Sequence[Any]) -> None:
        self.first_row = first_row
        self._objects = objects

    def __len__(self) -> int:
        return len(self._objects)

    def record(self, index: int) -> dict[str, Any]:
        value = self._objects[index]
        if isinstance(value, str):
            return {"text": value}
        if not isinstance(value, Mapping):
            raise BadRecordError(f"the document is of type {type(value).__name__}, neither a string nor a dict")
        return dict(value)

    def place(self, index: int) -> str:
        return f"document {self.first_row + index}"

    def raw(self, index: int) -> bytes:
        return repr(self._objects[index]).encode("utf-8", "backslashreplace")

    def take(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return [self.record(index) for index in indices]

    def plain(self, fields: PlainFields) -> PlainTexts | None:  # noqa: ARG002
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRecordError(f"an object has the field {twice!r} twice")
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def parse_record(text: bytes) -> dict[str, Any]:
    """Parse one JSON object.

    Raises:
        BadRecordError: invalid UTF-8 (with the byte offset), broken JSON (with the column), not an object, or one that
            has a field twice: readers differ in which of the two they take.
    """
    try:
        value = _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadRecordError(f"invalid UTF-8 at byte {error.start} of the line") from error
    except json.JSONDecodeError as error:
        raise BadRecordError(f"broken JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise BadRecordError(f"broken JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadRecordError("the JSON value is not an object")
    return value


def as_object(value: bytes) -> bytes:
    """A JSON string as the record `{"text": string}`, as in memory; what is none is left as it is."""
    if not value.lstrip().startswith(b'"'):
        return value
    try:
        return dump_record({"text": json.loads(value)})
    except ValueError:
        return value


def dump_record(record: dict[str, Any]) -> bytes:
    """Write a record as one line of JSON text.

    Dates, times and decimals become the text that they print as, bytes become base64, arrays lists. Lone surrogates,
    which UTF-8 cannot hold, are written as JSON escapes.

    Raises:
        TypeError: a value has no JSON form.
    """
    return json.dumps(record, ensure_ascii=False, default=_json_value).encode("utf-8", "backslashreplace")


def without_nan(text: bytes) -> tuple[bytes, int]:
    """A record's JSON text with null for NaN and infinity, which Python writes and JSON has not, and their number."""
    if b"NaN" not in text and b"Infinity" not in text:
        return text, 0
    found: list[str] = []
    record = json.loads(text, parse_constant=found.append)
    return (dump_record(record), len(found)) if found else (text, 0)


def _json_value(value: Any) -> Any:
    import base64
    import datetime
    import decimal
    import uuid

    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (datetime.timedelta, decimal.Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")
