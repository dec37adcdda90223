"""Scores and ranking beside the paper's formula in plain Python, and beside the published package."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys

import numpy as np
import pytest
from support import plain_alignment, random_texts

import zipfit

LEVEL = 6

# In a process of its own, since it forks: in one that has threads, as of the libraries that other tests load, a fork
# may never end.
RIVAL = """
import json, sys
from zip_fit import ZIPFIT

source, target, level = json.load(sys.stdin)
rival = ZIPFIT("", "", k=len(source), compression_algorithm="gzip", compress_level=level)
print(json.dumps(rival.rank_sequences_by_alignment(source, target)))
"""


@pytest.fixture(scope="module")
def corpora():
    # The published package keys its averages by text position but returns texts: distinct ones tell them apart.
    source = list(dict.fromkeys(f"{text} {i}" for i, text in enumerate(random_texts(2000, seed=7, longest=60))))
    return source, [text for text in random_texts(20, seed=8) if text][:12]


@pytest.fixture(scope="module")
def chosen(corpora):
    source, target = corpora
    return zipfit.select(source, target, top=len(source), options={"level": LEVEL})


def test_scores_equal_the_formula_to_the_last_bit(corpora, chosen):
    source, target = corpora
    sizes = {text: len(gzip.compress(text.encode(), LEVEL)) for text in [*source, *target]}
    expected = np.empty(len(source))
    for i, text in enumerate(source):
        total = 0.0
        for example in target:
            joined = len(gzip.compress((text + example).encode(), LEVEL))
            total += (joined - min(sizes[text], sizes[example])) / max(sizes[text], sizes[example])
        expected[i] = 1 - total / len(target)
    assert chosen.pool_scores.tobytes() == expected.tobytes()
    assert expected[0] == plain_alignment(source[0], target, LEVEL)


def test_the_ranking_is_that_of_zip_fit(corpora, chosen):
    source, target = corpora
    given = json.dumps([source, target, LEVEL])
    ran = subprocess.run([sys.executable, "-c", RIVAL], input=given, check=True, capture_output=True, text=True)
    ranked = json.loads(ran.stdout.splitlines()[-1])
    # Its mean adds pairwise and in the order in which its processes finish, so near ties may fall either way.
    order = {text: i for i, text in enumerate(source)}
    scores = chosen.scores
    np.testing.assert_allclose([score for _, score in ranked], scores, rtol=0, atol=1e-12)
    apart = np.minimum(np.diff(scores, prepend=np.inf) * -1, np.diff(scores, append=-np.inf) * -1) > 1e-9
    theirs = np.array([order[text] for text, _ in ranked])
    assert apart.sum() > len(source) / 2
    assert np.array_equal(theirs[apart], chosen.indices[apart])
    for k in (10, 100, 1000):
        last = max(k, int(np.flatnonzero(apart[k:])[0]) + k)  # a place where no tie straddles the cut
        assert set(theirs[:last]) == set(chosen.indices[:last].tolist())


def test_level_0_of_zip_fit_ranks_by_length_alone():
    """Why zipfit refuses the published package's default: at level 0 what the texts say has no bearing."""
    texts = ["theorem add_comm (a b : nat)", "a" * 28, random.Random(0).randbytes(14).hex()]
    assert len({plain_alignment(text, ["lemma mul_comm (a b : nat)"], level=0) for text in texts}) == 1
    with pytest.raises(zipfit.ZipfitError, match="gzip level 0"):
        zipfit.select(texts, texts, top=1, options={"level": 0})
