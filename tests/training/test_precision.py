"""What a run reports is what the folder that it saved costs, in whatever precision it trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("peft")
import torch
from tiny import TEXTS, save_model

import zipfit
from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import load_model
from zipfit.training.precision import computes_bf16, in_float32, trains_in_bf16
from zipfit.training.run import Run
from zipfit.training.settings import Settings

RATES = {"full": 3e-3, "lora": 1e-2, "qlora": 1e-2}


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose weights are in one of the two precisions that checkpoints come in."""
    folder = save_model(tmp_path_factory.mktemp(request.param))
    model = load_model(str(folder))
    model.network.to(getattr(torch, request.param))
    model.save(folder)
    return folder


def finetune(model: Path, output: Path, adapter: str, **options: Any) -> Run:
    """A run in bfloat16."""
    settings = Settings(block_size=64, batch_size=2, learning_rate=RATES[adapter], adapter=adapter, precision="bf16")
    return zipfit.finetune(TEXTS[:60], str(model), output, **({"test": TEXTS[60:], "settings": settings} | options))


def loss(model: Path) -> float:
    return zipfit.evaluate(str(model), TEXTS[60:]).loss


@pytest.fixture(scope="module", params=["full", "lora"])
def tuned(request: pytest.FixtureRequest, checkpoint: Path) -> tuple[str, Run, Path]:
    """What was trained of the checkpoint, the run, and the folder of the saved model."""
    output = checkpoint / request.param
    return request.param, finetune(checkpoint, output, request.param), output / "model"


def test_a_run_in_bf16_reports_what_the_model_costs_before_and_saved(checkpoint: Path, tuned: tuple[str, Run, Path]):
    _, run, saved = tuned
    assert run.precision == "bf16"
    # In bfloat16 they would be 1e-5 to 1e-4 apart.
    assert run.test[0].loss == pytest.approx(loss(checkpoint), abs=1e-6)
    assert run.test[-1].loss == pytest.approx(loss(saved), abs=1e-6)
    assert run.test[-1].loss < run.test[0].loss - 0.1


def test_training_itself_is_in_bf16(checkpoint: Path, tuned: tuple[str, Run, Path], tmp_path: Path):
    adapter, narrow, _ = tuned
    rate = RATES[adapter]
    settings = Settings(block_size=64, batch_size=2, learning_rate=rate, adapter=adapter, precision="fp32")
    wide = finetune(checkpoint, tmp_path / "run", adapter, settings=settings, test=None, save_model=False)
    # Transformers below 5 reports losses in four places, which the first one's may share.
    assert [step.loss for step in narrow.train] != [step.loss for step in wide.train]
    assert narrow.train[0].loss == pytest.approx(wide.train[0].loss, abs=1e-2)


def test_what_was_learnt_is_saved_in_float32(tuned: tuple[str, Run, Path]):
    weights = load_model(str(tuned[2])).network.model.layers[0].mlp.up_proj.weight
    assert not torch.equal(weights.bfloat16().float(), weights)


@pytest.mark.filterwarnings("ignore:bitsandbytes:UserWarning")  # has no derivative of its product on a processor
def test_four_bits_are_saved_as_they_were_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a processor, in the product's own steps but for the device."""
    transformers = pytest.importorskip("transformers")
    bitsandbytes = pytest.importorskip("bitsandbytes")
    monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: False)  # which has another layout

    def four_bits(settings: Settings) -> dict[str, Any]:
        quantized = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        return {"quantization_config": quantized, "device_map": {"": "cpu"}}

    monkeypatch.setattr("zipfit.training.models.four_bits", four_bits)
    model = save_model(tmp_path / "model", hidden_size=64, intermediate_size=128)
    run = finetune(model, tmp_path / "run", "qlora")
    assert run.test[-1].loss < run.test[0].loss - 0.05
    assert run.test[-1].loss == pytest.approx(loss(tmp_path / "run" / "model"), abs=1e-6)


def test_weights_are_the_same_bits_after_a_measurement(checkpoint: Path):
    model = load_model(str(checkpoint))
    model.network.bfloat16()
    before = {name: weights.clone() for name, weights in model.network.state_dict().items()}
    dtypes = set()
    with torch.autocast("cpu", torch.bfloat16), in_float32(model.network):
        dtypes |= {weights.dtype for weights in model.network.parameters()}
        dtypes.add(model.network(input_ids=torch.tensor([[1, 2, 3]])).logits.dtype)
    assert dtypes == {torch.float32}
    assert {weights.dtype for weights in model.network.parameters()} == {torch.bfloat16}
    assert all(torch.equal(weights, before[name]) for name, weights in model.network.state_dict().items())


def test_the_callers_autocast_changes_no_loss(checkpoint: Path):
    model = load_model(str(checkpoint))
    plain = cross_entropy(model, TEXTS[:5])
    with torch.autocast("cpu", torch.bfloat16):
        assert cross_entropy(model, TEXTS[:5]) == plain


@pytest.mark.parametrize(("precision", "expected"), [("bf16", True), ("fp32", False), ("auto", None)])
def test_auto_is_bf16_where_the_hardware_has_it(precision: str, expected: bool | None):
    assert trains_in_bf16(Settings(precision=precision)) == (computes_bf16() if expected is None else expected)
