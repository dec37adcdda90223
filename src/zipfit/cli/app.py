"""The application: every command by name."""

from __future__ import annotations

from typing import Annotated

import typer

from zipfit.cli import common
from zipfit.cli.config import config_command
from zipfit.cli.demo import demo_command
from zipfit.cli.doctor import doctor_command
from zipfit.cli.evaluate import evaluate_command
from zipfit.cli.finetune import finetune_command
from zipfit.cli.inspect import explain_command, verify_command
from zipfit.cli.preview import preview_command
from zipfit.cli.score import merge_command, score_command
from zipfit.cli.select import rerun_command, select_command
from zipfit.cli.study import study_app

app = typer.Typer(
    name="zipfit",
    help="Pick, out of a large pool of text, the training documents that best fit a task.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="--debug, anywhere, shows tracebacks. Documentation: the docs folder of the source.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        print(metadata.version("zipfit"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("select")(common.handles_errors(select_command))
app.command("score")(common.handles_errors(score_command))
app.command("merge")(common.handles_errors(merge_command))
app.command("explain")(common.handles_errors(explain_command))
app.command("verify")(common.handles_errors(verify_command))
app.command("rerun")(common.handles_errors(rerun_command))
app.command("config")(common.handles_errors(config_command))
app.command("demo")(common.handles_errors(demo_command))
app.command("doctor")(common.handles_errors(doctor_command))
app.command("preview")(common.handles_errors(preview_command))
app.command("finetune")(common.handles_errors(finetune_command))
app.command("evaluate")(common.handles_errors(evaluate_command))
app.add_typer(study_app, name="study")
