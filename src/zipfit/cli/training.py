"""What the commands that train share: option declarations, and the bar that tells how far a run is."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated

import typer

from zipfit.cli import common
from zipfit.system.progress import build_bar

if TYPE_CHECKING:
    from rich.progress import Progress

    from zipfit.training.run import Measured, Run

_model = functools.partial(typer.Option, rich_help_panel="Model")

_NAMED = typer.Option("--model", "-m", help="A name on the Hugging Face hub, a folder, a .gguf file, or smollm2.")
Model = Annotated[str, _NAMED]
OptionalModel = Annotated[str | None, _NAMED]
Revision = Annotated[str | None, _model(help="Branch, tag or commit of the model on the hub.")]
TrustRemoteCode = Annotated[bool, _model("--trust-remote-code", help="Run the Python code that comes with the model.")]
AllowCodeExecution = Annotated[
    bool, typer.Option("--allow-code-execution", help="Agree that programs which the model writes are run.")
]
ChatTemplate = Annotated[
    str | None,
    typer.Option(
        help="Write chats and pairs in the model's own chat template; the loss is on `all` tokens or on those of the "
        "`assistant` alone.",
        show_default="plain text",
    ),
]
TestTokens = Annotated[int, typer.Option(help="Longest prefix of a test document to score, in tokens.")]


class TerminalRun:
    """Tells of a training run on standard error: a bar if it is watched, and a line for each test loss.

    Args:
        bar: whether to show the bar.
        quiet: whether to say nothing at all.
        indent: before each line.
    """

    def __init__(self, bar: bool, quiet: bool, indent: str = "") -> None:
        self._wants_bar = bar
        self._quiet = quiet
        self._indent = indent
        self._bar: Progress | None = None
        self._before = 0

    def __enter__(self) -> TerminalRun:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, run: Run) -> None:
        scored = "" if run.scored == run.tokens else f" ({run.scored:,} of the assistant's)"
        self._say(f"{run.documents:,} documents, {run.tokens:,} tokens{scored}, {run.precision} on {run.device}")
        if run.overlap is not None and (run.overlap.exact or run.overlap.ngram):
            self._say(f"warning: {run.overlap}")
        self._before = run.done_tokens  # by the run that is resumed
        if self._wants_bar:
            self._bar = build_bar("{task.fields[rate]:,.0f} tokens/s  loss {task.fields[loss]:.3f} ")
            self._bar.add_task("", total=run.tokens, completed=run.done_tokens, rate=0.0, loss=float("nan"))
            self._bar.start()

    def trained(self, run: Run, measured: Measured) -> None:
        if self._bar is not None:
            rate = (measured.tokens - self._before) / run.seconds if run.seconds else 0.0
            self._bar.update(self._bar.task_ids[0], completed=measured.tokens, rate=rate, loss=measured.loss)

    def tested(self, run: Run, measured: Measured) -> None:  # noqa: ARG002
        self._say(
            f"after {measured.tokens:>9,} tokens: test loss {measured.loss:.4f} nats a token, "
            f"{measured.bits_per_byte:.4f} bits a byte"
        )

    def stopping(self, run: Run) -> None:  # noqa: ARG002
        self._say("stopping after this step; Ctrl-C again stops at once")

    def _say(self, line: str) -> None:
        if not self._quiet:
            common.say(f"{self._indent}{line}", on_error=True)
