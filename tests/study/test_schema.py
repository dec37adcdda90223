"""What is kept keeps its keys: were one of them another, results that were kept would be run again."""

from __future__ import annotations

import hashlib
import json

import pytest
from support import write_jsonl

from zipfit.study.documents import arm_digest
from zipfit.study.plan import plan
from zipfit.study.spec import load_study

pytest.importorskip("yaml")

# Every kind of arm; the digests below are of zipfit 0.1.0 when its first results were kept.
STUDY = """
name: every kind of arm
description: none of it is run
source: {files: pool.jsonl, by: source, rows: [0, 9]}
target: {files: target.jsonl, sample: 2}
test: [target.jsonl, {files: pool.jsonl, label: pool}]
methods:
  random: {}
  zipfit: {options: {level: 1}}
  levels: {method: zipfit, sweep: {level: [6, 9], compressor: [gzip, lz4]}}
  above: {method: zipfit, sweep: {min_score: [0.1, 1]}, budgets: [null]}
  few: {method: dsir, sweep: {target_size: [1, null]}}
  target: {train_on: target}
  everything: {train_on: source, budgets: [null, 4096]}
  one: {label: web}
  near: {lengths_of: levels level=6 compressor=gzip}
budgets: [2048, 4096]
models: [{name: org/model, label: Model, revision: main}, org/other]
seeds: [0, 3]
training: {block_size: 256, learning_rate: 1e-4}
evaluate_every: 512
humaneval: {samples: 10, temperature: 0.8, rows: [82, null]}
"""
ARMS = {
    "random": "10bc0f22cec14a88",
    "zipfit": "424f977060505067",
    "levels level=6 compressor=gzip": "b6283fdb37966a87",
    "levels level=6 compressor=lz4": "335795a6da8c8318",
    "levels level=9 compressor=gzip": "04b15e42dca1f84b",
    "levels level=9 compressor=lz4": "d5136a5e661ee776",
    "above min_score=0.1": "c1aa5c7deb13cbe4",
    "above min_score=1": "c081748584fa0e1a",
    "few target_size=1": "ee4cfbe508cb072b",
    "few target_size=all": "03a4f79d0bdf6241",
    "target": "8a5cb169a790a346",
    "everything": "4a2b50fb18b96b5d",
    "one": "2ee46e93ae2b5c2c",
    "near": "1a89bac437643e69",
}


@pytest.fixture
def load(tmp_path):
    write_jsonl(
        tmp_path / "pool.jsonl", [{"text": f"document {i}", "source": ("web", "books")[i % 2]} for i in range(10)]
    )
    write_jsonl(tmp_path / "target.jsonl", [{"text": f"example {i}"} for i in range(5)])

    def _load(text):
        (tmp_path / "study.yaml").write_text(text)
        return load_study(tmp_path / "study.yaml")

    return _load


def digests(study):
    arms = {arm.name: arm for arm in study.arms}
    return {name: arm_digest(arm, arms) for name, arm in arms.items()}


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_arms_and_cells_have_the_keys_that_they_had(load):
    study = load(STUDY)
    assert digests(study) == ARMS
    keys = [cell.key for cell in plan(study)]
    assert keys[:4] == ["1852858865177b9c", "3f2637e6c4939fe3", "6321e8bc9af55b03", "260fb53081fa5bad"]
    assert len(keys) == 104
    assert sha256(" ".join(keys)) == "a89b4ce8de36f4bf6260ad97827404a2375a6e094ade586c3ff7ab5b3e47b8c1"


def test_a_study_is_written_as_it_was(load):
    written = json.dumps(load(STUDY).to_json())
    assert sha256(written) == "9aa9bb3b64ad351f4ed1b455143bca5c1768fc1184133b5354237b87bfd18b2b"


def test_a_rule_is_written_and_counts_only_where_it_is_set(load):
    rules = "{dedup: near, dedup_threshold: 0.9, max_share: 0.5, min_bytes: 10, max_bytes: 900}"
    plain = load(STUDY).arms[0]
    ruled = load(STUDY.replace("random: {}", f"random: {rules}"))
    arm = ruled.arms[0]
    assert arm.rules == {
        "dedup": "near", "dedup_threshold": 0.9, "max_share": 0.5, "min_bytes": 10, "max_bytes": 900
    }  # fmt: skip
    assert plain.rules == {}
    assert {name: value for name, value in arm.way.items() if name not in plain.way} == arm.rules
    assert ruled.to_json()["arms"][0]["max_share"] == 0.5
    found = digests(ruled)
    assert found.pop("random") != ARMS["random"]
    assert found == {name: key for name, key in ARMS.items() if name != "random"}
    assert (plain.is_random, arm.is_random) == (True, False)
