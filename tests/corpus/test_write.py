from __future__ import annotations

import csv
import datetime
import decimal
import gzip
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from support import COMPRESS

from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import open_documents
from zipfit.corpus.outputs import replacing
from zipfit.corpus.reading import Reading
from zipfit.corpus.records import dump_record
from zipfit.corpus.write import as_table, write_records
from zipfit.errors import ZipfitError

ADDED = [(0.5, 1), (0.25, 2), (-0.125, 3)]

RECORDS = [
    {
        "id": 2**53 + 1,
        "text": "naïve 🎲 \u2028 \x00 end",
        "none": None,
        "in": {"list": [{"x": [1, None]}, None], "s": ""},
    },
    {
        "id": -(2**63),
        "text": 'quote " comma , tab \t newline \n return \r',
        "none": None,
        "in": {"list": [], "s": None},
    },
    {"id": 2**63 - 1, "text": "", "none": None, "in": {"list": None, "s": "数"}},
]
NUL = "\0" if sys.version_info >= (3, 11) else ""  # which Python 3.10 writes into no CSV
FLAT = [{"id": str(r["id"]), "text": r["text"].replace("\0", NUL), "other": "x" * i} for i, r in enumerate(RECORDS)]


def write(path, batches, order=(0, 1, 2), added=ADDED):
    with replacing(str(path)) as written:
        write_records(written.file, str(path), batches, list(order), added)
    return written


def read_back(path):
    corpus = Corpus(open_documents("source", path)[0], Reading())
    count = sum(len(batch.texts) for batch in corpus.read())
    return list(corpus.dicts(np.arange(count)))


def with_added(records, added=ADDED):
    return [{**r, "zipfit_score": s, "zipfit_rank": k} for r, (s, k) in zip(records, added, strict=True)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "a.arrow", *(f"a.jsonl{s}" for s in COMPRESS)])
@pytest.mark.parametrize("source", ["json", "table"])
def test_every_format_brings_records_back_unharmed(tmp_path, name, source):
    batches = [[dump_record(r) for r in RECORDS]] if source == "json" else pa.Table.from_pylist(RECORDS).to_batches()
    write(tmp_path / name, batches)
    assert read_back(tmp_path / name) == with_added(RECORDS)


@pytest.mark.parametrize("name", ["a.jsonl.zst", "a.json.zst", "a.csv.zst"])
@pytest.mark.parametrize("count", [0, 1, 3000])
def test_a_zstd_frame_says_how_long_its_content_is(tmp_path, name, count):
    write(tmp_path / name, [[{"text": f"text {i}"} for i in range(count)]], range(count), None)
    data = (tmp_path / name).read_bytes()
    content = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    assert zstandard.get_frame_parameters(data).content_size == len(content)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.tsv.zst"])
def test_csv_brings_back_what_it_can_hold(tmp_path, name):
    write(tmp_path / name, [[dump_record(r) for r in FLAT]])
    added = [(str(score), str(rank)) for score, rank in ADDED]
    assert read_back(tmp_path / name) == with_added(FLAT, added)


def test_csv_writes_nested_values_as_json_and_null_as_empty(tmp_path):
    lines = [b'{"a": null, "b": {"x": [1.10, "\xc3\xa9"]}, "n": 9007199254740993}', b'{"c": true, "big": 1e400}']
    write(tmp_path / "a.csv", [lines], (0, 1), None)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.DictReader(stream)) == [
            {"a": "", "b": '{"x": [1.1, "é"]}', "n": "9007199254740993", "c": "", "big": ""},
            {"a": "", "b": "", "n": "", "c": "true", "big": "Infinity"},
        ]


csv_texts = st.text(st.sampled_from('ab,"\t\n\r é🎲\u2028\x0b'), max_size=8)


@given(st.lists(st.fixed_dictionaries({"text": csv_texts, "b": csv_texts}), min_size=1, max_size=5), st.booleans())
def test_csv_brings_any_strings_back(tmp_path_factory, records, tabs):
    path = tmp_path_factory.mktemp("csv") / ("a.tsv" if tabs else "a.csv")
    if tabs:  # where quotes may be characters of the text, tabs and ends of lines in one field are ambiguous
        records = [{name: text.replace("\t", " ") for name, text in record.items()} for record in records]
    write(path, [[dump_record(r) for r in records]], range(len(records)), None)
    assert read_back(path) == records


