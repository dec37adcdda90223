from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import plain_alignment, random_texts

from zipfit.errors import ZipfitError
from zipfit.methods.zipfit import ZipFit


@given(
    st.lists(st.text(max_size=40), min_size=1, max_size=4),
    st.lists(st.text(max_size=40), max_size=4),
    st.integers(1, 9),
)
def test_scores_are_those_of_the_formula(target, texts, level):
    scores = ZipFit(level=level).fit(target).score(texts)
    assert scores.dtype == np.float64
    assert scores.tolist() == [plain_alignment(text, target, level) for text in texts]


@pytest.mark.parametrize("compressor", ["gzip", "lz4", "zstd", "brotli", "lzma"])
def test_what_resembles_the_target_scores_higher(compressor):
    target = [f"theorem t{i} (a b : nat) : a + b = b + a := by simp" for i in range(3)]
    near, far = ZipFit(compressor).fit(target).score([target[0].replace("t0", "t9"), "Once upon a time in a far land"])
    assert near > far


def test_a_score_does_not_depend_on_its_neighbours():
    texts, target = random_texts(30, 1), random_texts(5, 2)
    method = ZipFit().fit(target)
    together = method.score(texts)
    assert [method.score([text])[0] for text in texts] == together.tolist()
    assert method.score(texts[::-1]).tolist() == together.tolist()[::-1]
    assert method.score([]).shape == (0,)


def test_fitting_again_forgets():
    method = ZipFit().fit(["one"])
    method.fit(["another thing"])
    assert method.score(["x"]).tolist() == ZipFit().fit(["another thing"]).score(["x"]).tolist()


def test_mistakes():
    with pytest.raises(ZipfitError, match="the target is empty"):
        ZipFit().fit([])
    with pytest.raises(ZipfitError, match="call fit with the target examples"):
        ZipFit().score(["a"])
    with pytest.raises(ZipfitError, match="unknown compressor"):
        ZipFit("zip").fit(["a"])


def test_arguments_are_kept_and_the_engine_is_told():
    method = ZipFit("lz4", None)
    assert (method.compressor, method.level, method.engine) == ("lz4", None, "")
    assert method.fit(["a"]) is method
    assert method.engine.startswith("lz4 level 0, ")
