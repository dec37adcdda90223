"""The application: every command by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from zipfit.cli.common import handles_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMANDS = {
    "select": "select:select_command",
    "score": "score:score_command",
    "merge": "score:merge_command",
    "explain": "inspect:explain_command",
    "verify": "inspect:verify_command",
    "rerun": "select:rerun_command",
    "config": "config:config_command",
    "demo": "demo:demo_command",
    "doctor": "doctor:doctor_command",
    "preview": "preview:preview_command",
    "finetune": "finetune:finetune_command",
    "evaluate": "evaluate:evaluate_command",
    "study": "study:study_app",
}
"""Where each command is, in the order of the help."""


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands: loading one instead of all takes a tenth off a short job."""
    app = typer.Typer(
        name="zipfit",
        help="Pick, out of a large pool of text, the training documents that best fit a task.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="--debug, anywhere, shows tracebacks. Documentation: the docs folder of the source.",
    )
    app.callback()(_root)
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(f"zipfit.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(handles_errors(command))
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print(metadata.version("zipfit"))
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
