"""Racing: the top K by alignment from a part of the pairs. A statistical mode, opt-in and named for what it is.

All documents are compared with the first four targets of a fixed random permutation, the survivors with twice as many,
and so on (successive races after Maron and Moore 1994, 'Hoeffding races'). After each round a document is out if even a
lucky estimate of its alignment stays below what K others reach with an unlucky one:

    estimate_i + z se_i < the K-th largest of (estimate_j - z se_j).

The estimate leans on what is known without compressing a pair. With s_ij = C(x_i) + C(t_j) - C(x_i + t_j) the bytes
that a pair saves and w_ij = 1 / max(C(x_i), C(t_j)), the formula of the distance is

    1 - NCD_ij = s_ij w_ij,

so how the targets' own lengths weigh is known exactly, for all n. What is sampled is the saving alone, by the ratio
estimator r_i = sum s_ij w_ij / sum w_ij over the m targets so far, and the estimate is r_i sum w_ij / n over all n. Its
standard error comes from the residuals s_ij w_ij - r_i w_ij less their mean over the survivors (what all documents
share cannot change their order), with the finite population's correction sqrt(1 - m/n) and no variance below the
survivors' mean one, since a few targets tell a document's own badly. Against a plain mean this takes about half the
pairs at equal recall.

The survivors of the last round are scored against all n targets, exactly as by `ZipFit`: a score is never wrong; what
may go wrong, rarely, is that a document of the true top K was lost on the way. docs/racing.md says how often.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zipfit.compression.compressors import get_compressor
from zipfit.errors import ZipfitError
from zipfit.methods.zipfit import ZipFit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool

# Targets seen after each round: 4, 8, 16, ... while at most half of them, since the exact round computes them again.
_FIRST = 4
_GROWTH = 2


@dataclass
class Racing:
    """Ranks the K documents of highest alignment, found without comparing every document with every target.

    Attributes:
        top: K.
        compressor: as `ZipFit`'s.
        level: as `ZipFit`'s.
        confidence: z, the standard errors by which a document must be behind to be out.
        seed: of the permutation of the targets.
        notes: after ranking, the share of pairs that were evaluated and the documents in each round.
    """

    top: int
    compressor: str = "gzip"
    level: int | None = None
    confidence: float = 4.0
    seed: int = 0
    notes: dict[str, object] = field(default_factory=dict, init=False, compare=False)
    engine: str = field(default="", init=False, compare=False)
    _exact: ZipFit = field(default_factory=ZipFit, init=False, repr=False, compare=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002 - the pool is not needed
        """Prepare the n target examples and return self; raises as `ZipFit.fit`."""
        if self.top < 1 or not self.confidence > 0:
            raise ZipfitError("racing needs a top of at least 1 and a confidence above 0")
        self._exact = ZipFit(self.compressor, self.level).fit(target)
        self.engine = self._exact.engine
        return self

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield the last survivors' positions and exact alignments, best first: K at least, if the pool has so many.

        Raises:
            ZipfitError: called before `fit`.
        """
        target_sizes = self._exact.pairs.target_sizes
        n = len(target_sizes)
        order = np.random.default_rng(self.seed).permutation(n).astype(np.int32)
        race = _Race(self.top, self.confidence, target_sizes)
        done, until = 0, _FIRST
        while 2 * until <= n:
            if race.alive is None:
                race.begin(np.concatenate(list(pool.map(self._sizes))))
            race.run(order[done:until], np.concatenate(list(pool.map(self._distances(order[done:until]), race.alive))))
            done, until = until, until * _GROWTH
        scores = np.concatenate(list(pool.map(self._exact.score, race.alive)))
        positions = np.arange(len(scores)) if race.alive is None else np.flatnonzero(race.alive)
        documents = len(scores) if race.alive is None else len(race.alive)
        self.notes |= {
            "statistical": True,
            "share_of_pairs_evaluated": (race.evaluated + len(scores) * n) / (documents * n),
            "documents_in_rounds": [*race.documents_in_rounds, len(scores)],
        }
        best = np.argsort(-scores, kind="stable")
        yield from zip(positions[best].tolist(), scores[best].tolist(), strict=True)

    def _sizes(self, texts: list[str]) -> NDArray[np.int64]:
        size = get_compressor(self.compressor, self.level).size
        return np.array([size(text.encode("utf-8")) for text in texts], dtype=np.int64)

    def _distances(self, columns: NDArray[np.int32]) -> Callable[[list[str]], NDArray[np.float64]]:
        pairs = self._exact.pairs
        return lambda texts: pairs.distances([text.encode("utf-8") for text in texts], columns)


class _Race:
    """The survivors and what was seen of them.

    Attributes:
        alive: which documents are still in, shape (N,); None before the first round.
        evaluated: number of pairs so far.
        documents_in_rounds: number of documents that each round compared.
    """

    def __init__(self, top: int, confidence: float, target_sizes: NDArray[np.int64]) -> None:
        self.alive: NDArray[np.bool_] | None = None
        self.evaluated = 0
        self.documents_in_rounds: list[int] = []
        self._top = top
        self._confidence = confidence
        self._target_sizes = target_sizes

    def begin(self, source_sizes: NDArray[np.int64]) -> None:
        """Take in C(x) of all N documents, shape (N,)."""
        self.alive = np.ones(len(source_sizes), dtype=bool)
        self._source_sizes = source_sizes
        self._columns = np.empty(0, dtype=np.int32)
        self._saved = np.empty((len(source_sizes), 0))  # s_ij w_ij of the survivors
        # sum_j 1 / max(C(x), C(t_j)) over all n: the targets up to C(x) in size count 1 / C(x), the others their own.
        ascending = np.sort(self._target_sizes)
        larger = np.append(np.cumsum(1.0 / ascending[::-1])[::-1], 0.0)
        smaller = np.searchsorted(ascending, source_sizes, side="right")
        self._all_weights = smaller / source_sizes + larger[smaller]

    def run(self, columns: NDArray[np.int32], distances: NDArray[np.float64]) -> None:
        """Take in the survivors' distances to more targets, shape (survivors, columns); drop those out of reach."""
        assert self.alive is not None
        self.evaluated += distances.size
        self.documents_in_rounds.append(len(distances))
        self._columns = np.append(self._columns, columns)
        self._saved = np.hstack([self._saved, 1.0 - distances])
        if len(distances) <= self._top:
            return
        estimates, errors = self._estimate()
        margin = self._confidence * errors
        bar = np.partition(estimates - margin, -self._top)[-self._top]
        stays = estimates + margin >= bar
        self.alive[np.flatnonzero(self.alive)[~stays]] = False
        self._saved = self._saved[stays]
        self._source_sizes, self._all_weights = self._source_sizes[stays], self._all_weights[stays]

    def _estimate(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Each survivor's estimated alignment and its standard error."""
        n, m = len(self._target_sizes), len(self._columns)
        weights = 1.0 / np.maximum(self._source_sizes[:, None], self._target_sizes[None, self._columns])
        ratio = self._saved.sum(axis=1) / weights.sum(axis=1)
        residuals = self._saved - ratio[:, None] * weights
        residuals -= residuals.mean(axis=0)
        variance = residuals.var(axis=1, ddof=1)
        variance = np.maximum(variance, variance.mean())
        return ratio * self._all_weights / n, np.sqrt(variance / m * (1 - m / n))
