"""From documents to training blocks: joined, each with the end-of-text token after it, and cut to one length.

Chats end as their template ends them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError, need
from zipfit.training.chats import Chat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_RUN = 1000  # documents tokenized at a time


@dataclass(frozen=True)
class Blocks:
    """What a model is trained on.

    Attributes:
        tokens: shape (number of blocks, block size).
        scored: whether the loss is on each of them, likewise.
        documents: how many of the documents, from the first on, were used; the last one perhaps in part.
    """

    tokens: NDArray[np.int32]
    scored: NDArray[np.bool_]
    documents: int


def make_blocks(
    documents: Sequence[str | Chat], tokenizer: Any, block_size: int, budget: int | None = None, seed: int = 0
) -> Blocks:
    """Take documents until the budget is full, shuffle them, join them and cut them into blocks.

    A block without a token that the loss is on is left out.

    Args:
        documents: texts or chats, best first.
        tokenizer: of Transformers, with an end-of-text token, which ends each document.
        block_size: tokens of a block; what remains at the end and is shorter is dropped.
        budget: most tokens to train on, end-of-text tokens included; None for all documents.
        seed: of the documents' order. It depends on the set of documents alone, not on their ranks, so that two
            selections of the same documents train the same model.

    Raises:
        ZipfitError: budget or documents do not fill one block, or the loss is on no token of any.
    """
    enough = budget is None or budget >= block_size
    need(enough, f"a budget of {budget} tokens is less than one block of {block_size}: lower the block size")
    taken: list[tuple[NDArray[np.int32], NDArray[np.bool_]]] = []
    total = 0
    for tokens, scored in _tokenized(documents, tokenizer):
        if budget is not None and total >= budget:
            break
        taken.append((tokens, scored))
        total += len(tokens)
    wanted = total if budget is None else min(total, budget)
    if wanted < block_size:
        raise ZipfitError(
            f"{len(taken)} documents of {total} tokens in all do not fill one block of {block_size}: "
            "lower the block size or give more documents"
        )
    taken.sort(key=lambda document: document[0].tobytes())
    random.Random(seed).shuffle(taken)
    joined, marks = (np.concatenate(part)[: wanted // block_size * block_size] for part in zip(*taken, strict=True))
    blocks, marks = joined.reshape(-1, block_size), marks.reshape(-1, block_size)
    trained = marks[:, 1:].any(axis=1)  # the first token of a block is not predicted
    need(bool(trained.any()), "no block holds a token of the assistant's, which alone the loss is on")
    return Blocks(blocks[trained], marks[trained], len(taken))


def _tokenized(
    documents: Sequence[str | Chat], tokenizer: Any
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """The tokens of each document with what ends it, and whether the loss is on each."""
    for start in range(0, len(documents), _RUN):
        run = documents[start : start + _RUN]
        encoded = iter(encode([document for document in run if isinstance(document, str)], tokenizer))
        for document in run:
            if isinstance(document, Chat):
                yield document.tokens, document.scored
            else:
                tokens = np.array([*next(encoded), tokenizer.eos_token_id], dtype=np.int32)
                yield tokens, np.ones(len(tokens), bool)


def encode(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """Token numbers of each text, with the begin-of-text token where this tokenizer puts one, and no end-of-text."""
    if not texts:  # which not every tokenizer takes
        return []
    clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]  # no tokenizer takes a lone surrogate
    encoded: list[list[int]] = tokenizer(clean, verbose=False)["input_ids"]
    end = tokenizer.eos_token_id
    return [tokens[:-1] if tokens and tokens[-1] == end else tokens for tokens in encoded]
