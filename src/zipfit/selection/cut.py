"""From a ranking to the chosen documents: budgets, ties, duplicates, caps and lengths.

There is one walk. It goes down one ranking, best first, and takes what it may until the budget is spent. The budget is
spent at the first document that does not fit any more: a selection is always a head of the (filtered) ranking, so that
'the score at the cut' means something and a smaller budget's selection is a head of a larger one's.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from zipfit.errors import ZipfitError
from zipfit.methods.base import Reach
from zipfit.selection.dedup import Deduplicator, deduplicator
from zipfit.selection.tokens import BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from zipfit.corpus.overlap import Match
    from zipfit.selection.sources import CorpusPool
    from zipfit.selection.test_set import TestSet
    from zipfit.selection.tokens import TokenCounter

# Texts are fetched by passes over the pool, for as many documents ahead as may lie in memory at a time.
_LOOK_AHEAD_DOCUMENTS = 1000
_LOOK_AHEAD_BYTES = 1 << 27

# Documents whose tokens are counted at a time.
_COUNTED = 256


@dataclass(frozen=True)
class Budget:
    """Where to cut the ranking; at least one of the first four is set, and each is a bound.

    Attributes:
        top: number of documents, at least 1.
        fraction: share of the pool's documents, in (0, 1], rounded down but at least one document.
        tokens: number of tokens, at least 1; the longest head of the ranking that does not exceed it.
        min_score: lowest score to take.
        filled: of a budget of tokens, take the document that crosses it too: it is cut short by whoever trains on it.
        allow_fewer: take what there is where the pool gives fewer documents than asked for.

    Raises:
        ZipfitError: none is set, or a value is out of range.
    """

    top: int | None = None
    fraction: float | None = None
    tokens: int | None = None
    min_score: float | None = None
    filled: bool = field(default=False, kw_only=True)
    allow_fewer: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if all(value is None for value in (self.top, self.fraction, self.tokens, self.min_score)):
            raise ZipfitError("give a budget: top, fraction, tokens or min-score")
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
        share = None if self.fraction is None else max(1, int(Fraction(str(self.fraction)) * pool_size))
        return min((count for count in (self.top, share) if count is not None), default=None)

    def reach(self, pool: CorpusPool) -> Reach:
        """How far down a ranking the walk goes, as far as that can be told without walking."""
        documents = self.top if self.fraction is None else self.documents(len(pool.facts.lengths))
        if documents is not None:
            return Reach(documents=documents)
        if self.min_score is not None:
            return Reach(score=self.min_score)
        return Reach(documents=_LOOK_AHEAD_DOCUMENTS)


@dataclass(frozen=True)
class Rules:
    """What a document must meet to be taken, whatever its score.

    Attributes:
        min_bytes: shortest text to take, in bytes of UTF-8.
        max_bytes: longest text to take; None for no limit.
        dedup: `exact` or `near`, to take the best ranked of duplicates alone; None to keep them.
        dedup_threshold: for `near`, the least Jaccard similarity.
        max_share: largest share of the budget, in (0, 1], that documents of one label may take; None for no limit.

    Raises:
        ZipfitError: a value is out of range.
        MissingExtraError: near duplicates need an extra that is not installed.
    """

    min_bytes: int = 0
    max_bytes: int | None = None
    dedup: str | None = None
    dedup_threshold: float = 0.8
    max_share: float | None = None

    def __post_init__(self) -> None:
        if self.min_bytes < 0:
            raise ZipfitError(f"min-bytes must be at least 0, not {self.min_bytes}")
        if self.max_bytes is not None and self.max_bytes < self.min_bytes:
            raise ZipfitError(f"max-bytes ({self.max_bytes}) is below min-bytes ({self.min_bytes})")
        if self.max_share is not None and not 0 < self.max_share <= 1:
            raise ZipfitError(f"max-share must be above 0 and at most 1, not {self.max_share}")
        self.deduplicator()  # a wrong kind or a missing extra is an error now, not after the scoring

    def deduplicator(self) -> Deduplicator | None:
        """A fresh one for a walk, or None to keep duplicates."""
        return None if self.dedup is None else deduplicator(self.dedup, self.dedup_threshold)


@dataclass(frozen=True)
class Terms:
    """All that decides where a ranking is cut.

    Attributes:
        budget: where to stop.
        rules: which documents to pass over.
        counter: counts tokens, which a budget of tokens needs; otherwise they are counted for the summary alone.
        exclude: a test set whose overlaps are passed over; None for none.

    Raises:
        ZipfitError: a budget of tokens has nothing to count them, or a share is of no known whole.
    """

    budget: Budget
    rules: Rules = Rules()
    counter: TokenCounter | None = None
    exclude: TestSet | None = None

    def __post_init__(self) -> None:
        if self.budget.tokens is not None and self.counter is None:
            raise ZipfitError("a budget of tokens needs a tokenizer")
        countless = self.budget.top is None and self.budget.fraction is None and self.budget.tokens is None
        if countless and self.rules.max_share is not None:
            raise ZipfitError("max-share needs a budget of documents or tokens, which min-score is not")


@dataclass(frozen=True)
class Dropped:
    """A document that ranked high enough but was not taken.

    Attributes:
        position: the document.
        reason: `short`, `long`, `share`, `overlap` or `duplicate`.
        duplicate_of: for a duplicate, the position of the document that was kept.
        overlap: for an overlap, what it shares with the test set, and its score.
    """

    position: int
    reason: str
    duplicate_of: int | None = None
    overlap: tuple[Match, float] | None = None


@dataclass(frozen=True)
class Cut:
    """The outcome of a walk: k documents in rank order.

    Attributes:
        indices: positions in the pool, shape (k,).
        scores: their scores, shape (k,).
        tokens: their numbers of tokens, shape (k,); None where no tokens are counted.
        dropped: the documents passed over, in rank order.
        spent: whether the budget ended the walk, and not the ranking.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    tokens: NDArray[np.int64] | None
    dropped: list[Dropped]
    spent: bool

    def ties(self, pool_scores: NDArray[np.float64] | None) -> dict[str, int] | None:
        """How many documents share the score at the cut: how many were taken, how many left; None if unknown."""
        if pool_scores is None or self.scores.size == 0:
            return None
        taken = int(np.count_nonzero(self.scores == self.scores[-1]))
        return {"taken": taken, "left": int(np.count_nonzero(pool_scores == self.scores[-1])) - taken}

    def check_enough(self, budget: Budget, pool_size: int) -> None:
        """Check that the pool gave what was asked for.

        Raises:
            ZipfitError: fewer documents than asked for, or not one within the budget.
        """
        wanted, taken = budget.documents(pool_size), len(self.indices)
        if wanted is not None and taken < wanted and not self.spent and not budget.allow_fewer:
            reasons = Counter(item.reason for item in self.dropped)
            passed_over = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
            raise ZipfitError(
                f"{wanted} documents were asked for, but the pool of {pool_size} gives only {taken}"
                + (f" ({passed_over} passed over)" if passed_over else "")
                + ": ask for fewer, or allow fewer (--allow-fewer, or allow_fewer=True in Python)"
            )
        if taken == 0 and budget.min_score is not None:
            raise ZipfitError(f"no document of the pool scores {budget.min_score} or more")
        if taken == 0 and budget.tokens is not None:
            raise ZipfitError(f"the best document alone exceeds the budget of {budget.tokens} tokens")
        if taken == 0:
            raise ZipfitError("no document of the pool could be taken")


