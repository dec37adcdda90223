"""Selections as Python's objects: sequences, frames, pages of a notebook, and what travels to another process."""

from __future__ import annotations

import decimal
import multiprocessing
import pickle
import sys

import numpy as np
import pyarrow as pa
import pytest
from support import pool_records, target_texts

import zipfit

METHODS = {"zipfit": {}, "gain": {}, "dsir": {"min_length": 1}, "cover": {}, "mmr": {}, "random": {}, "racing": {}}


def selected(method: str = "zipfit", **arguments) -> zipfit.Selection:
    arguments.setdefault("top", 5)
    return zipfit.select(pool_records(), target_texts(), method=method, options=METHODS[method], **arguments)


def test_a_selection_is_a_sequence_of_records():
    selection = selected()
    records = list(selection)
    assert [record["zipfit_rank"] for record in records] == [1, 2, 3, 4, 5]
    assert records[0] == selection[0] == {**selection.records[0], "zipfit_score": selection.scores[0], "zipfit_rank": 1}
    assert selection[-1] == records[-1]
    assert selection[1:4] == records[1:4]
    assert selection[::-2] == records[::-2]
    assert selection[9:] == []
    for beyond in (5, -6):
        with pytest.raises(IndexError, match=f"^there is no document {beyond}: the selection has 5, from 0$"):
            selection[beyond]
    with pytest.raises(TypeError, match=r"^a selection is indexed by ranks from 0, or a slice, not 'a'$"):
        selection["a"]


def test_tables_of_every_kind_have_the_same_rows():
    selection = selected()
    records = list(selection)
    assert selection.to_arrow().to_pylist() == records
    assert selection.to_polars().to_dicts() == records
    assert selection.to_pandas().to_dict("records") == records


def test_a_document_is_explained_from_the_object_as_from_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from support import write_jsonl

    write_jsonl(tmp_path / "pool.jsonl", pool_records())
    write_jsonl(tmp_path / "target.jsonl", target_texts())
    selection = zipfit.select("pool.jsonl", "target.jsonl", top=5)
    selection.save("out.jsonl")
    assert selection.explain(2) == zipfit.explain(selection, rank=2) == zipfit.explain("out.jsonl", rank=2)
    assert zipfit.verify(selection) == zipfit.verify("out.manifest.json") == []
    (tmp_path / "pool.jsonl").write_text("{}\n")
    assert len(zipfit.verify(selection)) == 1
    with pytest.raises(zipfit.ZipfitError, match="there is no document of rank 6: the selection has 5"):
        selection.explain(6)
    with pytest.raises(zipfit.ZipfitError, match="give either a rank or a position"):
        selection.explain(2, position=3)


def test_a_document_of_the_source_is_explained_chosen_or_not():
    selection = zipfit.select([{"n": 1}, *pool_records()], target_texts(), top=5, skip_bad=True)
    best, other = int(selection.indices[0]), int(np.setdiff1d(np.arange(1, 41), selection.indices)[0])
    assert selection.explain(position=best) == selection.explain() == zipfit.explain(selection, position=best)
    explained = zipfit.explain(selection, position=other)
    assert explained.text == pool_records()[other - 1]["text"]
    assert explained.fields == {"zipfit_score": selection.pool_scores[other - 1]}
    for nowhere in (0, 41, -1):
        with pytest.raises(zipfit.ZipfitError, match="positions 0 to 40 less those passed over, not "):
            selection.explain(position=nowhere)
    assert zipfit.select(["a", "b"], ["a"], top=1, method="random").explain(position=1).text in "ab"


def test_an_explanation_is_a_page_of_a_notebook():
    text = "<script>alert(1)</script> and more of it"
    page = zipfit.select([text, "b"], [text[:-3]], top=2).explain()._repr_html_()
    assert page.startswith("<p>alignment 0.")
    assert "zipfit_rank 1" in page
    assert "<code>&lt;script&gt;alert(1)&lt;/script&gt; and more of</code>" in page
    assert "<script>" not in page


