from __future__ import annotations

import datetime
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipfit import select
from zipfit.corpus.records import TableChunk, dump_record
from zipfit.corpus.rows import rows_of
from zipfit.errors import ZipfitError

MOMENT = 1_700_000_000_123_456_789


def values_of(column: pa.Array) -> list[object]:
    return [row["x"] for row in rows_of(pa.record_batch({"x": column}))]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.timestamp("ns"), MOMENT, "2023-11-14T22:13:20.123456789"),
        (pa.timestamp("ns"), -1, "1969-12-31T23:59:59.999999999"),
        (pa.timestamp("ns", "UTC"), MOMENT, "2023-11-14T22:13:20.123456789+00:00"),
        (pa.timestamp("ns", "America/New_York"), MOMENT, "2023-11-14T17:13:20.123456789-05:00"),
        (pa.timestamp("ns"), 1_000_000_000, datetime.datetime(1970, 1, 1, 0, 0, 1)),
        (pa.time64("ns"), 5, "00:00:00.000000005"),
        (pa.time64("ns"), 5_000, datetime.time(0, 0, 0, 5)),
        (pa.duration("ns"), 5, "0:00:00.000000005"),
        (pa.duration("ns"), 1_000_000_000_001, "0:16:40.000000001"),
        (pa.duration("ns"), -1, "-1 day, 23:59:59.999999999"),
        (pa.duration("ns"), 2_000, datetime.timedelta(microseconds=2)),
    ],
)
def test_nanoseconds_are_kept_whatever_holds_them(kind, value, text):
    plain = pa.array([value, None], kind)
    assert values_of(plain) == [text, None]
    assert values_of(plain.dictionary_encode()) == [text, None]
    assert values_of(pa.RunEndEncodedArray.from_arrays([2, 3], plain)) == [text, text, None]
    for of in (pa.list_, pa.large_list, lambda k: pa.list_(k, 1)):
        assert values_of(pa.array([[value], None, [None]], of(kind))) == [[text], None, [None]]
    assert values_of(pa.array([{"a": value, "b": "c"}, None], pa.struct({"a": kind, "b": pa.string()}))) == [
        {"a": text, "b": "c"},
        None,
    ]
    assert values_of(pa.array([[("k", value)], None, []], pa.map_(pa.string(), kind))) == [[("k", text)], None, []]


@given(st.integers(-(2**62), 2**62))
def test_a_moment_is_the_one_that_pandas_writes(value):
    pd = pytest.importorskip("pandas")
    record = rows_of(pa.record_batch({"x": pa.array([value], pa.timestamp("ns", "UTC"))}))[0]
    assert json.loads(dump_record(record)) == {"x": pd.Timestamp(value, unit="ns", tz="UTC").isoformat()}


NESTED = pa.struct({"n": pa.int64(), "t": pa.string(), "l": pa.list_(pa.float64())})


@given(
    st.lists(
        st.none()
        | st.fixed_dictionaries({"n": st.none() | st.integers(-9, 9), "t": st.text("aé🎲\x00"), "l": st.lists(st.floats(0, 1))})
    )
)  # fmt: skip
def test_the_slow_way_gives_what_arrow_gives(rows):
    batch = pa.record_batch({"x": pa.array(rows, NESTED)})
    assert rows_of(batch) == rows_of(batch, "backslashreplace") == batch.to_pylist()


def test_one_value_that_python_has_no_type_for_leaves_the_others_as_they_are():
    far = pa.array([0, 2**40, None], pa.timestamp("s"))
    assert values_of(far)[0] == datetime.datetime(1970, 1, 1)
    assert isinstance(values_of(far)[1], str)
    assert values_of(far)[2] is None


def test_a_rejected_row_with_invalid_utf8_is_kept_readable():
    column = pa.Array.from_buffers(pa.string(), 2, pa.array([b"good", b"a\xff"], pa.binary()).buffers())
    chunk = TableChunk(0, pa.record_batch({"text": column, "when": pa.array([1, 1], pa.timestamp("ns"))}))
    assert chunk.raw(1) == rb"{'text': 'a\\xff', 'when': '1970-01-01T00:00:00.000000001'}"


def test_an_empty_batch_of_unions_is_read_over(tmp_path):
    def batch(numbers):
        values = [pa.array(numbers, pa.int64()), pa.array(["x"] * len(numbers), pa.string())]
        union = pa.UnionArray.from_sparse(pa.array([0] * len(numbers), pa.int8()), values)
        return pa.record_batch({"text": pa.array(map(str, numbers), pa.string()), "union": union})

    batches = [batch([1, 2]), batch([]), batch([3])]
    with pa.ipc.new_file(tmp_path / "a.arrow", batches[0].schema) as writer:
        for each in batches:
            writer.write_batch(each)
    selection = select(str(tmp_path / "a.arrow"), ["2"], top=3)
    assert sorted(record["union"] for record in selection.records) == [1, 2, 3]


