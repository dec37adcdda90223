from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipfit.errors import ZipfitError
from zipfit.methods.base import Reach
from zipfit.selection.cut import Budget, Rules, Terms, walk
from zipfit.selection.tokens import BYTES, TokenCounter
from zipfit.system.texts import Texts


class Documents:
    """Texts with labels, as the walk sees a pool."""

    def __init__(self, texts, labels=None):
        self._texts = Texts.of(texts)
        self._labels = labels or ["a"] * len(texts)
        self.asked = []

    @property
    def facts(self):
        return self

    @property
    def lengths(self):
        return self._texts.lengths

    def label(self, position):
        return self._labels[position]

    def texts(self, positions):
        self.asked.append(list(positions))
        return self._texts.take(positions)


def descending(scores):
    return [(position, scores[position]) for position in sorted(range(len(scores)), key=lambda i: (-scores[i], i))]


LETTERS = TokenCounter("letters", lambda texts: [len(text) for text in texts])


def cut(scores, budget, rules=None, lengths=None, labels=None, texts=None, counter=None):
    texts = texts if texts is not None else ["x" * (length or 0) for length in lengths or [0] * len(scores)]
    found = walk(descending(scores), Terms(budget, rules or Rules(), counter), Documents(texts, labels))
    found.check_enough(budget, len(texts))
    return found


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
        {}, {"top": 1, "tokens": 0}, {"top": 0}, {"top": -1}, {"fraction": 0.0}, {"fraction": 1.5},
        {"fraction": -0.1}, {"fraction": math.nan}, {"tokens": 0}, {"min_score": math.nan},
    ],
)  # fmt: skip
def test_budgets_out_of_range(arguments):
    with pytest.raises(ZipfitError):
        Budget(**arguments)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=9, max_size=30),
    st.fixed_dictionaries(
        {},
        optional={
            "top": st.integers(1, 9),
            "fraction": st.sampled_from([0.1, 0.25, 0.5]),
            "tokens": st.integers(5, 40),
            "min_score": st.integers(-1, 0),
        },
    ).filter(bool),
)
def test_of_several_bounds_the_nearest_one_holds(documents, bounds):
    scores, lengths = zip(*documents, strict=True)
    texts = ["x" * length for length in lengths]
    alone = [cut(scores, Budget(**{name: value}), texts=texts, counter=LETTERS) for name, value in bounds.items()]
    found = cut(scores, Budget(**bounds), texts=texts, counter=LETTERS)
    assert found.indices.tolist() == min((each.indices.tolist() for each in alone), key=len)
    found.check_enough(Budget(**bounds), len(documents))


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


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 60))
def test_tokens_take_the_longest_head_that_fits(lengths, tokens):
    scores = [1 / (i + 1) for i in range(len(lengths))]
    heads = [k for k in range(1, len(lengths) + 1) if sum(lengths[:k]) <= tokens]
    texts = ["x" * length for length in lengths]
    if not heads:
        with pytest.raises(ZipfitError, match="the best document alone exceeds the budget"):
            cut(scores, Budget(tokens=tokens), texts=texts, counter=LETTERS)
        return
    found = cut(scores, Budget(tokens=tokens), texts=texts, counter=LETTERS)
    assert found.indices.tolist() == list(range(heads[-1]))
    assert found.tokens.tolist() == lengths[: heads[-1]]


def test_lengths_pass_documents_over():
    found = cut([4, 3, 2, 1], Budget(top=2), Rules(min_bytes=2, max_bytes=5), lengths=[1, 6, 2, 5])
    assert found.indices.tolist() == [2, 3]
    assert [(item.position, item.reason) for item in found.dropped] == [(0, "short"), (1, "long")]
    with pytest.raises(ZipfitError, match=r"gives only 2 \(1 long, 1 short passed over\)"):
        cut([4, 3, 2, 1], Budget(top=3), Rules(min_bytes=2, max_bytes=5), lengths=[1, 6, 2, 5])
    fewer = cut([4, 3], Budget(top=3, allow_fewer=True), Rules(min_bytes=2), lengths=[1, 6])
    assert fewer.indices.tolist() == [1]
    with pytest.raises(ZipfitError, match="no document of the pool could be taken"):
        cut([4, 3], Budget(top=2, allow_fewer=True), Rules(min_bytes=9), lengths=[1, 6])


