"""Counting tokens, for budgets in tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.errors import MissingExtraError, ZipfitError, one_line
from zipfit.system.gguf_tokenizer import SMOLLM2, smollm2_file, tokenizer_of
from zipfit.system.hub import hub_or_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from zipfit.system.texts import Texts


@dataclass(frozen=True)
class TokenCounter:
    """What counts tokens.

    Attributes:
        name: as `token_counter` takes it.
        count: from texts to their numbers of tokens.
    """

    name: str
    count: Callable[[Texts], list[int]]

    def __reduce__(self) -> tuple[Callable[[str], TokenCounter], tuple[str]]:
        return token_counter, (self.name,)


BYTES = TokenCounter("bytes", lambda texts: texts.lengths.tolist())
"""One token a byte of UTF-8; known of a pool's documents without their texts."""


def token_counter(name: str) -> TokenCounter:
    """Return a counter of a tokenizer's tokens, special tokens aside.

    Args:
        name: `bytes` (one token a byte of UTF-8); a `tokenizer.json` file or a folder that holds one; `smollm2` or a
            `.gguf` file (both need the extra `train`); or the name of a model on the Hugging Face hub.

    Raises:
        ZipfitError: the tokenizer cannot be loaded.
        MissingExtraError: the `tokenizers` package is not installed.

    Example:
        >>> from zipfit.system.texts import Texts
        >>> token_counter("bytes").count(Texts.of(["two", "naïve"]))
        [3, 6]
    """
    if name == "bytes":
        return BYTES
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError("counting tokens", "tokens") from error
    path = smollm2_file() if name == SMOLLM2 else Path(name)
    try:
        file = path / "tokenizer.json" if path.is_dir() else path
        if path.is_dir() and not file.is_file():
            raise ZipfitError(f"tokenizer {name}: the folder holds no tokenizer.json")
        if file.suffix == ".gguf" and file.is_file():
            tokenizer = tokenizer_of(file).backend_tokenizer
        else:
            with hub_or_cache(str(file), f"tokenizer {name}", "give a tokenizer.json, smollm2, or bytes"):
                tokenizer = Tokenizer.from_file(str(file)) if file.is_file() else Tokenizer.from_pretrained(name)
    except ZipfitError:
        raise
    except Exception as error:  # the library raises plain Exception for every failure
        raise ZipfitError(f"tokenizer {name}: cannot be loaded ({one_line(error)})") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Texts) -> list[int]:
        return [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    return TokenCounter(name, count)
