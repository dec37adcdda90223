"""What the same budget would have chosen by another method."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from zipfit.errors import need
from zipfit.methods.registry import check_method
from zipfit.methods.within import method_of
from zipfit.selection.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.methods.base import Method
    from zipfit.selection.cut import Cut
    from zipfit.selection.selection import Selection

Against: TypeAlias = "str | Sequence[str] | Mapping[str, Method]"
"""Other methods: a name as `zipfit.methods.within.method_of` takes it, several, or objects by the names to show."""


@dataclass(frozen=True)
class Rival:
    """What another method chooses from the same pool, for the same target.

    Attributes:
        name: the method's, as it was given.
        cut: the documents; perhaps fewer than the budget asks for, or none.
    """

    name: str
    cut: Cut


def methods_of(against: Against) -> dict[str, Method]:
    """The methods by their names, not fitted.

    Raises:
        ZipfitError: a name is unknown, an option is not the method's, or an object is no method.
    """
    if isinstance(against, Mapping):
        for method in against.values():
            check_method(method)
        return dict(against)
    names = [against] if isinstance(against, str) else against
    is_names = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
    need(is_names, f"against takes names of methods, or objects by name, not {reprlib.repr(against)}")
    return {name: method_of(name) for name in names}


def rivals_of(selection: Selection, methods: Mapping[str, Method], *, fitted: bool = False) -> list[Rival]:
    """Have other methods rank the pool of a selection, and cut each ranking by its budget and rules.

    The pool is read again, and scored by each. Where the selection was bounded by a score, which would mean something
    else of another method, as many documents are taken as it has.

    Args:
        selection: what to compare with.
        methods: as of `methods_of`.
        fitted: whether they are fitted to the selection's target and pool.

    Raises:
        ZipfitError: as `rank`.
    """
    terms = selection.terms
    if terms.budget.min_score is not None:
        terms = replace(terms, budget=replace(terms.budget, top=len(selection), min_score=None))
    sources = selection.ranking.sources
    return [Rival(name, rank(sources, method, fitted=fitted).cut(terms)) for name, method in methods.items()]
