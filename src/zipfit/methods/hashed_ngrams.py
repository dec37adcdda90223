r"""DSIR's features: counts of a text's word 1- to n-grams, hashed into buckets.

A text is lower-cased and split by NLTK's WordPunctTokenizer, the regular expression ``\w+|[^\w\s]+``; an n-gram's
tokens are joined by a space; its bucket is SHA-256 of that, as a big-endian integer, modulo the number of buckets. So
does `data-selection` 1.0.3. What a word character is, is what Python's `re` says, as NLTK had it when DSIR was
published. (Since 3.10.3 NLTK asks the `regex` package, to which combining marks are word characters too: texts in
Hindi, or with superscript digits, are split differently there.)

`PythonHashedNgrams` says it in Python and is the native core's oracle; `hashed_ngrams` gives the native one where the
package was built with it. Lower-casing stays in Python for both, so its Unicode version is that of the interpreter.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zipfit.system.native import native_core
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MAX_BUCKETS = 1 << 28
_CODE_POINTS = 0x110000
_SPACE, _WORD, _PUNCTUATION = 0, 1, 2


class HashedNgrams(Protocol):
    """Counts hashed n-grams of texts; safe to call from several threads."""

    def count(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the counts over all texts, shape (buckets,), and the number of n-grams of each, shape (n,)."""
        ...

    def dot(self, texts: Sequence[str], tables: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return each text's counts times each of the tables, and the number of n-grams of each text.

        Sums run over the buckets that the text touches, in ascending order, so texts with equal counts get equal bits.

        Args:
            texts: n texts.
            tables: Weights, shape (t, buckets).

        Returns:
            The sums, shape (n, t), and the number of n-grams, shape (n,).
        """
        ...


def hashed_ngrams(order: int, buckets: int) -> HashedNgrams:
    """Return a counter of word 1- to `order`-grams over `buckets` buckets: the native one where it was built."""
    return PythonHashedNgrams(order, buckets) if native_core() is None else NativeHashedNgrams(order, buckets)


class PythonHashedNgrams:
    """The definition, in Python; also what runs where the package was installed without a compiler."""

    def __init__(self, order: int, buckets: int) -> None:
        self.order = order
        self.buckets = buckets
        self._tokens = re.compile(r"\w+|[^\w\s]+").findall
        self._bucket = lru_cache(maxsize=1 << 18)(self._hash)

    def count(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `HashedNgrams.count`."""
        found = [self._buckets(text) for text in texts]
        counts = np.bincount(np.fromiter(chain.from_iterable(found), np.int64), minlength=self.buckets)
        return counts.astype(np.int64), np.array([len(buckets) for buckets in found], np.int64)

    def dot(self, texts: Sequence[str], tables: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """See `HashedNgrams.dot`."""
        dots = np.zeros((len(texts), len(tables)))
        totals = np.zeros(len(texts), np.int64)
        for i, text in enumerate(texts):
            buckets, counts = np.unique(np.array(self._buckets(text), np.int64), return_counts=True)
            totals[i] = counts.sum()
            if len(buckets):
                dots[i] = np.cumsum(tables[:, buckets] * counts, axis=1)[:, -1]  # cumsum, unlike sum, adds in order
        return dots, totals

    def _buckets(self, text: str) -> list[int]:
        return [self._bucket(ngram) for ngram in self._ngrams(text)]

    def _ngrams(self, text: str) -> Iterator[str]:
        tokens = self._tokens(text.lower())
        for n in range(1, self.order + 1):
            for i in range(len(tokens) - n + 1):
                yield " ".join(tokens[i : i + n])

    def _hash(self, ngram: str) -> int:
        return int.from_bytes(hashlib.sha256(ngram.encode("utf-8", "surrogatepass")).digest(), "big") % self.buckets


class NativeHashedNgrams:
    """The same numbers from the native core, a few hundred times as fast."""

    def __init__(self, order: int, buckets: int) -> None:
        self._native = native_core().HashedNgrams(character_classes(), order, buckets)

    def count(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `HashedNgrams.count`."""
        counts: tuple[NDArray[np.int64], NDArray[np.int64]] = self._native.count(_lowered(texts))
        return counts

    def dot(self, texts: Sequence[str], tables: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """See `HashedNgrams.dot`."""
        dots: tuple[NDArray[np.float64], NDArray[np.int64]] = self._native.dot(_lowered(texts), tables)
        return dots


def _lowered(texts: Sequence[str]) -> Texts:
    return Texts.of([text.lower() for text in Texts.of(texts)])


@lru_cache(maxsize=1)
def character_classes() -> bytes:
    r"""Return the class of every code point, one byte each: 0 for ``\s``, 1 for ``\w``, 2 for the rest.

    Asked of the running Python's `re`, because Unicode grows from one Python to the next. Takes some 40 ms, once.
    """
    every = np.arange(_CODE_POINTS, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    classes = np.full(_CODE_POINTS, _PUNCTUATION, np.uint8)
    for pattern, value in ((r"\w+", _WORD), (r"\s+", _SPACE)):
        for run in re.finditer(pattern, every):
            classes[run.start() : run.end()] = value
    return classes.tobytes()