def test_json_text_is_carried_over_to_the_letter(tmp_path):
    lines = [
        b'{"x": 1.10, "y": 1e400, "k": 1, "k": 2, "e": "\\u00e9"}',
        b"{ }",
        b'{"text": "says \\"zipfit_score\\": 1.10", "x": 1.10, "y": 1e400}',
    ]
    write(tmp_path / "a.jsonl", [lines])
    found = (tmp_path / "a.jsonl").read_bytes().splitlines()
    assert found == [
        lines[0][:-1] + b', "zipfit_score": 0.5, "zipfit_rank": 1}',
        b'{"zipfit_score": 0.25, "zipfit_rank": 2}',
        lines[2][:-1] + b', "zipfit_score": -0.125, "zipfit_rank": 3}',
    ]


def test_fields_of_an_earlier_selection_give_way(tmp_path):
    old = [{"text": "a", "zipfit_rank": 9, "zipfit_score": 0.9, "n": 1}]
    for name in ("a.jsonl", "a.parquet", "a.csv"):
        write(tmp_path / name, [[dump_record(r) for r in old]], [0], [(0.5, 1)])
        record = read_back(tmp_path / name)[0]
        assert list(record) == ["text", "n", "zipfit_score", "zipfit_rank"]
        assert float(record["zipfit_score"]) == 0.5
    write(tmp_path / "b.parquet", pa.Table.from_pylist(old).to_batches(), [0], [(0.5, 1)])
    assert read_back(tmp_path / "b.parquet") == [{"text": "a", "n": 1, "zipfit_score": 0.5, "zipfit_rank": 1}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
def test_order_and_no_fields(tmp_path, name):
    lines = [dump_record({"text": str(i)}) for i in range(5000)]
    order = [4999, *range(4998, -1, -1)]
    write(tmp_path / name, [lines[:3], lines[3:]], order, None)
    assert read_back(tmp_path / name) == [{"text": str(i)} for i in order]


def test_the_same_records_give_the_same_bytes(tmp_path):
    for name in ["a.parquet", "a.arrow", *(f"a.jsonl{suffix}" for suffix in COMPRESS)]:
        first = write(tmp_path / name, [[dump_record(r) for r in RECORDS]])
        second = write(tmp_path / name, [[dump_record(r) for r in RECORDS[:1]], [dump_record(r) for r in RECORDS[1:]]])
        assert first.sha256 == second.sha256
        assert second.bytes == (tmp_path / name).stat().st_size


def rich_table():
    return pa.table(
        {
            "text": pa.array(["a", "b", "a", "c"], pa.large_string()),
            "kind": pa.array(["x", "y", "x", None]).dictionary_encode(),
            "when": pa.array([0, 1, None, 2**40], pa.timestamp("ns", "UTC")),
            "day": pa.array([datetime.date(2024, 2, 29)] * 4),
            "price": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("-3"), decimal.Decimal("0")]),
            "raw": pa.array([b"\xff\x00", b"", None, b"z"]),
            "vector": pa.array([[1.5, 2.5]] * 4, pa.list_(pa.float32(), 2)),
            "pairs": pa.array([[("k", 1)], [], None, [("a", 2), ("b", 3)]], pa.map_(pa.string(), pa.int64())),
            "nested": pa.array([{"a": [{"b": 1}]}, None, {"a": None}, {"a": []}]),
            "small": pa.array([1, 2, 3, 4], pa.uint8()),
        }
    )


@pytest.mark.parametrize("target", ["parquet", "arrow"])
@pytest.mark.parametrize("source", ["parquet", "arrow"])
def test_columnar_records_keep_every_type(tmp_path, source, target):
    table = rich_table()
    path = tmp_path / f"in.{source}"
    if source == "parquet":
        pq.write_table(table, path, row_group_size=2)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    corpus = Corpus(open_documents("source", path)[0], Reading())
    assert [text for batch in corpus.read() for text in batch.texts] == ["a", "b", "a", "c"]
    out = tmp_path / f"out.{target}"
    write(out, corpus.records(np.array([0, 2, 3])), [2, 0, 1], None)
    found = pq.read_table(out) if target == "parquet" else pa.ipc.open_file(out).read_all()
    assert found.schema.equals(table.schema)
    assert found.to_pylist() == table.take([3, 0, 2]).to_pylist()


