"""`bm25`: documents that a search engine would find for the target examples (Robertson and Zaragoza 2009).

Each target example is a query. With tf the occurrences of word w in document x, |x| its number of words, avg the pool's
mean of them, N the pool's documents and df those that hold w,

    s_j(x) = sum over words w of t_j, each as often as it stands there, of
             ln(1 + (N - df + 0.5) / (df + 0.5)) tf (k1 + 1) / (tf + k1 (1 - b + b |x| / avg)),

and the n numbers are reduced to a ranking by `zipfit.methods.reduce`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zipfit.errors import ZipfitError, need
from zipfit.methods.cover_reference import words
from zipfit.methods.estimator import Estimator
from zipfit.methods.reduce import Reduced, check_reduction
from zipfit.system.logarithm import natural_log
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool


@dataclass
class Bm25(Reduced, Estimator):
    """Ranks documents by BM25 with the target's examples as queries.

    Words are those of `cover`: runs of letters and digits, and other signs by themselves; case counts.

    Args:
        k1: how much further occurrences of a word count, at least 0.
        b: how much long documents are marked down, in [0, 1].
        reduce: `round-robin`, `mean` or `max`.

    Example:
        >>> from zipfit import select
        >>> pool = ["the cat sat", "a stock rose", "the cat ran", "the the the"]
        >>> select(pool, ["a cat slept"], top=2, method="bm25").indices.tolist()
        [1, 0]
    """

    k1: float = 1.5
    b: float = 0.75
    reduce: str = "round-robin"

    notes: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:
        """Count the target's words in the pool, which is read once.

        Raises:
            ZipfitError: an option is out of range, the pool is missing, or the target has no word or a lone surrogate.
        """
        need(0 <= self.k1 <= 1e6, f"bm25's k1 must lie in 0..1000000, not {self.k1}")
        need(0 <= self.b <= 1, f"bm25's b must lie in 0..1, not {self.b}")
        check_reduction(self.reduce)
        if pool is None:
            raise ZipfitError("bm25 weighs words by how rare they are in the pool, so fit needs the pool")
        queries = [Counter(words(example)) for example in Texts.of(target).encoded()]
        vocabulary = dict.fromkeys(word for query in queries for word in query)
        need(bool(vocabulary), "the target has no words")
        self._words = {word: number for number, word in enumerate(vocabulary)}
        documents = length = 0
        holding = np.zeros(len(vocabulary), np.int64)
        for counted, total, found in pool.map(self._count):
            documents, length = documents + counted, length + total
            holding += found
        self._average = max(length, 1) / max(documents, 1)
        counts = np.unique(holding)
        rarity = dict(
            zip(counts.tolist(), natural_log(1 + (documents - counts + 0.5) / (counts + 0.5)).tolist(), strict=True)
        )
        asking: list[list[tuple[int, float]]] = [[] for _ in vocabulary]
        for j, query in enumerate(queries):
            for word, times in query.items():
                number = self._words[word]
                asking[number].append((j, times * rarity[int(holding[number])] * (self.k1 + 1)))
        # Of each word the examples that ask for it, and how much an occurrence is worth to each.
        self._asking = [(np.array([j for j, _ in each]), np.array([worth for _, worth in each])) for each in asking]
        self._examples = len(queries)
        self.notes = {"words": len(vocabulary), "words_in_pool": int(np.count_nonzero(holding))}
        return self

    def compare(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the BM25 of each text for each example, shape (len(texts), n); it is 0 without a word in common."""
        near = np.zeros((len(texts), self._examples))
        for row, text in zip(near, Texts.of(texts).encoded(), strict=True):
            found = words(text)
            norm = self.k1 * (1 - self.b + self.b * len(found) / self._average)
            counts = Counter(number for word in found if (number := self._words.get(word)) is not None)
            for number in sorted(counts):
                examples, worth = self._asking[number]
                row[examples] += worth * (counts[number] / (counts[number] + norm))
        return near

    def _count(self, texts: Sequence[str]) -> tuple[int, int, NDArray[np.int64]]:
        """Documents, words in them, and how many of the documents hold each of the target's words."""
        holding = np.zeros(len(self._words), np.int64)
        total = 0
        for text in Texts.of(texts).encoded():
            found = words(text)
            total += len(found)
            holding[[self._words[word] for word in set(found) if word in self._words]] += 1
        return len(texts), total, holding
