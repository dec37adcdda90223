"""A method that ranks a shortlist: the share of the pool that another method ranks best.

What costs much per document then looks at few, and what chooses a set chooses it among documents that fit. Several
shortlists are made one after another, each out of what the one before it left.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError, need
from zipfit.methods.base import (
    Grouped,
    HasEngine,
    HasNotes,
    Reach,
    Seeded,
    calling,
    is_scorer,
    ranking_of,
    scores_of,
)
from zipfit.methods.registry import (
    build_method,
    check_method,
    class_path,
    method_options,
    parts_of,
    shortlist_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Method, Pool, T

_HOW = "within names no shortlist: write METHOD:SHARE, as in zipfit:0.3"


class Within:
    """Ranks by a method those documents alone that other methods shortlist.

    Scores and ranks are those that the method gives where the pool holds nothing but the shortlist, ties by source
    order. All methods are fitted, and their options checked, before the first document is scored, but for what a
    method's fit reads of the pool.

    Args:
        method: a name for `build_method`, or a method.
        within: `METHOD:SHARE` or `METHOD,NAME=VALUE,...:SHARE`, one or several in the order in which they are made: the
            best of the documents left by that method, a share in (0, 1], rounded down but at least one. Or the same as
            mappings of `method`, `options` and `share`.
        options: of the method, if it is a name.
        seed: of all methods that draw at random and are given no seed by their options.

    Raises:
        ZipfitError: as `build_method`, or a shortlist is not of that form, or its share out of range.
    """

    def __init__(
        self,
        method: str | Method,
        within: str | Sequence[str | Mapping[str, Any]],
        options: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> None:
        if isinstance(method, str):
            method = _seeded(method, options or {}, seed)
        check_method(method)
        self.method = method
        named = [within] if isinstance(within, str) else within
        need(isinstance(named, (list, tuple)) and bool(named), _HOW)
        self._shortlists = [_shortlist(each, seed) for each in named]
        self._pools: list[_Shortlist] = []

    @property
    def methods(self) -> list[Method]:
        """Those that shortlist, in their order, and the method."""
        return [*(method for method, _ in self._shortlists), self.method]

    @property
    def given(self) -> dict[str, Any] | None:
        """The arguments that make it again, or None if they cannot be told."""
        *shortlists, method = ({"method": class_path(each), "options": method_options(each)} for each in self.methods)
        if any(each["options"] is None for each in (method, *shortlists)):
            return None
        shares = [{"share": float(share)} for _, share in self._shortlists]
        return {**method, "within": [each | share for each, share in zip(shortlists, shares, strict=True)]}

    @property
    def engine(self) -> str:
        """What computes the method's numbers, and those of the shortlists."""
        return "; ".join(dict.fromkeys(each.engine for each in self.methods if isinstance(each, HasEngine)))

    @property
    def notes(self) -> dict[str, object]:
        """The method's, and under `within` for each shortlist its number of documents and its method's notes."""
        shortlists = [
            {"documents": pool.size, **(method.notes if isinstance(method, HasNotes) else {})}
            for method, pool in zip(self.methods, self._pools, strict=False)  # of none before it is fitted
        ]
        return {**(self.method.notes if isinstance(self.method, HasNotes) else {}), "within": shortlists}

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:
        """Fit all methods; raises as they do, and if there is no pool."""
        return self._fit(pool, lambda method, pool: method.fit(target, pool))

    def fit_groups(self, target: Sequence[str], pool: Pool | None, groups: Sequence[str]) -> Self:
        """The same for several targets, which the method weighs; a shortlist's may take them for one."""
        if not isinstance(self.method, Grouped):
            raise ZipfitError(f"target-by is for methods that weigh several targets, not {class_path(self.method)}")

        def fit(method: Method, pool: Pool) -> object:
            if isinstance(method, Grouped):
                return method.fit_groups(target, pool, groups)
            return method.fit(target, pool)

        return self._fit(pool, fit)

    def _fit(self, pool: Pool | None, fit: Callable[[Method, Pool], object]) -> Self:
        if pool is None:
            raise ZipfitError("a shortlist is made of the pool, so fit needs the pool")
        self._pools = []
        for method, share in self._shortlists:
            with calling(method, "fit"):
                fit(method, pool)
            pool = _Shortlist(pool, method, share)
            self._pools.append(pool)
        with calling(self.method, "fit"):
            fit(self.method, pool)
        return self

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:  # noqa: ARG002 - the one that it was fitted with
        """Yield (position, the method's score), best first, of the shortlisted documents."""
        shortlisted = self._pools[-1]
        positions = shortlisted.positions
        for position, score in ranked(self.method, shortlisted, Reach(documents=len(positions))):
            need(0 <= position < len(positions), f"the method ranked document {position}, and has {len(positions)}")
            yield int(positions[position]), score


