"""From a ranking to the chosen documents: budgets, ties, duplicates, caps and lengths.

Everything here walks down one ranking, best first, and takes what it may until the budget is spent. The budget is spent
at the first document that does not fit any more: a selection is always a head of the (filtered) ranking, so that 'the
score at the cut' means something and a smaller budget's selection is a head of a larger one's.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.selection.dedup import Deduplicator

# Texts are fetched by passes over the pool, for as many documents ahead as may lie in memory at a time.
_LOOK_AHEAD_DOCUMENTS = 1000
_LOOK_AHEAD_BYTES = 1 << 27

_RUN = 1 << 16


@dataclass(frozen=True)
class Budget:
    """Where to cut the ranking; exactly one field is set.

    Attributes:
        top: number of documents, at least 1.
        fraction: share of the pool's documents, in (0, 1], rounded down but at least one document.
        tokens: number of tokens, at least 1; the longest head of the ranking that does not exceed it.
        min_score: lowest score to take.

    Raises:
        ZipfitError: none or several are set, or a value is out of range.
    """

    top: int | None = None
    fraction: float | None = None
    tokens: int | None = None
    min_score: float | None = None

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) != 1:
            options = "top, fraction, tokens or min-score"
            said = f"not {' and '.join(given).replace('_', '-')} together" if given else "none was given"
            raise ZipfitError(f"give one budget out of {options}: {said}")
        if self.top is not None and self.top < 1:
            raise ZipfitError(f"top must be at least 1, not {self.top}")
        if self.fraction is not None and not 0 < self.fraction <= 1:
            raise ZipfitError(f"fraction must be above 0 and at most 1, not {self.fraction}")
        if self.tokens is not None and self.tokens < 1:
            raise ZipfitError(f"tokens must be at least 1, not {self.tokens}")
        if self.min_score is not None and self.min_score != self.min_score:
            raise ZipfitError("min-score must be a number, not NaN")

    def documents(self, pool_size: int) -> int | None:
        """Number of documents that the budget asks of a pool, or None if only the walk can tell."""
        if self.fraction is not None:
            return max(1, int(Fraction(str(self.fraction)) * pool_size))
        return self.top


@dataclass(frozen=True)
class Rules:
    """What a document must meet to be taken, whatever its score.

    Attributes:
        min_bytes: shortest text to take, in bytes of UTF-8.
        max_bytes: longest text to take; None for no limit.
        deduplicator: a function that makes a fresh one for each walk; None to keep duplicates.
        max_share: largest share of the budget, in (0, 1], that documents of one label may take; None for no limit.

    Raises:
        ZipfitError: a value is out of range.
    """

    min_bytes: int = 0
    max_bytes: int | None = None
    deduplicator: Callable[[], Deduplicator] | None = None
    max_share: float | None = None

    def __post_init__(self) -> None:
        if self.max_bytes is not None and self.max_bytes < self.min_bytes:
            raise ZipfitError(f"max-bytes ({self.max_bytes}) is below min-bytes ({self.min_bytes})")
        if self.max_share is not None and not 0 < self.max_share <= 1:
            raise ZipfitError(f"max-share must be above 0 and at most 1, not {self.max_share}")


class PoolFacts(Protocol):
    """What is kept of each of the pool's N documents.

    Attributes:
        lengths: bytes of UTF-8, shape (N,).
    """

    @property
    def lengths(self) -> NDArray[np.int64]: ...

    def label(self, position: int) -> str:
        """The document's label."""
        ...


class Ranking(Protocol):
    """The pool's documents, best first.

    Attributes:
        pool_scores: the score of every document in source order, shape (N,), where the method scores them all.
    """

    @property
    def pool_scores(self) -> NDArray[np.float64] | None: ...

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Yield (position, score) from the best on; every call starts anew."""
        ...


class ScoredRanking:
    """Documents by descending score, equal scores by source order.

    Raises:
        ZipfitError: a score is not a number.
    """

    def __init__(self, scores: NDArray[np.float64]) -> None:
        bad = np.flatnonzero(np.isnan(scores))
        if bad.size:
            raise ZipfitError(f"the method's score of document {bad[0]} is not a number")
        self.pool_scores = scores
        self._order = np.argsort(-scores, kind="stable")

    def __iter__(self) -> Iterator[tuple[int, float]]:
        for start in range(0, len(self._order), _RUN):
            run = self._order[start : start + _RUN]
            yield from zip(run.tolist(), self.pool_scores[run].tolist(), strict=True)


class LazyRanking:
    """A selector's ranking, worked out only as far as somebody has looked, and kept so far."""

    pool_scores = None

    def __init__(self, ranked: Iterator[tuple[int, float]]) -> None:
        self._ranked = ranked
        self._known: list[tuple[int, float]] = []

    def __iter__(self) -> Iterator[tuple[int, float]]:
        for index in itertools.count():
            if index == len(self._known):
                following = next(self._ranked, None)
                if following is None:
                    return
                self._known.append(following)
            yield self._known[index]


@dataclass(frozen=True)
class Dropped:
    """A document that ranked high enough but was not taken.

    Attributes:
        position: the document.
        reason: `short`, `long`, `duplicate` or `share`.
        duplicate_of: for a duplicate, the position of the document that was kept.
    """

    position: int
    reason: str
    duplicate_of: int | None = None


