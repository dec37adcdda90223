r"""DSIR's features: a text's word 1- to n-grams, hashed into buckets.

A text is lower-cased and split by NLTK's WordPunctTokenizer, the regular expression ``\w+|[^\w\s]+``; an n-gram's
tokens are joined by a space; its bucket is SHA-256 of that, as a big-endian integer, modulo the number of buckets. So
does `data-selection` 1.0.3. What a word character is, is what Python's `re` says, as NLTK had it when DSIR was
published. (Since 3.10.3 NLTK asks the `regex` package, to which combining marks are word characters too: texts in
Hindi, or with superscript digits, are split differently there.)

Lower-casing stays in Python for both engines, so its Unicode version is that of the interpreter.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zipfit.methods import hashed_ngrams_reference
from zipfit.system.runtime import engine
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAX_BUCKETS = hashed_ngrams_reference.MAX_BUCKETS
_CODE_POINTS = hashed_ngrams_reference.CODE_POINTS
_SPACE, _WORD, _PUNCTUATION = 0, 1, 2


class Hashed(NamedTuple):
    """The n-grams of some texts.

    Attributes:
        buckets: of each, text after text, uint16 or uint32.
        totals: the number of n-grams of each text, int64, shape (n,).
    """

    buckets: NDArray[Any]
    totals: NDArray[np.int64]

    def head(self, texts: int) -> Hashed:
        """The n-grams of the first so many texts."""
        totals = self.totals[:texts]
        return Hashed(self.buckets[: int(totals.sum())], totals)


class HashedNgrams:
    """Hashes n-grams of texts, and sums over them; safe to call from several threads.

    Args:
        order: n; features are word 1- to n-grams.
        buckets: 1 to MAX_BUCKETS.
    """

    def __init__(self, order: int, buckets: int) -> None:
        self._core = engine(hashed_ngrams_reference).HashedNgrams(character_classes(), order, buckets)

    def hashed(self, texts: Sequence[str]) -> Hashed:
        """Return the n-grams of texts, by far the most of the work."""
        return Hashed(*self._core.buckets(lowered(texts)))

    def count(self, hashed: Hashed) -> NDArray[np.int64]:
        """Return how many n-grams of all texts together are in each bucket, shape (buckets,)."""
        counts: NDArray[np.int64] = self._core.count(hashed.buckets)
        return counts

    def dot(self, hashed: Hashed, tables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each text's counts times each of the tables.

        Sums run over the buckets that the text touches, in ascending order, so texts with equal counts get equal bits.

        Args:
            hashed: of n texts.
            tables: weights, shape (t, buckets).

        Returns:
            Shape (n, t).
        """
        dots: NDArray[np.float64] = self._core.dot(*hashed, tables)
        return dots


def lowered(texts: Sequence[str]) -> Texts:
    """Return the texts in lower case; ZipfitError if one holds a lone surrogate."""
    # Bytes that are ASCII need no decoding: there, both kinds of lower case are the same.
    encoded = Texts.of(texts).encoded()
    return Texts.join([text.lower() if text.isascii() else text.decode().lower().encode() for text in encoded])


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
