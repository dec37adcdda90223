"""BM25, against its formula written out and a case by hand."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from pools import MemoryPool
from support import pool_records, target_texts

from zipfit.errors import ZipfitError
from zipfit.methods.bm25 import Bm25

POOL = [record["text"] for record in pool_records(80)]


def plain_bm25(pool, query, k1, b):
    """The formula, document by document and word by word."""
    split = [re.findall(r"\w+|[^\w\s]", text) for text in pool]
    average = sum(map(len, split)) / len(split)
    scores = []
    for document in split:
        score = 0.0
        for word in re.findall(r"\w+|[^\w\s]", query):
            df = sum(word in other for other in split)
            tf = document.count(word)
            idf = math.log(1 + (len(pool) - df + 0.5) / (df + 0.5))
            score += tf and idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * len(document) / average))
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.0, 0.0), (2.0, 1.0)])
def test_it_is_the_formula(k1, b):
    target = [*target_texts(3), "def def def f(x): return x", "no word of it ever ever occurs"]
    pool = [*POOL, "", "def"]
    near = Bm25(k1=k1, b=b).fit(target, MemoryPool(pool, 7)).compare(pool)
    assert np.allclose(near, np.array([plain_bm25(pool, query, k1, b) for query in target]).T, rtol=1e-12)


def test_by_hand():
    # Three documents of 2, 2 and 4 words: the mean is 8/3. "cat" stands in two of them, "dog" in one.
    near = Bm25().fit(["cat", "cat dog cat"], MemoryPool(pool := ["a cat", "b c", "cat cat dog e"])).compare(pool)
    cat, dog = math.log(1 + 1.5 / 2.5), math.log(1 + 2.5 / 1.5)
    short = 1.5 * (0.25 + 0.75 * 2 / (8 / 3))
    long = 1.5 * (0.25 + 0.75 * 4 / (8 / 3))
    first = cat * 2.5 / (1 + short)
    last = cat * 2 * 2.5 / (2 + long)
    assert np.allclose(near, [[first, 2 * first], [0, 0], [last, 2 * last + dog * 2.5 / (1 + long)]])


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        ({"k1": -1.0}, ["a"], "bm25's k1 must lie in 0..1000000, not -1.0"),
        ({"k1": math.nan}, ["a"], "bm25's k1 must lie"),
        ({"b": 1.5}, ["a"], "bm25's b must lie in 0..1, not 1.5"),
        ({}, ["", " \n"], "the target has no words"),
        ({}, [], "the target has no words"),
    ],
)
def test_wrong_options_and_empty_targets(options, target, message):
    with pytest.raises(ZipfitError, match=message):
        Bm25(**options).fit(target, MemoryPool(POOL))


def test_it_needs_the_pool_and_stands_one_without_words():
    with pytest.raises(ZipfitError, match="fit needs the pool"):
        Bm25().fit(["a"])
    pool = MemoryPool(["", "  ", "\n"])
    assert list(Bm25().fit(["a"], pool).rank(pool)) == [(0, 0.0), (1, 0.0), (2, 0.0)]