@pytest.mark.parametrize("kind", ["parquet", "arrow", "table"])
def test_a_struct_with_a_field_twice_is_refused_before_scoring(tmp_path, kind):
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    source: object = pa.table({"text": ["x"], "nested": pa.array([[None]], pa.list_(twice.type))})
    if kind == "parquet":
        source, table = tmp_path / "a.parquet", source
        pq.write_table(table, source)
    elif kind == "arrow":
        source, table = tmp_path / "a.arrow", source
        with pa.ipc.new_file(source, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(ZipfitError, match="has the field 'a' twice"):
        select(source, ["x"], top=1)


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pandas", "polars", "datasets"):
            raise ModuleNotFoundError(name)

if sys.argv[1] == "without":
    sys.meta_path.insert(0, Missing())
else:
    import pandas

from zipfit import select

for name in sys.argv[3:]:
    print(select(sys.argv[2], ["river melon"], top=30).save(name)["output"]["sha256"])
assert ("pandas" in sys.modules) == (sys.argv[1] == "with")
"""


def test_the_output_is_the_same_with_and_without_pandas(tmp_path):
    pytest.importorskip("pandas")
    moments = pa.array([i * 123_456_789 if i % 3 else i * 1000 for i in range(40)], pa.timestamp("ns"))
    table = pa.table(
        {
            "text": [f"river melon {i} anchor" for i in range(40)],
            "when": moments,
            "span": moments.cast(pa.int64()).cast(pa.duration("ns")),
            "nested": pa.StructArray.from_arrays([moments], ["at"]),
        }
    )
    pq.write_table(table, tmp_path / "pool.parquet", row_group_size=7)
    hashes = []
    for which in ("with", "without"):
        outputs = [
            str(tmp_path / f"{which}-{kind}.{kind}") for kind in ("jsonl", "json", "csv", "tsv", "parquet", "arrow")
        ]
        run = [sys.executable, "-c", WITHOUT, which, str(tmp_path / "pool.parquet"), *outputs]
        hashes.append(subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout.split())
    assert len(hashes[0]) == 6
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["GMT+3", "PST", "Nowhere/Land", "UTC+01:00"])
def test_a_moment_in_an_unknown_time_zone_is_the_same_in_utc(tmp_path, unit, zone):
    counts = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    moments = pa.array([90 * counts[unit], None], pa.timestamp(unit, zone))
    pq.write_table(pa.table({"text": ["a", "b"], "when": moments}), tmp_path / "a.parquet")
    selection = select(str(tmp_path / "a.parquet"), ["a"], top=2)
    [record] = [record for record in selection.records if record["when"] is not None]
    assert record["when"] == datetime.datetime(1970, 1, 1, 0, 1, 30, tzinfo=datetime.timezone.utc)
    for kind in ("jsonl", "json", "csv", "parquet", "arrow"):
        selection.save(tmp_path / f"{kind}.{kind}")
    assert '"1970-01-01T00:01:30+00:00"' in (tmp_path / "jsonl.jsonl").read_text()


def test_json_is_what_it_says(tmp_path):
    said = ['{"a": [1, "x"]}', "3", '"text"', "null", None, "no JSON", "[" * 100_000]
    values = [{"a": [1, "x"]}, 3, "text", None, None, "no JSON", "[" * 100_000]
    column = pa.ExtensionArray.from_storage(pa.json_(), pa.array(said))
    batch = pa.RecordBatch.from_arrays(
        [column, pa.ListArray.from_arrays([0, *range(1, len(said) + 1)], column)], ["j", "l"]
    )
    assert rows_of(batch) == [{"j": value, "l": [value]} for value in values]
    chats = [json.dumps({"role": role, "content": role}) for role in ("user", "assistant")]
    messages = pa.ListArray.from_arrays([0, 2], pa.ExtensionArray.from_storage(pa.json_(), pa.array(chats)))
    pq.write_table(pa.table({"messages": messages}), tmp_path / "chats.parquet")
    (chosen,) = select(str(tmp_path / "chats.parquet"), ["user"], top=1)
    assert chosen["messages"] == [json.loads(chat) for chat in chats]


def test_extension_types_of_others_are_read_by_their_storage():
    class Square(pa.ExtensionType):
        value_type = "float32"  # no type of Arrow, as that of an array of `datasets`

        def __init__(self):
            super().__init__(pa.list_(pa.list_(pa.float32())), "zipfit.square")

        def __arrow_ext_serialize__(self):
            return b""

    column = pa.ExtensionArray.from_storage(Square(), pa.array([[[1.0, 2.0]]], pa.list_(pa.list_(pa.float32()))))
    (chosen,) = select(pa.table({"text": ["a"], "m": column}), ["t"], top=1)
    assert chosen["m"] == [[1.0, 2.0]]