def test_no_label_takes_more_than_its_share():
    labels = ["a", "a", "a", "b", "a", "c"]
    found = cut([6, 5, 4, 3, 2, 1], Budget(top=4), Rules(max_share=0.5), labels=labels)
    assert found.indices.tolist() == [0, 1, 3, 5]
    assert {item.reason for item in found.dropped} == {"share"}
    by_tokens = cut(
        [6, 5, 4, 3], Budget(tokens=8), Rules(max_share=0.5), labels=["a", "a", "a", "b"],
        texts=["xx", "xxx", "xx", "xxx"], counter=LETTERS,
    )  # fmt: skip
    assert by_tokens.indices.tolist() == [0, 2, 3]
    with pytest.raises(ZipfitError, match="max-share needs a budget of documents or tokens"):
        cut([1], Budget(min_score=0), Rules(max_share=0.5))


def test_rules_out_of_range():
    for arguments in ({"min_bytes": 5, "max_bytes": 4}, {"max_share": 0}, {"max_share": 1.1}, {"max_share": math.nan}):
        with pytest.raises(ZipfitError):
            Rules(**arguments)


def test_terms_that_do_not_go_together():
    with pytest.raises(ZipfitError, match="a budget of tokens needs a tokenizer"):
        Terms(Budget(tokens=5))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 60), st.sampled_from([LETTERS, BYTES]))
def test_a_filled_budget_takes_the_document_that_crosses_it(lengths, tokens, counter):
    scores = [1 / (i + 1) for i in range(len(lengths))]
    found = cut(scores, Budget(tokens=tokens, filled=True), lengths=lengths, counter=counter)
    heads = [k for k in range(1, len(lengths) + 1) if sum(lengths[:k]) >= tokens]
    taken = heads[0] if heads else len(lengths)
    assert found.indices.tolist() == list(range(taken))
    assert found.tokens.tolist() == lengths[:taken]
    assert found.spent == bool(heads)


def test_texts_are_fetched_in_runs_that_grow(monkeypatch):
    monkeypatch.setattr("zipfit.selection.cut._LOOK_AHEAD_DOCUMENTS", 2)
    pool = Documents(["x"] * 20)
    found = walk(descending([-i for i in range(20)]), Terms(Budget(tokens=10), counter=LETTERS), pool)
    assert found.indices.tolist() == list(range(10))
    assert [len(run) for run in pool.asked] == [2, 4, 8]
    monkeypatch.setattr("zipfit.selection.cut._LOOK_AHEAD_BYTES", 1)
    pool.asked.clear()
    walk(descending([-i for i in range(20)]), Terms(Budget(tokens=3), counter=LETTERS), pool)
    assert pool.asked == [[0], [1], [2], [3]]


def test_bytes_are_counted_without_the_texts():
    pool = Documents(["x", "é", "z" * 5])
    found = walk(descending([3, 2, 1]), Terms(Budget(tokens=3), counter=BYTES), pool)
    assert found.indices.tolist() == [0, 1]
    assert found.tokens.tolist() == [1, 2]
    assert pool.asked == []


@pytest.mark.parametrize(
    ("budget", "reach"),
    [
        (Budget(top=7), Reach(documents=7)),
        (Budget(fraction=0.5), Reach(documents=10)),
        (Budget(min_score=0.25), Reach(score=0.25)),
        (Budget(tokens=9), Reach(documents=1000)),
    ],
)
def test_how_far_a_budget_reaches(budget, reach):
    assert budget.reach(Documents(["x"] * 20)) == reach
