from __future__ import annotations

import random
from itertools import islice

import numpy as np
import pytest
from pools import MemoryPool

from zipfit.errors import ZipfitError
from zipfit.methods import mmr
from zipfit.methods.base import Scorer, Selector
from zipfit.methods.gain import Gain, join, sizer
from zipfit.methods.mmr import Mmr

TARGET = [
    "Let G be a finite group and let H be a subgroup of index two. Show that H is normal in G.",
    "Suppose that R is a commutative ring and I an ideal of R. Prove that R/I is a field if and only if I is maximal.",
]


def documents(n: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    topics = [
        " ".join(TARGET).split(),
        ["select", "name", "from", "table", "where", "id", "is", "not", "null", "group", "by", "limit", "10", ";"],
        ["the", "king", "said", "unto", "him", "that", "he", "should", "go", "down", "to", "river", "morning"],
    ]
    return [" ".join(rng.choices(rng.choice(topics), k=rng.randrange(3, 60))) for _ in range(n)]


def ranking(texts: list[str], batch: int = 10, threads: int = 1, **options) -> list[tuple[int, float]]:
    pool = MemoryPool(texts, batch, threads)
    return list(Mmr(**{"level": 3, **options}).fit(TARGET, pool).rank(pool))


def test_is_a_selector_and_no_scorer():
    assert isinstance(Mmr(), Selector)
    assert not isinstance(Mmr(), Scorer)


def eager(texts: list[str], redundancy: float, n: int) -> list[tuple[int, float]]:
    """The definition while the dictionary is renewed after each document, which it is for the first ten."""
    relevance = Gain(level=3).fit(TARGET).score(texts)
    alone = sizer(3)
    chosen: list[tuple[int, float]] = []
    while len(chosen) < n:
        given = sizer(3, join(texts[i].encode() for i, _ in chosen))
        scores = []
        for i, text in enumerate(texts):
            gain = max(0.0, 1 - given(text.encode()) / alone(text.encode())) if chosen else 0.0
            scores.append(relevance[i] - redundancy * gain if i not in dict(chosen) else -np.inf)
        best = int(np.argmax(scores))
        chosen.append((best, scores[best]))
    return chosen


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("redundancy", [0.3, 0.5, 1.0])
def test_lazy_choice_is_as_good_as_eager_choice(seed, redundancy):
    # Where a bound fails, because a larger dictionary served a document worse, choices may part: their worth may not.
    texts = documents(60, seed)
    lazy, plain = ranking(texts, redundancy=redundancy)[:9], eager(texts, redundancy, 9)
    assert lazy[:3] == plain[:3]
    assert sum(score for _, score in lazy) == pytest.approx(sum(score for _, score in plain), abs=0.1)


def test_without_redundancy_it_is_gain():
    texts = documents(80)
    scores = Gain(level=3).fit(TARGET).score(texts)
    order = np.argsort(-scores, kind="stable")
    assert ranking(texts, redundancy=0.0) == [(int(i), float(scores[i])) for i in order]


def test_copies_get_no_second_reward():
    words = " ".join(TARGET).split()
    rng = random.Random(2)
    texts = [" ".join(rng.choices(words, k=rng.randrange(20, 60))) for _ in range(40)] * 3
    assert len({texts[position] for position, _ in ranking(texts)[:40]}) == 40
    assert len({texts[position] for position, _ in ranking(texts, redundancy=0.0)[:40]}) == 14  # three of each


@pytest.mark.parametrize("level", [3, 19])
def test_batches_threads_and_fetches_change_nothing(monkeypatch, level):
    texts = documents(150)
    expected = ranking(texts, level=level)
    assert sorted(position for position, _ in expected) == list(range(150))
    assert ranking(texts, batch=1, threads=4, level=level) == expected
    for first_fetch in (0, 1, 500, 5000):
        monkeypatch.setattr(mmr, "_FIRST_FETCH", first_fetch)
        assert ranking(texts, batch=64, level=level) == expected


def test_a_short_walk_reads_little(monkeypatch):
    monkeypatch.setattr(mmr, "_FIRST_FETCH", 2000)
    candidates = []

    class Spy(mmr._Candidates):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            candidates.append(self)

    monkeypatch.setattr(mmr, "_Candidates", Spy)
    pool = MemoryPool(documents(500))
    assert len(list(islice(Mmr(level=3).fit(TARGET).rank(pool), 5))) == 5
    held = sum(map(len, candidates[0].texts.values()))
    assert 0 < held < sum(map(len, pool.texts)) / 3


def test_the_window_forgets(monkeypatch):
    monkeypatch.setattr(mmr, "_WINDOW", 100)
    selection = mmr._Selection(3)
    early, late = b"abcdefghij klmnop qrst" * 3, b"0123456789 ABCDEFG HIJKLMNOPQRSTUVWXYZ ?!" * 3
    selection.add(early)
    alone = sizer(3)(early)
    assert selection.explains(early, alone) > 0.3
    selection.add(late)
    assert selection.explains(early, alone) < 0.1


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["x"], ["same words"] * 30, ["群は環", "теорема"]])
def test_edge_pools_are_ranked_in_full(texts):
    ranked = ranking(texts)
    assert sorted(position for position, _ in ranked) == list(range(len(texts)))
    assert np.isfinite([score for _, score in ranked]).all()
    if len(set(texts)) == 1:
        assert [position for position, _ in ranked] == list(range(len(texts)))


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        ({"level": 0}, TARGET, "mmr's level must be between"),
        ({"redundancy": -0.1}, TARGET, "redundancy must be between 0 and 1"),
        ({"redundancy": float("nan")}, TARGET, "redundancy must be between 0 and 1"),
        ({}, [""], "no text"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(options, target, message):
    with pytest.raises(ZipfitError, match=message):
        Mmr(**options).fit(target)
