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
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zipfit.errors import ZipfitError
from zipfit.methods.base import Scorer
from zipfit.selection import preview_reference
from zipfit.system.native import engine
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from zipfit.methods.base import Method, Pool

DEFAULT_ORDER = 6


def bits_per_byte(train: Sequence[str], test: Sequence[str], order: int = DEFAULT_ORDER) -> float:
    """Cross-entropy of `test` in bits per byte (of UTF-8) under an n-gram model trained on `train`.

    Args:
        train: The training documents; none at all leaves the uniform distribution, 8 bits.
        test: The documents to predict.
        order: The longest n-gram in bytes, 1 to 32.

    Raises:
        ZipfitError: If `test` holds no text, or `order` is out of range.
    """
    return _bits_per_byte([_encode(t) for t in train], [_encode(t) for t in test], order)


@dataclass(frozen=True)
class Preview:
    """What one method's selection is worth to the held-out half of the target."""

    method: str
    bits_per_byte: float
    """Cross-entropy of the held-out half: lower is better."""
    documents: int
    """Documents in the selection, the last one perhaps cut short."""
    bytes: int
    """Bytes trained on: the budget, unless the ranking ended before it."""
    seconds: float
    """To fit the method and rank the pool as far as the budget; for the yardsticks 0."""


def preview(
    methods: Mapping[str, Method],
    pool: Pool,
    target: Sequence[str],
    budget_bytes: int,
    seed: int = 0,
    order: int = DEFAULT_ORDER,
) -> list[Preview]:
    """Compare methods on a user's own pool and target, at equal bytes.

    The target is split in two at random. Each method is fitted to one half and ranks the pool, the first `budget_bytes`
    of the ranking train an n-gram model, and the other half is scored under it. Two yardsticks come along: `random`,
    a random selection (unless a method of that name is given), and `target`, the fitted half itself (often shorter than
    the budget: look at its bytes).

    Args:
        methods: Unfitted methods by the names to report them under.
        pool: The source.
        target: Target examples, two at least.
        budget_bytes: Training bytes for each method, in UTF-8.
        seed: Splits the target and draws the random selection.
        order: The longest n-gram of the model, in bytes.

    Returns:
        One result for each method, in the order given, then `random` and `target`.

    Raises:
        ZipfitError: If the target has fewer than two examples, a half without text, or the budget is not positive.
    """
    if len(target) < 2:
        raise ZipfitError(f"a preview splits the target in two, so it needs two examples at least, not {len(target)}.")
    if budget_bytes < 1:
        raise ZipfitError(f"the preview's budget must be positive, not {budget_bytes} bytes.")
    shuffled = list(target)
    random.Random(seed).shuffle(shuffled)
    fitted, held_out = shuffled[: len(target) // 2], [_encode(t) for t in shuffled[len(target) // 2 :]]

    sizes = [len(_encode(text)) for batch in pool for text in batch]
    chosen: dict[str, list[int]] = {}
    seconds: dict[str, float] = {}
    for name, method in methods.items():
        start = time.perf_counter()
        chosen[name] = _within(_ranking(method.fit(fitted, pool), pool), sizes, budget_bytes)
        seconds[name] = time.perf_counter() - start
    if "random" not in chosen:
        everything = list(range(len(sizes)))
        random.Random(seed).shuffle(everything)
        chosen["random"] = _within(everything, sizes, budget_bytes)

    wanted = {position for positions in chosen.values() for position in positions}
    texts: dict[int, str] = {}
    position = 0
    for batch in pool:
        for text in batch:
            if position in wanted:
                texts[position] = text
            position += 1

    def judge(name: str, selection: Iterable[str]) -> Preview:
        train = list(_truncated(selection, budget_bytes))
        bits = _bits_per_byte(train, held_out, order)
        return Preview(name, bits, len(train), sum(map(len, train)), seconds.get(name, 0.0))

    results = [judge(name, (texts[p] for p in positions)) for name, positions in chosen.items()]
    return [*results, judge("target", fitted)]


def _bits_per_byte(train: Sequence[bytes], test: Sequence[bytes], order: int) -> float:
    if not 1 <= order <= 32:
        raise ZipfitError(f"the n-gram model's order must lie in 1..32, not {order}.")
    size = sum(map(len, test))
    if size == 0:
        raise ZipfitError("the held-out target holds no text, so there is nothing to predict.")
    bits = engine(preview_reference).witten_bell_bits(Texts.join(train), Texts.join(test), order)
    return float(bits) / size


def _ranking(method: Method, pool: Pool) -> Iterator[int]:
    """Positions best first, ties in source order."""
    if not isinstance(method, Scorer):
        return (position for position, _ in method.rank(pool))
    scores: NDArray[np.float64] = np.concatenate([np.zeros(0), *pool.map(method.score)])
    return iter(np.argsort(-scores, kind="stable").tolist())


def _within(ranking: Iterable[int], sizes: Sequence[int], budget_bytes: int) -> list[int]:
    """The first positions of a ranking whose sizes add up to the budget, the last one perhaps beyond it."""
    chosen: list[int] = []
    for position in ranking:
        chosen.append(position)
        budget_bytes -= sizes[position]
        if budget_bytes <= 0:
            break
    return chosen


def _truncated(documents: Iterable[str], budget_bytes: int) -> Iterator[bytes]:
    for document in documents:
        if budget_bytes <= 0:
            return
        encoded = _encode(document)[:budget_bytes]
        budget_bytes -= len(encoded)
        yield encoded


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
