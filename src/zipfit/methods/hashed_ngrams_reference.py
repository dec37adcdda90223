"""Hashed n-grams in plain Python: the twin of the native core's class (see `zipfit.system.runtime`)."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.system import arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zipfit.system.texts import Texts

MAX_BUCKETS = 1 << 28
CODE_POINTS = 0x110000


class HashedNgrams:
    """Word 1- to n-grams in SHA-256 buckets.

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
        self._type = np.uint16 if self._buckets <= 1 << 16 else np.uint32
        self._tokens = _tokens_of(classes).findall
        self._bucket = lru_cache(maxsize=1 << 18)(self._hash)

    def buckets(self, texts: Texts) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the bucket of each n-gram, text after text, and the number of n-grams of each text, shape (n,).

        Buckets are uint16 or, where there are more than 65,536, uint32.
        """
        found = [self._buckets_of(text) for text in arguments.batch(texts, "texts")]
        return np.fromiter(chain.from_iterable(found), self._type), np.array([len(each) for each in found], np.int64)

    def count(self, buckets: NDArray[Any]) -> NDArray[np.int64]:
        """Return how often each bucket is among those that `buckets` returned; ValueError for one out of range."""
        return np.bincount(self._in_range(buckets), minlength=self._buckets).astype(np.int64)

    def dot(self, buckets: NDArray[Any], totals: NDArray[np.int64], tables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each text's counts times each row of tables, shape (n, t), out of what `buckets` returned.

        Raises:
            ValueError: a table has not one weight for each bucket, the totals do not add up, a bucket is out of range.
        """
        arguments.array(buckets, "buckets", self._type, 1)
        arguments.array(totals, "totals", np.int64, 1)
        if arguments.array(tables, "tables", np.float64, 2).shape[1] != self._buckets:
            raise ValueError("a table needs one weight for each bucket")
        if (totals < 0).any() or sum(totals.tolist()) != len(buckets):
            raise ValueError("totals must be the n-grams of each text, and add up to the buckets")
        self._in_range(buckets)
        dots = np.zeros((len(totals), len(tables)))
        ends = np.cumsum(totals)
        for i, (end, total) in enumerate(zip(ends.tolist(), totals.tolist(), strict=True)):
            held, counts = np.unique(buckets[end - total : end], return_counts=True)
            if total:
                dots[i] = np.cumsum(tables[:, held] * counts, axis=1)[:, -1]  # cumsum, unlike sum, adds in order
        return dots

    def _in_range(self, buckets: NDArray[Any]) -> NDArray[Any]:
        if (arguments.array(buckets, "buckets", self._type, 1) >= self._buckets).any():
            raise ValueError("a bucket is out of range")
        return buckets

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
