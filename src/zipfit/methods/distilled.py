"""`distilled`: a light model of an expensive method, fitted to how that ranks a sample, then run over the whole pool.

The recipe of BETR (Mizrahi et al. 2025, arXiv 2507.12466): score a sample of the pool by a method that is too dear for
all of it, teach a classifier of n-grams what it prefers, and score the pool by the classifier. Here the classifier is
ridge regression on hashed n-grams. With c(x) the counts of document x's word n-grams in hash buckets (as `dsir` has
them) and |x| their number, the document that is p-th of the sample's m teaches y = 1 - p/m, p = 0, 1, ..., and

    score(x) = mean(y) + w . c(x) / |x|,     w = argmin sum_i (y_i - mean(y) - w . c(x_i) / |x_i|)^2 + r k |w|^2,

where k is the mean of |c(x_i)|^2 / |x_i|^2 and r the option `ridge`. Ranks teach, not scores, so any method can.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zipfit.errors import ZipfitError, need
from zipfit.methods.base import Reach, calling
from zipfit.methods.estimator import Estimator
from zipfit.methods.hashed_ngrams import MAX_BUCKETS, HashedNgrams
from zipfit.methods.within import Part, method_of, ranked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool

_FOLDS = 5
_PRECISION = 1e-10
_MOST_STEPS = 1000


@dataclass
class Distilled(Estimator):
    """Scores documents by ridge regression on hashed n-grams, fitted to another method's ranking of a sample.

    A score estimates the share of the sample that the teacher ranks below the document; it may lie outside 0..1. A
    document without n-grams scores 0. `notes` has the rank correlation with the teacher on a held-out fifth of the
    sample, from -1 to 1: how much of its ranking can be told from n-grams.

    Args:
        teacher: the method that ranks the sample, as `zipfit.methods.within.method_of` reads it.
        sample: how many documents it ranks, drawn from the pool; all, if the pool has no more.
        ngrams: n; features are word 1- to n-grams.
        buckets: hash buckets.
        ridge: how strongly weights are held down, above 0.
        seed: of the draw, and of a teacher that draws.
    """

    prepared = ("_features",)

    teacher: str = "zipfit"
    sample: int = 2000
    ngrams: int = 2
    buckets: int = 10_000
    ridge: float = 1.0
    seed: int = 0
    notes: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:
        """Have the teacher rank the sample, and fit the weights to its ranking.

        Raises:
            ZipfitError: an option is out of range, the pool is missing, or as the teacher.
        """
        need(self.seed >= 0, f"the seed must be at least 0, not {self.seed}")
        need(self.ngrams >= 1, f"distilled's ngrams must be at least 1, not {self.ngrams}")
        limit = min(MAX_BUCKETS, 1 << 20)
        need(1 <= self.buckets <= limit, f"distilled's buckets must be between 1 and {limit}, not {self.buckets}")
        need(10 <= self.sample <= 20_000, f"distilled's sample must be between 10 and 20000, not {self.sample}")
        need(0 < self.ridge <= 1e6, f"distilled's ridge must be above 0 and at most 1000000, not {self.ridge}")
        teacher = method_of(self.teacher, self.seed)
        if pool is None:
            raise ZipfitError("distilled learns from a sample of the pool, so fit needs the pool")
        documents = sum(pool.map(len))
        drawn = random.Random(self.seed).sample(range(documents), min(self.sample, documents))
        marked = np.zeros(documents, dtype=bool)
        marked[drawn] = True
        part = Part(pool, marked)
        with calling(teacher, "fit"):
            teacher.fit(target, part)
        taught = np.zeros(len(drawn))
        for place, (position, _) in enumerate(ranked(teacher, part, Reach(documents=len(drawn)))):
            taught[position] = 1 - place / len(drawn)
        self._prepare()
        counts = np.concatenate([np.empty((0, self.buckets)), *part.map(self._counts)])
        self._mean, self._weights = self._learn(counts, taught)
        self.notes = {"sample": len(drawn), "correlation": self._check(counts, taught)}
        return self

    def _prepare(self) -> None:
        self._features = HashedNgrams(self.ngrams, self.buckets)

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the score of each text, shape (len(texts),)."""
        hashed = self._features.hashed(texts)
        sums, totals = self._features.dot(hashed, self._weights[None]), hashed.totals
        scores: NDArray[np.float64] = np.where(totals > 0, self._mean + sums[:, 0] / np.maximum(totals, 1), 0.0)
        return scores

    def _counts(self, texts: Sequence[str]) -> NDArray[np.float64]:
        features = self._features
        counts = [features.count(features.hashed([text])) for text in texts]
        return np.array(counts, np.float64).reshape(-1, self.buckets)

    def _learn(self, counts: NDArray[np.float64], taught: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Mean and weights, by the dual problem (K + r k I) a = y - mean, w = sum_i a_i c_i / |x_i|."""
        totals = np.maximum(np.add.reduce(counts, axis=1), 1)
        # Sums of products of counts are whole numbers, exact in whatever order a BLAS adds them.
        kernel = (counts @ counts.T) / (totals[:, None] * totals[None, :])
        scale = float(np.add.reduce(kernel.diagonal())) / max(len(kernel), 1)
        mean = float(np.add.reduce(taught)) / max(len(taught), 1)
        kernel[np.diag_indices(len(kernel))] += self.ridge * (scale if scale > 0 else 1.0)
        dual = _solved(kernel, taught - mean)
        weights = np.zeros(self.buckets)
        for share, row in zip(dual / totals, counts, strict=True):  # one document after another
            weights += share * row
        return mean, weights

    def _check(self, counts: NDArray[np.float64], taught: NDArray[np.float64]) -> float | None:
        """The rank correlation of predicted and taught ranks on every fifth document, learnt from the others."""
        held = np.arange(len(taught)) % _FOLDS == 0
        if held.sum() < _FOLDS:
            return None
        _, weights = self._learn(counts[~held], taught[~held])
        totals = np.maximum(np.add.reduce(counts[held], axis=1), 1)
        predicted = np.add.reduce(counts[held] * weights, axis=1) / totals
        ranks = [np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (predicted, taught[held])]
        count = len(predicted)
        apart = int(((ranks[0] - ranks[1]) ** 2).sum())
        return round(1 - 6 * apart / (count * (count * count - 1)), 4)


def _solved(matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve a positive definite system by conjugate gradients, whose sums no library may reorder."""
    found, rest = np.zeros(len(right)), right.copy()
    step, size = rest.copy(), float(np.add.reduce(rest * rest))
    enough = _PRECISION * _PRECISION * size
    for _ in range(_MOST_STEPS):
        if size <= enough:
            break
        moved = np.add.reduce(matrix * step, axis=1)
        share = size / float(np.add.reduce(step * moved))
        found += share * step
        rest -= share * moved
        before, size = size, float(np.add.reduce(rest * rest))
        step = rest + size / before * step
    return found
