"""A ranking: a fitted method's order of the pool, which any budget may cut."""

from __future__ import annotations

import itertools
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.reading import NO_LABEL
from zipfit.errors import ZipfitError
from zipfit.methods.base import (
    Grouped,
    HasEngine,
    HasNotes,
    HasPairs,
    Reach,
    Shortlister,
    calling,
    is_scorer,
    ranking_of,
    scores_of,
)
from zipfit.methods.registry import Named, class_path, method_options
from zipfit.selection.cut import walk
from zipfit.selection.sources import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from zipfit.methods.base import Method, Pool, Scorer
    from zipfit.selection.cut import Cut, Terms
    from zipfit.selection.sources import Sources

_RUN = 1 << 16


class Ranking:
    """The pool's documents, best first, by a method that is fitted to the target.

    How far it holds depends on the method's kind. Of a scorer or a selector it holds to the end of the pool. A
    shortlister's holds as far as it was asked for, so each cut asks for just what it needs, and for more where that
    does not do: the same cut gives the same documents, whatever was cut before.

    Attributes:
        sources: what was ranked, and for which target.
        method: fitted; or, where an earlier job ranked, its name.
        pool_scores: the score of every document in source order, shape (N,), where the method scores them all.
        stopwatch: seconds that fitting, scoring and cutting took.
    """

    def __init__(
        self,
        sources: Sources,
        method: Method | Named,
        whole: Iterable[tuple[int, float]] | None,
        pool_scores: NDArray[np.float64] | None,
        stopwatch: Stopwatch,
    ) -> None:
        self.sources = sources
        self.method = method
        self.pool_scores = pool_scores
        self.stopwatch = stopwatch
        self._whole = whole

    def __getstate__(self) -> dict[str, Any]:
        """A ranking travels without the method that made it: as far as somebody has looked down it."""
        method = self.method
        engine = method.engine if isinstance(method, HasEngine) else None
        notes: dict[str, object] = deepcopy(method.notes) if isinstance(method, HasNotes) else {}
        named = Named(class_path(method), method_options(method), engine, notes)
        whole = self._whole
        if not isinstance(whole, InOrder):
            whole = _Looked(whole.known if isinstance(whole, (_Lazy, _Looked)) else [])
        return vars(self) | {"method": named, "_whole": whole}

    def cut(self, terms: Terms) -> Cut:
        """Walk down the ranking until the budget is spent."""
        pool = self.sources.pool
        reach = terms.budget.reach(pool)
        while True:
            ranked, ends_there = self._head(reach)
            with self.stopwatch.stage("cut"):
                cut = walk(ranked, terms, pool)
            if cut.spent or ends_there:
                return cut
            reach = Reach(documents=2 * (reach.documents or 1))

    def whole(self) -> Iterable[tuple[int, float]]:
        """Position and score of all that the method ranks, best first."""
        assert self._whole is not None
        return self._whole

    def _head(self, reach: Reach) -> tuple[Iterable[tuple[int, float]], bool]:
        """The ranking at least as far as it is needed, and whether nothing that could be needed comes after that."""
        if self._whole is not None:
            return self._whole, True
        assert isinstance(self.method, Shortlister)
        with self.stopwatch.stage("score"):
            found = list(_checked(ranking_of(self.method, self.sources.pool, reach), self.sources))
        if reach.documents is None:  # all that score enough
            return found, True
        ends_there = len(found) < reach.documents or reach.documents >= len(self.sources.pool.facts.lengths)
        return found[: reach.documents], ends_there


def fit(method: Method, sources: Sources, pool: Pool) -> None:
    """Fit a method to the target.

    Raises:
        ZipfitError: the method refuses its options or the target, fails, or cannot tell several targets apart.
    """
    by = sources.target_reading.by
    if by is not None and not isinstance(method, Grouped):
        raise ZipfitError(f"target-by is for methods that weigh several targets, not {class_path(method)}")
    with calling(method, "fit"):
        if by is None:
            method.fit(sources.texts, pool)
        elif isinstance(method, Grouped):
            method.fit_groups(sources.texts, pool, sources.groups)


