"""What is computed in bfloat16, and what in float32: training where the hardware gains by it, and every test loss."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zipfit.training.settings import Settings


def trains_in_bf16(settings: Settings) -> bool:
    """Whether a run with these settings computes in bfloat16 here, by automatic mixed precision."""
    return settings.precision == "bf16" or (settings.precision == "auto" and computes_bf16())


def computes_bf16() -> bool:
    """Whether the GPU, or else the processor, multiplies in bfloat16 rather than emulating it."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.backends.mps.is_available():
        return False
    supported = (getattr(torch.cpu, f"_is_{unit}_supported", None) for unit in ("avx512_bf16", "amx_tile"))
    return any(test is not None and test() for test in supported)


@contextmanager
def in_float32(network: Any) -> Iterator[None]:
    """Have a network compute in float32 as long as this lasts, whatever its weights are kept in.

    Weights of 16 bits are widened, for which there must be memory, and are the same bits again afterwards; those of 4
    bits stay and are multiplied in float32.
    """
    import torch

    tensors = chain(network.parameters(), network.buffers())
    narrow = [(tensor, tensor.dtype) for tensor in tensors if tensor.dtype in (torch.bfloat16, torch.float16)]
    layers = [(layer, layer.compute_dtype) for layer in network.modules() if hasattr(layer, "compute_dtype")]
    try:
        for tensor, _ in narrow:
            tensor.data = tensor.data.float()
        for layer, _ in layers:
            layer.compute_dtype = torch.float32
        with torch.autocast(network.device.type, enabled=False):
            yield
    finally:
        for tensor, dtype in narrow:
            tensor.data = tensor.data.to(dtype)
        for layer, dtype in layers:
            layer.compute_dtype = dtype
