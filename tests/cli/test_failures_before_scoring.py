"""Whatever can be known to fail before the scoring fails before it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import pool_records


@pytest.fixture
def nothing_is_scored(monkeypatch):
    def scored(*_, **__):
        raise AssertionError("the pool was scored")

    monkeypatch.setattr("zipfit.selection.select.rank", scored)


def save_arrow(path, table):
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


RUNS = pa.RunEndEncodedArray.from_arrays(pa.array([40], pa.int32()), pa.array(["x"]))
DAYS = pa.array([pa.MonthDayNano([1, 2, 3])] * 40)
VIEWS = pa.array(["x"] * 40, pa.string_view())
TEXT = pa.table({"text": [record["text"] for record in pool_records()]})


@pytest.mark.parametrize(
    ("tables", "output", "reason"),
    [
        ([], "out.xml", "out.xml: its extension names no output format"),
        ([], "out.parquet.gz", "out.parquet.gz: its extension names no output format"),
        ([], "nowhere/out.jsonl", "nowhere/out.jsonl: the folder nowhere does not exist"),
        ([TEXT, None], "out.parquet", "the inputs mix columnar and row formats: write the selection as .jsonl"),
        ([None, TEXT], "out.arrow", "the inputs mix columnar and row formats: write the selection as .jsonl"),
        (
            [TEXT.append_column("n", pa.array([1] * 40)), TEXT.append_column("n", pa.array(["1"] * 40))],
            "out.parquet",
            "the inputs' columns do not go together (",
        ),
        (
            [
                TEXT.append_column("n", pa.array([1] * 40)),
                TEXT.append_column("n", pa.array([1] * 40, pa.decimal128(10, 2))),
            ],
            "out.parquet",
            "the inputs' columns do not go together ('n' is int64 in one and decimal128(10, 2) in another: ",
        ),
        (
            [TEXT.append_column("x", pa.DictionaryArray.from_arrays(pa.array([0] * 40), pa.array([[1, 2]])))],
            "out.parquet",
            "a table cannot hold the records ('x' is dictionary<values=list<",
        ),
        ([TEXT.append_column("x", DAYS)], "out.parquet", "out.parquet: the format cannot hold the records ("),
        (
            [TEXT.append_column("x", pa.UnionArray.from_sparse(pa.array([0] * 40, pa.int8()), [VIEWS]))],
            "out.jsonl",
            "0.arrow: rows cannot be picked of the column 'x': sparse_union<",
        ),
    ],
)
def test_what_an_output_cannot_hold(zipfit, folder, nothing_is_scored, tables, output, reason):
    pool = []
    for index, table in enumerate(tables):
        pool.append("pool.jsonl" if table is None else f"{index}.arrow")
        if table is not None:
            save_arrow(pool[-1], table)
    ran = zipfit("select", *(pool or ["pool.jsonl"]), "-t", "target.jsonl", "-k", 3, "-o", output)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"zipfit: error: {reason}")
    assert {path.name for path in folder.iterdir()} == {*pool, "pool.jsonl", "target.jsonl"}


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv", "out.arrow"])
def test_a_column_of_months_is_written_where_it_can_be(zipfit, folder, output):
    save_arrow("a.arrow", TEXT.append_column("x", DAYS).append_column("y", RUNS))
    assert zipfit("select", "a.arrow", "-t", "target.jsonl", "-k", 3, "-o", output, "-q").status == 0
    if output == "out.jsonl":
        assert '"x": [1, 2, 3], "y": "x"' in (folder / output).read_text(encoding="utf-8")


def test_a_rerun_checks_its_output_too(zipfit, folder, monkeypatch):
    pq.write_table(TEXT, "a.parquet")
    assert zipfit("select", "a.parquet", "pool.jsonl", "-t", "target.jsonl", "-k", 3, "-o", "out.jsonl").status == 0
    monkeypatch.setattr("zipfit.selection.rerun.select", lambda *_, **__: pytest.fail("the pool was scored"))
    ran = zipfit("rerun", "out.manifest.json", "-o", "again.parquet")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "zipfit: error: the inputs mix columnar and row formats: write the selection as .jsonl\n"


def test_an_order_that_is_none(zipfit, folder, nothing_is_scored):
    select = ["select", "pool.jsonl", "-t", "target.jsonl", "-k", 3, "-o", "out.jsonl"]
    assert zipfit(*select, "--order", "size").err == "zipfit: error: order must be 'rank' or 'source', not 'size'\n"


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ("cover,unit=page", "cover's unit must be one of "),  # known when it is fitted
        ("covr", "unknown method 'covr': choose from "),
    ],
)
def test_a_method_to_compare_with(zipfit, folder, nothing_is_scored, against, said):
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "-k", 3, "-o", "out.jsonl", "--report", "page.html",
                 "--report-against", against)  # fmt: skip
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"zipfit: error: {said}")
    assert {path.name for path in folder.iterdir()} == {"pool.jsonl", "target.jsonl"}
