"""`turns`: several methods take turns, and each names its best document that none before it has named.

In round r = 1, 2, ... the methods, in the order given, each name one. What one is blind to another sees: strings and
meaning, say. It is the round-robin of `reduce` with methods in place of target examples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zipfit.errors import need
from zipfit.methods.base import HasEngine, HasNotes, Reach, calling
from zipfit.methods.estimator import Estimator
from zipfit.methods.registry import AND
from zipfit.methods.within import method_of, ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Self

    from zipfit.methods.base import Method, Pool


@dataclass
class Turns(Estimator):
    """Ranks by several methods in turn; a document's score is that of the method that named it.

    A method that has named all it ranks is passed over. `notes` has those of the methods, in their order.

    Args:
        methods: two or more with ` and ` between them, each as `zipfit.methods.within.method_of` reads it:
            `METHOD`, `METHOD,NAME=VALUE,...`, and after it any `within METHOD:SHARE`.
        seed: of all methods that draw at random and are given no seed by their options.
    """

    methods: str = "cover and embedding"
    seed: int = 0
    _fitted: list[Method] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def engine(self) -> str:
        """What computes the methods' numbers."""
        return "; ".join(dict.fromkeys(each.engine for each in self._fitted if isinstance(each, HasEngine)))

    @property
    def notes(self) -> dict[str, object]:
        """Under `turns`, the notes of each method."""
        return {"turns": [each.notes if isinstance(each, HasNotes) else {} for each in self._fitted]}

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:
        """Fit all methods.

        Raises:
            ZipfitError: there are fewer than two, the seed is negative, or as `build_method` and the methods.
        """
        need(self.seed >= 0, f"the seed must be at least 0, not {self.seed}")
        names = self.methods.split(AND)
        need(len(names) > 1, f"turns needs two methods at least, as in 'cover and embedding', not {self.methods!r}")
        self._fitted = [method_of(name, self.seed) for name in names]
        for method in self._fitted:
            with calling(method, "fit"):
                method.fit(target, pool)
        return self

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, score), best first, until every method has named all that it ranks."""
        rankings = [iter(ranked(method, pool, Reach())) for method in self._fitted]
        named: set[int] = set()
        while rankings:
            going = []
            for ranking in rankings:
                for position, score in ranking:
                    if position not in named:
                        named.add(position)
                        yield position, score
                        going.append(ranking)
                        break
            rankings = going
