"""What a method is: something fitted to a target that scores the pool's documents, or ranks them.

There are three kinds. A *scorer* gives each document a number of its own; the ranking is the scores in descending
order, ties by source order. A *selector* must see the whole pool (a set that covers the target, a diverse subset) and
yields the ranking itself, no further than it is asked. A *shortlister* finds the head of a ranking without ranking the
rest, and is told how far somebody goes (`Reach`): the one kind that needs to know. All end in the same thing, a
ranking, and everything after it (duplicates, caps, budgets) walks down that ranking.

A method is a class whose constructor takes its options, stored as given under their own names (a dataclass does just
that) and checked in `fit`. Methods know texts and numbers, never files, threads or progress bars: `Pool.map` has those.

Whatever else a method has to say or to ask for is a protocol of its own below: groups of the target (`Grouped`), a
seed (`Seeded`), what computed its numbers (`HasEngine`), notes for the manifest (`HasNotes`), pairs for the progress
bar (`HasPairs`). A class has it by having the attribute.
"""

from __future__ import annotations

import inspect
import operator
import os
import reprlib
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from zipfit.errors import BadRecordError, ZipfitError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeGuard

    from numpy.typing import NDArray
    from typing_extensions import Self, TypeIs

T = TypeVar("T")


@dataclass(frozen=True)
class Reach:
    """How far down a ranking somebody goes: to its end, or as far as one of these.

    Attributes:
        documents: the first so many.
        score: all that score at least so much.
    """

    documents: int | None = None
    score: float | None = None


class Pool(Protocol):
    """The source as a method sees it: its texts in source order, as often as asked, never all in memory at once."""

    def __iter__(self) -> Iterator[Sequence[str]]:
        """Yield the texts in batches (each at least one document), in source order; every call reads anew."""

    def map(self, function: Callable[[Sequence[str]], T], only: NDArray[np.bool_] | None = None) -> Iterator[T]:
        """Yield `function(batch)` for each batch, in source order, computed by the pool's threads.

        With `only`, shape (N,), the batches hold just the documents that it marks.

        `function` must be safe to call from several threads at once. Where one batch ends and the next begins is not
        part of the contract: a method's result must not depend on it.
        """


class Fitted(Protocol):
    """What every method can do."""

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:
        """Learn from the n target examples and, if the method needs it, from the pool; return self."""


@runtime_checkable
class Scorer(Fitted, Protocol):
    """A method that scores each document on its own."""

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return one score for each text, shape (len(texts),); higher fits better. Safe from several threads."""


@runtime_checkable
class Selector(Fitted, Protocol):
    """A method that ranks the pool as a whole."""

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position in the pool, score), best first, each position at most once, as lazily as the method can.

        Scores need not descend (a greedy gain per byte need not), but equal claims go to the earlier position.
        A document that the method rules out (too short, a near duplicate) is not yielded; `notes` says how many.
        """


