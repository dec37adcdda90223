"""Folders as they are found, by the command line."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
from support import pool_records, read_jsonl, write_jsonl


def test_the_summary_names_what_was_passed_over(zipfit, folder):
    for split in ("train", "test"):
        (folder / "hub" / split).mkdir(parents=True)
        write_jsonl(folder / "hub" / split / "a.jsonl", pool_records())
    (folder / "hub" / "README.md").write_text("lemma river")
    ran = zipfit("select", "hub", "-t", "target.jsonl", "-k", 5, "-o", "out.jsonl")
    assert ran.status == 0
    assert "5 of 40 documents selected" in ran.out
    passed = "2 files of folders passed over (hub/README.md, hub/test/a.jsonl); FOLDER@SPLIT reads another split\n"
    assert passed in ran.out
    manifest = json.loads((folder / "out.manifest.json").read_text())
    assert manifest["files_passed_over"] == ["hub/README.md", "hub/test/a.jsonl"]
    assert zipfit("rerun", "out.manifest.json", "-o", "again.jsonl").out == "identical, bit for bit\n"
    ran = zipfit("select", "hub@test", "-t", "target.jsonl", "-k", 5, "-o", "test.jsonl", "--json")
    assert json.loads(ran.out)["files_passed_over"] == ["hub/README.md", "hub/train/a.jsonl"]
    assert json.loads((folder / "test.manifest.json").read_text())["source"]["inputs"][0]["name"] == "hub/test/a.jsonl"


def test_the_summary_says_when_text_and_records_are_mixed(zipfit, folder):
    (folder / "mixed").mkdir()
    write_jsonl(folder / "mixed" / "a.jsonl", pool_records())
    (folder / "mixed" / "b.txt").write_text("lemma river\n")
    ran = zipfit("select", "mixed", "-t", "target.jsonl", "-k", 5, "-o", "out.jsonl")
    assert "5 of 41 documents selected" in ran.out
    assert "text and records are mixed: 1 of 2 files are text\n" in ran.out
    ran = zipfit("select", "mixed/a.jsonl", "-t", "target.jsonl", "-k", 5, "-o", "one.jsonl")
    assert "mixed" not in ran.out.split("written to")[0]


def test_the_summary_counts_what_json_has_not(zipfit, folder):
    pq.write_table(pa.table({"text": ["lemma river", "stone"], "x": [float("nan"), 1.0]}), folder / "pool.parquet")
    ran = zipfit("select", "pool.parquet", "-t", "target.jsonl", "-k", 2, "-o", "out.jsonl")
    assert "written as null, as JSON has no NaN and no infinity: 1\n" in ran.out


def test_another_delimiter_and_encoding_are_kept_for_the_rerun(zipfit, folder):
    rows = "".join(f"{n};naïve example {n}\r\n" for n in range(20))
    (folder / "a.csv").write_bytes(f"id;text\r\n{rows}".encode("latin-1"))
    (folder / "t.tsv").write_bytes(("id|text\r\n" + rows.replace(";", "|")).encode("utf-16"))
    options = ["--delimiter", ";", "--encoding", "latin-1", "--target-delimiter", "|"]
    assert zipfit("select", "a.csv", "-t", "t.tsv", "-k", 3, "-o", "out.jsonl", "-q", *options).status == 0
    assert all(record["text"].startswith("naïve") for record in read_jsonl(folder / "out.jsonl"))
    assert zipfit("verify", "out.manifest.json").status == 0
    assert zipfit("rerun", "out.manifest.json", "-o", "again.jsonl").out == "identical, bit for bit\n"
    assert "naïve" in zipfit("explain", "out.jsonl", "--rank", 1).out
    assert zipfit("preview", "a.csv", "-t", "t.tsv", "--bytes", 100, "-m", "random", *options).status == 0
    assert zipfit("score", "a.csv", "-t", "t.tsv", *options).status == 0
