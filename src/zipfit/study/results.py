"""A study's results folder: `study.json`, one file a cell, one file a selection.

A results folder is read while its study still runs, after it was cut off, and by people who got it without the corpus'
text, so what is not there yet is no error; a file that is there and cannot be what it should be is one, and is named.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit.study.checked import CheckedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Arm:
    """One way to get training documents, as the study names it; see the study file for the fields."""

    name: str
    family: str
    swept: dict[str, Any]
    method: str | None
    options: dict[str, Any]
    train_on: str | None
    label: str | None
    lengths_of: str | None
    min_score: float | None
    target_size: int | None
    budgets: tuple[int | None, ...]

    @property
    def is_selection(self) -> bool:
        """Whether a method chose its documents by what the target is like: neither chance, label nor yardstick."""
        return self.method not in (None, "random") and self.train_on is None and self.lengths_of is None

    @property
    def is_plain(self) -> bool:
        """Whether it is a method as it comes: no options, and neither a score nor a part of the target set."""
        return not (self.options or self.swept or self.label) and self.min_score is None and self.target_size is None

    @property
    def is_random(self) -> bool:
        """Whether its documents are drawn from the whole source by chance: what a selection must beat."""
        return self.method == "random" and self.is_plain and self.lengths_of is None


@dataclass(frozen=True)
class Loss:
    """The test loss at one moment of training.

    Attributes:
        tokens: tokens trained on so far.
        loss: cross-entropy, nats a token.
        bits_per_byte: the same in bits a byte of text, or None.
    """

    tokens: int
    loss: float
    bits_per_byte: float | None


@dataclass(frozen=True)
class Cell:
    """One arm x budget x model x seed, finished or failed.

    Attributes:
        arm: the arm's name.
        budget: training tokens asked for; None for all that the arm has.
        model: label of the model.
        error: why it failed, a sentence; None if it is finished.
        losses: the first before training, the last after it; at least one in a finished cell.
        alignment: mean ZIP-FIT alignment (gzip 6) with the target of the documents trained on, or None.
        pass_at: k to HumanEval's pass@k, in 0..1; empty if it was not run.
        selection_seconds: to fit, score and cut; None where nothing was selected.
        cached_vectors: share of the pool, in 0..1, that the method's encoder was spared by its cache; or None.
        overlap: how many test documents the training documents hold, `exact` and by 13-`ngram`s; or None.
        record: all that the file holds.
    """

    key: str
    arm: str
    budget: int | None
    model: str
    seed: int
    error: str | None
    losses: tuple[Loss, ...]
    selection: str | None
    documents: int | None
    tokens: int | None
    alignment: float | None
    mean_bytes: float | None
    selection_seconds: float | None
    cached_vectors: float | None
    training_seconds: float | None
    pass_at: dict[int, float]
    overlap: dict[str, int] | None
    record: dict[str, Any]

    @property
    def is_done(self) -> bool:
        """Whether it was trained and evaluated to its end."""
        return self.error is None

    @property
    def loss(self) -> float:
        """Test loss after training."""
        return self.losses[-1].loss


@dataclass(frozen=True)
class TopDocument:
    """A document at the head of a selection.

    Attributes:
        rank: from 1.
        position: its place in the source; None if it is of the target.
        score: the method's.
        alignment: its ZIP-FIT alignment (gzip 6) with the target.
        label: of its source.
        text: its first characters; None where they were not published.
    """

    rank: int
    position: int | None
    score: float | None
    alignment: float | None
    label: str | None
    text: str | None


@dataclass(frozen=True)
class SelectionRecord:
    """A selection as a study keeps it: its first documents, and all that its file holds."""

    key: str
    top: tuple[TopDocument, ...]
    record: dict[str, Any]


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
        folder: where it lies.
        study: the study as its file says it (JSON values).
        versions: package to version.
        arms: in the order of the study.
        budgets: training tokens, ascending, None (no limit) last.
        models: labels.
        seeds: in the order of the study.
        cells: those of the grid that are finished or failed, in the order of arms, budgets, models and seeds.
        selections: key to selection; a cell's selection may be missing.
        left_out: number of cells in the folder that the study no longer names.
    """

    folder: Path
    study: dict[str, Any]
    versions: dict[str, str]
    arms: tuple[Arm, ...]
    budgets: tuple[int | None, ...]
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    selections: dict[str, SelectionRecord]
    left_out: int

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.study["name"])

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every cell that the study asks for, in its order."""
        return tuple(
            Place(arm.name, budget, model, seed)
            for arm in self.arms
            for budget in arm.budgets
            for model in self.models
            for seed in self.seeds
        )

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
        asked = Counter(budget for arm in arms for budget in arm.budgets)
        common = [budget for budget in self._ascending(asked) if asked[budget] == max(asked.values())]
        open_places = {(place.arm, place.budget) for place in self.missing if place.model == model}
        finished = {budget: sum(len(self.done(arm.name, model, budget)) for arm in arms) for budget in common}
        complete = [
            budget for budget in common if finished[budget] and not any((a.name, budget) in open_places for a in arms)
        ]
        if complete:
            return complete[-1]
        return max(reversed(common), key=lambda budget: finished[budget], default=None)

    @staticmethod
    def _ascending(budgets: Iterable[int | None]) -> list[int | None]:
        return sorted(set(budgets), key=lambda budget: math.inf if budget is None else budget)


def load_results(folder: str | Path) -> Results:
    """Read a results folder.

    Raises:
        ZipfitError: it is no results folder, or a file in it is damaged; the message names the file and what is wrong.
    """
    folder = Path(folder)
    head = CheckedFile.read(folder / "study.json", f"{folder}: is no results folder: it holds no study.json")
    study = head.sub("study")
    study.get("name", str)
    study.get("description", str, none=True)
    study.get("settings", dict, none=True)
    study.get("evaluate_every", int, none=True)
    budgets = study.whole("budgets", none=True)
    arms = tuple(_arm(item, budgets) for item in study.subs("arms"))
    models = [(item.get("name", str), item.get("label", str, none=True)) for item in study.subs("models")]
    labels = {name: label or name for name, label in models} | {label: label for _, label in models if label}
    seeds = tuple(seed for seed in study.whole("seeds") if seed is not None)

    cells = [_cell(CheckedFile.read(path), labels) for path in sorted((folder / "cells").glob("[!.]*.json"))]
    selections = [_selection(CheckedFile.read(path)) for path in sorted((folder / "selections").glob("[!.]*.json"))]
    results = Results(
        folder=folder,
        study=study.record,
        versions=head.get("versions", dict, none=True) or {},
        arms=arms,
        budgets=tuple(Results._ascending(budgets)),
        models=tuple(dict.fromkeys(label or name for name, label in models)),
        seeds=seeds,
        cells=(),
        selections={selection.key: selection for selection in selections},
        left_out=0,
    )
    # The study names the cells that are its own; others in the folder are of what it was before it was changed.
    keys = set(map(str, head.get("cells", list, none=True) or [cell.key for cell in cells]))
    of_place = {_place(cell): cell for cell in cells if cell.key in keys}
    found = tuple(of_place[place] for place in results.places if place in of_place)
    return Results(**{**_fields(results), "cells": found, "left_out": len(cells) - len(found)})


def _fields(results: Results) -> dict[str, Any]:
    return {name: getattr(results, name) for name in Results.__dataclass_fields__}


def _place(cell: Cell) -> Place:
    return Place(cell.arm, cell.budget, cell.model, cell.seed)


def _arm(item: CheckedFile, budgets: tuple[int | None, ...]) -> Arm:
    own = None if item.record.get("budgets") is None else item.whole("budgets", none=True)
    return Arm(
        name=item.get("name", str),
        family=item.get("family", str),
        swept=item.get("swept", dict, none=True) or {},
        method=item.get("method", str, none=True),
        options=item.get("options", dict, none=True) or {},
        train_on=item.get("train_on", str, none=True),
        label=item.get("label", str, none=True),
        lengths_of=item.get("lengths_of", str, none=True),
        min_score=item.number("min_score"),
        target_size=item.get("target_size", int, none=True),
        budgets=tuple(Results._ascending(budgets if own is None else own)),
    )


def _cell(file: CheckedFile, labels: dict[str, str]) -> Cell:
    status = file.get("status", str)
    if status not in ("done", "failed"):
        raise file.damaged(f"status must be done or failed, not {status!r}")
    error = (file.get("error", str, none=True) or "It failed for an unknown reason.") if status == "failed" else None
    # Training that failed by a loss that is no number may have kept that number.
    losses = [
        Loss(item.get("tokens", int), loss, item.number("bits_per_byte"))
        for item in file.subs("losses", none=error is not None)
        if (loss := item.number("loss", none=error is not None)) is not None
    ]
    if error is None and not losses:
        raise file.damaged("losses is empty")
    if any(after.tokens < before.tokens for before, after in pairwise(losses)):
        raise file.damaged("losses are not in the order of their tokens")
    humaneval = file.sub("humaneval", none=True)
    pass_at = humaneval.get("pass_at", dict, none=True) if humaneval else None
    model = file.get("model", str)
    overlap = file.sub("overlap", none=True)
    file.subs("training_losses", none=True)
    file.get("test", dict, none=True)
    made = file.sub("made", none=True)
    file.record["made"] = made.record if made else {}
    return Cell(
        key=file.key(),
        arm=file.get("arm", str),
        budget=file.get("budget", int, none=True),
        model=labels.get(model, model),
        seed=file.get("seed", int),
        error=error,
        losses=tuple(losses),
        selection=file.get("selection", str, none=True),
        documents=file.get("documents", int, none=True),
        tokens=file.get("tokens", int, none=True),
        alignment=file.number("alignment"),
        mean_bytes=file.number("mean_bytes"),
        selection_seconds=file.number("selection_seconds"),
        cached_vectors=file.number("cached_vectors"),
        training_seconds=file.number("training_seconds"),
        pass_at={k: share for k, share in _pass_at(file, pass_at or {}).items() if share is not None},
        overlap={name: overlap.get(name, int) for name in ("exact", "ngram")} if overlap else None,
        record=file.record,
    )


def _pass_at(file: CheckedFile, found: dict[str, Any]) -> dict[int, float | None]:
    inner = CheckedFile(file.path, found, "humaneval.pass_at.")
    try:
        return {int(k): inner.number(k) for k in found}
    except ValueError as error:
        raise file.damaged("humaneval.pass_at has a k that is no whole number") from error


def _selection(file: CheckedFile) -> SelectionRecord:
    for name in ("position", "score", "label", "tokens", "bytes"):
        file.get(name, list, none=True)
    top = [
        TopDocument(
            rank=item.get("rank", int),
            position=item.get("position", int, none=True),
            score=item.number("score"),
            alignment=item.number("alignment"),
            label=item.get("label", str, none=True),
            text=item.get("text", str, none=True),
        )
        for item in file.subs("top", none=True)
    ]
    return SelectionRecord(file.key(), tuple(top), file.record)