@pytest.mark.parametrize(("method", "package"), [("to_polars", "polars"), ("to_pandas", "pandas")])
def test_a_package_that_is_not_installed_is_named(monkeypatch, method, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        zipfit.ZipfitError, match=f"^{method} needs {package}, which is not installed: pip install {package}$"
    ):
        getattr(selected(), method)()


def test_pages_and_summaries_escape_what_others_wrote():
    selection = zipfit.select(["<script>alert(1)</script>", "b"], ["script"], top=2)
    assert "&lt;script&gt;" in selection._repr_html_()
    assert "<script>" not in selection._repr_html_()
    assert selection.summary().startswith("2 of 2 documents, scores from ")


@pytest.mark.parametrize("method", METHODS)
def test_a_selection_travels(method):
    selection = selected(method, tokenizer="bytes", dedup="exact")
    again = pickle.loads(pickle.dumps(selection))
    assert again.indices.tolist() == selection.indices.tolist()
    assert again.texts == selection.texts
    for key in ("method", "parameters", "pool", "selection", "source", "target"):
        assert again.manifest[key] == selection.manifest[key]
    if selection.pool_scores is not None:
        assert again.at(top=9).indices.tolist() == selection.at(top=9).indices.tolist()
    else:
        with pytest.raises(zipfit.ZipfitError, match="a pickled ranking holds only what was chosen from it"):
            again.at(top=9)


def test_a_selection_travels_to_a_spawned_process(tmp_path):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        selection = selected()
        assert pool.apply(zipfit.Selection.summary, (selection,)) == selection.summary()


@pytest.mark.parametrize("method", ["zipfit", "cover"])
def test_scores_are_drawn_with_the_cut(method):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    selection = selected(method)
    _, ax = pyplot.subplots()
    assert selection.plot(ax) is ax
    *pool, chosen = ax.containers
    assert sum(bar.get_height() for bar in chosen) == 5
    assert [sum(bar.get_height() for bar in bars) for bars in pool] == ([40] if method == "zipfit" else [])
    assert ax.lines[0].get_xdata()[0] == selection.scores[-1]
    own = selection.plot()
    assert {text.get_text() for text in own.get_legend().get_texts()} >= {"cut", "selected"}
    assert own.figure is not ax.figure
    pyplot.close("all")


def test_scores_that_are_infinite_are_not_drawn():
    pytest.importorskip("matplotlib.pyplot").switch_backend("agg")

    class Infinite:
        def fit(self, target, pool=None):
            return self

        def score(self, texts):
            return [float("inf") if text == "a" else float("-inf") for text in texts]

    assert not zipfit.select(["a", "b"], ["a"], top=2, method=Infinite()).plot().lines


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(zipfit.MissingExtraError, match=r"^plot needs an extra .*'zipfit\[plots\]'$"):
        selected().plot()


def test_errors_travel():
    for error in (zipfit.ZipfitError("a"), zipfit.MissingExtraError("reading", "hub")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))


def test_the_package_shows_its_public_names_alone():
    assert dir(zipfit) == sorted([*zipfit.__all__, "__version__"])
    assert zipfit.Cover().unit == "byte"


def test_a_sentence_where_a_path_is_meant_is_told_so():
    with pytest.raises(
        zipfit.ZipfitError, match=r"^a sentence: no such file or folder \(a string is a path: give texts"
    ):
        zipfit.select(["a"], "a sentence", top=1)


ITSELF: dict[str, object] = {"text": "a"}
ITSELF["x"] = ITSELF


@pytest.mark.parametrize(
    "record",
    [
        ITSELF,
        {"text": "a", "x": 2**100},
        {"text": "a", "x": "\ud800"},
        {"text": "a", "\ud800": 1},
        {"text": "a", "x": {1, "b"}},
        {"text": "a", "x": [1, "b"]},
    ],
    ids=["itself", "large", "surrogate", "key", "set", "mixed"],
)
@pytest.mark.parametrize("made", ["to_arrow", "to_polars", "to_dataset"])
def test_records_that_make_no_table_are_an_error(record, made):
    pytest.importorskip({"to_polars": "polars", "to_dataset": "datasets"}.get(made, "pyarrow"))
    selection = zipfit.select([record, {"text": "b"}], ["t"], fraction=1)
    with pytest.raises(zipfit.ZipfitError, match=r"cannot be a column \(|has no JSON form"):
        getattr(selection, made)()


