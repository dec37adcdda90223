"""Whatever records hold, every exit of a selection takes them or says in one sentence what it cannot hold."""

from __future__ import annotations

import datetime
import decimal
import uuid

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

import zipfit
from zipfit.corpus.inputs import check_output

# An example goes through eight exits.
few = settings(max_examples=settings.default.max_examples // 2)


def nested(value, depth, lists):
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value


ZONES = st.sampled_from(
    [None, datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=-5)), datetime.timezone.max]
)
TEXTS = st.text(st.characters(), max_size=3)  # with lone surrogates
PYTHON_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53 + 1, -(2**63), 2**63, 2**64, 10**80]),
    st.floats(),
    TEXTS,
    st.binary(max_size=3),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.times(timezones=ZONES),
    st.timedeltas(),
    st.decimals(),
    st.sampled_from([decimal.Decimal(10) ** 90, decimal.Decimal("-0"), decimal.Decimal("1e-90")]),
    st.builds(uuid.UUID, int=st.integers(0, 2**128 - 1)),
    st.sampled_from([object(), 1j, range(2), np.float32(1.5), np.arange(3), np.array([["a"]]), np.datetime64("NaT")]),
)
KEYS = st.one_of(TEXTS, st.sampled_from(["text", "x", "1", "zipfit_rank"]), st.integers(0, 2), st.none(), st.booleans())
PYTHON_VALUES = st.recursive(
    PYTHON_LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=3),
        st.sets(st.integers(0, 5) | TEXTS, max_size=2),
        st.builds(nested, inner, st.integers(20, 120), st.booleans()),
    ),
    max_leaves=6,
)


def made(make):
    """What comes of an exit; None if it refuses."""
    try:
        return make()
    except zipfit.ZipfitError:
        return None


@few
@given(st.lists(st.dictionaries(KEYS, PYTHON_VALUES, max_size=3), min_size=1, max_size=3))
def test_records_of_python(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("exits")
    selection = zipfit.select([{**record, "text": "a"} for record in records], ["t"], fraction=1)
    saved = {
        kind: made(lambda kind=kind: selection.save(folder / f"out.{kind}", overwrite=True))
        for kind in ("jsonl", "json", "csv", "arrow", "parquet")
    }
    table, frame = made(selection.to_arrow), selection.to_pandas()
    assert len(frame) == len(records)
    for exit_ in (selection.to_polars, selection.to_dataset):
        other = made(exit_)
        assert other is None or len(other) == len(records)
    assert saved["jsonl"] or not any(saved.values())
    assert table is not None or saved["arrow"] is None
    assert saved["arrow"] is not None or saved["parquet"] is None


FLAT_TYPES = [
    pa.null(), pa.bool_(), pa.int8(), pa.int64(), pa.uint8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(),
    pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2),
    pa.date32(), pa.date64(), pa.time32("s"), pa.time64("ns"), pa.timestamp("s"), pa.timestamp("us"),
    pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.timestamp("ns", "+05:30"), pa.timestamp("s", "PST"),
    pa.duration("s"), pa.duration("ns"), pa.month_day_nano_interval(), pa.decimal32(5, 2), pa.decimal64(10, 3),
    pa.decimal128(38, 0), pa.decimal128(20, 18), pa.decimal256(50, 2), pa.uuid(),
]  # fmt: skip


def fields(inner):
    return st.lists(inner, max_size=2).map(lambda kinds: [pa.field("ab"[i], kind) for i, kind in enumerate(kinds)])


ARROW_TYPES = st.recursive(
    st.sampled_from(FLAT_TYPES),
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(pa.large_list),
        inner.map(pa.list_view),
        inner.map(lambda kind: pa.list_(kind, 2)),
        inner.map(lambda kind: pa.map_(pa.string(), kind)),
        st.builds(pa.dictionary, st.sampled_from([pa.int8(), pa.uint16(), pa.int32(), pa.uint64()]), inner),
        st.builds(pa.run_end_encoded, st.just(pa.int32()), inner),
        fields(inner).map(pa.struct),
        st.builds(
            lambda make, of: make([pa.field("a", of)]), st.sampled_from([pa.sparse_union, pa.dense_union]), inner
        ),
    ),
    max_leaves=3,
)


