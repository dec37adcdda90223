"""A study's data: read by what the study file says, and identified by it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

pytest.importorskip("yaml")
from support import target_texts, write_jsonl

from zipfit.study.data import digest, identify, open_study, read_part, read_texts
from zipfit.study.spec import load_study

STUDY = """
name: data
source: {files: pool.csv, encoding: latin-1, delimiter: "\\t", header: false, text_field: '1'}
target: [{files: pool.csv, encoding: latin-1, delimiter: "\\t", header: false, text_field: '1', rows: [1, null]}]
test: target.jsonl
methods: {random: {}}
budgets: [null]
models: [smollm2]
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "pool.csv").write_bytes("1\tété\n2\thiver\n".encode("latin-1"))
    write_jsonl(tmp_path / "target.jsonl", target_texts())
    (tmp_path / "study.yaml").write_text(STUDY)
    return load_study(tmp_path / "study.yaml")


def as_json(study):
    return json.loads(json.dumps(study.to_json()))


def test_csv_is_read_as_the_study_says(study):
    assert [text for text, _ in read_part(study, study.source[0])] == ["été", "hiver"]
    assert [text for texts in open_study(study, ["x"]).pool for text in texts] == ["été", "hiver"]
    assert read_texts(study, study.target, "target") == ["hiver"]
    assert as_json(study)["source"][0] | {"files": None} == {
        "files": None, "format": None, "text_field": "1", "template": None, "sample_by": "line", "by": None,
        "label": None, "rows": [None, None], "sample": None, "encoding": "latin-1", "delimiter": "\t", "header": False,
    }  # fmt: skip


def test_how_csv_is_read_identifies_it_and_nothing_new_stands_for_what_is_not_said(study):
    assert identify(study, study.source) != identify(study, [replace(study.source[0], delimiter=",")])
    said = {
        "files": ["target.jsonl"], "format": None, "text_field": None, "template": None, "sample_by": "line",
        "by": None, "label": None, "rows": [None, None], "sample": None,
    }  # fmt: skip
    assert as_json(study)["test"] == [said]
    with open(study.path("target.jsonl"), "rb") as file:
        content = {"format": "jsonl", "sha256": hashlib.sha256(file.read()).hexdigest()}
    assert identify(study, study.test) == digest([said | {"files": [content]}])
