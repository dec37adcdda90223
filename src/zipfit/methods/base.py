"""What a method is: something fitted to a target that scores documents one by one, or ranks the pool as a whole.

A *scorer* gives each document a number of its own; the ranking is the scores in descending order, ties by source order.
A *selector* must see the whole pool (a set that covers the target, a diverse subset) and yields the ranking itself.
Both end in the same thing, a ranking, and everything after it (duplicates, caps, budgets) walks down that ranking. So a
method never needs to know the budget: a lazy selector does no more work than the walk asks of it.

A method is a class whose constructor takes its options, stored as given under their own names (a dataclass does just
that) and checked in `fit`. Methods know texts and numbers, never files, threads or progress bars: `Pool.map` has those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

T = TypeVar("T")


class Pool(Protocol):
    """The source as a method sees it: its texts in source order, as often as asked, never all in memory at once."""

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the texts in batches (each at least one document), in source order; every call reads anew."""
        ...

    def map(self, function: Callable[[list[str]], T], only: NDArray[np.bool_] | None = None) -> Iterator[T]:
        """Yield `function(batch)` for each batch, in source order, computed by the job's threads.

        With `only`, shape (N,), the batches hold just the documents that it marks.

        `function` must be safe to call from several threads at once. Where one batch ends and the next begins is not
        part of the contract: a method's result must not depend on it.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """A method that scores each document on its own."""

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:
        """Learn from the n target examples and, if the method needs it, from the pool; return self."""
        ...

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return one score for each text, shape (len(texts),); higher fits better. Safe from several threads."""
        ...


@runtime_checkable
class Selector(Protocol):
    """A method that ranks the pool as a whole."""

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:
        """Learn from the n target examples and, if the method needs it, from the pool; return self."""
        ...

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position in the pool, score), best first, each position at most once, as lazily as the method can.

        Scores need not descend (a greedy gain per byte need not), but equal claims go to the earlier position.
        A document that the method rules out (too short, a near duplicate) is not yielded; `notes` says how many.
        """
        ...


Method = Scorer | Selector
"""Either kind. A method may also carry `notes: dict[str, object]`, filled while it works, which the manifest keeps."""
