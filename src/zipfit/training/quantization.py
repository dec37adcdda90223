"""Networks whose weights are kept in few bits: loading them in 4 bits, and having plain floats again."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from zipfit.errors import need
from zipfit.training.precision import trains_in_bf16

if TYPE_CHECKING:
    from zipfit.training.settings import Settings


def four_bits(settings: Settings) -> dict[str, Any]:
    """Arguments of `from_pretrained` that load a network in 4 bits (Dettmers et al. 2023, arXiv 2305.14314).

    Raises:
        ZipfitError: there is no NVIDIA GPU, or bitsandbytes is not installed.
    """
    import torch
    import transformers

    need(torch.cuda.is_available(), "qlora keeps the model in 4 bits, which needs an NVIDIA GPU: use lora")
    there = importlib.util.find_spec("bitsandbytes") is not None
    need(there, "qlora needs bitsandbytes: pip install bitsandbytes")
    configuration = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if trains_in_bf16(settings) else torch.float32,
    )
    return {"quantization_config": configuration, "device_map": {"": 0}}


def is_four_bits(layer: Any) -> bool:
    """Whether a layer is one of bitsandbytes', of 4 bits."""
    return type(getattr(layer, "weight", None)).__name__ == "Params4bit"


def plain_layer(layer: Any, delta: Any) -> Any:
    """A linear layer of 4 bits as a plain one in the processor's memory, `delta` added to its weight in float32."""
    import torch
    from peft.utils.integrations import dequantize_module_weight

    plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
    plain.weight = torch.nn.Parameter(dequantize_module_weight(layer).float() + delta.float())
    plain.bias = layer.bias
    return plain.cpu()


def forget_quantization(network: Any) -> None:
    """Drop the marks of quantization from a network whose weights are plain floats now, to be trained and saved."""
    marks = ("hf_quantizer", "quantization_method", "is_loaded_in_4bit")
    for holder, mark in ((network.config, "quantization_config"), *((network, mark) for mark in marks)):
        if hasattr(holder, mark):
            delattr(holder, mark)
    network.is_quantized = False
