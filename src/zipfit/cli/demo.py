"""`zipfit demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zipfit.cli import common
from zipfit.demo import run_demo
from zipfit.report.summary import print_summary, summarise


def demo_command(
    folder: Annotated[Path, typer.Argument(help="Where to put pool, target, selection and study.")] = Path(
        "zipfit-demo"
    ),
    top: Annotated[int, typer.Option("--top", "-k", help="Documents to select.")] = 300,
    quiet: common.Quiet = False,
) -> None:
    """Select from your own Python's library and manual what best fits HumanEval: real input, no network."""
    demo = run_demo(folder, top, progress=common.show_progress(quiet))
    if not quiet:
        console = common.console()
        print_summary(summarise(demo.selection, demo.manifest), console)
        console.print(
            f"\nlook closer:  zipfit explain {folder / 'selected.jsonl'} --rank 1\n"
            f"check it:     zipfit verify {folder / 'selected.manifest.json'}\n"
            f"compare it:   zipfit study run {folder / 'study.yaml'}",
            markup=False,
            highlight=False,
        )
