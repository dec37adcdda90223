"""Racing: the head of the ranking by alignment from a part of the pairs. A statistical mode, named for what it is.

All documents are compared with the first four targets of a fixed random permutation, the survivors with twice as many,
and so on (successive races after Maron and Moore 1994, 'Hoeffding races'). After each round a document is out if even a
lucky estimate of its alignment stays below what K others reach with an unlucky one:

    estimate_i + z se_i < the K-th largest of (estimate_j - z se_j),

or, where all documents of at least some alignment are wanted, below that.

The estimate leans on what is known without compressing a pair. With s_ij = C(x_i) + C(t_j) - C(x_i + t_j) the bytes
that a pair saves and w_ij = 1 / max(C(x_i), C(t_j)), the formula of the distance is

    1 - NCD_ij = s_ij w_ij,

so how the targets' own lengths weigh is known exactly, for all n. What is sampled is the saving alone, by the ratio
estimator r_i = sum s_ij w_ij / sum w_ij over the m targets so far, and the estimate is r_i sum w_ij / n over all n. Its
standard error comes from the residuals s_ij w_ij - r_i w_ij less their mean over the survivors (what all documents
share cannot change their order), with the finite population's correction sqrt(1 - m/n) and no variance below the
survivors' mean one, since a few targets tell a document's own badly. Against a plain mean this takes about half the
pairs at equal recall.

The survivors of the last round are compared with the remaining targets too, and their distances summed exactly as by
`ZipFit`: a score is never wrong; what may go wrong, rarely, is that a document of the true head was lost on the way.
docs/racing.md says how often.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from zipfit.errors import need
from zipfit.methods.base import Reach
from zipfit.methods.estimator import Estimator
from zipfit.methods.zipfit import ZipFit
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.compression.base import Pairs
    from zipfit.methods.base import Pool

# Targets seen after each round: 4, 8, 16, ..., all.
_FIRST = 4
_GROWTH = 2


@dataclass
class Racing(Estimator):
    """Ranks the documents of highest alignment, found without comparing every document with every target.

    Attributes:
        compressor: as `ZipFit`'s.
        level: as `ZipFit`'s.
        confidence: z, the standard errors by which a document must be behind to be out.
        seed: of the permutation of the targets.
        notes: after ranking, the share of pairs that were evaluated and the documents in each round.
        engine: as `ZipFit`'s.
    """

    compressor: str = "gzip"
    level: int | None = None
    confidence: float = 4.0
    seed: int = 0
    notes: dict[str, object] = field(default_factory=dict, init=False, compare=False)
    engine: str = field(default="", init=False, compare=False)
    _exact: ZipFit = field(default_factory=ZipFit, init=False, repr=False, compare=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002 - the pool is not needed
        """Prepare the n target examples and return self; raises as `ZipFit.fit`."""
        need(self.seed >= 0, f"the seed must be at least 0, not {self.seed}")
        need(self.confidence > 0, f"racing needs a confidence above 0, not {self.confidence}")
        self._exact = ZipFit(self.compressor, self.level).fit(target)
        self.engine = self._exact.engine
        return self

    def shortlist(self, pool: Pool, reach: Reach) -> Iterator[tuple[int, float]]:
        """Yield the last survivors' positions and exact alignments, best first; at least as far as `reach`.

        Raises:
            ZipfitError: called before `fit`.
        """
        target_sizes = self._exact.pairs.target_sizes
        n = len(target_sizes)
        order = np.random.default_rng(self.seed).permutation(n).astype(np.int32)
        race = _Race(target_sizes)
        done, until = 0, min(_FIRST, n)
        while done < n:
            columns = order[done:until]
            compared = list(pool.map(partial(_distances, self._exact.pairs_with(columns)), race.alive))
            if compared:  # not where no document is left
                race.run(columns, *(np.concatenate(arrays) for arrays in zip(*compared, strict=True)))
            if until < n:
                race.drop(reach, self.confidence)
            done, until = until, min(until * _GROWTH, n)
        self.notes |= {
            "statistical": True,
            "share_of_pairs_evaluated": race.evaluated / (race.documents_in_rounds[0] * n),
            "documents_in_rounds": race.documents_in_rounds,
        }
        scores = race.alignments()
        positions = np.arange(len(scores)) if race.alive is None else np.flatnonzero(race.alive)
        best = np.argsort(-scores, kind="stable")
        yield from zip(positions[best].tolist(), scores[best].tolist(), strict=True)


def _distances(pairs: Pairs, batch: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return pairs.distances(Texts.of(batch), np.arange(len(pairs.target_sizes), dtype=np.int32))


class _Race:
    """The survivors and all that was seen of them: 8 bytes for each survivor and target.

    Args:
        target_sizes: C(t) of the n targets, shape (n,).

    Attributes:
        alive: which documents are still in, shape (N,); None as long as all are.
        evaluated: number of pairs so far.
        documents_in_rounds: number of documents that each round compared.
    """

    def __init__(self, target_sizes: NDArray[np.int64]) -> None:
        self.alive: NDArray[np.bool_] | None = None
        self.evaluated = 0
        self.documents_in_rounds: list[int] = []
        self._target_sizes = target_sizes
        self._columns = np.empty(0, dtype=np.int32)
        self._source_sizes = np.empty(0, dtype=np.int64)
        self._distances = np.empty((0, 0))

    def run(self, columns: NDArray[np.int32], source_sizes: NDArray[np.int64], distances: NDArray[np.float64]) -> None:
        """Take in the survivors' C(x), shape (survivors,), and distances to more targets, (survivors, columns)."""
        self.evaluated += distances.size
        self.documents_in_rounds.append(len(distances))
        self._source_sizes = source_sizes
        self._distances = np.hstack([self._distances, distances]) if self._columns.size else distances
        self._columns = np.append(self._columns, columns)

    def drop(self, reach: Reach, confidence: float) -> None:
        """Drop the documents that are out of reach."""
        top = reach.documents
        if len(self._distances) <= (0 if top is None else top) or reach == Reach():
            return
        estimates, errors = self._estimate()
        margin = confidence * errors
        bar = -np.inf if top is None else np.partition(estimates - margin, -top)[-top]
        if reach.score is not None:
            bar = max(bar, reach.score)
        stays = estimates + margin >= bar
        if self.alive is None:
            self.alive = np.ones(len(stays), dtype=bool)
        self.alive[np.flatnonzero(self.alive)[~stays]] = False
        self._distances = self._distances[stays]

    def _estimate(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Each survivor's estimated alignment and its standard error."""
        n, m = len(self._target_sizes), len(self._columns)
        saved = 1.0 - self._distances  # s_ij w_ij
        weights = 1.0 / np.maximum(self._source_sizes[:, None], self._target_sizes[None, self._columns])
        ratio = saved.sum(axis=1) / weights.sum(axis=1)
        residuals = saved - ratio[:, None] * weights
        residuals -= residuals.mean(axis=0)
        variance = residuals.var(axis=1, ddof=1)
        variance = np.maximum(variance, variance.mean())
        return ratio * self._all_weights() / n, np.sqrt(variance / m * (1 - m / n))

    def _all_weights(self) -> NDArray[np.float64]:
        """Each survivor's sum_j 1 / max(C(x), C(t_j)) over all n targets, shape (survivors,)."""
        # The targets up to C(x) in size count 1 / C(x) each, the others their own.
        ascending = np.sort(self._target_sizes)
        larger = np.append(np.cumsum(1.0 / ascending[::-1])[::-1], 0.0)
        smaller = np.searchsorted(ascending, self._source_sizes, side="right")
        weights: NDArray[np.float64] = smaller / self._source_sizes + larger[smaller]
        return weights

    def alignments(self) -> NDArray[np.float64]:
        """The survivors' alignments, once all targets were seen: the very sums of `ZipFit`, in the targets' order."""
        in_order = self._distances[:, np.argsort(self._columns)]
        return 1.0 - np.add.accumulate(in_order, axis=1)[:, -1] / len(self._target_sizes)
