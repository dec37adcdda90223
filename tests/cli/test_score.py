from __future__ import annotations

import json

import pyarrow.parquet as pq
from support import plain_alignment, pool_records, target_texts

SCORES = [plain_alignment(record["text"], target_texts()) for record in pool_records()]


def test_prints_the_number_and_its_spread(zipfit):
    ran = zipfit("score", "pool.jsonl", "-t", "target.jsonl")
    assert ran.status == 0
    assert ran.out.startswith(f"alignment {sum(SCORES) / 40:.4f} ± ")
    assert "40 documents, 4 target examples, gzip level 6" in ran.out
    summary = json.loads(zipfit("score", "pool.jsonl", "-t", "target.jsonl", "--json").out)
    assert summary["alignment"] == sum(SCORES) / 40
    assert summary["quantiles"]["1.0"] == max(SCORES)
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-q").out == ""


def test_writes_every_position_and_score(zipfit, folder):
    assert zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "scores.parquet").status == 0
    table = pq.read_table(folder / "scores.parquet").to_pydict()
    assert table["position"] == table["row"] == list(range(40))
    assert set(table["file"]) == {"pool.jsonl"}
    assert table["zipfit_score"] == SCORES
    assert sorted(path.name for path in folder.iterdir()) == ["pool.jsonl", "scores.parquet", "target.jsonl"]


def test_scores_on_standard_output_are_not_mixed_with_the_summary(zipfit):
    ran = zipfit("score", "pool.jsonl", "-t", "target.jsonl", "-o", "-")
    assert [json.loads(line)["zipfit_score"] for line in ran.out.splitlines()] == SCORES
    assert ran.err.startswith("alignment ")