def test_dictionaries_may_differ_between_batches(tmp_path):
    parts = [pa.table({"text": ["a"], "kind": pa.array([kind]).dictionary_encode()}) for kind in ("x", "y", "z")]
    for name in ("out.parquet", "out.arrow"):
        write(tmp_path / name, [batch for part in parts for batch in part.to_batches()], [2, 0, 1])
        assert [record["kind"] for record in read_back(tmp_path / name)] == ["z", "x", "y"]


def test_a_dictionary_may_hold_a_null(tmp_path):
    values = pa.array(["x", None, "z"])
    kinds = [pa.DictionaryArray.from_arrays(pa.array(codes), values) for codes in ([0, 1], [None, 2])]
    parts = [pa.table({"text": ["a", "b"], "kind": kind}) for kind in kinds]
    (tmp_path / "in").mkdir()
    for number, part in enumerate(parts):
        with pa.ipc.new_file(tmp_path / "in" / f"{number}.arrow", part.schema) as writer:
            writer.write_table(part)
    corpus = Corpus(open_documents("source", str(tmp_path / "in"))[0], Reading())
    list(corpus.read())
    for name in ("out.parquet", "out.arrow"):
        write(tmp_path / name, corpus.records(np.arange(4)), [3, 2, 1, 0], None)
        assert [record["kind"] for record in read_back(tmp_path / name)] == ["z", None, None, "x"]


