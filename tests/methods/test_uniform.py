from __future__ import annotations

from collections import Counter

import pytest
from pools import MemoryPool

from zipfit.methods.base import Selector
from zipfit.methods.uniform import Random


def order(n: int, seed: int = 0, batch: int = 3, threads: int = 1) -> list[int]:
    pool = MemoryPool([f"document {i}" for i in range(n)], batch, threads)
    return [position for position, _ in Random(seed=seed).fit(["target"], pool).rank(pool)]


def test_is_a_selector():
    assert isinstance(Random(), Selector)


@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_ranks_every_document_once(n):
    assert sorted(order(n)) == list(range(n))


def test_depends_on_the_seed_and_nothing_else():
    assert order(50) == order(50, batch=7, threads=4) == order(50, batch=50)
    assert order(50, seed=1) != order(50, seed=2)


def test_every_document_is_first_equally_often():
    first = Counter(order(5, seed=seed)[0] for seed in range(1000))
    # Binomial(1000, 1/5): mean 200, standard deviation 13.
    assert all(abs(first[i] - 200) < 60 for i in range(5))


def test_scores_claim_nothing():
    pool = MemoryPool(["a", "b"])
    assert {score for _, score in Random().rank(pool)} == {0.0}
