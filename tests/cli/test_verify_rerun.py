from __future__ import annotations

import json
import sys

import fsspec
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
    assert (ran.status, ran.out) == (0, "identical, bit for bit\n")
    assert ran.err == "reads pool.jsonl for target.jsonl, and writes again.jsonl.zst\n"
    assert (folder / "again.jsonl.zst").read_bytes() == (folder / "out.jsonl.zst").read_bytes()
    assert zipfit("verify", "again.manifest.json").status == 0
    assert zipfit("rerun", "out.manifest.json").err.endswith(
        "exists already (give --overwrite, or overwrite=True in Python, to replace it)\n"
    )
    before = (folder / "out.jsonl.zst").read_bytes()
    ran = zipfit("rerun", "out.manifest.json", "--overwrite", "--json", "--quiet")
    assert (json.loads(ran.out), ran.err) == ({"identical": True}, "")
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


OWN = """
from pathlib import Path

Path("imported").touch()


class Shortest:
    def fit(self, target, pool=None):
        return self

    def score(self, texts):
        return [-len(text) for text in texts]
"""


def test_rerun_runs_no_code_that_a_manifest_names_without_consent(zipfit, folder, monkeypatch):
    (folder / "own_method.py").write_text(OWN.replace("class", "from dataclasses import dataclass\n@dataclass\nclass"))
    monkeypatch.syspath_prepend(folder)
    plain = ["select", "pool.jsonl", "-t", "target.jsonl", "--top", 3, "-q", "-m", "own_method:Shortest"]
    assert zipfit(*plain, "-o", "own.jsonl").status == 0  # named by the user's own hand
    (folder / "imported").unlink()
    monkeypatch.delitem(sys.modules, "own_method")
    ran = zipfit("rerun", "own.manifest.json", "-o", "again.jsonl")
    assert (ran.status, ran.out) == (2, "")
    assert "method 'own_method:Shortest' would run the code of the module own_method" in ran.err
    assert "--allow-code own_method" in ran.err
    assert not (folder / "imported").exists()
    ran = zipfit("rerun", "own.manifest.json", "-o", "again.jsonl", "--allow-code", "own_method")
    assert (ran.status, ran.out) == (0, "identical, bit for bit\n")


@pytest.mark.parametrize("consent", [(), ("--allow-code", "subprocess")])
def test_rerun_calls_nothing_that_is_no_method(zipfit, folder, consent):
    path = folder / "out.manifest.json"
    manifest = json.loads(path.read_text())
    manifest["method"] |= {"class": "subprocess:Popen", "options": {"args": ["touch", "called"]}}
    path.write_text(json.dumps(manifest))
    ran = zipfit("rerun", "out.manifest.json", "-o", "again.jsonl", *consent)
    assert (ran.status, ran.out) == (2, "")
    assert ("Popen is no method" if consent else "--allow-code subprocess") in ran.err
    assert {entry.name for entry in folder.iterdir()}.isdisjoint({"called", "again.jsonl"})


def test_rerun_writes_beside_the_manifest_wherever_that_says(zipfit, folder):
    (folder / "received").mkdir()
    path = folder / "received" / "out.manifest.json"
    manifest = json.loads((folder / "out.manifest.json").read_text())
    manifest["output"]["path"] = str(folder / "victim.jsonl.zst")
    path.write_text(json.dumps(manifest))
    assert zipfit("rerun", path).status == 0
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        "out.manifest.json", "victim.jsonl.zst", "victim.manifest.json",
    ]  # fmt: skip
    assert not (folder / "victim.jsonl.zst").exists()


def test_rerun_of_something_that_changed(zipfit, folder):
    write_jsonl(folder / "pool.jsonl", pool_records(seed=11))
    ran = zipfit("rerun", "out.manifest.json", "-o", "again.jsonl.zst")
    assert ran.status == 2
    assert "its output differs from the one that the manifest names" in ran.err


def test_what_lies_beside_a_remote_manifest_is_checked_and_written(zipfit, folder):
    store = fsspec.filesystem("memory")
    for name in ("pool.jsonl", "target.jsonl"):
        store.pipe(f"/beside/{name}", (folder / name).read_bytes())
    select = ["select", "memory://beside/pool.jsonl", "-t", "memory://beside/target.jsonl", "-k", "5"]
    assert zipfit(*select, "-o", "memory://beside/out.jsonl").status == 0
    for name in ("out.jsonl", "out.manifest.json"):
        store.copy(f"/beside/{name}", f"/moved/{name}")
    store.rm("/beside/out.jsonl")
    assert zipfit("verify", "memory://moved/out.manifest.json").status == 0
    written = store.cat("/moved/out.jsonl")
    assert zipfit("rerun", "memory://moved/out.manifest.json", "--overwrite").status == 0
    assert store.cat("/moved/out.jsonl") == written
    assert not store.exists("/beside/out.jsonl")
    store.rm("/moved/out.jsonl")
    assert zipfit("verify", "memory://moved/out.manifest.json").status == 2
