from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipfit.errors import ZipfitError
from zipfit.selection.cut import Budget, LazyRanking, Rules, ScoredRanking, walk


class Facts:
    """Documents of given lengths and labels."""

    def __init__(self, lengths, labels=None):
        self.lengths = np.array(lengths, dtype=np.int64)
        self._labels = labels or ["a"] * len(lengths)

    def label(self, position):
        return self._labels[position]


def cut(scores, budget, rules=None, lengths=None, labels=None, texts=None, count_tokens=None, allow_fewer=False):
    texts = texts if texts is not None else ["x" * (length or 0) for length in lengths or [0] * len(scores)]
    return walk(
        ScoredRanking(np.array(scores, dtype=np.float64)),
        budget,
        rules or Rules(),
        Facts(lengths or [len(text.encode()) for text in texts], labels),
        lambda positions: [texts[p] for p in positions],
        count_tokens,
        allow_fewer,
    )


@pytest.mark.parametrize(
    ("fraction", "size", "documents"),
    [
        (0.29, 100, 29), (0.57, 100, 57), (0.1, 10, 1), (0.1, 19, 1), (0.001, 10, 1), (1.0, 7, 7), (1, 7, 7),
        (0.3, 10, 3), (0.07, 100, 7), (1e-9, 5, 1), (0.999999, 10, 9),
    ],
)  # fmt: skip
def test_a_fraction_is_the_decimal_that_was_written(fraction, size, documents):
    assert Budget(fraction=fraction).documents(size) == documents


@given(st.integers(1, 999), st.integers(1, 2000))
def test_a_fraction_rounds_down(thousandths, size):
    assert Budget(fraction=thousandths / 1000).documents(size) == max(1, thousandths * size // 1000)


@pytest.mark.parametrize(
    "arguments",
    [
        {}, {"top": 1, "tokens": 1}, {"top": 0}, {"top": -1}, {"fraction": 0.0}, {"fraction": 1.5},
        {"fraction": -0.1}, {"fraction": math.nan}, {"tokens": 0}, {"min_score": math.nan},
    ],
)  # fmt: skip
def test_budgets_out_of_range(arguments):
    with pytest.raises(ZipfitError):
        Budget(**arguments)


def test_ties_fall_by_source_order():
    found = cut([0.5, 0.7, 0.5, 0.7, 0.5], Budget(top=4))
    assert found.indices.tolist() == [1, 3, 0, 2]
    assert found.ties(np.array([0.5, 0.7, 0.5, 0.7, 0.5])) == {"taken": 2, "left": 1}


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, -0.0, 0.0, math.inf, -math.inf]), min_size=1, max_size=50), st.data())
def test_the_top_k_is_a_head_of_the_sorted_pool(scores, data):
    k = data.draw(st.integers(1, len(scores)))
    expected = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    assert cut(scores, Budget(top=k)).indices.tolist() == expected[:k]


def test_a_minimum_score_takes_what_equals_it():
    assert cut([0.1, 0.5, 0.3, 0.29999], Budget(min_score=0.3)).indices.tolist() == [1, 2]
    with pytest.raises(ZipfitError, match=r"no document of the pool scores 0.6 or more"):
        cut([0.1, 0.5], Budget(min_score=0.6))


def count(texts):
    return [len(text) for text in texts]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 60))
def test_tokens_take_the_longest_head_that_fits(lengths, tokens):
    scores = [1 / (i + 1) for i in range(len(lengths))]
    heads = [k for k in range(1, len(lengths) + 1) if sum(lengths[:k]) <= tokens]
    texts = ["x" * length for length in lengths]
    if not heads:
        with pytest.raises(ZipfitError, match="the best document alone exceeds the budget"):
            cut(scores, Budget(tokens=tokens), texts=texts, count_tokens=count)
        return
    found = cut(scores, Budget(tokens=tokens), texts=texts, count_tokens=count)
    assert found.indices.tolist() == list(range(heads[-1]))
    assert found.tokens.tolist() == lengths[: heads[-1]]


def test_lengths_pass_documents_over():
    found = cut([4, 3, 2, 1], Budget(top=2), Rules(min_bytes=2, max_bytes=5), lengths=[1, 6, 2, 5])
    assert found.indices.tolist() == [2, 3]
    assert [(item.position, item.reason) for item in found.dropped] == [(0, "short"), (1, "long")]
    with pytest.raises(ZipfitError, match=r"gives only 2 \(1 long, 1 short passed over\)"):
        cut([4, 3, 2, 1], Budget(top=3), Rules(min_bytes=2, max_bytes=5), lengths=[1, 6, 2, 5])
    fewer = cut([4, 3], Budget(top=3), Rules(min_bytes=2), lengths=[1, 6], allow_fewer=True)
    assert fewer.indices.tolist() == [1]
    with pytest.raises(ZipfitError, match="no document of the pool could be taken"):
        cut([4, 3], Budget(top=2), Rules(min_bytes=9), lengths=[1, 6], allow_fewer=True)


def test_no_label_takes_more_than_its_share():
    labels = ["a", "a", "a", "b", "a", "c"]
    found = cut([6, 5, 4, 3, 2, 1], Budget(top=4), Rules(max_share=0.5), labels=labels)
    assert found.indices.tolist() == [0, 1, 3, 5]
    assert {item.reason for item in found.dropped} == {"share"}
    by_tokens = cut(
        [6, 5, 4, 3], Budget(tokens=8), Rules(max_share=0.5), labels=["a", "a", "a", "b"],
        texts=["xx", "xxx", "xx", "xxx"], count_tokens=count,
    )  # fmt: skip
    assert by_tokens.indices.tolist() == [0, 2, 3]
    with pytest.raises(ZipfitError, match="max-share needs a budget of documents or tokens"):
        cut([1], Budget(min_score=0), Rules(max_share=0.5))


def test_rules_out_of_range():
    for arguments in ({"min_bytes": 5, "max_bytes": 4}, {"max_share": 0}, {"max_share": 1.1}, {"max_share": math.nan}):
        with pytest.raises(ZipfitError):
            Rules(**arguments)


def test_a_score_that_is_no_number_is_an_error():
    with pytest.raises(ZipfitError, match="the method's score of document 1 is not a number"):
        cut([0.1, math.nan], Budget(top=1))


def test_texts_are_fetched_in_runs_that_grow(monkeypatch):
    monkeypatch.setattr("zipfit.selection.cut._LOOK_AHEAD_DOCUMENTS", 2)
    asked = []

    def fetch(positions):
        asked.append(list(positions))
        return ["x"] * len(positions)

    facts = Facts([1] * 20)
    ranking = ScoredRanking(np.arange(20.0)[::-1])
    found = walk(ranking, Budget(tokens=10), Rules(), facts, fetch, count)
    assert found.indices.tolist() == list(range(10))
    assert [len(run) for run in asked] == [2, 4, 8]
    monkeypatch.setattr("zipfit.selection.cut._LOOK_AHEAD_BYTES", 1)
    asked.clear()
    walk(ranking, Budget(tokens=3), Rules(), facts, fetch, count)
    assert asked == [[0], [1], [2], [3]]


def test_a_lazy_ranking_is_worked_out_no_further_than_it_is_walked():
    worked_out = []

    def ranked():
        for position in range(100):
            worked_out.append(position)
            yield position, 1.0

    ranking = LazyRanking(ranked())
    facts = Facts([1] * 100)
    for top in (3, 2, 5):
        found = walk(ranking, Budget(top=top), Rules(), facts, list)
        assert found.indices.tolist() == list(range(top))
        assert found.ties(ranking.pool_scores) is None
    assert len(worked_out) <= 6
