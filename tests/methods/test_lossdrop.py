"""Losses of documents under a model before and after it is tuned, on a tiny model."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")
from pools import MemoryPool
from tiny import TEXTS, save_model

import zipfit
from zipfit.errors import ZipfitError
from zipfit.methods.lossdrop import LossDrop
from zipfit.methods.losses import Losses, alone, in_shapes, own_tokens
from zipfit.training.evaluation import cross_entropy
from zipfit.training.finetune import finetune
from zipfit.training.models import load_model
from zipfit.training.settings import Settings

POOL = [*TEXTS, "", "short", "naïve 数学 🎲🎲 " * 9, TEXTS[3]]
TARGET = [f"def add_{name}(left, right):\n    return left + right\n" for name in "abcdefgh"]
SMALL = {"block_size": 32, "epochs": 3, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZIPFIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "losses"


def test_losses_are_those_of_an_evaluation(model, cache):
    loaded = load_model(model)
    expected = cross_entropy(loaded, POOL, test_tokens=40).documents
    for _ in range(2):  # computed, and read from disk
        found = Losses(loaded, 40, cache=True).of(POOL)
        assert found[:, 1].tolist() == [document.tokens for document in expected]
        assert np.allclose(found[:, 0], [document.nats for document in expected], rtol=1e-5)
    assert len(list(cache.glob("*.sqlite"))) == 1
    assert np.array_equal(found, Losses(loaded, 40, cache=False).of(POOL))
    other = Losses(loaded, 39, cache=True).of(POOL)  # a file of its own
    assert not np.array_equal(found, other)
    assert len(list(cache.glob("*.sqlite"))) == 2


def test_a_batch_of_a_fixed_shape_gives_a_document_the_same_bits_whoever_is_beside_it(model):
    loaded, turn = load_model(model), threading.Lock()
    tokens = [own_tokens(text, loaded) for text in POOL]
    tokens = [each._replace(ids=each.ids[:200]) for each in tokens]
    together = in_shapes(tokens, loaded, turn)
    assert together == [in_shapes([each], loaded, turn)[0] for each in tokens]
    assert together == in_shapes(tokens[::-1], loaded, turn)[::-1]
    assert np.allclose(together, alone(tokens, loaded), rtol=1e-5)


def test_the_score_is_the_difference_a_token(model, tmp_path):
    settings = Settings(block_size=32, epochs=3, learning_rate=1e-2, precision="fp32")
    finetune(TARGET, model, tmp_path / "run", settings=settings)
    before = cross_entropy(load_model(model), POOL, 512).documents
    after = cross_entropy(load_model(str(tmp_path / "run" / "model")), POOL, 512).documents
    drop = [(a.nats - b.nats) / max(a.tokens, 1) for a, b in zip(before, after, strict=True)]
    tuned = {"tuned": str(tmp_path / "run" / "model")}
    for options in (SMALL, tuned):
        method = LossDrop(model, min_tokens=5, **options).fit(TARGET)
        ranked = list(method.rank(MemoryPool(POOL, 9)))
        long_enough = [index for index, document in enumerate(before) if document.tokens >= 5]
        assert sorted(position for position, _ in ranked) == long_enough
        assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)
        assert np.allclose([score for _, score in ranked], [drop[position] for position, _ in ranked], atol=2e-4)
        assert method.notes["too_short"] == len(POOL) - len(long_enough)
        assert method.notes["target_loss_tuned"] < method.notes["target_loss"] - 0.5
        assert POOL[ranked[0][0]].startswith("def ")


def test_batches_threads_and_what_was_kept_change_nothing(model):
    first = None
    for size, threads in ((100, 1), (7, 3), (1, 2)):
        method = LossDrop(model, min_tokens=1, **SMALL).fit(TARGET)
        ranked = list(method.rank(MemoryPool(POOL, size, threads)))
        first = first or ranked
        assert ranked == first
    places = [position for position, _ in first]
    assert places.index(3) + 1 == places.index(len(POOL) - 1)  # equal texts, by source order


def test_it_shortlists_for_cover(model):
    options = ",".join(f"{name}={value}" for name, value in {"model": model, "min_tokens": 5, **SMALL}.items())
    chosen = zipfit.select(POOL, TARGET, top=5, method="cover", within=f"lossdrop,{options}:0.3")
    assert all(text.startswith("def ") for text in chosen.texts)
    assert chosen.notes["within"][0]["too_short"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_tokens": 0}, "lossdrop's min_tokens must be at least 1, not 0"),
        ({"max_tokens": 3}, r"lossdrop's max_tokens must be at least min_tokens \(32\), not 3"),
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"seed": -1}, "the seed must be at least 0, not -1"),
        ({"model": "./nowhere"}, r"model \./nowhere: there is no such folder"),
        ({"block_size": 5000}, "block_size 5000 is more than"),
    ],
)
def test_wrong_options_are_errors(model, options, message):
    with pytest.raises(ZipfitError, match=message):
        LossDrop(**({"model": model} | options)).fit(TARGET)
