from __future__ import annotations

import datetime
import decimal
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import zipfit
from zipfit.corpus.columns import column_of, table_of, together
from zipfit.corpus.inputs import check_output
from zipfit.errors import ZipfitError
from zipfit.selection import select as selecting

DECIMAL = pa.decimal128(10, 2)
DICTIONARY_OF_LISTS = pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array([[1, 2]]))
LISTS_OF_THESE = pa.ListArray.from_arrays([0, 1, 2], DICTIONARY_OF_LISTS)
RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([1]))


def files(folder, *columns):
    """Arrow files with a column `x`, by path."""
    paths = [folder / f"{number}.arrow" for number in range(len(columns))]
    for path, column in zip(paths, columns, strict=True):
        table = pa.table({"text": ["a", "b"], "x": column})
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    return paths


def nulls(kind):
    return pa.nulls(2, kind)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([nulls(pa.int64()), nulls(DECIMAL)], r"'x' is int64 in one and decimal128\(10, 2\) in another"),
        ([nulls(pa.list_(pa.int64())), nulls(pa.list_(DECIMAL))], r"'x' is int64 in one and decimal128\(10, 2\) in an"),
        ([nulls(pa.struct([("a", pa.string()), ("b", pa.int64())])), nulls(pa.struct([("b", DECIMAL)]))],
         r"'x.b' is int64 in one and decimal128\(10, 2\) in another"),
        ([RUNS, nulls(DECIMAL)], r"'x' is int64 in one and decimal128\(10, 2\) in another"),
        ([nulls(pa.list_(pa.int64(), 2)), nulls(pa.list_(DECIMAL))], "'x' is int64 in one and decimal128"),
        ([nulls(pa.map_(pa.string(), pa.int64())), nulls(pa.map_(pa.string(), pa.string()))], "'x' is int64 in one and st"),
        ([nulls(pa.list_(DECIMAL)), nulls(pa.list_(pa.float64()))], "'x' is decimal128.* in one and double in another: no"),
        ([nulls(pa.timestamp("s")), nulls(pa.timestamp("s", "UTC"))], r"is timestamp\[s\] in .* timestamp\[s, tz=UTC\] in"),
        ([nulls(pa.int64()), nulls(pa.int8()), nulls(pa.string())], "'x' is int64 in one and string in another"),
        ([pa.nulls(2), LISTS_OF_THESE], "Unification of list"),
        ([pa.nulls(2), DICTIONARY_OF_LISTS], "Unification of list"),
        ([LISTS_OF_THESE], "'x'.*Unification of list"),
        ([pa.array([[[]] * 2] * 2, pa.list_(pa.list_(pa.struct([]))))], "Cannot write struct type"),
        ([nulls(pa.binary(0))], "Invalid FIXED_LEN_BYTE_ARRAY length: 0"),
        ([pa.array([None, None], pa.list_(pa.month_day_nano_interval()))], "month_day_nano_interval"),
    ],
)  # fmt: skip
def test_types_that_cannot_be_written_are_refused_before_scoring(tmp_path, columns, said):
    with pytest.raises(ZipfitError, match=f"{said}.*write (the selection as )?.jsonl"):
        check_output("out.parquet", files(tmp_path, *columns))


def large(*numbers, kind=None):
    return pa.array(numbers, kind)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (large(2**53 + 1, 2), large(0.5, 1.5), "'x' is int64 and goes out as double"),
        (large([2**53 + 1], [2]), large([0.5], [1.5]), "'x' is int64 and goes out as double"),
        (large({"a": [2**53 + 1]}, None), large({"a": [0.5], "b": 1}, None), "'x.a' is int64 and goes out as double"),
        (large(2**63, 1, kind=pa.uint64()), large(1, 2), "'x' is uint64 and goes out as int64"),
        (large(2**62, 1, kind=pa.timestamp("us")), nulls(pa.timestamp("ns")), r"'x' is timestamp\[us\] and goes .*\[ns\]"),
        (large(2**60, 1, kind=pa.duration("s")), nulls(pa.duration("ns")), r"'x' is duration\[s\] and goes .*\[ns\]"),
        (large(2**60, 1, kind=pa.timestamp("s")), nulls(pa.timestamp("s")), r"'x' is timestamp\[s\] and goes .*\[ms\]"),
    ],
)  # fmt: skip
def test_values_that_do_not_go_into_the_common_type_are_found_before_scoring(tmp_path, one, other, said):
    source = files(tmp_path, other, one)
    with pytest.raises(ZipfitError, match=rf"^{source[1]}: {said}, which .* \(.*\): write the selection as .jsonl$"):
        check_output("out.parquet", source)
    few = files(tmp_path, other, one.slice(1).take(pa.array([0, 0])))  # those that do
    check_output("out.parquet", few)
    selection = zipfit.select(few, ["t"], fraction=1)
    selection.save(tmp_path / "out.parquet", overwrite=True)
    assert selection.to_arrow().num_rows == pq.read_table(tmp_path / "out.parquet").num_rows == 4


def test_the_command_scores_nothing_where_types_or_values_do_not_go_together(zipfit, folder, monkeypatch):
    scored = []
    monkeypatch.setattr(selecting, "rank", lambda *_: scored.append(1))
    for number, columns in enumerate(
        [(nulls(pa.list_(pa.int64())), nulls(pa.list_(DECIMAL))), (large(2**53 + 1, 2), large(0.5, 1.5))]
    ):
        (folder / str(number)).mkdir()
        files(folder / str(number), *columns)
        done = zipfit("select", number, "--target", "target.jsonl", "--top", 2, "-o", "out.parquet")
        assert (done.status, done.err.count("\n")) == (2, 1)
        assert "int64" in done.err
        assert ("double" if number else "decimal128(10, 2)") in done.err
    assert scored == []
    assert not (folder / "out.parquet").exists()


