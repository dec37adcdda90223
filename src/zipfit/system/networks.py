"""What loading any network of Transformers needs: the device that it goes to, and silence."""

from __future__ import annotations

import io
import platform
import threading
import warnings
from contextlib import contextmanager, redirect_stderr
from functools import cache, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def best_device() -> str:
    """`cuda` where torch finds an NVIDIA GPU, `mps` on Apple's, else `cpu`."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings, log lines and progress bars of Transformers and the hub off the screen while a model loads."""
    import huggingface_hub.utils.logging
    import transformers.utils.logging

    hub: Any = huggingface_hub.utils.logging
    own = transformers.utils.logging
    verbosity, hub_verbosity, bars = own.get_verbosity(), hub.get_verbosity(), own.is_progress_bar_enabled()
    own.set_verbosity_error()
    hub.set_verbosity_error()
    own.disable_progress_bar()
    try:
        # The bar of the GGUF reader heeds no setting.
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        own.set_verbosity(verbosity)
        hub.set_verbosity(hub_verbosity)
        if bars:
            own.enable_progress_bar()


_PATCHING = threading.RLock()


@contextmanager
def gguf_read_once() -> Iterator[None]:
    """Read a GGUF file once while it is loaded, if the package `gguf` is there.

    Transformers (5.24) parses the whole file for the tokenizer, for the configuration and for the weights, and makes
    the table of tensors' names anew for each of a network's modules: 11 of the 17 seconds of
    processor that SmolLM2-135M took.
    """
    with _PATCHING:
        try:
            import gguf
        except ImportError:
            yield
            return
        own = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
        for name, make in own.items():
            setattr(gguf, name, cache(make))
        try:
            yield
        finally:
            for name, make in own.items():
                setattr(gguf, name, make)


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Keep each operation of torch in the thread that calls it, as long as this lasts there."""
    import torch

    before = torch.get_num_threads()  # of this thread
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def linear_by_onednn(network: Any) -> Callable[[], None]:
    """Have oneDNN do the linear layers of float32 of a network on an x86 processor; until undone, none can be trained.

    Torch leaves them to MKL, which runs at half the speed of oneDNN on AMD's processors with AVX-512. The operator is
    the one that torch's own compiler puts in place of linear layers; where it is not there, nothing changes.

    Returns:
        What gives the layers their own way back.
    """
    import torch

    operators = torch.ops.mkldnn
    there = hasattr(operators, "_linear_pointwise") and torch.backends.mkldnn.is_available()
    changed: list[Any] = []

    def linear(layer: Any, states: Any) -> Any:
        return operators._linear_pointwise(states, layer.weight, layer.bias, "none", [], "")

    def undo() -> None:
        for layer in changed:
            del layer.forward

    if there and platform.machine() in {"x86_64", "AMD64"}:
        for layer in network.modules():
            plain = type(layer) is torch.nn.Linear and layer.weight.dtype == torch.float32
            if plain and layer.weight.device.type == "cpu" and "forward" not in vars(layer):
                layer.forward = partial(linear, layer)
                changed.append(layer)
    return undo
