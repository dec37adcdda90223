from __future__ import annotations

import json

import pytest
from support import pool_records, write_jsonl


@pytest.fixture(autouse=True)
def selected(zipfit, folder):
    zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--top", 5, "-o", "out.jsonl.zst", "-q")


def test_verify(zipfit, folder):
    ran = zipfit("verify", "out.manifest.json")
    assert (ran.status, ran.out, ran.err) == (0, "the inputs and the selection are as the manifest says\n", "")
    assert json.loads(zipfit("verify", "out.manifest.json", "--json").out) == {"problems": []}
    (folder / "target.jsonl").unlink()
    (folder / "out.jsonl.zst").write_bytes(b"")
    ran = zipfit("verify", "out.manifest.json")
    assert (ran.status, ran.out) == (2, "")
    assert "target.jsonl: no such file\n" in ran.err
    assert "out.jsonl.zst: has changed (0 bytes, " in ran.err
    ran = zipfit("verify", "out.manifest.json", "--json")
    assert ran.status == 2
    assert len(json.loads(ran.out)["problems"]) == 2


def test_rerun(zipfit, folder):
    ran = zipfit("rerun", "out.manifest.json", "-o", "again.jsonl.zst")
    assert (ran.status, ran.out, ran.err) == (0, "identical, bit for bit\n", "")
    assert (folder / "again.jsonl.zst").read_bytes() == (folder / "out.jsonl.zst").read_bytes()
    assert zipfit("verify", "again.manifest.json").status == 0
    assert zipfit("rerun", "out.manifest.json").err.endswith("exists already (give --overwrite to replace it)\n")
    before = (folder / "out.jsonl.zst").read_bytes()
    assert json.loads(zipfit("rerun", "out.manifest.json", "--overwrite", "--json").out) == {"identical": True}
    assert (folder / "out.jsonl.zst").read_bytes() == before


def test_rerun_of_a_race_whose_manifest_repeats_the_budget(zipfit, folder):
    zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--racing", "--top", 5, "-o", "raced.jsonl", "-q")
    path = folder / "raced.manifest.json"
    manifest = json.loads(path.read_text())
    manifest["method"]["options"] = {"top": 5, **manifest["method"]["options"]}
    path.write_text(json.dumps(manifest))
    assert zipfit("rerun", "raced.manifest.json", "-o", "again.jsonl").out == "identical, bit for bit\n"


def test_rerun_from_another_folder(zipfit, folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert zipfit("rerun", "../out.manifest.json", "-o", "again.jsonl.zst").status == 0
    assert zipfit("verify", "../out.manifest.json").status == 0


def test_rerun_of_something_that_changed(zipfit, folder):
    write_jsonl(folder / "pool.jsonl", pool_records(seed=11))
    ran = zipfit("rerun", "out.manifest.json", "-o", "again.jsonl.zst")
    assert ran.status == 2
    assert "its output differs from the one that the manifest names" in ran.err
