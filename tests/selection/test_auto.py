"""`--method auto` takes the method that a preview finds best, and says so."""

from __future__ import annotations

import json
import subprocess

import pytest
from support import COMMAND, pool_records, target_texts, write_jsonl

import zipfit
from zipfit.errors import ZipfitError
from zipfit.methods.registry import class_path
from zipfit.methods.within import method_of
from zipfit.selection.auto import CANDIDATES, SPLITS
from zipfit.selection.preview import preview
from zipfit.selection.rerun import rerun
from zipfit.selection.sources import open_sources

POOL = [record["text"] for record in pool_records(80)]
TARGET = target_texts(8)


def test_it_chooses_what_previews_find_best(tmp_path):
    source, target = write_jsonl(tmp_path / "pool.jsonl", POOL), write_jsonl(tmp_path / "task.jsonl", TARGET)
    chosen = zipfit.select(source, target, top=10, method="auto")
    size = 10 * sum(len(text.encode()) for text in POOL) // len(POOL)
    sources = open_sources(POOL, TARGET)
    totals = dict.fromkeys(CANDIDATES, 0.0)
    for seed in range(SPLITS):
        for result in preview({name: method_of(name) for name in CANDIDATES}, sources, size, seed)[: len(CANDIDATES)]:
            totals[result.method] += result.bits_per_byte
    best = min(CANDIDATES, key=totals.__getitem__)
    auto = chosen.notes["auto"]
    assert (auto["chosen"], auto["bytes"]) == (best, size)
    assert sum(auto["bits_per_byte"][best]) == pytest.approx(totals[best], abs=1e-3)
    assert 0 <= auto["best_in"] <= SPLITS
    assert chosen.indices.tolist() == zipfit.select(POOL, TARGET, top=10, method=method_of(best)).indices.tolist()
    manifest = chosen.save(tmp_path / "chosen.jsonl")
    assert manifest["method"]["class"] == class_path(method_of(best))
    assert manifest["method"]["notes"]["auto"] == auto
    assert rerun(str(tmp_path / "chosen.manifest.json"), str(tmp_path / "again.jsonl"))[1]


def test_the_summary_says_what_and_why(tmp_path):
    source, target = write_jsonl(tmp_path / "pool.jsonl", POOL), write_jsonl(tmp_path / "task.jsonl", TARGET)
    budget = ["--tokens", "900", "--tokenizer", "bytes"]
    command = [*COMMAND, "select", source, "--target", target, *budget, "-m", "auto", "-o", tmp_path / "o.jsonl"]
    said = " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    manifest = json.loads((tmp_path / "o.manifest.json").read_text())
    auto = manifest["method"]["notes"]["auto"]
    assert auto["bytes"] == 900
    assert f"method {auto['chosen']}, chosen by preview: " in said
    assert f"best in {auto['best_in']} of {SPLITS} splits; " in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": {"level": 1}}, "auto chooses a method and takes no options"),
        ({"within": "zipfit:0.5"}, "auto chooses a method, with a shortlist or without one"),
        ({"top": None, "min_score": 0.5}, "auto chooses a method, and min-score is a score of one"),
        ({"target_by": "task"}, "auto compares methods on one target"),
        ({"work": "folder"}, "auto compares methods first, and keeps no scores on the way"),
    ],
)
def test_what_depends_on_the_method_is_refused(arguments, message):
    with pytest.raises(ZipfitError, match=message):
        zipfit.select(POOL, TARGET, **({"top": 3, "method": "auto"} | arguments))


def test_one_example_cannot_be_split():
    with pytest.raises(ZipfitError, match="needs two examples at least"):
        zipfit.select(POOL, TARGET[:1], top=3, method="auto")
