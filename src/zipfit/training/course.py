"""How one fine-tuning run goes, what it is measured on, and what is kept of it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zipfit.training.evaluation import Evaluation
    from zipfit.training.run import Run


@dataclass(frozen=True)
class Course:
    """How a run goes.

    Attributes:
        budget: training tokens of an epoch, taken from the first documents on; None for all. See `make_blocks`.
        seed: of the order of documents and blocks, dropout and fresh adapters.
        evaluate_every: training tokens between evaluations; None for before and after alone.
    """

    budget: int | None = None
    seed: int = 0
    evaluate_every: int | None = None


@dataclass(frozen=True)
class HeldOut:
    """Documents that the loss is measured on before, during and after a run.

    Attributes:
        texts: the documents.
        before: what they cost the untrained model, if it is known already.
    """

    texts: Sequence[str]
    before: Evaluation | None = None


@dataclass(frozen=True)
class Earlier:
    """An interrupted run as far as its newest checkpoint goes, and that checkpoint."""

    run: Run
    checkpoint: Path


@dataclass(frozen=True)
class Checkpoints:
    """Where a run leaves checkpoints.

    Attributes:
        folder: for those of Transformers' Trainer.
        every: training tokens between them; None for one at an interruption alone.
        earlier: what to go on from, to the same end; None for a run from the start.
    """

    folder: Path
    every: int | None = None
    earlier: Earlier | None = None
