"""Columns of tables: which values make one, and how those of several tables become one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import types

from zipfit.corpus.records import TableChunk, all_types, dump_record, parse_record, retyped, types_within
from zipfit.errors import BadRecordError, ZipfitError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Arrow's own file format and its interface to other libraries end at 64 levels, the readers of Parquet at 100, of which
# a list takes two; far beyond, polars crashes.
_DEEPEST = 32

_ELSEWHERE = "write the selection as .jsonl"


def table_of(records: Sequence[dict[str, Any]]) -> pa.Table:
    """Records as an Arrow table, with a column for each of their fields.

    A field keeps its values where Arrow has a type for all of them; else they are those of its JSON text (dates as
    text, say), as where records are saved.

    Raises:
        ZipfitError: the values of a field make no column.
    """
    own, plain = [], []
    for record in records:
        try:
            as_json = parse_record(dump_record(record))  # Arrow crashes on a record that holds itself
        except (TypeError, ValueError, RecursionError, BadRecordError) as error:
            raise ZipfitError(f"a chosen record has no JSON form: {error}") from error
        plain.append(as_json)
        own.append(dict(zip(as_json, record.values(), strict=True)))
    columns = {}
    for name in dict.fromkeys(name for record in plain for name in record):
        try:
            columns[name] = column_of(name, [record.get(name) for record in own])
        except ZipfitError:
            columns[name] = column_of(name, [record.get(name) for record in plain])
    return pa.table(columns)


def column_of(name: str, values: list[Any], kind: pa.DataType | None = None) -> pa.Array:
    """The values of a field as a column, of the type given or the one that Arrow finds.

    Raises:
        ZipfitError: they make none, or one that does not give them back.
    """
    try:
        name.encode()
        column = pa.array(values, type=kind)
        # Arrow makes dates of times, floats of truth values, and so on, without a word.
        if not all(map(_is_exact, all_types(column.type))) and not _same(values, column.to_pylist()):
            raise ValueError("values of several types, or ones that no type of Arrow holds")
    except (pa.ArrowException, OverflowError, TypeError, ValueError, RecursionError) as error:
        raise ZipfitError(f"field {name!r} cannot be a column ({one_line(error)}): write .jsonl instead") from error
    _need_shallow(name, column.type)
    return column


def _is_exact(kind: pa.DataType) -> bool:
    plain = (types.is_null, types.is_boolean, types.is_integer, types.is_string, types.is_nested)
    return any(is_kind(kind) for is_kind in plain)


def _same(value: Any, made: Any) -> bool:
    """Whether a value is the one that Arrow made of it; structs have null for a field that a record has not."""
    if isinstance(made, dict):
        return isinstance(value, Mapping) and all(_same(value.get(name), each) for name, each in made.items())
    if isinstance(made, list):
        if {*map(type, value)} == {float} and value == made:  # an embedding, say: at once
            return True
        return len(value) == len(made) and all(map(_same, value, made))
    if isinstance(value, bool) != isinstance(made, bool):
        return False
    return bool(value == made or (value != value and made != made))


def common_type(name: str, known: pa.DataType | None, values: list[Any]) -> pa.DataType:
    """A type for these values of a field and for others, whose type is known.

    Raises:
        ZipfitError: there is none.
    """
    kind = column_of(name, values).type
    if known is None:
        return kind
    try:
        return _common([pa.schema([("value", known)]), pa.schema([("value", kind)])]).field(0).type
    except pa.ArrowException as error:
        raise ZipfitError(f"field {name!r} cannot be a column ({one_line(error)}): write .jsonl instead") from error


def _common(schemas: Sequence[pa.Schema]) -> pa.Schema:
    return pa.unify_schemas(list(schemas), promote_options="permissive")


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one after another, brought to one schema, with one dictionary for each column that has them.

    A column that a table has not is null there; integers become floats, and so on, where no value changes by it.

    Raises:
        ZipfitError: a column's types have none in common, or one that cannot hold a value; the message names both.
    """
    fields = [field for schema in dict.fromkeys(table.schema for table in tables) for field in schema]
    for field in fields:
        _need_shallow(field.name, field.type)
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise _apart(tables, error) from error
    for field in fields:
        for path, kind, common in _differences(field.name, field.type, table.schema.field(field.name).type):
            if types.is_decimal(kind) and types.is_floating(common):
                raise _apart_at(path, kind, common, "no float holds all decimals")
    return _with_one_dictionary(table)