def walk(ranked: Iterable[tuple[int, float]], terms: Terms, pool: CorpusPool) -> Cut:
    """Take documents in rank order until the budget is spent, or there are no more.

    Args:
        ranked: position and score of the pool's documents, best first; read no further than the walk goes.
        terms: budget and rules.
        pool: where lengths, labels and texts are.
    """
    budget, rules, counter, facts = terms.budget, terms.rules, terms.counter, pool.facts
    wanted = budget.documents(len(facts.lengths))
    capacity = budget.tokens if wanted is None else wanted
    cap = None if rules.max_share is None or capacity is None else int(Fraction(str(rules.max_share)) * capacity)
    keeper = rules.deduplicator()

    indices, scores, counts = array("q"), array("d"), array("q")
    dropped: list[Dropped] = []
    spent: Counter[str] = Counter()
    total_tokens = 0
    is_spent = False
    for position, score, text, tokens in _candidates(ranked, terms, pool):
        is_spent = budget.min_score is not None and score < budget.min_score
        if is_spent:
            break
        length = int(facts.lengths[position])
        if length < rules.min_bytes or (rules.max_bytes is not None and length > rules.max_bytes):
            dropped.append(Dropped(position, "short" if length < rules.min_bytes else "long"))
            continue
        label = "" if cap is None else facts.label(position)
        cost = tokens if wanted is None else 1
        if cap is not None and spent[label] + cost > cap:
            dropped.append(Dropped(position, "share"))
            continue
        match = None if terms.exclude is None else terms.exclude.examples.match(text)
        if match is not None:
            dropped.append(Dropped(position, "overlap", overlap=(match, score)))
            continue
        kept = None if keeper is None else keeper.keep(position, text)
        if kept is not None:
            dropped.append(Dropped(position, "duplicate", kept))
            continue
        is_spent = budget.tokens is not None and not budget.filled and total_tokens + tokens > budget.tokens
        if is_spent:
            break
        indices.append(position)
        scores.append(score)
        counts.append(tokens)
        total_tokens += tokens
        spent[label] += cost
        is_spent = len(indices) == wanted or (
            budget.filled and budget.tokens is not None and total_tokens >= budget.tokens
        )
        if is_spent:
            break

    return Cut(
        np.array(indices, dtype=np.int64),
        np.array(scores, dtype=np.float64),
        None if counter is None else np.array(counts, dtype=np.int64),
        dropped,
        is_spent,
    )


def _candidates(
    ranked: Iterable[tuple[int, float]], terms: Terms, pool: CorpusPool
) -> Iterator[tuple[int, float, str, int]]:
    """Go down the ranking with each document's text and tokens, empty and 0 where they are not needed."""
    counter, lengths = terms.counter, pool.facts.lengths
    counted = None if counter is BYTES else counter
    if counted is None and terms.rules.dedup is None and terms.exclude is None:
        for position, score in ranked:
            yield position, score, "", 0 if counter is None else int(lengths[position])
        return
    for run in _runs(iter(ranked), lengths, max(_LOOK_AHEAD_DOCUMENTS, terms.budget.documents(len(lengths)) or 0)):
        texts = pool.texts([position for position, _ in run])
        for start in range(0, len(run), _COUNTED):
            some = texts[start : start + _COUNTED]
            tokens = some.lengths.tolist() if counted is None else counted.count(some)
            for (position, score), text, count in zip(run[start : start + _COUNTED], some, tokens, strict=True):
                yield position, score, text, 0 if counter is None else count


def _runs(
    ranked: Iterator[tuple[int, float]], lengths: NDArray[np.int64], ahead: int
) -> Iterator[list[tuple[int, float]]]:
    """Cut a ranking into growing runs, none much longer than what may lie in memory at a time."""
    while True:
        run: list[tuple[int, float]] = []
        size = 0
        for position, score in itertools.islice(ranked, ahead):
            run.append((position, score))
            size += int(lengths[position])
            if size >= _LOOK_AHEAD_BYTES:
                break
        if not run:
            return
        yield run
        ahead *= 2
