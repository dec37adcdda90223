"""A fine-tuning run: how it goes, what came of it, measurement by measurement, and who is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zipfit.training.chats import Chat
    from zipfit.training.evaluation import Evaluation
    from zipfit.training.overlap import Overlap


@dataclass(frozen=True)
class Measured:
    """A loss after so many training tokens.

    Attributes:
        tokens: trained on so far.
        loss: cross-entropy in nats a token.
        bits_per_byte: of a test loss; None for a training loss, which is that of the last step's blocks.
    """

    tokens: int
    loss: float
    bits_per_byte: float | None = None


@dataclass
class Run:
    """What came of a fine-tuning run, as far as it went.

    Attributes:
        documents: how many it was trained on.
        tokens: in the blocks, all epochs together.
        scored: those of them that the loss is on.
        done_tokens: trained on; less than `tokens` after an interruption.
        test: losses on the test set, the first before training, the last after.
        train: losses on the training blocks, step by step.
        seconds: spent training, evaluations aside, since this process began.
        precision: `bf16` or `fp32`.
        device: where it ran.
        overlap: what the test set shares with the documents; None without a test set.
        untemplated: how turns were read, where they are trained as plain text though the model has a chat template;
            else None.
        interrupted: whether Ctrl-C was pressed: it then stopped after a step, unless that was the last one.
    """

    documents: int = 0
    tokens: int = 0
    scored: int = 0
    done_tokens: int = 0
    test: list[Measured] = field(default_factory=list)
    train: list[Measured] = field(default_factory=list)
    seconds: float = 0.0
    precision: str = "fp32"
    device: str = "cpu"
    overlap: Overlap | None = None
    untemplated: str | None = None
    interrupted: bool = False

    @property
    def finished(self) -> bool:
        """Whether all tokens were trained on."""
        return self.done_tokens == self.tokens


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
        documents: texts or chats.
        before: what they cost the untrained model, if it is known already.
    """

    documents: Sequence[str | Chat]
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


class Observer(Protocol):
    """Told of a run as it goes."""

    def started(self, run: Run) -> None:
        """The blocks are made; on a resumed run, `run` holds what was measured before."""

    def trained(self, run: Run, measured: Measured) -> None:
        """An optimizer step is done."""

    def tested(self, run: Run, measured: Measured) -> None:
        """The test set was scored."""

    def stopping(self, run: Run) -> None:
        """Ctrl-C was pressed: the run ends after its current step, or at once if it is pressed again."""


class Unobserved:
    """An observer that ignores everything."""

    def started(self, run: Run) -> None: ...

    def trained(self, run: Run, measured: Measured) -> None: ...

    def tested(self, run: Run, measured: Measured) -> None: ...

    def stopping(self, run: Run) -> None: ...
