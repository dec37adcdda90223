from __future__ import annotations

import pytest

from zipfit.errors import ZipfitError
from zipfit.training.settings import PRESETS, Settings, build_settings


def test_the_paper_preset_has_the_papers_settings():
    paper = PRESETS["paper"]
    assert (paper.block_size, paper.batch_size, paper.epochs) == (1024, 4, 1)
    assert (paper.learning_rate, paper.weight_decay, paper.max_grad_norm) == (7.5e-7, 0.01, 1.0)
    assert paper.adapter == "full"


def test_changes_replace_values_of_the_preset():
    settings = build_settings("lora", {"block_size": 256, "learning_rate": "1e-4", "weight_decay": 1})
    assert settings == Settings(block_size=256, learning_rate=1e-4, weight_decay=1.0, adapter="lora")
    assert isinstance(settings.weight_decay, float)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block": 1}, "there is no setting 'block'"),
        ({"block_size": 1}, "block_size must be at least 2"),
        ({"block_size": 2.5}, "block_size must be an int"),
        ({"block_size": True}, "block_size must be an int"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"learning_rate": True}, "learning_rate must be a float"),
        ({"learning_rate": "fast"}, "learning_rate must be a float, not 'fast'"),
        ({"learning_rate": "nan"}, "learning_rate must be above 0"),
        ({"warmup": 1.5}, "warmup must be in 0..1"),
        ({"adapter": "prefix"}, "adapter must be one of full, lora, qlora"),
        ({"schedule": "step"}, "schedule must be one of"),
        ({"gradient_checkpointing": "yes"}, "gradient_checkpointing must be a bool"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, object], message: str):
    with pytest.raises(ZipfitError, match=message):
        build_settings("default", changes)


def test_an_unknown_preset_is_an_error():
    with pytest.raises(ZipfitError, match="no preset 'papers': there are default"):
        build_settings("papers", {})
