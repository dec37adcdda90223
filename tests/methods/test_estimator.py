"""What zipfit's own methods have in common as objects: public names, options by name, and pickles."""

from __future__ import annotations

import copy
import importlib
import pickle

import numpy as np
import pytest
from support import pool_records, target_texts

import zipfit
from zipfit.methods.registry import METHODS, build_method

POOL = [record["text"] for record in pool_records()]

SCORERS = {
    "zipfit": {},
    "zipfit lzma": {"compressor": "lzma"},
    "zipfit zstd": {"compressor": "zstd"},
    "gain": {"leave_one_out": True},
    "bm25": {"reduce": "mean"},
    "distilled": {"sample": 20},
}


class Pool:
    def __iter__(self):
        yield POOL

    def map(self, function, only=None):
        texts = POOL if only is None else [text for text, marked in zip(POOL, only.tolist(), strict=True) if marked]
        return iter([function(texts)])


def fitted(name: str, options: dict):
    return build_method(name, options).fit(target_texts(), Pool())


@pytest.mark.parametrize("path", METHODS.values())
def test_every_method_is_a_public_name(path):
    module, name = path.split(":")
    assert name in zipfit.__all__
    assert getattr(zipfit, name) is getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", METHODS)
def test_options_are_got_and_set_by_name(name):
    method = build_method(name, {})
    options = method.get_params()
    assert type(method)(**options) == method
    option = next(iter(options))
    other = object()
    assert method.set_params(**{option: other}) is method
    assert method.get_params() == {**options, option: other}
    with pytest.raises(zipfit.ZipfitError, match=r"^\w+ has no option 'colour': it has \w+"):
        method.set_params(colour=1, **{option: None})
    assert method.get_params()[option] is other


@pytest.mark.parametrize("name", SCORERS)
def test_a_fitted_scorer_is_the_same_after_pickling(name):
    method = fitted(name.split()[0], SCORERS[name])
    for again in (pickle.loads(pickle.dumps(method)), copy.deepcopy(method)):
        np.testing.assert_array_equal(again.score(POOL), method.score(POOL))


@pytest.mark.parametrize(
    ("name", "options"), [("cover", {}), ("cover", {"weights": "contrast"}), ("dsir", {"min_length": 1}), ("mmr", {})]
)
def test_a_fitted_selector_is_the_same_after_pickling(name, options):
    method = fitted(name, options)
    assert list(pickle.loads(pickle.dumps(method)).rank(Pool())) == list(method.rank(Pool()))


def test_a_method_that_is_not_fitted_stays_so():
    again = pickle.loads(pickle.dumps(zipfit.ZipFit(level=9)))
    assert again == zipfit.ZipFit(level=9)
    with pytest.raises(zipfit.ZipfitError, match="call fit"):
        again.score(["a"])
