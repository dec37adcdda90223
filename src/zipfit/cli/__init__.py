"""The command line: thin commands over the package's functions."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; `--debug`, anywhere, shows tracebacks."""
    from zipfit.cli.app import app

    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        from zipfit.cli import common

        common.DEBUG = True
    app()