def test_columnar_records_as_json(tmp_path):
    write(tmp_path / "a.jsonl", rich_table().slice(0, 1).to_batches(), [0], None)
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {
        "text": "a", "kind": "x", "when": "1970-01-01T00:00:00+00:00", "day": "2024-02-29", "price": "1.10",
        "raw": "/wA=", "vector": [1.5, 2.5], "pairs": [["k", 1]], "nested": {"a": [{"b": 1}]}, "small": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (["1", "{}"], "a"), (["1", '"x"'], "a"), (["9007199254740993", "1.5"], "a"), (["true", "1"], "a"),
        (["1.5", "true"], "a"), (["100000000000000000000000"], "a"), (['"\\ud800"'], "a"), (["{}", "{}"], "a"),
        (['{"b": 9007199254740993}', '{"b": 1.5}'], "a"), (['{"b": 1}', '{"b": [1]}'], "a"), (["[[]]", "[1]"], "a"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
@pytest.mark.parametrize("split", [False, True])
def test_what_a_column_cannot_hold_is_an_error(tmp_path, monkeypatch, values, field, kind, split):
    monkeypatch.setattr("zipfit.corpus.write._BATCH", 1 if split else 4096)
    path = tmp_path / f"a.{kind}"
    lines = [b'{"text": "t", "a": %b}' % value.encode() for value in values]
    if values == ["{}", "{}"] and kind == "arrow":
        write(path, [lines], range(len(lines)), None)
        assert read_back(path)[0] == {"text": "t", "a": {}}
        return
    with pytest.raises(ZipfitError, match=f"'{field}' .*: write .jsonl instead"):
        write(path, [lines], range(len(lines)), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("split", [False, True])
def test_columns_of_records_whose_fields_differ(tmp_path, monkeypatch, split):
    monkeypatch.setattr("zipfit.corpus.write._BATCH", 1 if split else 4096)
    lines = [b'{"text": "a"}', b'{"n": 1, "l": []}', b'{"n": null, "l": ["x"], "text": "c"}']
    write(tmp_path / "a.parquet", [lines], range(3), None)
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == [
        {"text": "a", "n": None, "l": None}, {"text": None, "n": 1, "l": []}, {"text": "c", "n": None, "l": ["x"]},
    ]  # fmt: skip


def test_surrogates_outside_the_text(tmp_path):
    lines = [b'{"text": "a", "b": "\\ud800"}']
    write(tmp_path / "a.jsonl", [lines], [0], None)
    assert (tmp_path / "a.jsonl").read_bytes() == lines[0] + b"\n"
    write(tmp_path / "b.jsonl", [[dump_record({"text": "a", "b": "\ud800"})]], [0], None)
    assert json.loads((tmp_path / "b.jsonl").read_bytes()) == {"text": "a", "b": "\ud800"}
    with pytest.raises(
        ZipfitError, match=r"a record holds a lone surrogate, which CSV cannot hold: write .jsonl instead"
    ):
        write(tmp_path / "a.csv", [lines], [0], None)


def test_inputs_of_both_kinds(tmp_path):
    table, line = pa.table({"text": ["a"]}).to_batches()[0], [b'{"text": "b"}']
    write(tmp_path / "a.jsonl", [table, line], [1, 0], None)
    assert [record["text"] for record in read_back(tmp_path / "a.jsonl")] == ["b", "a"]
    with pytest.raises(ZipfitError, match="the inputs mix columnar and row formats"):
        write(tmp_path / "a.parquet", [table, line], [1, 0], None)
    write(tmp_path / "b.parquet", [line, table], [1, 0], None)
    assert [record["text"] for record in read_back(tmp_path / "b.parquet")] == ["a", "b"]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_inputs_whose_columns_differ_are_brought_to_one_schema(tmp_path, name):
    tables = [
        pa.table({"text": pa.array(["a"], pa.string()), "n": pa.array([1], pa.int64()), "url": pa.nulls(1)}),
        pa.table({"url": ["u"], "n": pa.array([0.5]), "text": pa.array(["b"], pa.large_string())}),
        pa.table({"text": ["c"], "meta": [{"x": 1}]}),
        pa.table({"text": ["d"], "meta": [{"x": 1.5, "y": "z"}]}),
    ]
    write(tmp_path / name, [table.to_batches()[0] for table in tables], [3, 2, 1, 0], None)
    assert read_back(tmp_path / name) == [
        {"text": "d", "n": None, "url": None, "meta": {"x": 1.5, "y": "z"}},
        {"text": "c", "n": None, "url": None, "meta": {"x": 1.0, "y": None}},
        {"text": "b", "n": 0.5, "url": "u", "meta": None},
        {"text": "a", "n": 1.0, "url": None, "meta": None},
    ]


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (pa.array(["a"]), pa.array([1]), "Field x has incompatible types: string vs int64"),
        (pa.array([2**53 + 1]), pa.array([0.5]), "9007199254740993 not in range"),
    ],
)
def test_columns_that_do_not_go_together_are_an_error(tmp_path, one, other, reason):
    batches = [pa.table({"x": column}).to_batches()[0] for column in (one, other)]
    with pytest.raises(
        ZipfitError, match=rf"columns do not go together \(.*{reason}.*\): write the selection as .jsonl"
    ):
        write(tmp_path / "a.parquet", batches, [0, 1], None)
    assert not (tmp_path / "a.parquet").exists()


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.arrow"])
def test_views_of_strings_are_written_as_strings(tmp_path, name):
    table = pa.table(
        {"text": pa.array(["a", None, "c"], pa.string_view()), "raw": pa.array([b"a"] * 3, pa.binary_view())}
    )
    corpus = Corpus(open_documents("source", table)[0], Reading(skip_bad=True), on_rejected=lambda _: None)
    assert [text for batch in corpus.read() for text in batch.texts] == ["a", "c"]
    write(tmp_path / name, corpus.records(np.array([0, 1])), [1, 0], None)
    assert [record["text"] for record in read_back(tmp_path / name)] == ["c", "a"]


RUN_ENDS = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None]))
VIEWS = pa.array(["x", None, "yy"], pa.string_view())
RUNS_IN_MAP = pa.MapArray.from_arrays(pa.array([0, None, 1, 3], pa.int32()), pa.array(["k", "l", "m"]), RUN_ENDS)


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.arrow"])
@pytest.mark.parametrize(
    "column",
    [
        RUN_ENDS,
        pa.StructArray.from_arrays([RUN_ENDS, pa.StructArray.from_arrays([VIEWS], ["in"])], ["runs", "views"]),
        pa.StructArray.from_arrays([RUN_ENDS], ["runs"], mask=pa.array([False, True, False])),
        pa.ListArray.from_arrays(pa.array([0, 2, 2, 3], pa.int32()), VIEWS),
        pytest.param(
            pa.ListViewArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array([1, 1, 1], pa.int32()), VIEWS),
            marks=pytest.mark.skipif(int(pa.__version__.split(".")[0]) < 22, reason="pyarrow casts no such lists"),
        ),
        pa.MapArray.from_arrays(pa.array([0, 2, 2, 3], pa.int32()), pa.array(["k", "l", "m"]), VIEWS),
        pa.ListArray.from_arrays(pa.array([0, 2, 2, 3], pa.int32()), pa.StructArray.from_arrays([VIEWS], ["in"])),
        pa.ListArray.from_arrays(pa.array([0, 2, 2, 3], pa.int32()), RUN_ENDS),
        pa.concat_arrays([RUNS_IN_MAP, RUNS_IN_MAP]).slice(2, 3),
        pa.FixedSizeListArray.from_arrays(pa.concat_arrays([VIEWS, VIEWS]).dictionary_encode(), 2),
    ],
    ids=lambda column: str(column.type)[:40],
)
def test_views_and_runs_within_columns_are_written_as_plain_values(tmp_path, name, column):
    corpus = Corpus(open_documents("source", pa.table({"text": ["a", "b", "c"], "x": column}))[0], Reading())
    assert [text for batch in corpus.read() for text in batch.texts] == ["a", "b", "c"]
    write(tmp_path / name, corpus.records(np.array([0, 1, 2])), [2, 1, 0], None)
    expected = json.loads(json.dumps(column.to_pylist()[::-1]))  # pairs of a map are lists in JSON
    assert json.loads(json.dumps([record["x"] for record in read_back(tmp_path / name)])) == expected


