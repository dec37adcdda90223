from __future__ import annotations

import json

import pytest


@pytest.fixture
def explained(zipfit, folder):
    zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--top", 5, "-o", "out.jsonl", "-q")
    return lambda *arguments: zipfit("explain", "out.jsonl", *arguments)


def test_for_machines(explained, folder):
    first = json.loads((folder / "out.jsonl").read_text().splitlines()[0])
    found = json.loads(explained("--rank", 1, "--json").out)
    assert found["text"] == first["text"]
    assert found["alignment"] == first["zipfit_score"]
    assert len(found["neighbours"]) == 4
    assert [n["distance"] for n in found["neighbours"]] == sorted(n["distance"] for n in found["neighbours"])
    assert all(shared in found["text"] for neighbour in found["neighbours"] for shared in neighbour["shared"])
    position = json.loads(explained("--position", first["id"], "--json").out)
    assert position["text"] == first["text"]
    assert position["neighbours"] == found["neighbours"]


def test_for_people(explained, folder):
    ran = explained("--rank", 2)
    assert ran.status == 0
    assert ran.out.startswith("alignment 0.")
    assert "target example" in ran.out
    assert "zipfit_rank 2" in ran.out


def test_a_rank_that_is_not_there(explained):
    ran = explained("--rank", 6)
    assert (ran.status, ran.out, ran.err) == (2, "", "zipfit: error: out.jsonl: has ranks 1 to 5, not 6\n")
