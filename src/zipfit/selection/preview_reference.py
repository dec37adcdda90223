"""The n-gram model of `preview` in plain Python: the twin of the native core's (see `zipfit.system.runtime`)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from zipfit.system.arguments import batch, integer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zipfit.system.texts import Texts

LONGEST_ORDER = 32


def witten_bell_bits(train: Texts, test: Texts, order: int) -> float:
    """Return the bits that the test texts take under an interpolated byte n-gram model of the training texts.

    Raises:
        ValueError: the order lies outside 1..32.
    """
    batch(train, "train")
    batch(test, "test")
    longest = integer(order, "order", 1, LONGEST_ORDER)
    return WittenBell(train.encoded(), longest).bits(test.encoded())


class WittenBell:
    """The model, counted in full.

    Args:
        train: the training documents.
        order: the longest n-gram, in bytes; contexts have up to `order - 1`.
    """

    def __init__(self, train: Iterable[bytes], order: int) -> None:
        self.order = order
        self._followers: defaultdict[bytes, Counter[int]] = defaultdict(Counter)
        self._totals: Counter[bytes] = Counter()
        for document in train:
            for at, byte in enumerate(document):
                for start in range(max(0, at - order + 1), at + 1):
                    self._followers[document[start:at]][byte] += 1
                    self._totals[document[start:at]] += 1

    def probability(self, context: bytes, byte: int) -> float:
        """p(byte | the last order - 1 bytes of context); sums to 1 over the 256 bytes."""
        p = 1 / 256
        for length in range(min(self.order - 1, len(context)) + 1):
            suffix = context[len(context) - length :]
            total = self._totals.get(suffix)
            if total is None:
                break
            followers = self._followers[suffix]
            p = (followers[byte] + len(followers) * p) / (total + len(followers))
        return p

    def bits(self, test: Iterable[bytes]) -> float:
        """The sum of -log2 p over the bytes of the test documents."""
        total = 0.0
        for document in test:
            for at, byte in enumerate(document):
                total -= math.log2(self.probability(document[max(0, at - self.order + 1) : at], byte))
        return total