def test_a_column_that_rows_cannot_be_picked_of_is_an_error_when_it_is_opened():
    views = pa.UnionArray.from_sparse(pa.array([0, 0, 0], pa.int8()), [VIEWS])
    corpus = Corpus(open_documents("source", pa.table({"text": ["a", "b", "c"], "x": views}))[0], Reading())
    with pytest.raises(ZipfitError, match=r"^source: rows cannot be picked of the column 'x': sparse_union<"):
        list(corpus.read())


def test_bytes_that_the_text_is_read_from_are_text_and_others_base64(tmp_path):
    records = {
        "text": [b"na\xc3\xafve", None],
        "prompt": [b"\xff", b"p"],
        "completion": ["c", "d"],
        "raw": [b"r", b"s"],
    }
    corpus = Corpus(open_documents("source", pa.table(records))[0], Reading())
    assert [text for batch in corpus.read() for text in batch.texts] == ["naïve", "p\nd"]
    for name in ("a.jsonl", "a.csv"):
        with replacing(str(tmp_path / name)) as written:
            chosen = corpus.records(np.array([0, 1]))
            write_records(written.file, str(tmp_path / name), chosen, [0, 1], None, Reading().text_columns)
        first, second = read_back(tmp_path / name)
        assert (first["text"], first["prompt"], first["raw"]) == ("naïve", "/w==", "cg==")
        assert (second["prompt"], second["raw"]) == ("p", "cw==")
    write(tmp_path / "a.parquet", corpus.records(np.array([0, 1])), [0, 1], None)
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == records


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "a value of type object has no JSON form"), (1j, "a value of type complex has no JSON form"),
        ({(1, 2): 3}, "keys must be str, int, float, bool or None, not tuple"), ([float("nan"), object()], "a value of type object"),
        ({1: 2, "1": 3}, "an object has the field '1' twice"),
    ],
)  # fmt: skip
def test_a_record_of_python_that_cannot_be_written_is_an_error(tmp_path, value, reason):
    with pytest.raises(ZipfitError, match=f"a chosen record (has no JSON form|cannot be written): {reason}"):
        write(tmp_path / "a.csv", [[{"text": "a", "x": value}]], [0], None)


