"""Several cuts of one ranking in one call, each as if it were made alone."""

from __future__ import annotations

import json

import pytest
from support import pool_records, write_jsonl

CUTS = {
    "a.jsonl": ("top=9", ["-k", "9"]),
    "b.jsonl.gz": ("tokens=900,top=12", ["--tokens", "900", "-k", "12"]),
    "c.parquet": ("fraction=0.4", ["--fraction", "0.4"]),
    "d=1.jsonl": ("min-score=-1,top=15", ["--min-score", "-1", "-k", "15"]),
}
RULES = ["--tokenizer", "bytes", "--dedup", "exact", "--max-share", "0.9", "--check", "target.jsonl"]
METHODS = (["-m", "zipfit"], ["--racing"], ["-m", "cover"], ["-m", "mmr"], ["-m", "random", "--seed", "3"])


def files(folder, name):
    """What lies beside an output of a name, its manifest without what it took and where it was made."""
    found = {}
    for path in folder.iterdir():
        if path.is_file() and path.name.split(".")[0] == name.split(".")[0]:
            data = path.read_bytes()
            if path.name.endswith(".manifest.json"):
                data = json.loads(data)
                for key in ("seconds", "working_directory"):
                    data.pop(key)
                data["output"].pop("path")
            found[path.name] = data
    return found


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method[1] if method[1:] else "racing")
@pytest.mark.parametrize("from_scores", [False, True])
def test_each_output_is_that_of_its_budget_alone(zipfit, folder, tmp_path, method, from_scores):
    write_jsonl(folder / "pool.jsonl", pool_records(120, seed=3))
    pool = ["pool.jsonl", "-t", "target.jsonl", *method]
    if from_scores:
        if method == ["--racing"]:
            pytest.skip("racing scores no pool")
        scored = [*pool[:5], "-p", "seed=3"] if "--seed" in pool else pool
        assert zipfit("score", *scored, "-o", "scores").status == 0
        pool = ["--scores", "scores"]
    cuts = [part for name, (budget, _) in CUTS.items() for part in ("--cut", f"{name}={budget}")]
    ran = zipfit("select", *pool, *cuts, *RULES)
    assert ran.status == 0, ran.err
    assert [line.split()[2] for line in ran.out.splitlines() if line.startswith("written to")] == list(CUTS)
    together = {name: files(folder, name) for name in CUTS}
    for name, (_, budget) in CUTS.items():
        assert len(together[name]) >= 2
        ran = zipfit("select", *pool, *budget, *RULES, "-o", name, "--overwrite")
        assert ran.status == 0, ran.err
        assert files(folder, name) == together[name]
        assert zipfit("verify", f"{name.split('.')[0]}.manifest.json").status == 0
        ran = zipfit("rerun", f"{name.split('.')[0]}.manifest.json", "--overwrite")
        assert ran.status == 0, ran.err


def test_an_output_and_cuts_and_shards(zipfit, folder):
    command = ["select", "pool.jsonl", "-t", "target.jsonl", "-k", "7", "--cut", "small/=top=3", "--json"]
    ran = zipfit(*command, "-o", "out/", "--shard-records", "2", "--no-fields")
    assert ran.status == 0, ran.err
    summaries = [json.loads(line) for line in ran.out.splitlines()]
    assert [(each["output"]["path"], each["output"]["documents"]) for each in summaries] == [("out", 7), ("small", 3)]
    assert [len(list((folder / name).iterdir())) for name in ("out", "small")] == [4, 2]
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--cut", "-=top=2", "--cut", "x.jsonl=top=1")
    assert ran.status == 0
    assert len(ran.out.splitlines()) == 2
    assert ran.err.count("documents selected") == 2


def test_resume_goes_with_cuts(zipfit, folder):
    command = ["select", "pool.jsonl", "-t", "target.jsonl", "-k", "7", "-o", "a/", "--cut", "b/=top=3", "--resume"]
    assert zipfit(*command, "--shard-records", "2").status == 0
    assert not list(folder.glob("*.scores"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-o", "a.jsonl"], "give a budget: top, fraction, tokens or min-score"),
        (["--cut", "a.jsonl"], "--cut 'a.jsonl': write OUTPUT=BUDGET, as small.jsonl=top=200,tokens=50000"),
        (["--cut", "a.jsonl="], "--cut 'a.jsonl=': write OUTPUT=BUDGET, as small.jsonl=top=200,tokens=50000"),
        (["--cut", "=top=1"], "--cut '=top=1': write OUTPUT=BUDGET, as small.jsonl=top=200,tokens=50000"),
        (
            ["--cut", "a.jsonl=best=1"],
            "--cut 'a.jsonl=best=1': write OUTPUT=BUDGET, as small.jsonl=top=200,tokens=50000",
        ),
        (["--cut", "a.jsonl=top=x"], "--cut 'a.jsonl=top=x': top is a number, not 'x'"),
        (["--cut", "a.jsonl=top="], "--cut 'a.jsonl=top=': top is a number, not ''"),
        (["--cut", "a.jsonl=top=1,top=2"], "--cut 'a.jsonl=top=1,top=2': top is given twice"),
        (["--cut", "a.jsonl=top=0"], "top must be at least 1, not 0"),
        (["--cut", "a.jsonl=fraction=nan"], "fraction must be above 0 and at most 1, not nan"),
        (["--cut", "a.jsonl=tokens=5"], "a budget of tokens needs a tokenizer"),
        (["--cut", "a.jsonl=top=1", "--cut", "a.jsonl=top=2"], "a.jsonl: is an output twice"),
        (
            ["--cut", "pool.jsonl=top=1", "--overwrite"],
            "pool.jsonl: is one of the inputs, which a selection must not replace",
        ),
        (["--cut", "a.jsonl=top=1", "--cut", "b.txt=top=2"], "b.txt: its extension names no output format"),
        (["--cut", "a.jsonl=top=1", "--cut", "no/b.jsonl=top=2"], "no/b.jsonl: the folder no does not exist"),
        (
            ["--cut", "a.jsonl=top=1", "--cut", "b.jsonl=top=999"],
            "999 documents were asked for, but the pool of 40 gives only 40",
        ),
        (["--cut", "a.jsonl=min-score=0", "--max-share", "0.5"], "max-share needs a budget of documents"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(zipfit, folder, options, reason):
    before = sorted(folder.iterdir())
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", *options)
    assert ran.status == 2
    assert reason in ran.err
    assert ran.err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("options", [[], ["-k", "3"], ["-k", "3", "--cut", "a.jsonl=top=1"]])
def test_a_budget_needs_its_output(zipfit, folder, options):
    before = sorted(folder.iterdir())
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", *options)
    assert ran.status == 2
    assert "--output FILE" in ran.err
    assert sorted(folder.iterdir()) == before


def test_two_outputs_with_one_manifest_are_refused(zipfit, folder):
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--cut", "a.jsonl=top=1", "--cut", "a.parquet=top=2")
    assert ran.status == 2
    assert "a.manifest.json, as a.jsonl does" in ran.err
