from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import write_jsonl

from zipfit.corpus import formats, json_lines
from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import Files, open_documents
from zipfit.corpus.reading import NO_LABEL, Reading
from zipfit.errors import ZipfitError


def corpus(documents, reading=None, **options):
    inputs, _ = open_documents("source", documents)
    return Corpus(inputs, reading or Reading(), **options)


def texts(read):
    return [text for batch in read.read() for text in batch.texts]


def labels(read):
    return [label for batch in read.read() for label in batch.labels]


@pytest.fixture
def two_files(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", ["a0", "a1", "a2"])
    (tmp_path / "b.jsonl").write_text('{"text": "b0"}\nnonsense\n{"text": "b1"}\n{"text": 5}\n{"text": "b2"}\n')
    return tmp_path


def test_positions_run_over_all_inputs_and_skip_bad_records(two_files):
    rejected = []
    read = corpus(two_files, on_rejected=rejected.append)
    assert texts(read) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert [(item.place, item.reason) for item in rejected] == [
        ("line 2", "broken JSON: Expecting value at column 1"),
        ("line 4", "field 'text' is a number, not text; a template '{text}' takes it"),
    ]
    assert [json.loads(item.to_json())["raw"] for item in rejected] == ["nonsense", '{"text": 5}']
    assert [item.documents for item in read.inputs] == [3, 3]
    assert read.inputs[1].skipped == {"broken JSON": 1, "field 'text' is a number, not text": 1}
    assert texts(read) == ["a0", "a1", "a2", "b0", "b1", "b2"]  # a second pass
    assert len(rejected) == 2


def test_fetches_by_position(two_files):
    read = corpus(two_files, on_rejected=lambda _: None)
    texts(read)
    positions = np.array([1, 4, 5])
    assert list(read.texts(positions)) == [b"a1", b"b1", b"b2"]
    assert [record["text"] for record in read.dicts(positions)] == ["a1", "b1", "b2"]
    assert [line for records in read.records(positions) for line in records] == [
        b'{"text": "a1"}', b'{"text": "b1"}', b'{"text": "b2"}',
    ]  # fmt: skip
    assert list(read.texts(np.array([], dtype=np.int64))) == []


def test_places_name_each_documents_file_and_row(two_files):
    read = corpus(two_files, on_rejected=lambda _: None)
    texts(read)
    places = [(p.tolist(), name.rsplit("/")[-1], rows.tolist()) for p, name, rows in read.places()]
    assert places == [([0, 1, 2], "a.jsonl", [0, 1, 2]), ([3, 4, 5], "b.jsonl", [0, 2, 4])]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 9), st.data())
