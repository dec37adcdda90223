"""Low-rank adapters on a frozen network (Hu et al. 2021, arXiv 2106.09685), which may be one of 4 bits.

The base on 4 bits is that of QLoRA (Dettmers et al. 2023, arXiv 2305.14314).
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.system.networks import quiet
from zipfit.training.precision import trains_in_bf16

if TYPE_CHECKING:
    from zipfit.training.settings import Settings


def four_bits(settings: Settings) -> dict[str, Any]:
    """Arguments of `from_pretrained` that load a network in 4 bits.

    Raises:
        ZipfitError: there is no NVIDIA GPU, or bitsandbytes is not installed.
    """
    import torch
    import transformers

    if not torch.cuda.is_available():
        raise ZipfitError("qlora keeps the model in 4 bits, which needs an NVIDIA GPU: use lora")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ZipfitError("qlora needs bitsandbytes: pip install bitsandbytes")
    configuration = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if trains_in_bf16(settings) else torch.float32,
    )
    return {"quantization_config": configuration, "device_map": {"": 0}}


def add_adapters(network: Any, settings: Settings) -> Any:
    """The network with fresh adapters on every linear layer but the output's; only they will be trained.

    Raises:
        MissingExtraError: peft is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError(f"adapter {settings.adapter}", "train") from error
    if settings.adapter == "qlora":
        network = peft.prepare_model_for_kbit_training(
            network, use_gradient_checkpointing=settings.gradient_checkpointing
        )
    configuration = peft.LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with quiet():
        return peft.get_peft_model(network, configuration)


def merge_adapters(network: Any) -> Any:
    """The plain network with what its adapters learnt added to its weights, in place; as it is if it has none.

    All weights are float32 then: what a few steps add to a weight is often less than half of its last place in
    bfloat16, and would be rounded away.
    """
    if not hasattr(network, "merge_and_unload"):
        return network
    return network.float().merge_and_unload()
