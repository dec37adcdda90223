"""`zipfit doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from zipfit.cli import common
from zipfit.doctor import diagnose


def doctor_command(as_json: common.AsJson = False) -> None:
    """Tell what this installation computes with, and check that it computes right."""
    diagnosis = diagnose()
    if as_json:
        print(json.dumps(asdict(diagnosis) | {"healthy": diagnosis.healthy}))
    else:
        print("\n".join(diagnosis.lines()))
    if not diagnosis.healthy:
        raise typer.Exit(2)
