"""Shortlists: a method ranks the best share by another."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import pool_records, target_texts, write_jsonl

import zipfit
from zipfit.errors import ZipfitError
from zipfit.methods.registry import build_method, method_options, need_consent
from zipfit.methods.within import Within, method_of
from zipfit.selection.preview import preview
from zipfit.selection.rerun import rerun
from zipfit.selection.sources import open_sources

POOL = [record["text"] for record in pool_records(60)]
TARGET = target_texts(6)


def best(method, share, pool=POOL, **options):
    """Positions of the best share of a pool, ascending."""
    return sorted(zipfit.select(pool, TARGET, fraction=share, method=method, options=options).indices.tolist())


@pytest.mark.parametrize("method", ["zipfit", "cover", "dsir", "gain", "mmr", "racing", "random"])
@pytest.mark.parametrize("first", ["zipfit", "cover", "gain", "racing", "random"])
def test_it_ranks_as_if_the_pool_held_the_shortlist_alone(method, first):
    options = {"min_length": 0} if method == "dsir" else {}
    kept = best(first, 0.4)
    alone = zipfit.select([POOL[position] for position in kept], TARGET, top=9, method=method, options=options)
    within = zipfit.select(POOL, TARGET, top=9, method=method, options=options, within=f"{first}:0.4")
    assert within.indices.tolist() == [kept[index] for index in alone.indices]
    assert within.scores.tolist() == alone.scores.tolist()


def test_shortlists_are_made_one_out_of_the_other():
    kept = best("zipfit", 0.5)
    twice = [kept[index] for index in best("gain", 0.3, [POOL[position] for position in kept])]
    chosen = zipfit.select(
        POOL, TARGET, fraction=1, allow_fewer=True, method="cover", within=["zipfit:0.5", "gain:0.3"]
    )
    assert sorted(chosen.indices.tolist()) == twice
    assert [each["documents"] for each in chosen.notes["within"]] == [30, 9]


def test_equal_documents_rank_by_source_order():
    chosen = zipfit.select([*"xz", "a task", "a task", "y", "a task"], ["a task"], top=2, within="zipfit:0.6")
    assert chosen.indices.tolist() == [2, 3]


def test_a_share_is_rounded_down_but_keeps_one():
    assert len(zipfit.select(POOL[:7], TARGET, fraction=1, allow_fewer=True, within="zipfit:0.3")) == 2
    assert len(zipfit.select(POOL[:7], TARGET, fraction=1, allow_fewer=True, within="random:0.01")) == 1
    assert len(zipfit.select(POOL[:7], TARGET, fraction=1, allow_fewer=True, within="random:1")) == 7


def test_a_manifest_makes_it_again(tmp_path):
    source, target = write_jsonl(tmp_path / "pool.jsonl", POOL), write_jsonl(tmp_path / "task.jsonl", TARGET)
    within = ["zipfit,level=1:0.5", "random,seed=4:0.5"]
    how = {"method": "cover", "options": {"orders": "2,3"}, "within": within}
    manifest = zipfit.select(source, target, top=5, **how).save(tmp_path / "chosen.jsonl")
    assert manifest["method"]["class"] == "zipfit.methods.within:Within"
    assert manifest["method"]["options"]["options"]["orders"] == "2,3"
    assert manifest["method"]["options"]["within"][1] == {
        "method": "zipfit.methods.uniform:Random", "options": {"seed": 4}, "share": 0.5
    }  # fmt: skip
    again, same = rerun(str(tmp_path / "chosen.manifest.json"), str(tmp_path / "again.jsonl"))
    assert same
    assert len(again) == 5


def test_a_manifest_without_shortlists_is_as_it_was():
    manifest = zipfit.select(POOL, TARGET, top=2).manifest
    assert manifest["method"]["options"] == {"compressor": "gzip", "level": None}
    assert "within" not in json.dumps(manifest)


def test_a_strangers_manifest_runs_no_module_that_its_shortlists_name():
    nested = {"method": "zipfit.methods.cover:Cover", "options": {}, "within": ["zipfit:0.5", "evil.module:Class:0.5"]}
    for options in (
        nested,
        nested | {"within": [{"method": "evil.module:Class", "options": {}, "share": 1}]},
        nested | {"within": "evil.module:Class,a=1:0.5"},
        {"method": "evil.module:Class", "options": {}},
        {"teacher": "evil.module:Class"},
        {"method": "zipfit.methods.within:Within", "options": nested},
    ):
        with pytest.raises(ZipfitError, match="would run the code of the module evil"):
            need_consent("zipfit.methods.within:Within", (), options)
        need_consent("zipfit.methods.within:Within", ("evil.module",), options)


def test_preview_takes_methods_by_text():
    sources = open_sources(POOL, TARGET)
    names = ["cover", "cover,orders=2,3 within zipfit:0.3", "zipfit,level=1 within cover:0.5 within random,seed=2:0.5"]
    results = preview({name: method_of(name) for name in names}, sources, 400)
    assert [result.method for result in results] == [*names, "random", "target"]
    assert method_options(method_of(names[1]))["options"]["orders"] == "2,3"


def test_options_are_checked_before_anything_is_scored(monkeypatch):
    def score(self, texts):
        raise AssertionError("scored")

    monkeypatch.setattr("zipfit.methods.zipfit.ZipFit.score", score)
    with pytest.raises(ZipfitError, match="cover's unit must be one of word, byte, not 'sign'"):
        zipfit.select(POOL, TARGET, top=1, method="cover", options={"unit": "sign"}, within="zipfit:0.5")


@pytest.mark.parametrize(
    ("within", "message"),
    [
        ("zipfit", "within 'zipfit': write METHOD:SHARE, as in zipfit:0.3"),
        (":0.3", "within ':0.3': write METHOD:SHARE, as in zipfit:0.3"),
        ("zipfit:0", "the share of a shortlist must be above 0 and at most 1, not 0.0"),
        ("zipfit:nan", "the share of a shortlist must be above 0 and at most 1, not nan"),
        ("zipfit:1.5", "the share of a shortlist must be above 0 and at most 1, not 1.5"),
        ("nothing:0.5", "unknown method 'nothing'"),
        ("zipfit,depth=3:0.5", "method 'zipfit' has no option 'depth'"),
        ([{"method": "zipfit"}], "within names no shortlist: write METHOD:SHARE, as in zipfit:0.3"),
        ([{"method": "zipfit", "options": {}, "share": True}], "the share of a shortlist must be above 0"),
    ],
)
def test_what_is_no_shortlist_is_an_error(within, message):
    with pytest.raises(ZipfitError) as error:
        zipfit.select(POOL, TARGET, top=1, within=within)
    assert str(error.value).startswith(message)


def test_it_needs_a_pool_and_scores_that_are_numbers():
    class Nothing:
        def fit(self, target, pool=None):
            return self

        def score(self, texts):
            return np.full(len(texts), np.nan)

    with pytest.raises(ZipfitError, match="fit needs the pool"):
        Within("cover", "zipfit:0.5").fit(TARGET)
    with pytest.raises(ZipfitError, match="score of document 0 is not a number"):
        zipfit.select(POOL, TARGET, top=1, method=Nothing(), within="zipfit:0.5")
    with pytest.raises(ZipfitError, match="target-by is for methods that weigh several targets"):
        zipfit.select([{"text": "a", "x": 1}], [{"text": "a", "x": 1}], top=1, target_by="x", within="zipfit:0.5")


def test_several_targets_are_weighed_by_the_method():
    target = [{"text": text, "task": index % 2} for index, text in enumerate(TARGET)]
    how = {"method": "dsir", "options": {"min_length": 0}, "within": ["zipfit:0.5"]}
    assert len(zipfit.select(POOL, target, top=4, target_by="task", **how)) == 4


def test_a_method_of_its_own_options_can_be_built_again():
    method = Within(build_method("zipfit", {"level": 2}), ["dsir,min_length=0:0.25"], seed=5)
    given = method.given
    assert given["within"][0]["options"]["seed"] == 5
    assert build_method("zipfit.methods.within:Within", given).given == given
