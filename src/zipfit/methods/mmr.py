"""`mmr`: `gain` for sets. What the target explains speaks for a document, what the selection explains against it.

    score(x | S) = gain(x | T) - redundancy * gain(x | S),      gain(x | D) = 1 - C(x | D) / C(x),

where T is the target, S what has been selected so far, and C(x | D) the compressed size of x after D (see `gain`).
This is maximal marginal relevance (Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking", section
2) with compression as the measure of likeness. Ranking by gain alone fills the budget with near copies of a few good
matches; here a copy of what is already selected has gain(x | S) near 1 and drops far down.

Work is lazy (Minoux 1978): a score computed when S was smaller is taken for a bound, and is computed anew only when its
document comes to the top. Only documents near the top are ever held in memory.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import need
from zipfit.methods.estimator import Estimator
from zipfit.methods.gain import Gain, Sizer, check_level, join, sizer
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool

_FIRST_FETCH = 16 << 20
"""Bytes of candidates' text taken into memory at first; each further pass over the pool brings as much again."""

_WINDOW = 256 << 10
"""Bytes of the latest selected text that new candidates are compared with."""

_LATEST = 20
"""Documents after which that text is renewed."""


@dataclass
class Mmr(Estimator):
    """Ranks documents by their gain from the target less their gain from what is already selected.

    Args:
        level: of zstd, 1 to 22.
        redundancy: weight of the gain from the selection, 0 (then this is `gain`) to 1.
    """

    level: int = 19
    redundancy: float = 0.5
    notes: dict[str, object] = field(default_factory=dict, init=False, compare=False, repr=False)
    terms: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002
        """Prepare the target's dictionary; the pool is not read.

        Raises:
            ZipfitError: if an option is out of range, or the target holds no text or a lone surrogate.
        """
        check_level("mmr", self.level)
        need(0 <= self.redundancy <= 1, f"mmr's redundancy must be between 0 and 1, not {self.redundancy}")
        self._relevance = Gain(self.level).fit(target)
        self.notes = dict(self._relevance.notes)
        return self

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, score when it was chosen), the greedy choice first."""
        yield from self.rank_measured(pool.map(self.measure), pool)

    def measure(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return C(x), C(x | T) and the length of each text in bytes, shape (len(texts), 3)."""
        batch = Texts.of(texts)
        return np.column_stack([*self._relevance.sizes(batch), batch.lengths]).astype(np.float64)

    def rank_measured(self, measures: Iterable[NDArray[np.float64]], pool: Pool) -> Iterator[tuple[int, float]]:
        """The ranking of documents with these measures, batches of shape (n, 3), as of `rank`."""
        alone, given, lengths = np.concatenate([np.zeros((0, 3)), *measures]).T.astype(np.int64)
        relevance = 1.0 - given / alone
        candidates = _Candidates(pool, relevance, lengths)
        selection = _Selection(self.level)
        while (best := candidates.pop()) is not None:
            position, bound, version = best
            if version == selection.version:
                yield position, bound
                selection.add(candidates.texts.pop(position))
            else:
                redundant = selection.explains(candidates.texts[position], int(alone[position]))
                candidates.push(position, float(relevance[position]) - self.redundancy * redundant, selection.version)


class _Selection:
    """The text selected so far, as two dictionaries: a large one, renewed after some documents, and those since.

    Renewing costs as much as compressing the window, so it can't be done for each document; but without the latest
    ones, copies of a document, which have equal scores and so come one after the other, would slip in together.
    """

    def __init__(self, level: int) -> None:
        self.version = 0
        """How many documents were selected."""
        self._level = level
        self._given: list[Sizer] = []
        self._window: deque[bytes] = deque()
        self._bytes = 0
        self._latest: list[bytes] = []

    def add(self, x: bytes) -> None:
        """Take in a document."""
        self.version += 1
        self._latest.append(x)
        if len(self._latest) < min(_LATEST, 1 + self.version // 10):
            self._given[1:] = [sizer(self._level, join(self._latest))]
            return
        self._window.extend(self._latest)
        self._bytes += sum(map(len, self._latest))
        while self._bytes > _WINDOW and len(self._window) > 1:
            self._bytes -= len(self._window.popleft())
        self._given = [sizer(self._level, join(self._window)[-_WINDOW:])]
        self._latest = []

    def explains(self, x: bytes, alone: int) -> float:
        """Return the share of x, of size `alone`, that the selection explains: its gain from S, or 0 if negative."""
        return max(0.0, 1.0 - min((given(x) for given in self._given), default=alone) / alone)


class _Candidates:
    """A queue of documents by descending bound on their score (ties: the earlier), with the texts of its top.

    A document that is not yet in memory waits with its relevance for a bound, and is fetched before anything with a
    lower bound leaves the queue: what is fetched when never shows in the result.

    Attributes:
        texts: of the documents in memory, by position; whoever takes one that will not come back removes it.
    """

    def __init__(self, pool: Pool, relevance: NDArray[np.float64], sizes: NDArray[np.int64]) -> None:
        self._pool = pool
        self._relevance = relevance
        self._order = np.argsort(-relevance, kind="stable")
        self._ends = np.cumsum(sizes[self._order])
        self._fetched = 0  # how many of _order
        self.texts: dict[int, bytes] = {}
        self._queue: list[tuple[float, int, int]] = []

    def pop(self) -> tuple[int, float, int] | None:
        """Return (position, bound, version of the selection it was computed for) of the first, or None at the end."""
        while self._fetched < len(self._order) and (
            not self._queue or -self._queue[0][0] <= self._relevance[self._order[self._fetched]]
        ):
            self._fetch()
        if not self._queue:
            return None
        negated, position, version = heapq.heappop(self._queue)
        return position, -negated, version

    def push(self, position: int, bound: float, version: int) -> None:
        """Put a document back with a bound computed for a version of the selection."""
        heapq.heappush(self._queue, (-bound, position, version))

    def _fetch(self) -> None:
        read = int(self._ends[self._fetched - 1]) if self._fetched else 0
        end = max(self._fetched + 1, int(np.searchsorted(self._ends, max(_FIRST_FETCH, 2 * read), side="right")))
        wanted = set(self._order[self._fetched : end].tolist())
        self._fetched = end
        for position, text in enumerate(text for batch in self._pool for text in Texts.of(batch).encoded()):
            if position in wanted:
                self.texts[position] = text
                self.push(position, float(self._relevance[position]), 0)
