"""`random`: the pool in a uniformly random order, the floor that every other method is measured against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import need
from zipfit.methods.estimator import Estimator
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool


@dataclass
class Random(Estimator):
    """Ranks the pool by a seeded uniform permutation; every score is 0.0, for no document is claimed to fit better.

    The permutation depends on the seed and on the number of documents alone: not on the texts, the target, the batches
    or the threads. (numpy's PCG64 and its `permutation`, whose stream numpy keeps stable for a given generator.)

    Args:
        seed: of the permutation.
    """

    seed: int = 0
    terms: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002
        """Learn nothing; ZipfitError for a target that no method takes, or a seed below 0."""
        need(self.seed >= 0, f"the seed must be at least 0, not {self.seed}")
        Texts.of(target)
        return self

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, 0.0) for every document, in random order."""
        yield from self.rank_measured(map(self.measure, pool), pool)

    def measure(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return nothing of each text, shape (len(texts), 0)."""
        return np.empty((len(Texts.of(texts)), 0))

    def rank_measured(self, measures: Iterable[NDArray[np.float64]], pool: Pool) -> Iterator[tuple[int, float]]:  # noqa: ARG002
        """The ranking of so many documents, measures in batches of shape (n, 0)."""
        documents = sum(map(len, measures))
        for position in np.random.Generator(np.random.PCG64(self.seed)).permutation(documents).tolist():
            yield position, 0.0
