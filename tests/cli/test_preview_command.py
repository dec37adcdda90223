"""The command compares methods at equal bytes."""

from __future__ import annotations

import json


def test_preview_compares_methods(zipfit):
    ran = zipfit(
        "preview", "pool.jsonl", "--target", "target.jsonl", "--bytes", 500, "-m", "cover", "-m", "gain", "--json"
    )
    assert ran.status == 0, ran.err
    results = json.loads(ran.out)
    assert [item["method"] for item in results] == ["cover", "gain", "random", "target"]
    assert all(0 < item["bits_per_byte"] < 9 for item in results)
    assert all(item["bytes"] == 500 for item in results[:3])


def test_preview_prints_a_table_best_first(zipfit):
    ran = zipfit("preview", "pool.jsonl", "--target", "target.jsonl", "--bytes", 500, "-m", "cover")
    lines = ran.out.splitlines()
    assert lines[0].split() == ["method", "bits/byte", "documents", "bytes", "seconds"]
    assert len(lines) == 4
    bits = [float(line.split()[1]) for line in lines[1:]]
    assert bits == sorted(bits)


def test_preview_needs_two_examples(zipfit, folder):
    (folder / "one.jsonl").write_text('{"text": "alone"}\n')
    ran = zipfit("preview", "pool.jsonl", "--target", "one.jsonl", "-m", "cover")
    assert ran.status == 2
    assert "two examples" in ran.err
