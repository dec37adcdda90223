"""`zipfit study`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from zipfit.cli import common
from zipfit.errors import ZipfitError

study_app = typer.Typer(help="Fine-tune on the selections of several methods, and compare.", no_args_is_help=True)

DataFolder = Annotated[
    str | None, typer.Option("--data", help="Folder that the study's paths are relative to.", show_default="its own")
]


def check_command(
    files: Annotated[list[str], typer.Argument(help="Study files (YAML).")],
    data: DataFolder = None,
    as_json: common.AsJson = False,
) -> None:
    """Check study files as far as that goes without training or a network."""
    from zipfit.study.check import check_study
    from zipfit.study.spec import load_study

    reports: dict[str, dict[str, object]] = {}
    for file in files:
        try:
            checked = check_study(load_study(file, data))
        except ZipfitError as error:
            message = str(error)
            reports[file] = {"error": message if message.startswith(file) else f"{file}: {message}"}
            if not as_json:
                common.warn(f"error: {reports[file]['error']}")
            continue
        reports[file] = asdict(checked)
        if not as_json:
            counts = ", ".join(
                f"{role} {'elsewhere' if count is None else f'{count:,}'}" for role, count in checked.documents.items()
            )
            print(f"{file}: valid: {checked.arms} arms, {checked.cells} runs; documents: {counts}")
            for note in checked.notes:
                print(f"  {note}")
    if as_json:
        print(json.dumps(reports, ensure_ascii=False))
    if any("error" in report for report in reports.values()):
        raise typer.Exit(2)


study_app.command("check")(common.handles_errors(check_command))
