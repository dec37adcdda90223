"""The three reductions, against their definitions, for every method that has them."""

from __future__ import annotations

import numpy as np
import pytest
from pools import MemoryPool
from support import pool_records, target_texts

import zipfit
from zipfit.compression.compressors import get_compressor
from zipfit.errors import ZipfitError
from zipfit.methods.base import is_scorer
from zipfit.methods.bm25 import Bm25
from zipfit.methods.reduce import reduced, round_robin
from zipfit.methods.zipfit import ZipFit

POOL = [record["text"] for record in pool_records(50)]
TARGET = target_texts(20)


def by_turns(near):
    """Positions as examples name them, one after another, as the definition says."""
    order = np.argsort(-near, axis=0, kind="stable")
    named = []
    for place in range(len(near)):
        for example in range(near.shape[1]):
            if order[place, example] not in named:
                named.append(int(order[place, example]))
    return named


@pytest.mark.parametrize("examples", [1, 2, 16, 40])
def test_round_robin_is_its_definition(examples):
    near = np.random.default_rng(examples).integers(0, 6, (30, examples)).astype(float)  # with many ties
    order, scores = round_robin(near.T)
    assert order.tolist() == by_turns(near)
    assert all(scores[position] in near[position] for position in range(30))


def test_mean_and_max_are_theirs():
    near = np.array([[1.0, 2.0, 6.0], [0.5, 0.25, 0.0]])
    assert reduced(near, "mean").tolist() == [3.0, 0.25]
    assert reduced(near, "max").tolist() == [6.0, 0.5]
    with pytest.raises(ZipfitError, match="no document has a score of its own"):
        reduced(near, "round-robin")


@pytest.mark.parametrize("compressor", ["gzip", "lz4", "zstd"])
def test_zipfit_reduces_its_distances(compressor):
    size = get_compressor(compressor, None).size
    examples = [text.encode() for text in TARGET]
    near = np.array(
        [
            [
                1 - (size(x + t) - min(size(x), size(t))) / max(size(x), size(t))
                for t in examples
            ]
            for x in map(str.encode, POOL)
        ]
    )  # fmt: skip
    for reduce, expected in (("round-robin", by_turns(near)), ("max", np.argsort(-near.max(axis=1), kind="stable"))):
        options = {"compressor": compressor, "reduce": reduce}
        chosen = zipfit.select(POOL, TARGET, fraction=1, method="zipfit", options=options)
        assert chosen.indices.tolist() == list(expected)
        assert (chosen.pool_scores is None) == (reduce == "round-robin")
    means = ZipFit(compressor).fit(TARGET)
    assert np.allclose(reduced(means.compare(POOL), "mean"), means.score(POOL), rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [ZipFit, Bm25])
@pytest.mark.parametrize("reduce", ["round-robin", "mean", "max"])
def test_batches_and_threads_change_nothing(make, reduce):
    answers = []
    for size, threads in ((50, 1), (7, 3), (1, 2)):
        pool = MemoryPool(POOL, size, threads)
        method = make(reduce=reduce).fit(TARGET, pool)
        assert is_scorer(method) == (reduce != "round-robin")
        answers.append(
            np.concatenate(list(pool.map(method.score))).tolist() if is_scorer(method) else list(method.rank(pool))
        )
    assert answers[0] == answers[1] == answers[2]


def test_a_manifest_names_a_reduction_only_where_it_is_another():
    for reduce, named in (("mean", {}), ("max", {"reduce": "max"}), ("round-robin", {"reduce": "round-robin"})):
        manifest = zipfit.select(POOL, TARGET, top=2, options={"reduce": reduce}).manifest
        assert manifest["method"]["options"] == {"compressor": "gzip", "level": None, **named}
    with pytest.raises(ZipfitError, match="reduce must be one of round-robin, mean, max, got 'sum'"):
        zipfit.select(POOL, TARGET, top=1, options={"reduce": "sum"})
