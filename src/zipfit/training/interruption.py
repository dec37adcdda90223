"""Ctrl-C in a run: the first asks for an orderly end, the second stops at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Interruption:
    """While it lasts, the first Ctrl-C only asks for an end after the current step; the second is an ordinary one.

    So does any signal that stands for one, as SIGTERM does on our command line; a handler of the user's own is left.

    Args:
        tell: called when the first comes.

    Attributes:
        requested: whether it has come.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self.requested = False
        self._tell = tell
        self._taken: list[signal.Signals] = []

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():  # elsewhere there is no Ctrl-C to catch
            endings = (signal.SIGINT, signal.SIGTERM)
            self._taken = [number for number in endings if signal.getsignal(number) is signal.default_int_handler]
        for number in self._taken:
            signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def _request(self, *_: object) -> None:
        self.requested = True
        self._give_back()
        self._tell()

    def _give_back(self) -> None:
        for number in self._taken:
            signal.signal(number, signal.default_int_handler)
