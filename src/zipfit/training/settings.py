"""How a model is fine-tuned: every setting that changes the outcome, and the named presets."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from zipfit.errors import ZipfitError, need

if TYPE_CHECKING:
    from collections.abc import Mapping

ADAPTERS = ("full", "lora", "qlora")
SCHEDULES = ("linear", "cosine", "constant")
PRECISIONS = ("auto", "bf16", "fp32")


@dataclass(frozen=True)
class Settings:
    """The settings of one fine-tuning run.

    Attributes:
        block_size: tokens of a training sequence; documents are joined with the end-of-text token and cut into blocks.
        batch_size: blocks of an optimizer step.
        epochs: passes over the blocks.
        learning_rate: peak learning rate of the optimizer, AdamW.
        schedule: what the learning rate does after its warm-up: `linear` (to 0), `cosine` (to 0) or `constant`.
        warmup: share of the steps, in [0, 1], over which the learning rate rises from 0.
        weight_decay: of the optimizer, AdamW.
        max_grad_norm: gradients are clipped to this norm.
        adapter: `full` trains every weight, `lora` low-rank adapters (Hu et al. 2021, arXiv 2106.09685), `qlora` the
            same on a base model in 4 bits (Dettmers et al. 2023, arXiv 2305.14314; needs a GPU).
        lora_rank: rank of the adapters.
        lora_alpha: scale of the adapters.
        lora_dropout: dropout of the adapters.
        precision: what training computes in: `bf16`, by automatic mixed precision; `fp32`; or `auto`, which is `bf16`
            where the hardware computes in it, else `fp32`. Test losses are computed in float32 whatever it is.
        gradient_checkpointing: recompute activations instead of keeping them: less memory, a third more time.
        test_tokens: longest prefix of a test document that is scored, in tokens.

    Raises:
        ZipfitError: a value is out of range; the message names the setting.
    """

    block_size: int = 1024
    batch_size: int = 4
    epochs: int = 1
    learning_rate: float = 2e-5
    schedule: str = "linear"
    warmup: float = 0.05
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    adapter: str = "full"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    precision: str = "auto"
    gradient_checkpointing: bool = False
    test_tokens: int = 1024

    def __post_init__(self) -> None:
        for name in ("block_size", "batch_size", "epochs", "lora_rank", "lora_alpha", "test_tokens"):
            self._need(name, getattr(self, name) >= 1, "at least 1")
        self._need("block_size", self.block_size >= 2, "at least 2: a block of one token predicts nothing")
        self._need("test_tokens", self.test_tokens >= 2, "at least 2")
        self._need("learning_rate", self.learning_rate > 0, "above 0")
        self._need("warmup", 0 <= self.warmup <= 1, "in 0..1")
        self._need("weight_decay", self.weight_decay >= 0, "at least 0")
        self._need("max_grad_norm", self.max_grad_norm > 0, "above 0")
        self._need("lora_dropout", 0 <= self.lora_dropout < 1, "at least 0 and below 1")
        for name, allowed in (("adapter", ADAPTERS), ("schedule", SCHEDULES), ("precision", PRECISIONS)):
            self._need(name, getattr(self, name) in allowed, f"one of {', '.join(allowed)}")

    def _need(self, name: str, holds: bool, wanted: str) -> None:
        need(holds, f"{name} must be {wanted}, not {getattr(self, name)}")


PRESETS: dict[str, Settings] = {
    "default": Settings(),
    "lora": Settings(learning_rate=2e-4, adapter="lora"),
    "qlora": Settings(learning_rate=2e-4, adapter="qlora"),
    # ZIP-FIT (arXiv 2410.18194), section 4 and its appendix.
    "paper": Settings(block_size=1024, batch_size=4, learning_rate=7.5e-7, weight_decay=0.01, max_grad_norm=1.0),
}
"""Settings by name: `default` for every weight, `lora` and `qlora` for adapters, `paper` for those of ZIP-FIT."""


def build_settings(preset: str, changes: Mapping[str, Any]) -> Settings:
    """A preset with some of its values changed; whole numbers may stand for floats and `1e-4` for a number.

    Raises:
        ZipfitError: there is no such preset or setting, or a value is of the wrong type or out of range.
    """
    need(preset in PRESETS, f"there is no preset {preset!r}: there are {', '.join(PRESETS)}")
    types = {field.name: str(field.type) for field in fields(Settings)}
    checked: dict[str, Any] = {}
    for name, value in changes.items():
        need(name in types, f"there is no setting {name!r}: there are {', '.join(types)}")
        checked[name] = _as_type(name, value, types[name])
    return replace(PRESETS[preset], **checked)


def _as_type(name: str, value: Any, wanted: str) -> Any:
    """YAML reads 1e-4 as a string and 1 as an int; take both for a float. A bool is no number."""
    if wanted == "float" and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif type(value).__name__ == wanted:
        return value
    raise ZipfitError(f"{name} must be {'an' if wanted == 'int' else 'a'} {wanted}, not {value!r}")
