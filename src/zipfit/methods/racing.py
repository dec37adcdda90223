"""Racing: the top K by alignment from a part of the pairs. A statistical mode, opt-in and named for what it is.

All documents are compared with the first few targets of a fixed random permutation, then the survivors with three times
as many, and so on (successive races after Maron and Moore 1994, 'Hoeffding races'). After each round a document is out
if the best that its mean may still turn out to be is below what K others reach at the worst,

    mean_i - z se_i > (the K-th smallest of mean_j + z se_j),    se_i = s_i / sqrt(m) * sqrt(1 - m/n),

with the mean and variance s_i^2 of its NCDs to the m targets so far and the finite population's correction. Few targets
give a poor variance, so no document's is taken below the pool's mean variance. The survivors of the last round are
scored against all n targets, exactly as by `ZipFit`: a score is never wrong; what may be wrong, rarely, is that a
document of the true top K was lost on the way. docs/racing.md says how often.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from zipfit.errors import ZipfitError
from zipfit.methods.zipfit import ZipFit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.compression.base import Pairs
    from zipfit.methods.base import Pool

# The first round's targets, and how many times as many each further round has reached: 4, 12, 36, ... The last round
# before the exact one has at most half the targets, since its pairs are computed again.
_FIRST = 4
_GROWTH = 3


@dataclass
class Racing:
    """Ranks the K documents of highest alignment, found without comparing every document with every target.

    Attributes:
        top: K.
        compressor: as `ZipFit`'s.
        level: as `ZipFit`'s.
        confidence: z, the standard errors by which a document must be behind to be out.
        seed: of the permutation of the targets.
        notes: after ranking, the share of pairs that were evaluated and the survivors of each round.
    """

    top: int
    compressor: str = "gzip"
    level: int | None = None
    confidence: float = 5.0
    seed: int = 0
    notes: dict[str, object] = field(default_factory=dict, init=False, compare=False)
    engine: str = field(default="", init=False, compare=False)
    _exact: ZipFit = field(default_factory=ZipFit, init=False, repr=False, compare=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002
        """Prepare the n target examples and return self; raises as `ZipFit.fit`."""
        if self.top < 1 or not self.confidence > 0:
            raise ZipfitError("racing needs a top of at least 1 and a confidence above 0")
        self._exact = ZipFit(self.compressor, self.level).fit(target)
        self.engine = self._exact.engine
        return self

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield the survivors' positions and exact alignments, best first: at least K of them, if the pool has so many.

        Raises:
            ZipfitError: called before `fit`.
        """
        pairs = self._exact.pairs
        n = len(pairs.target_sizes)
        order = np.random.default_rng(self.seed).permutation(n).astype(np.int32)
        race = _Race(self.top, self.confidence, n)
        done, until = 0, _FIRST
        while 2 * until <= n:
            columns = order[done:until]
            race.run(np.concatenate(list(pool.map(partial(_distances, pairs, columns), race.alive))))
            done, until = until, until * _GROWTH
        scores = np.concatenate(list(pool.map(self._exact.score, race.alive)))
        positions = np.arange(len(scores)) if race.alive is None else np.flatnonzero(race.alive)
        evaluated = race.evaluated + len(scores) * n
        self.notes |= {
            "statistical": True,
            "share_of_pairs_evaluated": evaluated / (race.documents or len(scores)) / n,
            "survivors": [*race.survivors, len(scores)],
        }
        best = np.argsort(-scores, kind="stable")
        yield from zip(positions[best].tolist(), scores[best].tolist(), strict=True)


def _distances(pairs: Pairs, columns: NDArray[np.int32], texts: list[str]) -> NDArray[np.float64]:
    return pairs.distances([text.encode("utf-8") for text in texts], columns)


class _Race:
    """Running sums of the survivors' distances; 16 bytes a document.

    Attributes:
        alive: which documents are still in, shape (N,); None before the first round.
        documents: N, once known.
        evaluated: number of pairs so far.
        survivors: their number before each round.
    """

    def __init__(self, top: int, confidence: float, targets: int) -> None:
        self.alive: NDArray[np.bool_] | None = None
        self.documents = 0
        self.evaluated = 0
        self.survivors: list[int] = []
        self._top = top
        self._confidence = confidence
        self._targets = targets
        self._seen = 0
        self._sums: NDArray[np.float64] | None = None
        self._squares: NDArray[np.float64] | None = None

    def run(self, distances: NDArray[np.float64]) -> None:
        """Take in a round's distances, shape (survivors, columns), and drop those that cannot reach the top."""
        rows, columns = distances.shape
        self.survivors.append(rows)
        self.evaluated += distances.size
        if self.alive is None or self._sums is None or self._squares is None:
            self.documents = rows
            self.alive = np.ones(rows, dtype=bool)
            self._sums, self._squares = np.zeros(rows), np.zeros(rows)
        self._seen += columns
        for column in distances.T:  # one after another: the same bits whatever the batches were
            self._sums += column
            self._squares += column * column
        if rows <= self._top:
            return
        m = self._seen
        mean = self._sums / m
        variance = np.maximum(self._squares / m - mean * mean, 0.0) * m / (m - 1)
        variance = np.maximum(variance, variance.mean())
        margin = self._confidence * np.sqrt(variance / m * (1 - m / self._targets))
        bar = np.partition(mean + margin, self._top - 1)[self._top - 1]
        stays = mean - margin <= bar
        self.alive[np.flatnonzero(self.alive)[~stays]] = False
        self._sums, self._squares = self._sums[stays], self._squares[stays]