NAN = [
    {"text": "a NaN b", "x": float("nan"), "in": {"list": [float("inf"), 1.5, None]}},
    {"text": "Infinity", "x": -float("inf"), "in": {"list": []}},
]


def no_constant(name):
    raise AssertionError(name)


@pytest.mark.parametrize("source", ["objects", "table", "array"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz"])
def test_json_out_has_no_number_that_json_has_not(tmp_path, source, name):
    import zipfit

    documents = {
        "objects": NAN,
        "table": pa.Table.from_pylist(NAN),
        "array": [NAN[0], {**NAN[1], "x": np.array([np.nan])}],
    }[source]
    manifest = zipfit.select(documents, ["NaN b"], top=2).save(tmp_path / name, order="source", add_fields=False)
    assert manifest["output"]["numbers_made_null"] == 3
    text = gzip.decompress(content) if (content := (tmp_path / name).read_bytes())[:1] == b"\x1f" else content
    found = json.loads(
        text if name == "a.json" else b"[" + text.replace(b"}\n{", b"},{") + b"]", parse_constant=no_constant
    )
    last = [None] if source == "array" else None
    assert [record["text"] for record in found] == ["a NaN b", "Infinity"]
    assert [record["x"] for record in found] == [None, last]
    assert found[0]["in"] == {"list": [None, 1.5, None]}


def test_json_text_and_formats_that_have_nan_keep_it(tmp_path):
    import zipfit

    (tmp_path / "pool.jsonl").write_text('{"text": "a", "x": NaN}\n')
    manifest = zipfit.select(tmp_path / "pool.jsonl", ["a"], top=1).save(tmp_path / "a.jsonl", add_fields=False)
    assert (tmp_path / "a.jsonl").read_text() == '{"text": "a", "x": NaN}\n'
    assert "numbers_made_null" not in manifest["output"]
    for source in (NAN[:1], pa.Table.from_pylist(NAN[:1]), tmp_path / "pool.jsonl"):
        zipfit.select(source, ["a"], top=1).save(tmp_path / "a.parquet", overwrite=True)
        assert np.isnan(pq.read_table(tmp_path / "a.parquet")["x"][0].as_py())


def test_rows_are_picked_of_more_text_than_one_column_of_arrow_holds():
    huge = 3 << 29  # bytes, none of which is touched
    ends = np.array([0, 1, huge], np.int32)
    texts = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(ends), pa.py_buffer(np.zeros(huge, np.uint8))])
    batches = [pa.record_batch({"text": ["a", "b"], "x": texts}) for _ in range(3)]
    found = as_table(batches, [4, 0], None)
    assert found.to_pydict() == {"text": ["a", "a"], "x": ["\0", "\0"]}


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b'{"text": "a", "x": 1e400, "y": 1.10, "zipfit_score": 1.0, "zipfit_rank": 7}', b'{"text": "a", "x": 1e400, "y": 1.10'),
        (b'{"zipfit_score": 1, "text": "a", "x": 0.12345678901234567890123}', b'{"text": "a", "x": 0.12345678901234567890123'),
        (b'{"text": "a", "zipfit_rank": 1, "\xc3\xa9": {"zipfit_score": 1.0, "zipfit_rank": 3}}', b'{"text": "a", "\xc3\xa9": {"zipfit_score": 1.0, "zipfit_rank": 3}'),
        (b'{"text": "a", "x": {"zipfit_score": 1.0, "zipfit_rank": 3}}', b'{"text": "a", "x": {"zipfit_score": 1.0, "zipfit_rank": 3}'),
        (b'{"x": NaN, "zipfit_score": 1, "text": "a"}', b'{"x": NaN, "text": "a"'),
    ],
)  # fmt: skip
def test_old_fields_give_way_and_all_else_keeps_its_digits(tmp_path, line, kept):
    write(tmp_path / "a.jsonl", [[line]], [0], [(0.5, 1)])
    assert (tmp_path / "a.jsonl").read_bytes() == kept + b', "zipfit_score": 0.5, "zipfit_rank": 1}\n'