def test_any_batches_and_any_bad_records(goodness, batch, data):
    objects = [f"text {i}" if good else i for i, good in enumerate(goodness)]
    good = [item for item in objects if isinstance(item, str)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zipfit.corpus.inputs.CHUNK_RECORDS", batch)
        read = corpus(objects, on_rejected=lambda _: None)
        assert texts(read) == good
        positions = sorted(data.draw(st.sets(st.integers(0, len(good) - 1)))) if good else []
        assert list(read.texts(np.array(positions, dtype=np.int64))) == [good[p].encode() for p in positions]


def test_the_first_bad_record_is_an_error_that_names_it(two_files):
    with pytest.raises(ZipfitError, match=r"b.jsonl, line 2: broken JSON: Expecting value at column 1"):
        texts(corpus(two_files))


def test_lone_surrogates_and_empty_texts(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": ""}\n{"text": "ab\\ud800"}\n')
    with pytest.raises(ZipfitError, match="line 2: lone surrogate at character 2 of the text"):
        texts(corpus(path))
    with pytest.raises(ZipfitError, match="line 1: the text is empty"):
        texts(corpus(path, allow_empty=False))


def test_labels(tmp_path):
    write_jsonl(
        tmp_path / "a.jsonl",
        [
            {"text": "a", "source": "web", "meta": {"lang": "de"}, "n": 1},
            {"text": "b", "source": 5},
            {"text": "c", "meta": {"lang": None}, "n": [1, 2]},
        ],
    )
    path = tmp_path / "a.jsonl"
    assert labels(corpus(path)) == ["web", str(path), str(path)]
    assert labels(corpus(path, Reading(by="meta.lang"))) == ["de", NO_LABEL, NO_LABEL]
    assert labels(corpus(path, Reading(by="n"))) == ["1", NO_LABEL, "[1, 2]"]


def test_labels_of_columnar_files_are_read_though_the_text_needs_other_columns(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"body": ["a", "b"], "source": ["x", "y"], "meta": [{"k": "1"}, {"k": "2"}], "other": [1, 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    path = tmp_path / "a.parquet"
    assert labels(corpus(path, Reading("body"))) == ["x", "y"]
    assert labels(corpus(path, Reading("body", by="meta.k"))) == ["1", "2"]


def test_an_input_that_changes_between_passes_is_an_error(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", ["a", "b"])
    read = corpus(path)
    texts(read)
    write_jsonl(path, ["a", "b", "c"])
    with pytest.raises(ZipfitError, match=r"changed while (it was|they were) being read"):
        texts(read)
    with pytest.raises(ZipfitError, match=r"changed while (it was|they were) being read"):
        list(read.texts(np.array([0])))


def test_an_iterator_is_read_once_and_objects_may_be_dicts():
    read = corpus({"text": str(i), "n": i} for i in range(3))
    assert texts(read) == ["0", "1", "2"]
    assert texts(read) == ["0", "1", "2"]


def frames():
    import datasets
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    columns = {"text": ["a", "", "c🎲"], "n": [2**53 + 1, 2, 3], "nested": [{"x": [1, 2]}, {"x": []}, {"x": None}]}
    table = pa.table(columns)
    return {
        "arrow": table,
        "batch": table.to_batches()[0],
        "pandas": pd.DataFrame(columns),
        "polars": pl.DataFrame(columns),
        "dataset": datasets.Dataset.from_dict(columns),
        "list": table.to_pylist(),
        "generator": iter(table.to_pylist()),
        "tuple": tuple(table.to_pylist()),
    }, table.to_pylist()


@pytest.mark.parametrize("kind", ["arrow", "batch", "pandas", "polars", "dataset", "list", "generator", "tuple"])
@pytest.mark.parametrize("size", [1, 512])
def test_reads_what_python_holds(kind, size, monkeypatch):
    monkeypatch.setattr("zipfit.corpus.inputs.CHUNK_RECORDS", size)
    held, rows = frames()
    read = corpus(held[kind])
    assert texts(read) == ["a", "", "c🎲"]
    assert list(read.dicts(np.array([0, 2]))) == [rows[0], rows[2]]
    identity = read.inputs[0].identity()
    assert identity["rows"] == 3
    assert "sha256" in identity or "fingerprint" in identity


def test_reads_the_strings_of_a_column():
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    for column in (
        pd.Series(["a", "b"]),
        pl.Series(["a", "b"]),
        pa.array(["a", "b"]),
        pa.chunked_array([["a"], ["b"]]),
    ):
        assert texts(corpus(column)) == ["a", "b"]


def unreadable():
    import datasets
    import polars as pl

    yield 5, "cannot be read from a int"
    yield b"bytes", "cannot be read from a bytes"
    yield {"text": "a"}, "cannot be read from a dict"
    yield pl.LazyFrame({"text": ["a"]}), "cannot be read from a LazyFrame"
    yield datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})}), "splits .'train'.: choose one"


def test_what_documents_cannot_be_read_from():
    for held, reason in unreadable():
        with pytest.raises(ZipfitError, match=reason):
            open_documents("source", held)


def test_formats_and_kinds_of_documents_are_checked(tmp_path):
    with pytest.raises(ZipfitError, match="unknown format 'xml': choose from jsonl, json, csv"):
        Files([str(tmp_path)], "xml").open()
    with pytest.raises(ZipfitError, match="unknown sample-by 'word': choose from line, paragraph, document"):
        Files([str(tmp_path)], None, "word").open()


def test_a_data_set_by_name_and_split(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True, raising=False)  # since 2.20
    data = tmp_path / "data"
    data.mkdir()
    write_jsonl(data / "train.jsonl", [{"text": "a", "n": 1}, {"text": "b", "n": 2}])
    write_jsonl(data / "test.jsonl", ["c"])
    read = corpus(Files([f"hub:{data}@train"]))
    assert texts(read) == ["a", "b"]
    assert read.inputs[0].name == f"hub:{data}@train"
    assert read.inputs[0].identity()["format"] == "dataset"
    with pytest.raises(ZipfitError, match="the data set cannot be loaded"):
        corpus(Files([f"hub:{data}@validation"]))
    with pytest.raises(ZipfitError, match="write a data set as hub:NAME@SPLIT"):
        corpus(Files(["hub:name"]))


def test_batches_end_by_count_and_by_size(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text(("x" * 50 + "\n") * 10)
    monkeypatch.setattr(formats, "CHUNK_RECORDS", 4)
    assert [len(batch.texts) for batch in corpus(path).read()] == [4, 4, 2]
    monkeypatch.setattr(formats, "CHUNK_BYTES", 100)
    assert [len(batch.texts) for batch in corpus(path).read()] == [2] * 5


def test_batches_of_json_lines_end_by_blocks(tmp_path, monkeypatch):
    path = write_jsonl(tmp_path / "a.jsonl", ["x" * 50] * 10)
    assert [len(batch.texts) for batch in corpus(path).read()] == [10]
    monkeypatch.setattr(json_lines, "BLOCK", 200)
    assert [len(batch.texts) for batch in corpus(path).read()] == [3, 3, 3, 1]