def rank(sources: Sources, method: Method, *, fitted: bool = False) -> Ranking:
    """Fit a method to the target, unless it is fitted, and have it rank the pool.

    Raises:
        ZipfitError: the method refuses its options or the target; it fails; it cannot tell several targets apart; it
            gives a score that is not a number, or not one for each text; no document has the field that is to label it.
    """
    stopwatch, pool = Stopwatch(), sources.pool
    if not fitted:
        with stopwatch.stage("fit"):
            fit(method, sources, pool)
    pool.pairs_per_document = method.pairs_per_document if isinstance(method, HasPairs) else 0
    scores = None
    whole: Iterable[tuple[int, float]] | None = None
    with stopwatch.stage("score"):
        if is_scorer(method):
            scores = _scores(method, sources)
            whole = InOrder.descending(scores)
        elif not isinstance(method, Shortlister):
            whole = _Lazy(_checked(ranking_of(method, pool, Reach()), sources))
            next(iter(whole), None)  # so that the method's own first pass gathers the facts, which a cut needs
    if sources.reading.by is not None and pool.facts.label_names == [NO_LABEL]:
        raise ZipfitError(f"no document has the field {sources.reading.by!r} that is to label it")
    return Ranking(sources, method, whole, scores, stopwatch)


def _scores(method: Scorer, sources: Sources) -> NDArray[np.float64]:
    """The score of every document, checked, shape (N,)."""
    scores = np.concatenate(list(sources.pool.map(lambda texts: scores_of(method, texts))))
    bad = np.flatnonzero(np.isnan(scores))
    if bad.size:
        raise ZipfitError(f"the method's score of document {bad[0]} is not a number")
    return scores


def _checked(ranked: Iterable[tuple[int, float]], sources: Sources) -> Iterator[tuple[int, float]]:
    """Pass a method's own ranking on as long as it is one.

    Raises:
        ZipfitError: it names a document that the pool has not, or one for a second time.
    """
    seen: NDArray[np.bool_] | None = None
    for position, score in ranked:
        if seen is None:  # by now the method has read the pool, or never will
            seen = np.zeros(len(sources.pool.facts.lengths), dtype=bool)
        if not 0 <= position < len(seen):
            raise ZipfitError(f"the method ranked document {position}, and the pool has 0 to {len(seen) - 1}")
        if seen[position]:
            raise ZipfitError(f"the method ranked document {position} twice")
        seen[position] = True
        yield position, score


class InOrder:
    """Positions and scores in an order that is known; every iteration starts anew.

    Args:
        order: the positions of those that are ranked, best first, shape (n,).
        scores: by position, shape (N,).
    """

    def __init__(self, order: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        self._order = order
        self._scores = scores

    @classmethod
    def descending(cls, scores: NDArray[np.float64]) -> InOrder:
        """From the highest score on, equal scores by source order."""
        return cls(np.argsort(-scores, kind="stable"), scores)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        for start in range(0, len(self._order), _RUN):
            run = self._order[start : start + _RUN]
            yield from zip(run.tolist(), self._scores[run].tolist(), strict=True)


def ranks_and_scores(
    ranked: Iterable[tuple[int, float]], documents: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rank, from 0, and the score of each document, shape (N,); -1 and NaN where it is not ranked."""
    order = np.fromiter(ranked, dtype=[("position", np.int64), ("score", np.float64)])
    ranks, scores = np.full(documents, -1), np.full(documents, np.nan)
    ranks[order["position"]] = np.arange(len(order))
    scores[order["position"]] = order["score"]
    return ranks, scores


class _Lazy:
    """A selector's ranking, worked out only as far as somebody has looked, and kept so far."""

    def __init__(self, ranked: Iterator[tuple[int, float]]) -> None:
        self._ranked = ranked
        self.known: list[tuple[int, float]] = []

    def __iter__(self) -> Iterator[tuple[int, float]]:
        for index in itertools.count():
            if index == len(self.known):
                following = next(self._ranked, None)
                if following is None:
                    return
                self.known.append(following)
            yield self.known[index]


class _Looked:
    """As much of a ranking as somebody had looked at when it was pickled."""

    def __init__(self, known: list[tuple[int, float]]) -> None:
        self.known = known

    def __iter__(self) -> Iterator[tuple[int, float]]:
        yield from self.known
        raise ZipfitError("a pickled ranking holds only what was chosen from it: select again for more")
