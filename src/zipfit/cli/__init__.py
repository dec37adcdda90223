"""The command line: thin commands over the package's functions."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import warnings


def main() -> None:
    """Run the command line; `--debug`, anywhere, shows tracebacks."""
    # numpy's OpenBLAS has a thread a core spin for 25 ms before it sleeps, which most commands never wake.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    gc.set_threshold(100_000)  # importing makes much and drops nothing: looking for garbage so often takes a tenth
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # how a batch system ends a job: as Ctrl-C does
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that lacks a character must not cost the result
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from zipfit.cli import common
        from zipfit.cli.app import COMMANDS, application

        if "--debug" in sys.argv:
            sys.argv.remove("--debug")
            common.DEBUG = True
        warnings.showwarning = lambda message, *_: common.warn(f"warning: {message}")
        application([name for name in sys.argv[1:2] if name in COMMANDS] or COMMANDS)()
    except KeyboardInterrupt:  # while loading: the commands have their own handling
        sys.exit(130)
