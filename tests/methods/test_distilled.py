"""What a light model learns of another method's ranking, against the normal equations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pools import MemoryPool
from support import pool_records, target_texts
from test_every_method import BatchesOf

import zipfit
from zipfit.errors import ZipfitError
from zipfit.methods.distilled import Distilled
from zipfit.methods.hashed_ngrams import HashedNgrams
from zipfit.methods.registry import need_consent
from zipfit.methods.zipfit import ZipFit

POOL = [record["text"] for record in pool_records(120)]
TARGET = target_texts(6)


def test_weights_are_those_of_the_normal_equations():
    method = Distilled(sample=200, buckets=50, ngrams=1, ridge=0.3).fit(TARGET, BatchesOf(POOL, 7))
    features = HashedNgrams(1, 50)
    counts = [features.count(features.hashed([text])) for text in POOL]
    shares = np.array([each / max(each.sum(), 1) for each in counts])
    places = np.argsort(np.argsort(-ZipFit().fit(TARGET).score(POOL), kind="stable"), kind="stable")
    taught = 1 - places / len(POOL)
    scale = (shares**2).sum(axis=1).mean()
    matrix = shares.T @ shares + 0.3 * scale * np.eye(50)
    weights = np.linalg.solve(matrix, shares.T @ (taught - taught.mean()))
    expected = np.where(shares.any(axis=1), taught.mean() + shares @ weights, 0)
    assert np.allclose(method.score(POOL), expected, atol=1e-8)
    assert method.notes["sample"] == 120


def test_it_learns_what_it_is_taught():
    code = [f"def f{number}(x): return x + {number}" for number in range(60)]
    prose = [f"It was the year {number}, and nothing had happened." for number in range(60)]
    pool = [text for pair in zip(code, prose, strict=True) for text in pair]
    method = Distilled(sample=60).fit(["def g(y): return y - 1"], BatchesOf(pool, 11))
    assert method.notes["correlation"] > 0.3
    scores = method.score([*code, *prose])
    assert scores[:60].min() > scores[60:].max()


def test_any_method_teaches_and_the_seed_draws():
    for teacher in ("cover", "racing", "dsir,min_length=0", "zipfit,reduce=round-robin", "gain"):
        options = {"teacher": teacher, "sample": 40}
        chosen = zipfit.select(POOL, TARGET, top=9, method="distilled", options=options)
        assert chosen.pool_scores is not None
        for threads in (1, 3):
            again = zipfit.select(POOL, TARGET, top=9, method="distilled", options=options, threads=threads)
            assert again.pool_scores.tolist() == chosen.pool_scores.tolist()
        other = zipfit.select(POOL, TARGET, top=9, method="distilled", options=options | {"seed": 1})
        assert other.pool_scores.tolist() != chosen.pool_scores.tolist()


def test_small_and_empty_pools():
    for pool in (["a"], ["", " "], ["one", "two", "three"]):
        method = Distilled().fit(["a task"], BatchesOf(pool))
        assert np.isfinite(method.score([*pool, "unseen"])).all()
        assert method.notes == {"sample": len(pool), "correlation": None}
        assert method.score([""]).tolist() == [0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "nothing"}, "unknown method 'nothing'"),
        ({"teacher": "zipfit,depth=2"}, "method 'zipfit' has no option 'depth'"),
        ({"sample": 3}, "distilled's sample must be between 10 and 20000, not 3"),
        ({"ngrams": 0}, "distilled's ngrams must be at least 1, not 0"),
        ({"buckets": 0}, "distilled's buckets must be between 1 and 1048576, not 0"),
        ({"ridge": 0.0}, "distilled's ridge must be above 0 and at most 1000000, not 0.0"),
        ({"ridge": math.nan}, "distilled's ridge must be above 0"),
        ({"seed": -1}, "the seed must be at least 0, not -1"),
    ],
)
def test_wrong_options_are_errors(options, message):
    with pytest.raises(ZipfitError, match=message):
        Distilled(**options).fit(TARGET, MemoryPool(POOL))


def test_it_needs_the_pool_and_consent_to_a_strangers_teacher():
    with pytest.raises(ZipfitError, match="fit needs the pool"):
        Distilled().fit(TARGET)
    with pytest.raises(ZipfitError, match="would run the code of the module evil"):
        need_consent("distilled", (), {"teacher": "evil:Class,a=1"})
    with pytest.raises(ZipfitError, match="would run the code of the module evil"):
        need_consent("distilled", (), {"teacher": "distilled,teacher=evil:Class"})
