"""What there is of a study: the cells that are finished, failed or missing in its grid, and its selections.

A results folder is read while its study still runs, after it was cut off, and by people who got it without the corpus'
text, so what is not there yet is no error; a file that is there and cannot be what it should be is one, and is named.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.study.schema import Cell, SelectionRecord
from zipfit.study.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zipfit.study.schema import Arm, Study


@dataclass(frozen=True)
class Place:
    """Where a cell lies in the study's grid."""

    arm: str
    budget: int | None
    model: str
    seed: int


@dataclass(frozen=True)
class Results:
    """A results folder, read and checked.

    Attributes:
        study: what is studied.
        versions: library to version.
        cells: those of the grid that are finished or failed, in the order of arms, budgets, models and seeds.
        selections: key to selection; a cell's selection may be missing.
        left_out: number of cells in the folder that the study no longer names.
    """

    study: Study
    versions: dict[str, str]
    cells: tuple[Cell, ...]
    selections: dict[str, SelectionRecord]
    left_out: int

    @property
    def arms(self) -> tuple[Arm, ...]:
        """In the order of the study."""
        return self.study.arms

    @property
    def budgets(self) -> tuple[int | None, ...]:
        """Training tokens, ascending, None (no limit) last."""
        return _ascending(self.study.budgets)

    @property
    def models(self) -> tuple[str, ...]:
        """The models' labels."""
        return tuple(dict.fromkeys(model.label for model in self.study.models))

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every cell that the study asks for, in its order."""
        return places(self.study)

    @property
    def failed(self) -> list[Cell]:
        """Cells that did not reach their end."""
        return [cell for cell in self.cells if not cell.is_done]

    @property
    def missing(self) -> list[Place]:
        """Cells that were not started, or not finished yet."""
        there = {_place(cell) for cell in self.cells}
        return [place for place in self.places if place not in there]

    def arm(self, name: str) -> Arm:
        """The arm of this name."""
        return next(arm for arm in self.arms if arm.name == name)

    def budgets_of(self, arm: Arm) -> tuple[int | None, ...]:
        """An arm's own budgets, or the study's; ascending, None (no limit) last."""
        return _ascending(self.study.budgets_of(arm))

    def budget_of(self, arm: Arm, budget: int | None) -> int | None:
        """The budget at which an arm stands beside others at `budget`: that one, or else the largest that it has."""
        own = self.budgets_of(arm)
        return budget if budget in own else next(reversed(own), None)

    def done(self, arm: str, model: str, budget: int | None) -> list[Cell]:
        """The finished cells of an arm at a budget, one a seed."""
        return self._done.get((arm, model, budget), [])

    @cached_property
    def _done(self) -> dict[tuple[str, str, int | None], list[Cell]]:
        found: dict[tuple[str, str, int | None], list[Cell]] = {}
        for cell in self.cells:
            if cell.is_done:
                found.setdefault((cell.arm, cell.model, cell.budget), []).append(cell)
        return found

    def main_budget(self, model: str, arms: Sequence[Arm]) -> int | None:
        """The budget at which to compare arms.

        Of the budgets that the most of these arms have: the largest at which every cell is finished or failed, and if
        there is none, the one with the most finished cells.
        """
        asked = Counter(budget for arm in arms for budget in self.budgets_of(arm))
        common = [budget for budget in _ascending(asked) if asked[budget] == max(asked.values())]
        open_places = {(place.arm, place.budget) for place in self.missing if place.model == model}
        finished = {budget: sum(len(self.done(arm.name, model, budget)) for arm in arms) for budget in common}
        complete = [
            budget for budget in common if finished[budget] and not any((a.name, budget) in open_places for a in arms)
        ]
        if complete:
            return complete[-1]
        return max(reversed(common), key=lambda budget: finished[budget], default=None)


def load_results(folder: str | Path) -> Results:
    """Read a results folder.

    Raises:
        ZipfitError: it is no results folder, or a file in it is damaged; the message names the file and what is wrong.
    """
    store = Store(Path(folder))
    head = store.read_study()
    models = head.study.models
    labels = {model.name: model.label for model in models} | {model.label: model.label for model in models}
    cells = list(store.read_all(Cell))
    for cell in cells:
        cell.model = labels.get(cell.model, cell.model)
    # The study names the cells that are its own; others in the folder are of what it was before it was changed.
    keys = {cell.key for cell in cells} if head.cells is None else set(head.cells)
    of_place = {_place(cell): cell for cell in cells if cell.key in keys}
    found = tuple(of_place[place] for place in places(head.study) if place in of_place)
    selections = {selection.key: selection for selection in store.read_all(SelectionRecord)}
    return Results(head.study, head.versions, found, selections, len(cells) - len(found))


def places(study: Study) -> tuple[Place, ...]:
    """Every cell that a study asks for: arm by arm, and of each by budget, model and seed."""
    return tuple(
        Place(arm.name, budget, label, seed)
        for arm in study.arms
        for budget in _ascending(study.budgets_of(arm))
        for label in dict.fromkeys(model.label for model in study.models)
        for seed in study.seeds
    )


def _place(cell: Cell) -> Place:
    return Place(cell.arm, cell.budget, cell.model, cell.seed)


def _ascending(budgets: Iterable[int | None]) -> tuple[int | None, ...]:
    return tuple(sorted(set(budgets), key=lambda budget: math.inf if budget is None else budget))