def test_a_frame_with_a_type_that_no_table_has_is_named():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"text": ["a"], "i": polars.Series([1], dtype=polars.Int128)})
    with pytest.raises(zipfit.ZipfitError, match=r"^source: the frame has a column that is none of a table \("):
        zipfit.select(frame, ["t"], top=1)


def test_a_frame_of_python_objects_is_refused():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"text": ["a"], "x": polars.Series([object()], dtype=polars.Object)})
    with pytest.raises(zipfit.ZipfitError, match=r"^source: the frame has a column of Python objects.*\['x'\]$"):
        zipfit.select(frame, ["t"], top=1)


@pytest.mark.parametrize("held", ["table", "file"])
def test_strings_that_are_not_utf8_in_a_column_that_is_not_read(tmp_path, held):
    pytest.importorskip("polars")
    pytest.importorskip("datasets")
    broken = pa.array([b"\xff", b"b"]).view(pa.string())
    table = pa.table({"text": ["a", "b"], "x": pa.StructArray.from_arrays([broken], ["s"])})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    source = table if held == "table" else tmp_path / "a.arrow"
    selection = zipfit.select(source, ["t"], fraction=1, text_field="text")
    for name in ("out.arrow", "out.parquet"):
        assert selection.save(tmp_path / name, overwrite=True)["output"]["documents"] == 2
    assert selection.to_arrow().num_rows == 2
    with pytest.raises(zipfit.ZipfitError, match=r"a string that is not UTF-8: write .parquet or .arrow$"):
        selection.save(tmp_path / "out.jsonl", overwrite=True)
    for make in (selection.to_polars, selection.to_dataset):
        with pytest.raises(zipfit.ZipfitError, match=r"\(the column 'x': .*UTF8.*\): to_arrow takes them$"):
            make()
    with pytest.raises(zipfit.ZipfitError, match="record 1: invalid UTF-8 at byte 0 of a field"):
        selection.to_pandas()


@pytest.mark.parametrize(
    ("column", "makes"),
    [
        (pa.array([decimal.Decimal(10) ** 50]), ["to_polars"]),
        (pa.array([0], pa.timestamp("us", "+05:30")), ["to_polars"]),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), ["to_dataset"]),
        (pa.array([pa.MonthDayNano([1, 2, 3])]), ["to_polars", "to_dataset"]),
    ],
    ids=["decimal", "offset", "map", "months"],
)
def test_a_column_that_another_library_has_no_type_for_is_named(column, makes):
    pytest.importorskip("polars")
    pytest.importorskip("datasets")
    selection = zipfit.select(pa.table({"text": ["a"], "x": column}), ["t"], top=1)
    assert selection.to_arrow().schema.field("x").type == column.type
    for make in makes:
        with pytest.raises(
            zipfit.ZipfitError, match=r"^the records make no .* \(the column 'x': .*\): to_arrow takes them$"
        ):
            getattr(selection, make)()


def test_a_frame_of_pandas_takes_what_its_columns_do_not():
    pytest.importorskip("pandas")
    record = {"text": "a", "\ud800": "\udfff", 1: 10**30}
    frame = zipfit.select([record], ["t"], top=1).to_pandas()
    assert frame.to_dict("records") == [record | {"zipfit_score": frame["zipfit_score"][0], "zipfit_rank": 1}]


@pytest.mark.parametrize(
    "documents",
    [pa.array([b"\xff"]).view(pa.string()), pa.array([2**62], pa.timestamp("s")), pa.schema([]), pa.scalar(1)],
    ids=["string", "time", "schema", "scalar"],
)
def test_what_holds_no_documents_of_arrow_is_an_error(documents):
    with pytest.raises(zipfit.ZipfitError, match=r"^source: documents cannot be read from a \w+ \("):
        zipfit.select(documents, ["t"], top=1)
