"""What every method makes of its texts: strings or `Texts`, all the same, and one answer to a lone surrogate."""

from __future__ import annotations

import numpy as np
import pytest
from pools import MemoryPool

from zipfit.errors import ZipfitError
from zipfit.methods.base import Reach, Shortlister, is_scorer
from zipfit.methods.bm25 import Bm25
from zipfit.methods.cover import Cover
from zipfit.methods.distilled import Distilled
from zipfit.methods.dsir import Dsir
from zipfit.methods.embedding import Embedding
from zipfit.methods.gain import Gain
from zipfit.methods.mmr import Mmr
from zipfit.methods.racing import Racing
from zipfit.methods.turns import Turns
from zipfit.methods.uniform import Random
from zipfit.methods.zipfit import ZipFit
from zipfit.system.texts import Texts

METHODS = {
    "zipfit": lambda: ZipFit(),
    "zipfit by turns": lambda: ZipFit(reduce="round-robin"),
    "zipfit by the nearest": lambda: ZipFit(reduce="max"),
    "bm25": lambda: Bm25(),
    "bm25 by the mean": lambda: Bm25(reduce="mean"),
    "distilled": lambda: Distilled(sample=10),
    "lz4": lambda: ZipFit("lz4"),
    "zstd": lambda: ZipFit("zstd"),
    "gain": lambda: Gain(),
    "mmr": lambda: Mmr(level=3),
    "cover": lambda: Cover(orders="1,2"),
    "cover of words": lambda: Cover(unit="word", orders="1,2"),
    "dsir": lambda: Dsir(min_length=0),
    "racing": lambda: Racing(),
    "turns": lambda: Turns("cover,orders=1,2 and gain"),
    "random": lambda: Random(),
    "embedding": lambda: Embedding(cache=False),
}
TARGET = ["1 2", "0.5 -1", "3", "2 2 2", "7"]
TEXTS = ["2 1", "", "1 1 1", "5", "0 -1", "1 2", "8"]


def answer(method, texts, batch_size=3):
    if is_scorer(method):
        return np.concatenate([method.score(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)])
    pool = BatchesOf(texts, batch_size)
    return list(method.shortlist(pool, Reach(documents=3)) if isinstance(method, Shortlister) else method.rank(pool))


class BatchesOf(MemoryPool):
    """A pool whose batches are slices of what it was given: lists, or `Texts`."""

    def __iter__(self):
        return (self.texts[i : i + self.batch_size] for i in range(0, len(self.texts), self.batch_size))

    def map(self, function, only=None):
        for start, batch in zip(range(0, len(self.texts), self.batch_size), self, strict=True):
            here = range(len(batch)) if only is None else np.flatnonzero(only[start : start + self.batch_size])
            yield function(batch.take(here) if isinstance(batch, Texts) else [batch[i] for i in here])


@pytest.mark.usefixtures("_numbers")
@pytest.mark.parametrize("name", METHODS)
def test_strings_and_texts_are_the_same(name):
    make = METHODS[name]
    plain = answer(make().fit(TARGET, BatchesOf(TEXTS)), TEXTS)
    encoded = answer(make().fit(Texts.of(TARGET), BatchesOf(Texts.of(TEXTS))), Texts.of(TEXTS))
    assert np.array_equal(plain, encoded)
    assert len(plain) >= 3


@pytest.mark.usefixtures("_numbers")
@pytest.mark.parametrize("name", METHODS)
def test_a_lone_surrogate_is_refused_in_the_target_and_in_the_pool(name):
    make = METHODS[name]
    with pytest.raises(ZipfitError, match="text 1: lone surrogate at character 2 of the text"):
        make().fit(["1", "2 \ud800 3"], BatchesOf(TEXTS))
    method = make().fit(TARGET, BatchesOf(TEXTS))
    with pytest.raises(ZipfitError, match="text 0: lone surrogate at character 0 of the text"):
        answer(method, [*TEXTS[:6], "\udfff"])
