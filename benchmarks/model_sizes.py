"""What fine-tuning the paper's models takes, on paper: `python benchmarks/model_sizes.py` prints a table of docs/finetune.md.

The models are built in their published shapes without memory (PyTorch's meta device), and get zipfit's adapters.
InternLM2's code is not in Transformers; Llama's architecture has the same weights, those of attention in three parts.
"""

from __future__ import annotations

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from zipfit.training.adapters import add_adapters
from zipfit.training.settings import PRESETS

SHAPES = {
    "GPT-2": ("gpt2", {}),
    "InternLM2-Math-Plus-1.8B": (
        "llama",
        {
            "vocab_size": 92544,
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
        },
    ),
    "CodeGemma-2B": (
        "gemma",
        {
            "vocab_size": 256000,
            "hidden_size": 2048,
            "intermediate_size": 16384,
            "num_hidden_layers": 18,
            "num_attention_heads": 8,
            "num_key_value_heads": 1,
            "head_dim": 256,
        },
    ),
    "Gemma2-2B": (
        "gemma2",
        {
            "vocab_size": 256000,
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 26,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
        },
    ),
    "Mistral-7B": (
        "mistral",
        {
            "vocab_size": 32768,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
        },
    ),
}

TRAINED = 16  # bytes a weight: it, its gradient and AdamW's two moments, in float32
FROZEN = 2  # bytes a weight in bfloat16
WIDE = 4  # bytes a weight in float32: of all while test losses are computed, and of what qlora leaves in no 4 bits
FOUR_BITS = 0.5 + 0.127 / 8  # bytes a weight of nf4, double quantization included (Dettmers et al. 2023, section 3)


def row(name: str) -> str:
    """A row of the table: millions of weights, and gigabytes (10^9 bytes)."""
    kind, shape = SHAPES[name]
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shape))
        network.tie_weights()
        weights = sum(weight.numel() for weight in network.parameters())
        adapted = add_adapters(network, PRESETS["lora"])
    fresh = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    linear = sum(layer.base_layer.weight.numel() for layer in adapted.modules() if hasattr(layer, "base_layer"))
    lora, measured = (each * weights + TRAINED * fresh for each in (FROZEN, WIDE))
    qlora = FOUR_BITS * linear + WIDE * (weights - linear) + TRAINED * fresh
    numbers = (TRAINED * weights, lora, measured, qlora)
    gigabytes = " | ".join(f"{number / 1e9:.1f}" for number in numbers)
    return f"| {name} | {weights / 1e6:,.0f} | {fresh / 1e6:.1f} | {gigabytes} |"


if __name__ == "__main__":
    print("| model | weights, millions | of adapters | `default` | `lora` | `lora`, measuring | `qlora` |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in SHAPES:
        print(row(name))
