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


def test_several_splits_say_how_sure_it_is(zipfit):
    command = ("preview", "pool.jsonl", "--target", "target.jsonl", "--bytes", 500, "-m", "cover", "-m", "gain")
    by_seed = [json.loads(zipfit(*command, "--json", "--seed", seed).out) for seed in (4, 5, 6)]
    together = json.loads(zipfit(*command, "--json", "--seed", 4, "--splits", 3).out)
    for result, *each in zip(together, *by_seed, strict=True):
        assert result["by_split"] == [one["bits_per_byte"] for one in each]
        assert result["bits_per_byte"] == sum(result["by_split"]) / 3
    lines = zipfit(*command, "--splits", 3).out.splitlines()
    assert lines[0].split() == ["method", "bits/byte", "±", "beats", "random", "documents", "bytes", "seconds"]
    assert {line.split()[0]: " ".join(line.split()[3:6]) for line in lines[1:]}["random"] == "0 of 3"
    assert zipfit(*command, "--splits", 0).err == "zipfit: error: the preview's splits must be positive, not 0\n"
