"""Gradients of documents and of the target's examples, on a tiny model, against a loop without projection."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytest.importorskip("peft")
import torch
from pools import MemoryPool
from tiny import TEXTS, save_model

import zipfit
from zipfit.errors import ZipfitError
from zipfit.methods.less import Less
from zipfit.methods.projection import Projection
from zipfit.training.blocks import make_blocks
from zipfit.training.models import load_model
from zipfit.training.settings import Settings

POOL = [*TEXTS, "", "short", "naïve 数学 🎲🎲 " * 9, TEXTS[3]]
TARGET = [f"def add_{name}(left, right):\n    return left + right\n" for name in "abc"]
EPOCHS, RANK, RATE, BLOCK = 3, 4, 1e-2, 64
SMALL = {"share": 0.5, "epochs": EPOCHS, "learning_rate": RATE, "lora_rank": RANK, "block_size": BLOCK}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_model(tmp_path_factory.mktemp("model")))


def fitted(model, pool=POOL, target=TARGET, **options):
    return Less(model, **(SMALL | options)).fit(target, pool if isinstance(pool, MemoryPool) else MemoryPool(pool))


def cosine(a, b):
    return float(a @ b / (a.norm() * b.norm()))


def straightforward(model, target, documents, *, steps_of):
    """LESS as the paper has it, in torch alone: all of the gradients, no projection, one document at a time.

    The warm-up has one batch of all blocks an epoch, so that the order of blocks does not matter.
    """
    settings = Settings(adapter="lora", lora_rank=RANK, lora_alpha=4 * RANK, precision="fp32")
    loaded = load_model(model, settings, seed=0)
    network, tokenizer = loaded.network.train(), loaded.tokenizer
    weights = [each for each in network.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0)
    blocks = torch.from_numpy(make_blocks(documents, tokenizer, BLOCK).tokens.astype("int64"))
    assert len(blocks) <= 4  # one step of the product's

    def loss_of(text):
        ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text)["input_ids"]]])
        return network(input_ids=ids, labels=ids).loss

    def gradient(text):
        network.zero_grad()
        loss_of(text).backward()
        return torch.cat([each.grad.ravel() for each in weights])

    total, scores = 0.0, np.zeros((len(steps_of), len(target)))
    for epoch in range(EPOCHS):
        rate = RATE * (EPOCHS - epoch) / EPOCHS
        optimizer.param_groups[0]["lr"] = rate
        network.train()
        network.zero_grad()
        logits = network(input_ids=blocks).logits[:, :-1]
        torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), blocks[:, 1:].reshape(-1)).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        network.eval()
        first, second = (
            torch.cat([optimizer.state[each][name].ravel() for each in weights]) for name in ("exp_avg", "exp_avg_sq")
        )
        wanted = [gradient(text).clone() for text in target]
        for row, text in enumerate(steps_of):
            g = gradient(text)
            step = (0.9 * first + 0.1 * g) / torch.sqrt(0.999 * second + 0.001 * g * g + 1e-8)
            scores[row] += [rate * cosine(step, each) for each in wanted]
        total += rate
    return scores / total


FEW = [*TEXTS[1:6], *TEXTS[50:55]]  # at most four blocks


def test_the_scores_are_those_of_a_loop_without_projection(model, monkeypatch):
    texts = [*FEW, "short", "naïve 数学", TEXTS[60] * 3]
    expected = straightforward(model, TARGET, FEW, steps_of=texts)
    options = {"share": 1.0, "lora_dropout": 0.0}
    projected = fitted(model, FEW, **options).compare(texts)
    assert np.abs(projected - expected).max() < 4 / np.sqrt(8192)
    assert np.abs(projected - expected).max() > 1e-6
    monkeypatch.setattr(
        Projection, "of", lambda self, parts: np.concatenate([part.ravel() for part in parts]).astype(float)
    )
    assert np.allclose(fitted(model, FEW, **options).compare(texts), expected, atol=2e-3)


def test_an_inner_product_is_kept_up_to_what_the_formula_allows():
    random = np.random.default_rng(0)
    x, y = random.standard_normal((2, 5000)).astype(np.float32)
    y += x / 2
    found = [Projection(5000, 256, seed) for seed in range(200)]
    found = [float(each.of([x[:70], x[70:]]) @ each.of([y])) for each in found]
    true = float(x.astype(float) @ y)
    spread = np.sqrt((float(x @ x) * float(y @ y) + true**2 - 2 * float((x**2) @ (y**2))) / 256)
    assert abs(np.mean(found) - true) < 3 * spread / np.sqrt(200)
    assert 0.8 < np.std(found) / spread < 1.2


def test_a_projection_is_a_matrix_of_signs_always_the_same():
    projection = Projection(6, 4, seed=3)
    columns = np.array([projection.of([column]) for column in np.eye(6, dtype=np.float32)]).T
    assert (np.abs(columns).sum(axis=0) == 1).all()
    x = np.arange(6, dtype=np.float32)
    assert projection.of([x[:2].reshape(1, 2), x[2:]]).tolist() == (columns @ x).tolist()
    rows = [[0, 0, 0, 0, 0, 0], [1, 0, 0, -1, 0, 1], [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0]]
    assert columns.tolist() == rows


def test_it_finds_what_is_like_the_target(model):
    chosen = zipfit.select(POOL, TARGET, top=10, method="less", options={"model": model, **SMALL})
    assert all(text.startswith("def ") for text in chosen.texts)
    assert chosen.notes["warmed_up_on"] == 42
    assert all(a >= b for a, b in pairwise(chosen.scores.tolist()))


@pytest.mark.parametrize("reduce", ["max", "mean", "round-robin"])
def test_batches_and_threads_change_nothing(model, reduce):
    first = None
    for size, threads in ((100, 1), (7, 3)):
        method = fitted(model, MemoryPool(POOL, size, threads), reduce=reduce)
        ranked = (
            [(position, score) for position, score in method.rank(MemoryPool(POOL, size, threads))]
            if reduce == "round-robin"
            else np.concatenate([*MemoryPool(POOL, size, threads).map(method.score)]).tolist()
        )
        first = first or ranked
        assert ranked == first
    if reduce != "round-robin":
        assert first[3] == first[len(POOL) - 1]  # equal texts
        assert first[POOL.index("")] == 0


def test_a_fitted_one_pickles(model):
    method = fitted(model)
    again = pickle.loads(pickle.dumps(method))
    assert np.array_equal(again.compare(TEXTS[:3]), method.compare(TEXTS[:3]))


def test_the_seed_draws_another_part(model):
    assert not np.array_equal(fitted(model).compare(TEXTS[:3]), fitted(model, seed=1).compare(TEXTS[:3]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0}, "less's share must be above 0 and at most 1, not 0"),
        ({"max_tokens": 0}, "less's max_tokens must be at least 1, not 0"),
        ({"dimension": 1 << 17}, r"less's dimension must lie in 1\.\.65536, not 131072"),
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"lora_rank": 0}, "lora_rank must be at least 1, not 0"),
        ({"seed": -1}, "the seed must be at least 0, not -1"),
        ({"reduce": "sum"}, "reduce must be one of round-robin, mean, max"),
        ({"share": 0.01}, "1 documents of .* do not fill one block of 64"),
        ({"target": []}, "less needs at least one target example"),
        ({"pool": []}, "the pool is empty"),
        ({"learning_rate": 1e30}, "is not a number"),
    ],
)
def test_wrong_options_are_errors(model, options, message):
    with pytest.raises(ZipfitError, match=message):
        fitted(model, **options)
    with pytest.raises(ZipfitError, match="so fit needs the pool"):
        Less(model).fit(TARGET)
