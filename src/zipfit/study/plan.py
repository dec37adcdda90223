"""The cells of a study, each with a digest of everything that determines its outcome."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.corpus.streams import sha256_of
from zipfit.errors import ZipfitError
from zipfit.study.data import digest, identify
from zipfit.study.documents import arm_digest
from zipfit.training.models import find_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.study.schema import Arm, ModelSpec, Study


@dataclass(frozen=True)
class Identity:
    """Digests of the contents of a study's source, target and test set, and of one of its models."""

    source: str
    target: str
    test: str
    model: str


@dataclass(frozen=True)
class PlannedCell:
    """One run of a study, to be made or made already.

    Attributes:
        arm: where its documents come from.
        budget: training tokens; None for all of the arm's documents.
        model: what is fine-tuned.
        seed: of everything that is drawn.
        identity: of the data and the model.
        key: digest of all that determines its outcome.
    """

    arm: Arm
    budget: int | None
    model: ModelSpec
    seed: int
    identity: Identity
    key: str

    def __str__(self) -> str:
        budget = "all" if self.budget is None else f"{self.budget:,}"
        return f"{self.arm.name}, {budget} tokens, {self.model.label}, seed {self.seed}"


@dataclass(frozen=True)
class Part:
    """Which of a study's cells to run, for one of several machines or for a first look.

    Attributes:
        arms: names; of this and the others, empty for all.
        budgets: training tokens; None among them for all of an arm's documents.
        models: labels.
        seeds: numbers.
    """

    arms: Sequence[str] = ()
    budgets: Sequence[int | None] = ()
    models: Sequence[str] = ()
    seeds: Sequence[int] = ()

    def of(self, cells: list[PlannedCell]) -> list[PlannedCell]:
        """Those of the cells that belong to the part, in their order.

        Raises:
            ZipfitError: something is named that no cell has, or no cell has all of it.
        """
        wanted = {"arm": self.arms, "budget": self.budgets, "model": self.models, "seed": self.seeds}
        having = [(cell.arm.name, cell.budget, cell.model.label, cell.seed) for cell in cells]
        for (what, values), there in zip(wanted.items(), zip(*having, strict=True), strict=True):
            for value in values:
                if value not in there:
                    known = ", ".join("all" if other is None else str(other) for other in dict.fromkeys(there))
                    raise ZipfitError(f"the study has no {what} {'all' if value is None else value}: it has {known}")
        part = [
            cell
            for cell, has in zip(cells, having, strict=True)
            if all(value in values for value, values in zip(has, wanted.values(), strict=True) if values)
        ]
        if not part:
            raise ZipfitError("the study has none of these runs: an arm that is named has other budgets of its own")
        return part


def plan(study: Study) -> list[PlannedCell]:
    """All cells: seed by seed, and in each budget by budget, so that what is finished first compares all arms.

    Raises:
        ZipfitError: source, target or test set cannot be read, or a local model is missing.
    """
    arms = {arm.name: arm for arm in study.arms}
    source, target, test = (identify(study, parts) for parts in (study.source, study.target, study.test))
    models = [(model, Identity(source, target, test, _identify_model(study, model))) for model in study.models]
    budgets = list(dict.fromkeys(budget for arm in study.arms for budget in study.budgets_of(arm)))
    budgets.sort(key=lambda budget: (budget is None, budget))
    return [
        PlannedCell(
            arm,
            budget,
            model,
            seed,
            identity,
            digest(study.measure | asdict(identity) | {"arm": arm_digest(arm, arms), "budget": budget, "seed": seed}),
        )
        for seed in study.seeds
        for budget in budgets
        for model, identity in models
        for arm in study.arms
        if budget in study.budgets_of(arm)
    ]


def _identify_model(study: Study, spec: ModelSpec) -> str:
    """A digest of a local model's files, or of its name and revision on the hub."""
    place, options = find_model(study.model_path(spec))
    path = Path(place)
    if "gguf_file" in options:
        files = [path / options["gguf_file"]]
    elif path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
    else:
        return digest({"hub": place, "revision": spec.revision})
    sha256 = hashlib.sha256()
    for file in files:
        sha256.update(file.name.encode() + b"\0")
        with file.open("rb") as stream:
            sha256_of(stream, sha256)
    return sha256.hexdigest()[:16]
