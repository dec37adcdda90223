"""How far a job is: documents, pairs a second and time left, on standard error; silent unless somebody watches."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Advance(Protocol):
    """Told of each step of a pass over the pool."""

    def raw(self, amount: int) -> None:
        """So much of the input's own size (bytes of files, rows of tables) was read."""

    def documents(self, count: int) -> None:
        """So many documents are done."""


class TerminalProgress:
    """A bar on standard error."""

    @contextmanager
    def begin(self, size: int | None, pairs: int) -> Iterator[Advance]:
        """Begin a pass over inputs of this total size, if it is known.

        `pairs` is how many pairs a document stands for, to tell pairs a second; 0 to tell documents a second.
        """
        with build_bar("{task.fields[done]:,} documents {task.fields[rate]}") as bar:
            task = bar.add_task("", total=size, done=0, rate="")
            yield _Bar(bar, task, pairs)


class _Bar:
    def __init__(self, bar: RichProgress, task: TaskID, pairs: int) -> None:
        self._bar = bar
        self._task = task
        self._pairs = pairs
        self._documents = 0

    def raw(self, amount: int) -> None:
        self._bar.advance(self._task, amount)

    def documents(self, count: int) -> None:
        self._documents += count
        if elapsed := self._bar.tasks[0].elapsed:
            rate = self._documents * (self._pairs or 1) / elapsed
            unit = "pairs/s" if self._pairs else "documents/s"
            self._bar.update(self._task, done=self._documents, rate=f"{rate:,.0f} {unit}")


def build_bar(figures: str) -> RichProgress:
    """A bar on standard error that goes when it is done: the share done, `figures`, and the time left.

    Args:
        figures: a format string of `task` and the fields that the caller gives it.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        TextColumn(figures),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
    )


def is_watched() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr.isatty()