class Part:
    """Some of a pool's documents, as a pool.

    Args:
        pool: the whole.
        marked: which of its documents, shape (N,).
    """

    def __init__(self, pool: Pool, marked: NDArray[np.bool_]) -> None:
        self._pool = pool
        self._marked = marked

    @property
    def marked(self) -> NDArray[np.bool_]:
        return self._marked

    def __iter__(self) -> Iterator[Sequence[str]]:
        return self.map(lambda batch: batch)

    def map(self, function: Callable[[Sequence[str]], T], only: NDArray[np.bool_] | None = None) -> Iterator[T]:
        marked = self.marked
        if only is not None:
            marked = np.zeros(len(self.marked), dtype=bool)
            marked[np.flatnonzero(self.marked)[only]] = True
        return self._pool.map(function, marked)


class _Shortlist(Part):
    """The documents of a pool that a fitted method ranks best, found out when they are first read."""

    def __init__(self, pool: Pool, method: Method, share: Fraction) -> None:
        super().__init__(pool, np.empty(0, dtype=bool))
        self._method = method
        self._share = share

    @property
    def size(self) -> int:
        return int(np.count_nonzero(self.marked))

    @property
    def marked(self) -> NDArray[np.bool_]:
        if not len(self._marked):
            documents = sum(self._pool.map(len))
            wanted = max(1, int(self._share * documents))
            marked = np.zeros(documents, dtype=bool)
            for position, _ in itertools.islice(ranked(self._method, self._pool, Reach(documents=wanted)), wanted):
                need(0 <= position < documents, f"the method ranked document {position} of {documents}")
                marked[position] = True
            self._marked = marked
        return self._marked

    @property
    def positions(self) -> NDArray[np.int64]:
        """Where they are in the pool that the outermost shortlist was made of, ascending."""
        here = np.flatnonzero(self.marked)
        return self._pool.positions[here] if isinstance(self._pool, _Shortlist) else here


def method_of(text: str, seed: int | None = None) -> Method:
    """The method that a text names: `METHOD` or `METHOD,NAME=VALUE,...`, and after it any `within METHOD:SHARE`.

    Several of these with ` and ` between them take turns.

    Args:
        text: what to read.
        seed: of all methods that draw at random and are given no seed by their options.

    Raises:
        ZipfitError: as `build_method`, or a shortlist is not of that form.
    """
    method, options, within = parts_of(text)
    return Within(method, within, options, seed) if within else _seeded(method, options, seed)


def _seeded(name: str, options: Mapping[str, Any], seed: int | None) -> Method:
    """A method by its name, with the seed where it draws at random and has been given none."""
    method = build_method(name, options)
    if seed is None or "seed" in options or not isinstance(method, Seeded):
        return method
    return build_method(name, {**options, "seed": seed})


def _shortlist(given: str | Mapping[str, Any], seed: int | None) -> tuple[Method, Fraction]:
    """The method that shortlists, and the share that it leaves."""
    read = shortlist_of(given)
    fields = read if isinstance(read, dict) else {}
    method, options, share = fields.get("method"), fields.get("options"), fields.get("share")
    if not isinstance(method, str) or not isinstance(options, dict) or not isinstance(share, (int, float)):
        raise ZipfitError(_HOW)
    need(
        not isinstance(share, bool) and 0 < share <= 1,
        f"the share of a shortlist must be above 0 and at most 1, not {share}",
    )
    return _seeded(method, options, seed), Fraction(str(share))


def ranked(method: Method, pool: Pool, reach: Reach) -> Iterable[tuple[int, float]]:
    """Position and score of each document, best first, as far as `reach` at least, by a fitted method of any kind.

    Raises:
        ZipfitError: it gives a score that is not a number, or not one for each text.
    """
    if is_scorer(method):
        scores = np.concatenate([np.empty(0), *pool.map(lambda texts: scores_of(method, texts))])
        bad = np.flatnonzero(np.isnan(scores))
        if bad.size:
            raise ZipfitError(f"the method's score of document {bad[0]} is not a number")
        order = np.argsort(-scores, kind="stable")
        return zip(order.tolist(), scores[order].tolist(), strict=True)
    return ranking_of(method, pool, reach)
