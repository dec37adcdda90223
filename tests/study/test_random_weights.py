"""The control of random weights: a known model's shape and tokens, and nothing of what it knows."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytest.importorskip("transformers")
from tiny import TEXTS, save_model

from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import load_model
from zipfit.training.run import Course
from zipfit.training.settings import Settings
from zipfit.training.train import train

SCRIPT = Path(__file__).resolve().parents[2] / "studies" / "random_weights.py"


def test_the_weights_alone_are_others(tmp_path: Path):
    pytest.importorskip("accelerate")
    known = load_model(str(save_model(tmp_path / "known")))
    settings = Settings(block_size=64, batch_size=2, learning_rate=1e-2)
    train(known, TEXTS, settings, Course())
    known.save(tmp_path / "trained")
    main = runpy.run_path(str(SCRIPT))["main"]
    for name in ("once", "again"):
        main(str(tmp_path / "trained"), str(tmp_path / name))
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("once", "again", "trained")]
    assert weights[0] == weights[1] != weights[2]
    random = load_model(str(tmp_path / "once"))
    shapes = [[each.shape for each in model.network.parameters()] for model in (random, known)]
    assert shapes[0] == shapes[1]
    assert random.tokenizer(TEXTS)["input_ids"] == known.tokenizer(TEXTS)["input_ids"]
    assert cross_entropy(random, TEXTS).loss > cross_entropy(known, TEXTS).loss + 1
