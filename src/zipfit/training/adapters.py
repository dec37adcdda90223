"""Low-rank adapters on a frozen network (Hu et al. 2021, arXiv 2106.09685), which may be one of 4 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zipfit.errors import needing
from zipfit.system.networks import quiet
from zipfit.training.quantization import forget_quantization, is_four_bits, plain_layer

if TYPE_CHECKING:
    from zipfit.training.settings import Settings


def add_adapters(network: Any, settings: Settings) -> Any:
    """The network with fresh adapters on every linear layer but the output's; only they will be trained.

    Raises:
        MissingExtraError: peft is not installed.
    """
    with needing(f"adapter {settings.adapter}", "train"):
        import peft
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

    All weights are float32 then: what is learnt is often less than half of a weight's last place in bfloat16, or than
    a step of 4 bits, and would be rounded away. They are in the processor's memory, as a GPU that held the narrow ones
    may have no room for the wide ones.
    """
    if not hasattr(network, "merge_and_unload"):
        return network
    adapted = [layer for layer in network.modules() if is_four_bits(getattr(layer, "base_layer", None))]
    for layer in adapted:  # to which peft would round the sum again
        layer.base_layer = plain_layer(layer.base_layer, layer.get_delta_weight(network.active_adapter))
    network = network.cpu().float()
    if not adapted:
        return network.merge_and_unload()
    network = network.unload()
    forget_quantization(network)
    return network