@runtime_checkable
class Measurer(Selector, Protocol):
    """A selector that looks at each document on its own first: its `rank` is `rank_measured` of all that it measured.

    So several machines can share the looking, and one of them ranks. `terms` holds what the ranking needs of the fit,
    besides the options, as JSON values.
    """

    terms: dict[str, Any]

    def measure(self, texts: Sequence[str]) -> NDArray[Any]:
        """Return what is measured of each text. Safe from several threads.

        Either numbers, float64 of shape (len(texts), F), or bytes, objects of shape (len(texts),).
        """

    def rank_measured(self, measures: Iterable[NDArray[Any]], pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield the ranking of the documents with these measures, in batches of any size, as `rank` does.

        The pool is for a method that looks at some of the documents again.
        """


@runtime_checkable
class Shortlister(Fitted, Protocol):
    """A method that ranks the head of the pool alone."""

    def shortlist(self, pool: Pool, reach: Reach) -> Iterable[tuple[int, float]]:
        """Return (position in the pool, score), best first, that hold at least as far as `reach`.

        What comes after that is not looked at. Asked again with another reach, the method begins anew.
        """


Method = Scorer | Selector | Shortlister
"""Any kind."""


@runtime_checkable
class Comparer(Fitted, Protocol):
    """A method that compares each document with each target example, and reduces the n numbers (see `methods.reduce`).

    By turns it ranks the pool as a whole: then it is a selector, though its class has `score`.
    """

    reduce: str

    def compare(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how near each text is to each example, shape (len(texts), n). Safe from several threads."""


ROUND_ROBIN = "round-robin"
"""The reduction by turns."""


def is_scorer(method: Method) -> TypeIs[Scorer]:
    """Whether the method, with its options as they are, scores each document on its own."""
    by_turns = isinstance(method, Comparer) and method.reduce == ROUND_ROBIN
    return isinstance(method, Scorer) and not by_turns


def is_measurer(method: Method) -> TypeGuard[Measurer]:
    """Whether the method, with its options as they are, ranks what it measured of each document."""
    return isinstance(method, Measurer) and not is_scorer(method)


@contextmanager
def calling(method: object, step: str) -> Iterator[None]:
    """Say which method failed, and where, if a user's own raises anything while one of its functions is called.

    A mistake in a method of zipfit's own is none of the user's, and is raised as it is.

    Args:
        method: the method, or its class.
        step: the name of the function.

    Raises:
        ZipfitError: the method is a user's own and failed; its exception is the cause.
    """
    try:
        yield
    except (ZipfitError, BadRecordError, MemoryError):
        raise
    except Exception as error:
        kind = method if isinstance(method, type) else type(method)
        if kind.__module__.partition(".")[0] == "zipfit":
            raise
        files = {each.__code__.co_filename for each in vars(kind).values() if inspect.isfunction(each)}
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
        place = f" ({os.path.basename(own[-1].filename)}, line {own[-1].lineno})" if own else ""
        refused = step == "fit" and not own and isinstance(error, TypeError)
        hint = ": its signature is fit(target, pool)" if refused else ""
        what = f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__
        name = f"{kind.__module__}:{kind.__qualname__}"
        raise ZipfitError(f"method {name} failed in {step}: {what}{hint}{place}") from error


def scores_of(method: Scorer, texts: Sequence[str]) -> NDArray[np.float64]:
    """The scores of a batch, shape (len(texts),).

    Raises:
        ZipfitError: the method fails, or does not give a number for each text.
    """
    with calling(method, "score"):
        given = method.score(texts)
    try:
        scores = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ZipfitError(f"the method gave scores that are not numbers: {one_line(error)}") from error
    if scores.shape != (len(texts),):
        raise ZipfitError(f"the method gave scores of shape {scores.shape} for {len(texts)} texts")
    return scores


def ranking_of(method: Selector | Shortlister, pool: Pool, reach: Reach) -> Iterator[tuple[int, float]]:
    """Position and score of each document, best first, as far as `reach` at least.

    Raises:
        ZipfitError: the method fails, or gives anything but pairs of numbers.
    """
    is_shortlister = isinstance(method, Shortlister)
    with calling(method, "shortlist" if is_shortlister else "rank"):
        for item in method.shortlist(pool, reach) if isinstance(method, Shortlister) else method.rank(pool):
            try:
                position, score = item
                pair = operator.index(position), float(score)
            except (TypeError, ValueError) as error:
                what = reprlib.repr(item)
                raise ZipfitError(f"the method must rank by a position and a score, not {what}") from error
            yield pair


@runtime_checkable
class Grouped(Protocol):
    """A method that weighs several targets."""

    def fit_groups(self, target: Sequence[str], pool: Pool | None, groups: Sequence[str]) -> Self:
        """As `fit`, with the label of the target that each of the n examples belongs to."""


@runtime_checkable
class Seeded(Protocol):
    """A method that draws at random; `seed` is an option of its constructor."""

    seed: int


ADDED = {"added": True}
"""Metadata of an option that came later: a manifest names it only where it is not the default."""


@runtime_checkable
class HasGiven(Protocol):
    """A method that says itself what would make it again: its constructor's arguments, as JSON values."""

    given: dict[str, Any] | None


@runtime_checkable
class HasEngine(Protocol):
    """A method that says, once fitted, what computes its numbers; the manifest keeps it."""

    engine: str


@runtime_checkable
class HasNotes(Protocol):
    """A method that notes, while it works, what the manifest should keep (JSON values)."""

    notes: dict[str, object]


@runtime_checkable
class HasPairs(Protocol):
    """A method that compares each document with so many others, once fitted; progress then counts pairs."""

    pairs_per_document: int