@st.composite
def arrays(draw, kind, rows):
    """A column of a type, of values that its bytes allow."""
    types = pa.types
    length = draw(st.integers(rows, rows))
    if types.is_struct(kind):
        if not kind.num_fields:
            return pa.array([{}] * length, kind)
        children = [draw(arrays(field.type, length)) for field in kind]
        return pa.StructArray.from_arrays(children, [field.name for field in kind])
    if types.is_union(kind):
        child = draw(arrays(kind.field(0).type, length))
        codes = pa.array([0] * length, pa.int8())
        if kind.mode == "sparse":
            return pa.UnionArray.from_sparse(codes, [child], ["a"])
        return pa.UnionArray.from_dense(codes, pa.array(range(length), pa.int32()), [child], ["a"])
    if types.is_map(kind):
        keys, items = pa.array(["k"] * length), draw(arrays(kind.item_type, length))
        return pa.MapArray.from_arrays(list(range(length + 1)), keys, items)
    if types.is_list(kind) or types.is_large_list(kind):
        maker = pa.ListArray if types.is_list(kind) else pa.LargeListArray
        ends = sorted(draw(st.lists(st.integers(0, 3), min_size=length, max_size=length)))
        return maker.from_arrays([0, *ends], draw(arrays(kind.value_type, 3)))
    if types.is_list_view(kind):
        return pa.ListViewArray.from_arrays([0] * length, [2] * length, draw(arrays(kind.value_type, 2)))
    if types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(draw(arrays(kind.value_type, 2 * length)), 2)
    if types.is_dictionary(kind):
        codes = draw(st.lists(st.none() | st.integers(0, 1), min_size=length, max_size=length))
        return pa.DictionaryArray.from_arrays(pa.array(codes, kind.index_type), draw(arrays(kind.value_type, 2)))
    if types.is_run_end_encoded(kind):
        return pa.RunEndEncodedArray.from_arrays(pa.array([length], pa.int32()), draw(arrays(kind.value_type, 1)))
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, draw(arrays(kind.storage_type, length)))
    return flat(
        kind,
        draw(st.lists(st.sampled_from([None, 0, 1, -1, 2**31, 2**53 + 1, -(2**63)]), min_size=length, max_size=length)),
    )


def flat(kind, numbers):
    types = pa.types
    if types.is_null(kind):
        return pa.nulls(len(numbers))
    if "binary" in str(kind) or "string" in str(kind):
        width = kind.byte_width if types.is_fixed_size_binary(kind) else None
        texts = [None if n is None else str(n)[:width].rjust(width or 0) for n in numbers]
        return pa.array(texts, pa.string()).cast(pa.binary()).cast(kind)
    if types.is_decimal(kind):
        room = decimal.Decimal(10) ** (kind.precision - kind.scale)
        return pa.array([None if n is None else decimal.Decimal(n) % room for n in numbers], kind)
    if types.is_boolean(kind):
        return pa.array([None if n is None else n > 0 for n in numbers])
    if types.is_date64(kind):  # whole days, of milliseconds
        numbers = [None if n is None else n % 2**36 * 86_400_000 for n in numbers]
    if types.is_time(kind):
        numbers = [None if n is None else n % 86_400 for n in numbers]
    width = kind.bit_width // 8
    raw = b"".join((n or 0).to_bytes(16, "little", signed=True)[:width].ljust(width, b"\1") for n in numbers)
    valid = pa.array([n is not None for n in numbers]).buffers()[1]
    return pa.Array.from_buffers(kind, len(numbers), [valid, pa.py_buffer(raw)])


RELATED = [
    [
        kind
        for kind in FLAT_TYPES
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    ],
    [pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")],
    [pa.timestamp(unit, "UTC") for unit in ("s", "ns")],
    [pa.duration(unit) for unit in ("s", "ms", "us", "ns")],
    [pa.null(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int8(), pa.string())],
    [pa.dictionary(pa.int8(), kind) for kind in (pa.string(), pa.int64(), pa.list_(pa.int64()))],
]
WRAPS = [
    pa.list_, pa.large_list, lambda kind: pa.list_(kind, 2), lambda kind: pa.map_(pa.string(), kind),
    lambda kind: pa.struct([("a", kind)]), lambda kind: pa.struct([("b", kind), ("a", kind)]),
]  # fmt: skip


@st.composite
def pairs(draw):
    """Two tables that have a column of one name: of any types, or of ones that are alike but for a leaf."""
    if draw(st.booleans()):
        kinds = [draw(ARROW_TYPES), draw(ARROW_TYPES)]
    else:
        kinds = draw(
            st.sampled_from(RELATED).flatmap(lambda found: st.lists(st.sampled_from(found), min_size=2, max_size=2))
        )
        for wrap in draw(st.lists(st.sampled_from(WRAPS), max_size=2)):
            kinds = [wrap(kind) for kind in kinds]
    return [pa.table({"text": ["a", "b"], "x": draw(arrays(kind, 2))}) for kind in kinds]


@few
@given(pairs())
def test_columns_of_tables(tmp_path_factory, tables):
    folder = tmp_path_factory.mktemp("exits")
    for number, table in enumerate(tables):
        with pa.ipc.new_file(folder / f"{number}.arrow", table.schema) as writer:
            writer.write_table(table)
    source = [folder / "0.arrow", folder / "1.arrow"]
    selection = made(lambda: zipfit.select(source, ["t"], fraction=1))
    if selection is None:
        return
    for kind in ("jsonl", "csv"):
        selection.save(folder / f"out.{kind}", overwrite=True)
    for kind in ("arrow", "parquet"):
        path = str(folder / f"out.{kind}")
        if made(lambda path=path: check_output(path, source) or True):
            try:
                selection.save(path, overwrite=True)
            except zipfit.ZipfitError as error:
                raise AssertionError("it was not known before scoring") from error
            assert len(zipfit.select(path, ["t"], fraction=1)) == 4
            assert kind == "parquet" or len(selection.to_arrow()) == 4
    for exit_ in (selection.to_arrow, selection.to_polars, selection.to_dataset):
        other = made(exit_)
        assert other is None or len(other) == 4
    assert len(selection.to_pandas()) == 4
