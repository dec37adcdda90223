"""The command compares methods at equal bytes."""

from __future__ import annotations

import json

from support import random_texts, target_texts, write_jsonl


def test_preview_compares_methods(run, tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", [{"text": text} for text in random_texts(120, 1)])
    write_jsonl(tmp_path / "target.jsonl", target_texts(10))
    command = ["preview", "pool.jsonl", "--target", "target.jsonl", "--bytes", "2000", "-m", "cover", "-m", "dsir"]
    result = run(*command, "--json", "-p", "dsir.min_length=1") if False else run(*command, "--json")
    assert result.returncode == 0, result.stderr
    results = json.loads(result.stdout)
    assert [item["method"] for item in results] == ["cover", "dsir", "random", "target"]
