"""What a language model finds surprising in the target: nats of each byte, and what an n-gram is worth by them.

A document is read alone, by one thread and in float32, as `encoder` reads one, so that its numbers do not depend on its
neighbours. Its first token is predicted from the token that begins a text or, where the tokenizer has none, ends one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.methods.cover_reference import words
from zipfit.methods.losses import own_tokens
from zipfit.system.networks import in_one_thread, linear_by_onednn
from zipfit.training.models import load_model

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.system.texts import Texts
    from zipfit.training.models import LanguageModel

WINDOW = 1024
"""Tokens that a model reads at once; of a longer document each token has half as many before it at least."""


def byte_surprise(texts: Texts, model: str) -> list[NDArray[np.float64]]:
    """Return the nats of each byte of each text under a causal model: a token's, spread evenly over its bytes.

    A token that makes no whole character shares the bytes of the one that begins it. Spaces that a tokenizer skips
    belong to the token after them. A text's nats add up to what the model pays for all of its tokens.

    Args:
        texts: whole UTF-8.
        model: as `zipfit.training.models.ModelSource` takes it.

    Raises:
        MissingExtraError: the extra `train` is not installed.
        ZipfitError: the model cannot be loaded, or its tokenizer does not say where tokens stand.
    """
    loaded = load_model(model)
    linear_by_onednn(loaded.network)
    import torch

    with in_one_thread(), torch.inference_mode():
        return [_of_bytes(text, loaded) for text in texts.encoded()]


def ngram_surprise(
    texts: Texts, nats: Sequence[NDArray[np.float64]], unit: str, orders: Sequence[int]
) -> NDArray[np.float64]:
    """Return what each n-gram weighs: the mean nats of its bytes, summed over where it stands.

    Args:
        texts: the target.
        nats: of each byte of each text.
        unit: `word` or `byte`.
        orders: lengths of n-grams, ascending.

    Returns:
        Shape (features,), numbered as `CoverFeatures` numbers them.
    """
    numbers: dict[Hashable, int] = {}
    weights: list[float] = []
    for text, costs in zip(texts.encoded(), nats, strict=True):
        units, starts, ends = _units(text, unit)
        sizes = np.add.accumulate(np.array([0, *(end - start for start, end in zip(starts, ends, strict=True))]))
        within = np.add.accumulate(np.concatenate([[0.0], costs]))
        sums = np.add.accumulate(np.concatenate([[0.0], within[ends] - within[starts]]))
        for first in range(len(units)):
            for order in orders:
                if first + order > len(units):
                    break
                gram = units[first : first + order]
                number = numbers.setdefault(gram, len(weights))
                if number == len(weights):
                    weights.append(0.0)
                weights[number] += float(sums[first + order] - sums[first]) / int(sizes[first + order] - sizes[first])
    return np.array(weights)


def _units(text: bytes, unit: str) -> tuple[bytes | tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """What n-grams are made of, and where in the text each begins and ends."""
    if unit == "byte":
        starts = np.arange(len(text))
        return text, starts, starts + 1
    found = tuple(words(text))
    starts, ends = np.empty(len(found), np.int64), np.empty(len(found), np.int64)
    place = 0
    for index, word in enumerate(found):
        encoded = word.encode()
        starts[index] = text.index(encoded, place)  # only spaces come before it
        ends[index] = place = starts[index] + len(encoded)
    return found, starts, ends


def _of_bytes(text: bytes, model: LanguageModel) -> NDArray[np.float64]:
    nats = np.zeros(len(text))
    characters = text.decode()
    tokens, ends, start = own_tokens(characters, model)
    if not tokens:
        return nats
    bytes_before = np.concatenate([[0], np.cumsum([len(character.encode()) for character in characters])])
    place, cost, previous = 0, 0.0, 0
    for end, paid in zip(bytes_before[ends].tolist(), _of_tokens(tokens, start, model), strict=True):
        if end > place:
            nats[previous:place] = cost / max(place - previous, 1)
            previous, place, cost = place, end, cost if not place else 0.0
        cost += paid
    nats[previous:] = cost / (len(text) - previous)
    return nats


def _of_tokens(tokens: list[int], start: int, model: LanguageModel) -> Iterator[float]:
    """-ln p of each token."""
    import torch

    window = min(WINDOW, getattr(model.network.config, "max_position_embeddings", WINDOW))
    whole = [start, *tokens]
    done = 0  # tokens that are predicted
    while done < len(tokens):
        first = 0 if done == 0 else done - window // 2
        read = torch.tensor([whole[first : first + window]], device=model.network.device)
        wanted = torch.tensor(whole[done + 1 : first + window + 1], device=model.network.device)
        logits: Any = model.network(input_ids=read, use_cache=False).logits[0, done - first :][: len(wanted)]
        yield from torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none").double().tolist()
        done += len(wanted)