@dataclass(frozen=True)
class Cut:
    """The outcome of a walk: k documents in rank order.

    Attributes:
        indices: positions in the pool, shape (k,).
        scores: their scores, shape (k,).
        tokens: their numbers of tokens, shape (k,); None where no tokens are counted.
        dropped: the documents passed over, in rank order.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    tokens: NDArray[np.int64] | None
    dropped: list[Dropped]

    def ties(self, pool_scores: NDArray[np.float64] | None) -> dict[str, int] | None:
        """How many documents share the score at the cut: how many were taken, how many left; None if unknown."""
        if pool_scores is None or self.scores.size == 0:
            return None
        taken = int(np.count_nonzero(self.scores == self.scores[-1]))
        return {"taken": taken, "left": int(np.count_nonzero(pool_scores == self.scores[-1])) - taken}


def walk(
    ranking: Ranking,
    budget: Budget,
    rules: Rules,
    facts: PoolFacts,
    fetch_texts: Callable[[Sequence[int]], Sequence[str]],
    count_tokens: Callable[[Sequence[str]], Sequence[int]] | None = None,
    allow_fewer: bool = False,
) -> Cut:
    """Take documents in rank order until the budget is spent.

    Args:
        ranking: the pool's documents, best first.
        budget: where to stop.
        rules: which documents to pass over.
        facts: lengths and labels of all the pool's documents.
        fetch_texts: texts of the given positions, in that order; called only if the rules or the budget need texts.
        count_tokens: tokens of each text; needed for a budget of tokens, otherwise optional.
        allow_fewer: take what there is where the pool holds fewer documents than asked for.

    Raises:
        ZipfitError: fewer documents than asked for, or not one within the budget.
    """
    wanted = budget.documents(len(facts.lengths))
    capacity = budget.tokens if wanted is None else wanted
    cap: int | None = None
    if rules.max_share is not None:
        if capacity is None:
            raise ZipfitError("max-share needs a budget of documents or tokens, which min-score is not")
        cap = int(Fraction(str(rules.max_share)) * capacity)
    deduplicator = rules.deduplicator() if rules.deduplicator is not None else None

    indices, scores, counts = array("q"), array("d"), array("q")
    dropped: list[Dropped] = []
    spent: Counter[str] = Counter()
    total_tokens = 0
    for position, score, text in _with_texts(
        ranking, facts, fetch_texts if deduplicator is not None or count_tokens is not None else None, wanted
    ):
        if wanted is not None and len(indices) == wanted:
            break
        if budget.min_score is not None and score < budget.min_score:
            break
        length = int(facts.lengths[position])
        if length < rules.min_bytes or (rules.max_bytes is not None and length > rules.max_bytes):
            dropped.append(Dropped(position, "short" if length < rules.min_bytes else "long"))
            continue
        label = "" if cap is None else facts.label(position)
        tokens = 0 if count_tokens is None else count_tokens([text])[0]
        cost = 1 if budget.tokens is None else tokens
        if cap is not None and spent[label] + cost > cap:
            dropped.append(Dropped(position, "share"))
            continue
        kept = None if deduplicator is None else deduplicator.keep(position, text)
        if kept is not None:
            dropped.append(Dropped(position, "duplicate", kept))
            continue
        if budget.tokens is not None and total_tokens + tokens > budget.tokens:
            break
        indices.append(position)
        scores.append(score)
        counts.append(tokens)
        total_tokens += tokens
        spent[label] += cost

    _check_enough(budget, wanted, len(indices), len(facts.lengths), dropped, allow_fewer)
    return Cut(
        np.array(indices, dtype=np.int64),
        np.array(scores, dtype=np.float64),
        None if count_tokens is None else np.array(counts, dtype=np.int64),
        dropped,
    )


def _with_texts(
    ranking: Ranking,
    facts: PoolFacts,
    fetch_texts: Callable[[Sequence[int]], Sequence[str]] | None,
    wanted: int | None,
) -> Iterator[tuple[int, float, str]]:
    """Walk the ranking with each document's text (empty where none is needed), fetched in growing runs."""
    ranked = iter(ranking)
    if fetch_texts is None:
        for position, score in ranked:
            yield position, score, ""
        return
    ahead = max(_LOOK_AHEAD_DOCUMENTS, wanted or 0)
    while True:
        run: list[tuple[int, float]] = []
        size = 0
        for position, score in itertools.islice(ranked, ahead):
            run.append((position, score))
            size += int(facts.lengths[position])
            if size >= _LOOK_AHEAD_BYTES:
                break
        if not run:
            return
        texts = fetch_texts([position for position, _ in run])
        for (position, score), text in zip(run, texts, strict=True):
            yield position, score, text
        ahead *= 2


def _check_enough(
    budget: Budget, wanted: int | None, taken: int, pool_size: int, dropped: Sequence[Dropped], allow_fewer: bool
) -> None:
    if wanted is not None and taken < wanted and not allow_fewer:
        reasons = Counter(item.reason for item in dropped)
        passed_over = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        raise ZipfitError(
            f"{wanted} documents were asked for, but the pool of {pool_size} gives only {taken}"
            + (f" ({passed_over} passed over)" if passed_over else "")
            + ": ask for fewer, or allow fewer (--allow-fewer)"
        )
    if taken == 0 and budget.min_score is not None:
        raise ZipfitError(f"no document of the pool scores {budget.min_score} or more")
    if taken == 0 and budget.tokens is not None:
        raise ZipfitError(f"the best document alone exceeds the budget of {budget.tokens} tokens")
    if taken == 0:
        raise ZipfitError("no document of the pool could be taken")
