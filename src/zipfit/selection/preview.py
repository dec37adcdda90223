"""How well would a selection serve a target? An answer in seconds, without a language model.

A selection is judged by the cross-entropy, in bits per byte, of held-out target text under a byte n-gram model trained
on the selection. It is a proxy: it sees words, spelling and local syntax, and no meaning. It compares methods on one
pool and one target; its figures don't compare between targets.

The model interpolates all orders up to n with Witten-Bell's weights (Witten and Bell 1991, "The zero-frequency
problem", method C; Chen and Goodman 1999, section 2.5):

    p(b | h) = (c(hb) + T(h) p(b | h')) / (c(h) + T(h)),

where c counts occurrences in training, T(h) is the number of distinct bytes seen after the context h, h' is h without
its first byte, and p is uniform over 256 bytes below the empty context. Why this one: it has no parameter to estimate
or tune, it is a proper distribution in every context, and it stands small training texts, on which the counts of
counts that Kneser-Ney's discounts are made of are noise. Contexts don't reach across the start of a document.
"""

from __future__ import annotations

import random
import time
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zipfit.errors import ZipfitError
from zipfit.selection import preview_reference
from zipfit.selection.cut import Budget, Terms, walk
from zipfit.selection.ranking import rank
from zipfit.selection.tokens import BYTES
from zipfit.system.runtime import engine
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zipfit.methods.base import Method
    from zipfit.selection.sources import Sources

DEFAULT_ORDER = 6


def bits_per_byte(train: Sequence[str], test: Sequence[str], order: int = DEFAULT_ORDER) -> float:
    """Cross-entropy of `test` in bits per byte (of UTF-8) under an n-gram model trained on `train`.

    Args:
        train: the training documents; none at all leaves the uniform distribution, 8 bits.
        test: the documents to predict.
        order: the longest n-gram in bytes, 1 to 32.

    Raises:
        ZipfitError: `test` holds no text, or `order` is out of range.
    """
    return _bits_per_byte(list(Texts.of(train).encoded()), list(Texts.of(test).encoded()), order)


@dataclass(frozen=True)
class Preview:
    """What one method's selections are worth to the held-out halves of the target."""

    method: str
    bits_per_byte: float
    """Cross-entropy of the held-out half: lower is better; the mean of all splits."""
    by_split: tuple[float, ...]
    """The same, split by split."""
    documents: int
    """Documents in the selection of the first split, the last one perhaps cut short."""
    bytes: int
    """Bytes trained on there: the budget, unless the ranking ended before it."""
    seconds: float
    """To fit the method and rank the pool as far as the budget, all splits together; for the yardsticks 0."""


def preview(
    methods: Mapping[str, Method],
    sources: Sources,
    budget_bytes: int,
    seed: int = 0,
    splits: int = 1,
    order: int = DEFAULT_ORDER,
) -> list[Preview]:
    """Compare methods on a user's own pool and target, at equal bytes.

    The target is split in two at random, once or several times. Each method is fitted to one half and ranks the
    pool, the first `budget_bytes` of the ranking train an n-gram model, and the other half is scored under it. Two
    yardsticks come along: `random`, a random selection (unless a method of that name is given), and `target`, the
    fitted half itself (often shorter than the budget: look at its bytes).

    Args:
        methods: unfitted methods by the names to report them under.
        sources: the pool, and the target of two examples at least.
        budget_bytes: training bytes for each method, in UTF-8.
        seed: splits the target and draws the random selection; further splits have those that follow it.
        splits: how often this is done.
        order: the longest n-gram of the model, in bytes.

    Returns:
        One result for each method, in the order given, then `random` and `target`.

    Raises:
        ZipfitError: the target has fewer than two examples, or a half without text; the budget or the number of
            splits is not positive; or as `rank`.
    """
    if len(sources.texts) < 2:
        raise ZipfitError(
            f"a preview splits the target in two, so it needs two examples at least, not {len(sources.texts)}"
        )
    if budget_bytes < 1:
        raise ZipfitError(f"the preview's budget must be positive, not {budget_bytes} bytes")
    if splits < 1:
        raise ZipfitError(f"the preview's splits must be positive, not {splits}")
    # Copies, as fitting changes a method.
    found = [_one_split(deepcopy(dict(methods)), sources, budget_bytes, seed + i, order) for i in range(splits)]
    return [
        replace(
            each[0],
            bits_per_byte=sum(one.bits_per_byte for one in each) / splits,
            by_split=tuple(one.bits_per_byte for one in each),
            seconds=sum(one.seconds for one in each),
        )
        for each in zip(*found, strict=True)
    ]


def _one_split(
    methods: Mapping[str, Method], sources: Sources, budget_bytes: int, seed: int, order: int
) -> list[Preview]:
    target = list(sources.texts)
    random.Random(seed).shuffle(target)
    fitted, held_out = Texts.of(target[: len(target) // 2]), Texts.of(target[len(target) // 2 :])
    terms = Terms(Budget(tokens=budget_bytes, filled=True), counter=BYTES)
    pool, half = sources.pool, sources.with_target(fitted)

    chosen: dict[str, Texts] = {}
    seconds: dict[str, float] = {}
    documents = len(pool.facts.lengths)  # read before the first method's time begins
    for name, method in methods.items():
        start = time.perf_counter()
        indices = rank(half, method).cut(terms).indices
        seconds[name] = time.perf_counter() - start
        chosen[name] = pool.texts(indices)
    if "random" not in chosen:
        drawn = list(range(documents))
        random.Random(seed).shuffle(drawn)
        chosen["random"] = pool.texts(walk(((position, 0.0) for position in drawn), terms, pool).indices)
    chosen["target"] = fitted

    def judge(name: str, selection: Texts) -> Preview:
        train = list(_truncated(selection, budget_bytes))
        bits = _bits_per_byte(train, list(held_out.encoded()), order)
        return Preview(name, bits, (bits,), len(train), sum(map(len, train)), seconds.get(name, 0.0))

    return [judge(name, selection) for name, selection in chosen.items()]


def _bits_per_byte(train: Sequence[bytes], test: Sequence[bytes], order: int) -> float:
    if not 1 <= order <= 32:
        raise ZipfitError(f"the n-gram model's order must lie in 1..32, not {order}")
    size = sum(map(len, test))
    if size == 0:
        raise ZipfitError("the held-out target holds no text, so there is nothing to predict")
    bits = engine(preview_reference).witten_bell_bits(Texts.join(train), Texts.join(test), order)
    return float(bits) / size


def _truncated(documents: Texts, budget_bytes: int) -> Iterator[bytes]:
    for document in documents.encoded():
        if budget_bytes <= 0:
            return
        encoded = document[:budget_bytes]
        budget_bytes -= len(encoded)
        yield encoded
