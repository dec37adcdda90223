"""Hashed n-gram counts in plain Python: the twin of the native core's class (see `zipfit.system.runtime`)."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from zipfit.system import arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zipfit.system.texts import Texts

MAX_BUCKETS = 1 << 28
CODE_POINTS = 0x110000


class HashedNgrams:
    """Counts of word 1- to n-grams over SHA-256 buckets.

    Args:
        classes: the class of each code point, one byte each: 0 parts tokens, and runs of 1 and runs of 2 are tokens.
        order: n, 1 or more.
        buckets: 1 to MAX_BUCKETS.
        portable: means nothing here; the native core then leaves the processor's SHA instructions alone.

    Raises:
        ValueError: one of these is out of its range.
    """

    def __init__(self, classes: bytes, order: int, buckets: int, portable: bool = False) -> None:  # noqa: ARG002
        if len(arguments.instance(classes, "classes", bytes)) != CODE_POINTS:
            raise ValueError("the class table must have 0x110000 entries")
        if max(classes) > 2:
            raise ValueError("a character class is 0, 1 or 2")
        self._order = arguments.integer(order, "order", 1, 2**31 - 1)
        self._buckets = arguments.integer(buckets, "buckets", 1, MAX_BUCKETS)
        self._tokens = _tokens_of(classes).findall
        self._bucket = lru_cache(maxsize=1 << 18)(self._hash)

    def count(self, texts: Texts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the counts over all texts, shape (buckets,), and the number of n-grams of each, shape (n,)."""
        found = [self._buckets_of(text) for text in arguments.batch(texts, "texts")]
        counts = np.bincount(np.fromiter(chain.from_iterable(found), np.int64), minlength=self._buckets)
        return counts.astype(np.int64), np.array([len(buckets) for buckets in found], np.int64)

    def dot(self, texts: Texts, tables: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return each text's counts times each row of tables, shape (n, t), and n-grams of each text, shape (n,).

        Raises:
            ValueError: a table has not one weight for each bucket.
        """
        arguments.batch(texts, "texts")
        if arguments.array(tables, "tables", np.float64, 2).shape[1] != self._buckets:
            raise ValueError("a table needs one weight for each bucket")
        dots = np.zeros((len(texts), len(tables)))
        totals = np.zeros(len(texts), np.int64)
        for i, text in enumerate(texts):
            buckets, counts = np.unique(np.array(self._buckets_of(text), np.int64), return_counts=True)
            totals[i] = counts.sum()
            if len(buckets):
                dots[i] = np.cumsum(tables[:, buckets] * counts, axis=1)[:, -1]  # cumsum, unlike sum, adds in order
        return dots, totals

    def _buckets_of(self, text: str) -> list[int]:
        return [self._bucket(ngram) for ngram in self._ngrams(text)]

    def _ngrams(self, text: str) -> Iterator[str]:
        tokens = self._tokens(text)
        for n in range(1, min(self._order, len(tokens)) + 1):
            for i in range(len(tokens) - n + 1):
                yield " ".join(tokens[i : i + n])

    def _hash(self, ngram: str) -> int:
        return int.from_bytes(hashlib.sha256(ngram.encode()).digest(), "big") % self._buckets


@lru_cache(maxsize=1)
def _tokens_of(classes: bytes) -> re.Pattern[str]:
    """The expression that matches a token: a run of code points of class 1, or one of class 2."""
    changes = np.flatnonzero(np.diff(np.frombuffer(classes, np.uint8), prepend=255)).tolist()
    sets = ["", "", ""]
    for first, last in zip(changes, [*(change - 1 for change in changes[1:]), CODE_POINTS - 1], strict=True):
        sets[classes[first]] += f"\\U{first:08x}-\\U{last:08x}"
    return re.compile("|".join(f"[{ranges}]+" for ranges in sets[1:] if ranges) or r"(?!)")
