"""A method as an estimator of scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from support import plain_alignment, pool_records, target_texts

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import validate_data

import zipfit
from zipfit.methods.base import is_scorer
from zipfit.methods.registry import METHODS, build_method
from zipfit.methods.scikit_learn import TextScorer

TEXTS = [record["text"] for record in pool_records()]


class Rows(TextScorer):
    """Takes rows of numbers for texts, as scikit-learn's checks know no texts and would test nothing."""

    def fit(self, X, y=None):  # noqa: N803
        return super().fit(self._read(X, reset=True))

    def score_samples(self, X):  # noqa: N803
        estimator_checks.check_is_fitted(self)
        return super().score_samples(self._read(X, reset=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags

    def _read(self, rows, reset):
        return [repr(row) for row in validate_data(self, rows, reset=reset, dtype=np.float64).tolist()]


CHECKS = [
    pair for each in (Rows(), Rows("gain"), Rows(zipfit.ZipFit(level=1))) for pair in estimator_checks_generator(each)
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=lambda value: getattr(value, "func", value))
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "method", ["zipfit", zipfit.ZipFit(), zipfit.ZipFit(reduce="max"), "gain", zipfit.Gain(level=9)]
)
def test_scores_are_the_methods(method):
    scores = TextScorer(method).fit(target_texts()).score_samples(TEXTS)
    built = build_method(method, {}) if isinstance(method, str) else clone(method)
    np.testing.assert_array_equal(scores, built.fit(target_texts()).score(TEXTS))
    assert TextScorer(method).fit(target_texts()).score(TEXTS) == pytest.approx(scores.mean(), rel=1e-12)


@pytest.mark.parametrize(
    "wrapped", [list, tuple, np.array, pd.Series, pl.Series, lambda texts: np.array(texts, object)]
)
def test_texts_come_in_many_ways(wrapped):
    scores = TextScorer().fit(wrapped(target_texts())).score_samples(wrapped(TEXTS))
    assert scores.tolist() == [plain_alignment(text, target_texts()) for text in TEXTS]


class Own:
    """A method without `get_params`."""

    def fit(self, target, pool=None):
        self.longest = max(map(len, target))
        return self

    def score(self, texts):
        return [-abs(len(text) - self.longest) for text in texts]


def test_the_method_that_was_given_stays_as_it_is():
    own, built = Own(), zipfit.ZipFit(level=9)
    assert TextScorer(own).fit(["four"]).score_samples(["five", "three"]).tolist() == [0, -1]
    assert vars(own) == {}
    before = dict(vars(built))
    scorer = TextScorer(built).fit(target_texts())
    assert vars(built) == before
    assert scorer.method is built
    again = pickle.loads(pickle.dumps(scorer))
    np.testing.assert_array_equal(again.score_samples(TEXTS), scorer.score_samples(TEXTS))
    assert not hasattr(clone(scorer), "method_")


def test_options_are_searched_in_a_pipeline():
    pipeline = make_pipeline(
        FunctionTransformer(lambda texts: [text.strip() for text in texts]), TextScorer(zipfit.ZipFit())
    )
    search = GridSearchCV(pipeline, {"textscorer__method__reduce": ["mean", "max"]}, cv=2, error_score="raise")
    search.fit(target_texts(12))
    assert search.best_params_ == {"textscorer__method__reduce": "max"}
    assert search.best_estimator_[-1].method_.reduce == "max"
    plain = zipfit.ZipFit(reduce="max").fit([text.strip() for text in target_texts(12)])
    np.testing.assert_array_equal(search.score_samples(TEXTS), plain.score([text.strip() for text in TEXTS]))
    assert len(cross_val_score(TextScorer(), target_texts(12), cv=3)) == 3


@pytest.mark.parametrize("name", [name for name in METHODS if not is_scorer(build_method(name, {}))])
def test_what_ranks_a_pool_is_refused(name):
    with pytest.raises(
        zipfit.ZipfitError, match=r"^\w+ ranks a pool and scores no text on its own: use zipfit\.select$"
    ):
        TextScorer(name).fit(["a"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("one text", "X must be texts, one an entry, not a str: give a list, or one column of a frame"),
        (b"one", "X must be texts, one an entry, not a bytes"),
        ({"a": "text"}, "X must be texts, one an entry, not a dict"),
        (pd.DataFrame({"text": ["a"]}), "X must be texts, one an entry, not a DataFrame"),
        (np.array([["a"]]), "X must be texts, one an entry, not a ndarray"),
        (np.array("a"), "X must be texts, one an entry, not a ndarray"),
        (pl.DataFrame({"text": ["a"]}), "text 0 is a Series, not a string"),
        (pd.Series(["a", None], dtype=object), "text 1 is a NoneType, not a string"),
        (["a", float("nan")], "text 1 is a float, not a string"),
        (["a", "\ud800"], "text 1: lone surrogate at character 0 of the text"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_told(given, message):
    for call in (TextScorer().fit, TextScorer().fit(["a"]).score_samples):
        with pytest.raises(zipfit.ZipfitError) as caught:
            call(given)
        assert str(caught.value).startswith(message)


def test_other_mistakes():
    with pytest.raises(NotFittedError):
        TextScorer().score_samples(["a"])
    with pytest.raises(zipfit.ZipfitError, match="the target is empty"):
        TextScorer().fit([])
    with pytest.raises(zipfit.ZipfitError, match="there are no texts to take the mean score of"):
        TextScorer().fit(["a"]).score([])
    assert TextScorer().fit(["a"]).score_samples([]).shape == (0,)
    with pytest.raises(zipfit.ZipfitError, match="unknown method 'none'"):
        TextScorer("none").fit(["a"])
    with pytest.raises(zipfit.ZipfitError, match="int is no method"):
        TextScorer(3).fit(["a"])
    with pytest.raises(zipfit.ZipfitError, match="fit needs the pool"):
        TextScorer("distilled").fit(["a"])