def _with_one_dictionary(table: pa.Table) -> pa.Table:
    try:
        return _unified(table)
    except pa.ArrowException as error:
        name = culprit(table, _unified, (pa.ArrowException,))
        reason = f"{name!r} is {table.schema.field(name).type}: {one_line(error)}"
        raise ZipfitError(f"a table cannot hold the records ({reason}): {_ELSEWHERE}") from error


def _unified(table: pa.Table) -> pa.Table:
    with suppress(pa.ArrowInvalid):  # the indices cannot count so many values
        return table.unify_dictionaries()
    wide = pa.schema([field.with_type(retyped(field.type, _widely_indexed)) for field in table.schema])
    return pa.concat_tables([_empty(wide), table], promote_options="permissive").unify_dictionaries()


def _empty(schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def _widely_indexed(kind: pa.DataType) -> pa.DataType:
    if types.is_dictionary(kind) and kind.index_type.bit_width < pa.int32().bit_width:
        return pa.dictionary(pa.int32(), kind.value_type, kind.ordered)
    return kind


def culprit(table: pa.Table, act: Callable[[pa.Table], object], errors: tuple[type[BaseException], ...]) -> str:
    """The name of the first column that something cannot be done with, of a table that it could not be done with."""
    for name in table.column_names:
        try:
            act(table.select([name]))
        except errors:
            return str(name)
    return ", ".join(table.column_names)


def _need_shallow(name: str, kind: pa.DataType) -> None:
    level = [kind]
    for _ in range(_DEEPEST + 1):
        level = [inner for each in level for inner in types_within(each)]
    if level:
        raise ZipfitError(f"field {name!r} cannot be a column (nested more than {_DEEPEST} deep): write .jsonl instead")


def _apart(tables: Sequence[pa.Table], error: Exception) -> ZipfitError:
    """Why tables do not go together: the first column with two types that do not, and where within it."""
    for name in dict.fromkeys(name for table in tables for name in table.column_names):
        parts: dict[pa.DataType, list[pa.Table]] = {}
        for table in tables:
            if name in table.column_names:
                parts.setdefault(table.schema.field(name).type, []).append(table.select([name]))
        for one, other in combinations(parts, 2):
            try:
                pa.concat_tables(parts[one] + parts[other], promote_options="permissive")
            except pa.ArrowException as reason:
                found = list(_differences(name, one, other))
                return _apart_at(
                    *next((each for each in found if not _go_together(*each[1:])), found[0]), one_line(reason)
                )
    return ZipfitError(f"the inputs' columns do not go together ({one_line(error)}): {_ELSEWHERE}")


def _apart_at(path: str, one: pa.DataType, other: pa.DataType, reason: str) -> ZipfitError:
    return ZipfitError(
        f"the inputs' columns do not go together ({path!r} is {one} in one and {other} in another: {reason}): "
        f"{_ELSEWHERE}"
    )


def _differences(path: str, one: pa.DataType, other: pa.DataType) -> Iterator[tuple[str, pa.DataType, pa.DataType]]:
    """Where two types of a column differ, as deep as they are alike around it; nulls and missing fields aside."""
    if one.equals(other) or types.is_null(one) or types.is_null(other):
        return
    if types.is_struct(one) and types.is_struct(other):
        for field in one:
            if other.get_field_index(field.name) >= 0:
                yield from _differences(f"{path}.{field.name}", field.type, other.field(field.name).type)
        return
    found = []
    if all(is_kind(one) == is_kind(other) for is_kind in (types.is_struct, types.is_map, types.is_dictionary)):
        within = zip(types_within(one), types_within(other), strict=False)
        found = [each for pair in within for each in _differences(path, *pair)]
    yield from found or [(path, one, other)]


def _go_together(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether the types alone tell that two columns go together."""
    try:
        common = _common([pa.schema([("value", one)]), pa.schema([("value", other)])]).field(0).type
    except pa.ArrowException:
        return False
    return _holds(common, one) and _holds(common, other)


def _holds(common: pa.DataType, kind: pa.DataType) -> bool:
    """Whether a type that Arrow brings another to holds all of its values."""
    if types.is_timestamp(kind) or types.is_duration(kind):
        return bool(kind.unit == common.unit)
    if types.is_decimal(kind) or types.is_decimal(common):
        return bool(types.is_decimal(common) and (not types.is_integer(kind) or _bits(kind) <= _whole_bits(common)))
    return _bits(kind) <= _bits(common)


def _whole_bits(kind: pa.DataType) -> int:
    digits: int = max(kind.precision - kind.scale, 0)
    return int((10**digits).bit_length() - 1)


_MANTISSA = {16: 11, 32: 24, 64: 53}


def _bits(kind: pa.DataType) -> int:
    """The bits of integers that a type of numbers tells apart; 0 of other types."""
    if types.is_integer(kind):
        return int(kind.bit_width - types.is_signed_integer(kind))
    return _MANTISSA[int(kind.bit_width)] if types.is_floating(kind) else 0


def undecided(schemas: Sequence[pa.Schema], to_parquet: bool) -> list[pa.Schema]:
    """Of the records of each schema, the columns that may hold a value which cannot be written with the others.

    Args:
        schemas: of the inputs' tables.
        to_parquet: whether they are written to Parquet, which has no times in seconds.

    Returns:
        For each schema, the types that such columns are brought to.

    Raises:
        ZipfitError: as `together`.
    """
    records = [made_up(schema) for schema in schemas]
    common = together([pa.Table.from_batches([record]) for record in records]).schema
    if to_parquet:
        common = pa.schema([field.with_type(retyped(field.type, _in_parquet)) for field in common])
    return [
        pa.schema([field for field in common if field.name in record.schema.names and not _decided(record, field)])
        for record in records
    ]


def _in_parquet(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp("ms", kind.tz) if types.is_timestamp(kind) and kind.unit == "s" else kind


def _decided(record: pa.RecordBatch, common: pa.Field) -> bool:
    kind = record.schema.field(common.name).type
    return all(_holds(other, one) for _, one, other in _differences(common.name, kind, common.type))


def check_values(records: pa.RecordBatch, columns: pa.Schema) -> None:
    """Check that the values of some columns go into other types.

    Args:
        records: with these columns alone.
        columns: the types that they are brought to.

    Raises:
        ZipfitError: one does not.
    """
    table = pa.Table.from_batches([records])
    for field in columns:
        try:
            pa.concat_tables([_empty(pa.schema([field])), table.select([field.name])], promote_options="permissive")
        except pa.ArrowException as error:
            found = _differences(field.name, table.schema.field(field.name).type, field.type)
            path, kind, common = next(each for each in found if not _holds(each[2], each[1]))
            raise ZipfitError(
                f"{path!r} is {kind} and goes out as {common}, which does not hold all of its values "
                f"({one_line(error)}): {_ELSEWHERE}"
            ) from error


def made_up(schema: pa.Schema) -> pa.RecordBatch:
    """A record with an element in each list, as of a column without values formats do not say that they cannot hold it.

    Its columns are those that a record of the schema is taken out with; see `TableChunk.take`.
    """
    columns = [_one(field.type) for field in schema]
    return TableChunk(0, pa.RecordBatch.from_arrays(columns, names=schema.names)).take([0])


def _one(kind: pa.DataType) -> pa.Array:
    """A column of one value."""
    within = [_one(inner) for inner in types_within(kind)]
    if types.is_struct(kind) and within:
        return pa.StructArray.from_arrays(within, fields=list(kind))
    if types.is_union(kind) and within:
        codes, names = pa.array(kind.type_codes[:1], pa.int8()), [kind.field(i).name for i in range(kind.num_fields)]
        if kind.mode == "sparse":
            return pa.UnionArray.from_sparse(codes, within, names, kind.type_codes)
        return pa.UnionArray.from_dense(codes, pa.array([0], pa.int32()), within, names, kind.type_codes)
    if types.is_map(kind):
        return pa.MapArray.from_arrays([0, 1], *within, type=kind)
    if types.is_fixed_size_list(kind) and kind.list_size:
        return pa.FixedSizeListArray.from_arrays(pa.concat_arrays(within * kind.list_size), type=kind)
    if types.is_list(kind) or types.is_large_list(kind):
        return (pa.ListArray if types.is_list(kind) else pa.LargeListArray).from_arrays([0, 1], *within, type=kind)
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        maker = pa.ListViewArray if types.is_list_view(kind) else pa.LargeListViewArray
        return maker.from_arrays([0], [1], *within, type=kind)
    if types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(pa.array([0], kind.index_type), *within, ordered=kind.ordered)
    if types.is_run_end_encoded(kind):
        return pa.RunEndEncodedArray.from_arrays(pa.array([1], kind.run_end_type), *within)
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, *within)
    nulls = pa.nulls(1, kind)
    if types.is_nested(kind) or types.is_null(kind):
        return nulls
    return pa.Array.from_buffers(kind, 1, [None, *nulls.buffers()[1:]])  # as a map's keys must not be null
