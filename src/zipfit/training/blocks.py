"""From documents to training blocks: joined, each with the end-of-text token after it, and cut to one length."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError, need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_RUN = 1000  # documents tokenized at a time


@dataclass(frozen=True)
class Blocks:
    """What a model is trained on.

    Attributes:
        tokens: shape (number of blocks, block size).
        documents: how many of the documents, from the first on, were used; the last one perhaps in part.
    """

    tokens: NDArray[np.int32]
    documents: int


def make_blocks(
    texts: Sequence[str], tokenizer: Any, block_size: int, budget: int | None = None, seed: int = 0
) -> Blocks:
    """Take documents until the budget is full, shuffle them, join them and cut them into blocks.

    Args:
        texts: documents, best first.
        tokenizer: of Transformers, with an end-of-text token, which ends each document.
        block_size: tokens of a block; what remains at the end and is shorter is dropped.
        budget: most tokens to train on, end-of-text tokens included; None for all documents.
        seed: of the documents' order. It depends on the set of documents alone, not on their ranks, so that two
            selections of the same documents train the same model.

    Raises:
        ZipfitError: budget or documents do not fill one block.
    """
    enough = budget is None or budget >= block_size
    need(enough, f"a budget of {budget} tokens is less than one block of {block_size}: lower the block size")
    documents: list[NDArray[np.int32]] = []
    total = 0
    runs = (encode(texts[start : start + _RUN], tokenizer) for start in range(0, len(texts), _RUN))
    for tokens in chain.from_iterable(runs):
        if budget is not None and total >= budget:
            break
        documents.append(np.array([*tokens, tokenizer.eos_token_id], dtype=np.int32))
        total += len(documents[-1])
    wanted = total if budget is None else min(total, budget)
    if wanted < block_size:
        raise ZipfitError(
            f"{len(documents)} documents of {total} tokens in all do not fill one block of {block_size}: "
            "lower the block size or give more documents"
        )
    documents.sort(key=lambda document: document.tobytes())
    random.Random(seed).shuffle(documents)
    joined = np.concatenate(documents)[: wanted // block_size * block_size]
    return Blocks(joined.reshape(-1, block_size), len(documents))


def encode(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """Token numbers of each text, with the begin-of-text token where this tokenizer puts one, and no end-of-text."""
    if not texts:  # which not every tokenizer takes
        return []
    clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]  # no tokenizer takes a lone surrogate
    encoded: list[list[int]] = tokenizer(clean, verbose=False)["input_ids"]
    end = tokenizer.eos_token_id
    return [tokens[:-1] if tokens and tokens[-1] == end else tokens for tokens in encoded]
