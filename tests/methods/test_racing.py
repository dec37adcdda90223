"""Racing finds the top K, its scores are exact, and it is deterministic."""

from __future__ import annotations

import random

import numpy as np
import pytest

from zipfit import ZipfitError, select
from zipfit.methods.racing import Racing, _Race


def texts(seed: int, count: int, vocabulary: int = 200) -> list[str]:
    generator = random.Random(seed)
    words = ["".join(generator.choices("abcdefghijkl", k=generator.randint(2, 9))) for _ in range(vocabulary)]
    return [" ".join(generator.choices(words, k=generator.randint(3, 80))) for _ in range(count)]


@pytest.fixture(scope="module")
def pool() -> list[str]:
    """Documents of several vocabularies, of which one is the target's."""
    documents = [text for seed in range(6) for text in texts(seed, 300)]
    random.Random(9).shuffle(documents)
    return documents


TARGET = texts(0, 40)


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_top_with_exact_scores(pool: list[str], seed: int) -> None:
    exact = select(pool, TARGET, top=25)
    raced = select(pool, TARGET, top=25, method="racing", options={"seed": seed})
    assert raced.indices.tolist() == exact.indices.tolist()
    assert raced.scores.tobytes() == exact.scores.tobytes()
    notes = raced.manifest["method"]["notes"]
    assert notes["statistical"] is True
    assert notes["share_of_pairs_evaluated"] < 0.7


def test_low_confidence_may_lose_documents_but_never_gives_a_wrong_score(pool: list[str]) -> None:
    exact = select(pool, TARGET, fraction=1.0)
    scores = exact.pool_scores
    assert scores is not None
    raced = select(pool, TARGET, top=50, method="racing", options={"confidence": 0.1})
    assert raced.scores.tobytes() == scores[raced.indices].tobytes()
    few, many = (
        select(pool, TARGET, top=50, method="racing", options={"confidence": z}).manifest["method"]["notes"]
        for z in (0.1, 6.0)
    )
    assert few["share_of_pairs_evaluated"] < many["share_of_pairs_evaluated"]


def test_threads_do_not_matter(pool: list[str]) -> None:
    one, three = (select(pool, TARGET, top=20, method="racing", threads=threads) for threads in (1, 3))
    assert one.indices.tolist() == three.indices.tolist()
    assert one.manifest["method"]["notes"] == three.manifest["method"]["notes"]


@pytest.mark.parametrize("targets", [1, 3, 7, 8])
def test_few_targets_are_just_scored(pool: list[str], targets: int) -> None:
    exact = select(pool[:100], TARGET[:targets], top=5)
    raced = select(pool[:100], TARGET[:targets], top=5, method="racing")
    assert raced.indices.tolist() == exact.indices.tolist()


def test_ties_and_the_whole_pool(pool: list[str]) -> None:
    same = ["the same text"] * 30
    raced = select(same, TARGET, top=10, method="racing")
    assert raced.indices.tolist() == list(range(10))
    assert len(select(pool[:50], TARGET, top=50, method="racing")) == 50


def test_weights_sum_over_all_targets() -> None:
    target_sizes = np.array([30, 50, 50, 80])
    source_sizes = np.array([20, 50, 60, 100])
    race = _Race(target_sizes)
    race.run(np.array([0], dtype=np.int32), source_sizes, np.zeros((4, 1)))
    expected = [sum(1 / max(x, t) for t in target_sizes) for x in source_sizes]
    assert race._all_weights() == pytest.approx(expected)


@pytest.mark.parametrize("terms", [{"fraction": 0.02}, {"min_score": 0.255}, {"tokens": 3000, "tokenizer": "bytes"}])
def test_every_budget_gives_what_the_exact_method_gives(pool: list[str], terms: dict[str, object]) -> None:
    exact, raced = (select(pool, TARGET, method=method, **terms) for method in ("zipfit", "racing"))
    assert 10 < len(exact) < 900
    assert raced.indices.tolist() == exact.indices.tolist()
    assert raced.scores.tobytes() == exact.scores.tobytes()


@pytest.mark.parametrize(
    "rules", [{"dedup": "exact"}, {"dedup": "near"}, {"max_share": 0.1}, {"min_bytes": 200}, {"max_bytes": 100}]
)
def test_documents_passed_over_are_made_up_for(pool: list[str], rules: dict[str, object]) -> None:
    records = [{"text": text, "source": str(number % 12)} for number, text in enumerate(pool + pool[:200])]
    exact, raced = (select(records, TARGET, top=30, method=method, **rules) for method in ("zipfit", "racing"))
    assert raced.indices.tolist() == exact.indices.tolist()
    assert raced.cut.dropped == exact.cut.dropped


def test_another_cut_asks_again_for_what_it_needs(pool: list[str]) -> None:
    exact = select(pool, TARGET, top=10)
    raced = select(pool, TARGET, top=10, method="racing")
    notes = raced.manifest["method"]["notes"]
    for terms in ({"top": 100}, {"min_score": float(exact.at(top=60).scores[-1])}, {"fraction": 0.5}, {"top": 3}):
        assert raced.at(**terms).indices.tolist() == exact.at(**terms).indices.tolist()
    assert raced.manifest["method"]["notes"] == notes != raced.at(top=100).manifest["method"]["notes"]
    # The same cut is the same, whatever was cut before, down to how it was found.
    direct = select(pool, TARGET, top=100, method="racing", options={"confidence": 0.1})
    again = select(pool, TARGET, top=5, method="racing", options={"confidence": 0.1}).at(top=100)
    assert again.indices.tolist() == direct.indices.tolist()
    assert again.manifest["method"]["notes"] == direct.manifest["method"]["notes"]


def test_scores_out_of_reach(pool: list[str]) -> None:
    with pytest.raises(ZipfitError, match=r"no document of the pool scores 0\.99 or more"):
        select(pool, TARGET, min_score=0.99, method="racing")
    everything = select(pool[:40], TARGET, min_score=-1, method="racing")
    assert everything.indices.tolist() == select(pool[:40], TARGET, min_score=-1).indices.tolist()
    with pytest.raises(ZipfitError, match="200 documents were asked for, but the pool of 40 gives only 40"):
        select(pool[:40], TARGET, top=200, method="racing")


def test_it_refuses_a_confidence_that_is_none(pool: list[str]) -> None:
    with pytest.raises(ZipfitError, match="confidence above 0, not 0"):
        Racing(confidence=0).fit(TARGET)
