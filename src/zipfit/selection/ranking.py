"""A job: a task, a method fitted to it, and the ranking that any budget may cut."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.corpus import NO_LABEL
from zipfit.errors import ZipfitError
from zipfit.methods.base import Scorer
from zipfit.methods.racing import Racing
from zipfit.methods.registry import class_path
from zipfit.methods.zipfit import ZipFit
from zipfit.selection.cut import LazyRanking, Rules, ScoredRanking, walk
from zipfit.selection.dedup import deduplicator
from zipfit.selection.tokens import token_counter

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zipfit.methods.base import Method
    from zipfit.selection.cut import Budget, Cut, Ranking
    from zipfit.selection.dedup import Deduplicator
    from zipfit.selection.sources import Task


class Job:
    """The part of a selection that does not depend on the budget.

    Args:
        task: source and target.
        method: not fitted yet.

    Attributes:
        task: as given.
        method: as given, fitted.
        ranking: the pool's documents, best first.
    """

    def __init__(self, task: Task, method: Method) -> None:
        self.task = task
        self.method = method
        parameters = task.parameters
        self._rules = Rules(
            parameters["min_bytes"], parameters["max_bytes"], _deduplicators(parameters), parameters["max_share"]
        )
        self._counter = None if parameters["tokenizer"] is None else token_counter(parameters["tokenizer"])
        if isinstance(method, Racing) and self._rules != Rules():
            raise ZipfitError("racing finds the top K alone, so it goes with no rule that passes documents over")
        if isinstance(method, ZipFit):
            task.pool.pairs_per_document = len(task.texts)
        self.ranking = self._rank()
        if parameters["by"] is not None and task.pool.facts.label_names == [NO_LABEL]:
            raise ZipfitError(f"no document has the field {parameters['by']!r} that is to label it")

    def _rank(self) -> Ranking:
        stopwatch, pool = self.task.stopwatch, self.task.pool
        with stopwatch.stage("fit"):
            if self.task.parameters["target_by"] is None:
                self.method.fit(self.task.texts, pool)
            elif "groups" in inspect.signature(self.method.fit).parameters:
                self.method.fit(self.task.texts, pool, groups=self.task.groups)  # type: ignore[call-arg]
            else:
                raise ZipfitError(f"target-by is for methods that weigh several targets, not {class_path(self.method)}")
        with stopwatch.stage("score"):
            if isinstance(self.method, Scorer):
                return ScoredRanking(np.concatenate(list(pool.map(self._checked_scores))))
            return LazyRanking(iter(self.method.rank(pool)))

    def _checked_scores(self, texts: list[str]) -> NDArray[np.float64]:
        scores = np.asarray(self.method.score(texts), dtype=np.float64)  # type: ignore[union-attr]
        if scores.shape != (len(texts),):
            raise ZipfitError(f"the method gave scores of shape {scores.shape} for {len(texts)} texts")
        return scores

    def cut(self, budget: Budget, allow_fewer: bool) -> Cut:
        """Walk the ranking until the budget is spent; raises as `selection.walk`."""
        if budget.tokens is not None and self._counter is None:
            raise ZipfitError("a budget of tokens needs a tokenizer")
        pool = self.task.pool
        with self.task.stopwatch.stage("cut"):
            return walk(self.ranking, budget, self._rules, pool.facts, pool.texts, self._counter, allow_fewer)


def _deduplicators(parameters: dict[str, Any]) -> Callable[[], Deduplicator] | None:
    if parameters["dedup"] is None:
        return None
    make = partial(deduplicator, parameters["dedup"], parameters["dedup_threshold"])
    make()  # a wrong kind or a missing extra is an error now, not after the scoring
    return make
