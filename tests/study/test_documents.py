"""The documents that arms train on: chosen by the walk that `select` has, out of one pool and one ranking a method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml")
from support import pool_records, target_texts, write_jsonl

from zipfit import select
from zipfit.corpus.corpus import Corpus
from zipfit.methods.uniform import Random
from zipfit.methods.zipfit import ZipFit
from zipfit.study.documents import Chooser, Rankings
from zipfit.study.schema import Study
from zipfit.study.spec import load_study

STUDY = """
name: documents
source: pool.jsonl
target: target.jsonl
test: target.jsonl
methods: METHODS
budgets: [150, 400]
models: [smollm2]
seeds: [0, 1, 2]
training: {block_size: 16}
"""


class Words:
    """A tokenizer: a token a word."""

    eos_token_id = 0

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[1] * len(text.split()) for text in texts]}


@pytest.fixture
def study(tmp_path: Path) -> Any:
    records = pool_records(200)
    write_jsonl(tmp_path / "pool.jsonl", records + records[:40])
    write_jsonl(tmp_path / "target.jsonl", target_texts())

    def load(methods: str) -> Study:
        (tmp_path / "study.yaml").write_text(STUDY.replace("METHODS", methods))
        return load_study(tmp_path / "study.yaml")

    load.folder = tmp_path
    return load


def chooser(study: Study) -> Chooser:
    return Chooser(Rankings(study), Words(), study.arms)


def test_arms_share_one_reading_of_the_pool_and_one_ranking_for_each_method_and_seed(study, monkeypatch):
    passes: list[str] = []
    read = Corpus.read
    monkeypatch.setattr(
        Corpus, "read", lambda self, *rest: (passes.append(Path(self.inputs[0].name).name), read(self, *rest))[1]
    )
    fits: list[str] = []
    for method in (ZipFit, Random):
        fit = method.fit
        monkeypatch.setattr(
            method, "fit", lambda self, *rest, fit=fit: (fits.append(type(self).__name__), fit(self, *rest))[1]
        )
    loaded = study("{zipfit: {}, shared: {method: zipfit, dedup: exact, max_share: 0.5}, random: {}, "
                   "above: {method: zipfit, min_score: 0.3}}")  # fmt: skip
    rankings = Rankings(loaded)
    for _ in range(2):  # as for a second model
        chooser = Chooser(rankings, Words(), loaded.arms)
        for seed in loaded.seeds:
            for budget in loaded.budgets:
                for arm in loaded.arms:
                    assert chooser.choose(arm, budget, seed).documents
    assert passes.count("pool.jsonl") == 1
    # ZIP-FIT once, random choice once a seed; the rest is the alignment of what was chosen.
    assert fits.count("Random") == 2 * 3
    ours = [name for name in fits if name == "ZipFit"]
    chosen = len([name for name in passes if name == "source"])
    assert len(ours) == 1 + chosen


@pytest.mark.parametrize(
    "rules",
    [{}, {"dedup": "exact"}, {"dedup": "near", "dedup_threshold": 0.5}, {"min_bytes": 60}, {"max_bytes": 90}],
)
@pytest.mark.parametrize("method", ["zipfit", "cover", "racing"])
def test_an_arm_takes_what_select_takes(study, method, rules):
    text = ", ".join(f"{name}: {value}" for name, value in rules.items())
    loaded = study(f"{{one: {{method: {method}, {text}}}}}")
    chosen = chooser(loaded).choose(loaded.arms[0], 400, 0)
    tokens = [document.tokens for document in chosen.documents]
    assert sum(tokens) >= 400 > sum(tokens[:-1])
    folder = study.folder
    same = select(folder / "pool.jsonl", folder / "target.jsonl", top=len(tokens), method=method, **rules)
    assert [document.position for document in chosen.documents] == same.indices.tolist()
    assert [document.score for document in chosen.documents] == same.scores.tolist()


def test_an_arm_ranks_shortlists_as_select_does(study):
    loaded = study("{one: {method: cover, within: [zipfit:0.5, random:0.5]}, two: {method: cover, within: zipfit:0.3}}")
    choosing, folder = chooser(loaded), study.folder
    for arm, seed, within in (
        (loaded.arms[0], 0, ["zipfit:0.5", "random:0.5"]),
        (loaded.arms[0], 1, ["zipfit:0.5", "random,seed=1:0.5"]),
        (loaded.arms[1], 1, "zipfit:0.3"),
    ):
        documents = choosing.choose(arm, 150, seed).documents
        same = select(folder / "pool.jsonl", folder / "target.jsonl", top=len(documents), method="cover", within=within)
        assert [document.position for document in documents] == same.indices.tolist()


def test_a_share_is_of_each_budget(study):
    loaded = study("{zipfit: {max_share: 0.4}}")
    choosing, arm = chooser(loaded), loaded.arms[0]
    for budget in (400, 150, 400):
        documents = choosing.choose(arm, budget, 0).documents
        for label in ("books", "code", "web"):
            assert sum(document.tokens for document in documents if document.label == label) <= 0.4 * budget


def test_without_a_budget_all_that_the_rules_let_through(study):
    loaded = study("{cover: {dedup: exact, budgets: [null]}}")
    documents = chooser(loaded).choose(loaded.arms[0], None, 0).documents
    assert len({document.text for document in documents}) == len(documents)
    assert {document.text for document in documents} == {record["text"] for record in pool_records(200)}


def test_documents_above_a_score_come_in_an_order_of_the_seed(study):
    loaded = study("{zipfit: {min_score: 0.3, budgets: [null]}}")
    choosing, arm = chooser(loaded), loaded.arms[0]
    one, two = (choosing.choose(arm, None, seed).documents for seed in (0, 1))
    assert [document.position for document in one] != [document.position for document in two]
    folder = study.folder
    above = select(folder / "pool.jsonl", folder / "target.jsonl", min_score=0.3).indices.tolist()
    assert sorted(above) == sorted(document.position for document in one)
    assert sorted(above) == sorted(document.position for document in two)