def test_compressed_tables_are_looked_at_too(tmp_path):
    source = files(tmp_path, nulls(pa.list_(pa.int64())), nulls(pa.list_(DECIMAL)))
    for path in source:
        path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ZipfitError, match="'x' is int64 in one and decimal128"):
        check_output("out.arrow", source)


def test_an_unreadable_file_that_is_passed_over_is_so_before_scoring(tmp_path):
    source = files(tmp_path, large(1, 2), large(0.5, 1.5))
    data = source[0].read_bytes()
    place = data.index((1).to_bytes(8, "little") + (2).to_bytes(8, "little"))
    source[0].write_bytes(data[: place - 200] + b"\xff" * 160 + data[place - 40 :])
    check_output("out.arrow", source, skip_bad_files=True)
    with pytest.raises(ZipfitError, match=str(source[0])):
        check_output("out.arrow", source)


@pytest.mark.parametrize("wrap", [lambda kind: kind, pa.list_], ids=["plain", "nested"])
def test_categories_of_several_files_may_be_more_than_each_can_count(tmp_path, wrap):
    kind = wrap(pa.dictionary(pa.int8(), pa.string()))
    tables = []
    for letter in "ab":
        values = pa.array([f"{letter}{number}" for number in range(100)]).dictionary_encode()
        column = values.cast(pa.dictionary(pa.int8(), pa.string()))
        tables.append(
            pa.table({"x": column if wrap is not pa.list_ else pa.ListArray.from_arrays(list(range(101)), column)})
        )
    assert tables[0].schema.field("x").type == kind
    found = together(tables)
    assert found.schema.field("x").type == wrap(pa.dictionary(pa.int32(), pa.string()))
    assert found["x"].to_pylist() == [value for table in tables for value in table["x"].to_pylist()]
    assert together(tables[:1]).schema == tables[0].schema


def test_unions_within_empty_lists_are_read(tmp_path):
    for union in (pa.sparse_union, pa.dense_union):
        empty = pa.nulls(0, union([pa.field("a", pa.int64())]))
        source = files(tmp_path, pa.ListArray.from_arrays([0, 0, 0], empty))
        assert len(zipfit.select(source, ["t"], fraction=1)) == 2


@pytest.mark.parametrize(
    "values",
    [
        [datetime.date(2000, 1, 1), datetime.datetime(2000, 1, 1, 5)],
        [datetime.datetime(2000, 1, 1), datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)],
        [datetime.time(1, tzinfo=datetime.timezone.utc)],
        ["a", b"b"],
        [decimal.Decimal("NaN")], [decimal.Decimal(10) ** 90], [datetime.timedelta.max], [{1: 2, None: 3}],
        [datetime.datetime.max.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-5)))],
    ],
    ids=str,
)  # fmt: skip
def test_values_that_arrow_would_change_or_refuse_are_those_of_their_json(tmp_path, values):
    selection = zipfit.select([{"text": "a", "x": value} for value in values], ["t"], fraction=1)
    selection.save(tmp_path / "out.jsonl")
    expected = [json.loads(line)["x"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    selection.save(tmp_path / "out.parquet", overwrite=True)
    for found in (
        pq.read_table(tmp_path / "out.parquet")["x"].to_pylist(),
        selection.to_arrow()["x"].to_pylist(),
        selection.to_polars()["x"].to_list(),
        list(selection.to_dataset()["x"]),
    ):
        assert found == expected


def test_names_that_are_no_text_are_those_of_their_json():
    assert table_of([{1: "a", None: True}, {"1": "b"}]).to_pydict() == {"1": ["a", "b"], "null": [True, None]}
    with pytest.raises(ZipfitError, match="a chosen record has no JSON form: an object has the field '1' twice"):
        table_of([{1: "a", "1": "b"}])


@pytest.mark.parametrize("values", [[[1.5], [True]], [{"a": True}, {"a": 0.5}], [[[0.5]], [[False]]]])
def test_truth_values_do_not_become_numbers_at_any_depth(values):
    with pytest.raises(ZipfitError, match=r"^field 'x' cannot be a column \(values of several types"):
        column_of("x", values)


@pytest.mark.parametrize("lists", [True, False])
def test_a_column_has_no_more_levels_than_its_readers_take(tmp_path, lists):
    def nested(depth):
        value = 1
        for _ in range(depth):
            value = [value] if lists else {"a": value}
        return value

    source = tmp_path / "pool.jsonl"
    for depth in (32, 33, 90, 900):
        source.write_text(json.dumps({"text": "a", "x": nested(depth)}))
        selection = zipfit.select(source, ["t"], top=1)
        if depth == 32:
            for name in ("out.arrow", "out.parquet"):
                selection.save(tmp_path / name, overwrite=True)
                assert zipfit.select(tmp_path / name, ["t"], top=1)[0]["x"] == nested(depth)
            assert len(selection.to_polars()) == len(selection.to_dataset()) == 1
            continue
        for make in (
            selection.to_arrow,
            selection.to_polars,
            selection.to_dataset,
            lambda selection=selection: selection.save(tmp_path / "new.parquet", overwrite=True),
        ):
            with pytest.raises(
                ZipfitError, match=r"^field 'x' cannot be a column \(nested more than 32 deep\): write .jsonl"
            ):
                make()
    kind = pa.int64()
    for _ in range(33):
        kind = pa.list_(kind)
    with pytest.raises(ZipfitError, match="'x' cannot be a column"):
        check_output("out.parquet", files(tmp_path, nulls(kind)))
