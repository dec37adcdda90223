r"""DSIR's features: counts of a text's word 1- to n-grams, hashed into buckets.

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
from typing import TYPE_CHECKING

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


class HashedNgrams:
    """Counts hashed n-grams of texts; safe to call from several threads.

    Args:
        order: n; features are word 1- to n-grams.
        buckets: 1 to MAX_BUCKETS.
    """

    def __init__(self, order: int, buckets: int) -> None:
        self._counter = engine(hashed_ngrams_reference).HashedNgrams(character_classes(), order, buckets)

    def count(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the counts over all texts, shape (buckets,), and the number of n-grams of each, shape (n,)."""
        counts: tuple[NDArray[np.int64], NDArray[np.int64]] = self._counter.count(lowered(texts))
        return counts

    def dot(self, texts: Sequence[str], tables: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return each text's counts times each of the tables, and the number of n-grams of each text.

        Sums run over the buckets that the text touches, in ascending order, so texts with equal counts get equal bits.

        Args:
            texts: n texts.
            tables: weights, shape (t, buckets).

        Returns:
            The sums, shape (n, t), and the number of n-grams, shape (n,).
        """
        dots: tuple[NDArray[np.float64], NDArray[np.int64]] = self._counter.dot(lowered(texts), tables)
        return dots


def lowered(texts: Sequence[str]) -> Texts:
    """Return the texts in lower case; ZipfitError if one holds a lone surrogate."""
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
