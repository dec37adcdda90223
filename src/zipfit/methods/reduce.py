"""From n numbers a document, how near it is to each of n target examples, to one ranking of the pool.

- `round-robin` (as RDS+; Ivison et al. 2025, arXiv 2503.01807): in round r = 1, 2, ... each example in turn names its
  r-th best document, which joins the ranking unless it is there already. So every example gets its share, however far
  from the pool it lies. A document's score is its nearness to the example that named it; scores need not descend.
- `mean`: (1/n) sum_j s_j(x), one addition after another.
- `max`: max_j s_j(x).
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zipfit.errors import ZipfitError, need
from zipfit.methods.base import ROUND_ROBIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.methods.base import Pool

REDUCTIONS = (ROUND_ROBIN, "mean", "max")

EXAMPLES = 16
"""Target examples whose rankings of the pool are held at once by round-robin: 128 bytes a document."""


def check_reduction(reduce: str) -> None:
    """Raise ZipfitError if it is none of the three."""
    need(reduce in REDUCTIONS, f"reduce must be one of {', '.join(REDUCTIONS)}, got {reduce!r}")


class Reduced:
    """What a method that compares documents with examples has besides `fit` and `compare` (`base.Comparer`).

    By `mean` and `max` it scores documents; by turns it is a `base.Measurer`.
    """

    reduce: str
    terms: ClassVar[dict[str, Any]] = {}
    """What ranking by turns needs of the fit: nothing."""

    def compare(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how near each text is to each example, shape (len(texts), n)."""
        raise NotImplementedError

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the mean or the greatest of each text's n numbers, shape (len(texts),).

        Raises:
            ZipfitError: as `compare`, or `reduce` is `round-robin`, which ranks the pool as a whole.
        """
        return reduced(self.compare(texts), self.reduce)

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, score), best first, by turns; n numbers a document are kept in a temporary file."""
        yield from self.rank_measured(pool.map(self.measure), pool)

    def measure(self, texts: Sequence[str]) -> NDArray[np.object_]:
        """Return the n numbers of each text as bytes, shape (len(texts),)."""
        return np.array([row.astype("<f8").tobytes() for row in self.compare(texts)], dtype=object)

    def rank_measured(self, measures: Iterable[NDArray[np.object_]], pool: Pool) -> Iterator[tuple[int, float]]:  # noqa: ARG002
        """The ranking of documents with these numbers, batches of shape (m,), as of `rank`."""
        with tempfile.TemporaryFile(prefix="zipfit-compared-") as file:
            documents = examples = 0
            for batch in measures:
                file.writelines(batch)
                documents, examples = documents + len(batch), len(batch[0]) // 8 if len(batch) else examples
            file.flush()
            shape = documents, examples
            near = np.memmap(file, "<f8", "r", shape=shape) if documents and examples else np.empty(shape)
            order, scores = round_robin(
                column
                for first in range(0, examples, EXAMPLES)
                for column in near[:, first : first + EXAMPLES].T.copy()
            )
        yield from zip(order.tolist(), scores[order].tolist(), strict=True)


def reduced(near: NDArray[np.float64], reduce: str) -> NDArray[np.float64]:
    """The mean or the greatest of the n numbers of each of m documents, shape (m, n) to (m,)."""
    if reduce == ROUND_ROBIN:
        raise ZipfitError("by round-robin the pool is ranked as a whole, and no document has a score of its own")
    if reduce == "max":
        greatest: NDArray[np.float64] = near.max(axis=1)
        return greatest
    mean = np.zeros(len(near))
    for column in near.T:  # `sum` goes by the array's shape
        mean += column
    mean /= near.shape[1]
    return mean


def round_robin(columns: Iterable[NDArray[np.float64]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The order of positions, and each position's score, out of how near each example is to all N documents.

    A document joins in the earliest round in which an example names it, so its round is the least of its n ranks, and
    within a round documents stand in the order of the examples. That needs one example's ranks at a time.

    Args:
        columns: of each example in turn, shape (N,).
    """
    for turn, column in enumerate(columns):
        if turn == 0:
            documents = len(column)
            rounds = np.full(documents, documents)
            turns = np.zeros(documents, np.int64)
            scores = np.zeros(documents)
            rank = np.empty(documents, np.int64)
        rank[np.argsort(-column, kind="stable")] = np.arange(documents)
        earlier = rank < rounds
        rounds[earlier] = rank[earlier]
        turns[earlier] = turn
        scores[earlier] = column[earlier]
    return np.lexsort((turns, rounds)), scores
