"""`zipfit study`."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zipfit.cli import common, training
from zipfit.errors import ZipfitError
from zipfit.report.wording import seconds

if TYPE_CHECKING:
    from zipfit.study.plan import PlannedCell
    from zipfit.study.schema import Cell

study_app = typer.Typer(help="Fine-tune on the selections of several methods, and compare.", no_args_is_help=True)

DataFolder = Annotated[
    str | None, typer.Option("--data", help="Folder that the study's paths are relative to.", show_default="its own")
]

Open = Annotated[bool, typer.Option("--open", help="Open the report in a browser.")]


def check_command(
    files: Annotated[list[str], typer.Argument(help="Study files (YAML).")],
    data: DataFolder = None,
    allow_code: common.AllowCode = None,
    as_json: common.AsJson = False,
) -> None:
    """Check study files as far as that goes without training or a network."""
    from zipfit.study.check import check_study
    from zipfit.study.problems import sentences
    from zipfit.study.spec import load_study

    reports: dict[str, dict[str, object]] = {}
    for file in files:
        try:
            checked = check_study(load_study(file, data, allow_code or ()))
        except ZipfitError as error:
            if common.DEBUG:
                raise
            errors = [said if said.startswith(file) else f"{file}: {said}" for said in sentences(error)]
            reports[file] = {"error": "\n".join(errors)}
            for said in errors if not as_json else ():
                common.warn(f"error: {said}")
            continue
        reports[file] = asdict(checked)
        if not as_json:
            counts = ", ".join(
                f"{role} {'elsewhere' if count is None else f'{count:,}'}" for role, count in checked.documents.items()
            )
            common.say(f"{file}: valid: {checked.arms} arms, {checked.cells} runs; documents: {counts}")
            for note in checked.notes:
                common.say(f"  {note}")
    if as_json:
        common.say(json.dumps(reports, ensure_ascii=False))
    if any("error" in report for report in reports.values()):
        raise typer.Exit(2)


def run_command(
    file: Annotated[str, typer.Argument(help="A study file (YAML).")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Results folder.", show_default="beside the file, named after it"),
    ] = None,
    data: DataFolder = None,
    arms: Annotated[list[str] | None, typer.Option("--arm", help="Run this arm alone; repeatable.")] = None,
    budgets: Annotated[
        list[str] | None,
        typer.Option("--budget", help="Run this budget alone, in tokens or `all`; repeatable."),
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="Run this model alone, by its label; repeatable.")
    ] = None,
    seeds: Annotated[list[int] | None, typer.Option("--seed", help="Run this seed alone; repeatable.")] = None,
    excerpts: Annotated[
        bool, typer.Option(help="Keep the beginnings of each selection's first documents, for the report.")
    ] = True,
    allow_code: common.AllowCode = None,
    allow_code_execution: training.AllowCodeExecution = False,
    trust_remote_code: training.TrustRemoteCode = False,
    report: Annotated[bool, typer.Option(help="Write the report at the end.")] = True,
    open_it: Open = False,
    quiet: common.Quiet = False,
) -> None:
    """Fine-tune and evaluate every cell of a study that is not finished yet; then write its report.

    What is finished is kept in the results folder: after an interruption, or with a method or seed more in the file,
    the same command goes on. Several commands, on as many GPUs, may run different parts into one folder.
    """
    from zipfit.study.plan import Part
    from zipfit.study.runner import run_study
    from zipfit.study.spec import load_study

    part = Part(arms or (), [_read_budget(budget) for budget in budgets or ()], models or (), seeds or ())
    folder = output or Path(file).with_suffix("").with_name(f"{Path(file).stem}-results")
    study = load_study(file, data, allow_code or ())
    with TerminalStudy(bar=common.show_progress(quiet), quiet=quiet) as terminal:
        results = run_study(
            study,
            folder,
            part=part,
            excerpts=excerpts,
            allow_code_execution=allow_code_execution,
            trust_remote_code=trust_remote_code,
            observer=terminal,
        )
    failed = [result for result in results if not result.is_done]
    if report:
        report_command(folder, open_it, quiet)
    if failed:
        common.warn(f"{len(failed)} of {len(results)} runs failed; the same command tries them again")
        raise typer.Exit(1)


def report_command(
    folder: Annotated[Path, typer.Argument(help="Results folder of a study.")],
    open_it: Open = False,
    quiet: common.Quiet = False,
) -> None:
    """Write a study's report.html, figures and tables from what is kept in its results folder."""
    from zipfit.report.study import write_report

    path = write_report(folder)
    if not quiet:
        common.say(f"the report is {path}")
    if open_it:
        typer.launch(str(path))


def pack_command(
    folder: Annotated[Path, typer.Argument(help="Results folder of a study.")],
    quiet: common.Quiet = False,
) -> None:
    """Pack what is kept in a results folder, a file each, into one small file that is read in their place."""
    from zipfit.study.store import PACKED, Store

    count = Store(folder).pack()
    if not quiet:
        common.say(f"{count:,} records lie in {folder / PACKED}")


def _read_budget(text: str) -> int | None:
    if text == "all":
        return None
    try:
        return int(text)
    except ValueError:
        raise ZipfitError(f"--budget {text}: must be a number of tokens, or all") from None


class TerminalStudy:
    """Tells of a study on standard error: a line as each cell begins and ends, and the cell's own run in between.

    Args:
        bar: whether to show the run's bar.
        quiet: whether to say nothing at all.
    """

    def __init__(self, bar: bool, quiet: bool) -> None:
        self._bar = bar
        self._quiet = quiet
        self._run: training.TerminalRun | None = None
        self._ahead: list[PlannedCell] = []
        self._place = 0
        self._began = 0.0
        self._spent: dict[tuple[str, int | None], list[float]] = {}  # seconds, by model and budget

    def __enter__(self) -> TerminalStudy:
        return self

    def __exit__(self, *_: object) -> None:
        if self._run is not None:
            self._run.__exit__()
            self._run = None

    def planned(self, ahead: list[PlannedCell], finished: int) -> None:
        self._ahead = ahead
        self._say(f"{len(ahead) + finished:,} runs, {finished:,} finished")

    def began(self, cell: PlannedCell) -> training.TerminalRun:
        left = self._left()
        self._place += 1
        self._began = time.perf_counter()
        self._say(f"[{self._place}/{len(self._ahead)}] {cell}{left}")
        self._run = training.TerminalRun(self._bar, self._quiet, indent="    ")
        return self._run

    def ended(self, cell: PlannedCell, result: Cell) -> None:
        self.__exit__()
        if result.is_done and result.same_as is None:
            spent = self._spent.setdefault((cell.model.label, cell.budget), [])
            spent.append(time.perf_counter() - self._began)
        if not result.is_done:
            self._say(f"    failed: {result.error}")
        elif result.same_as is not None:
            self._say(f"    the same documents as a finished run: test loss {result.loss:.4f}")

    def _left(self) -> str:
        """The time that the runs ahead will take by those that are done: of their budget, or else in proportion."""
        known = [found for cell in self._ahead[self._place :] if (found := self._expected(cell)) is not None]
        if not known:
            return ""
        is_all = len(known) == len(self._ahead) - self._place
        return f" ({'about' if is_all else 'more than'} {seconds(sum(known))} left)"

    def _expected(self, cell: PlannedCell) -> float | None:
        from statistics import fmean

        model = cell.model.label
        if (own := self._spent.get((model, cell.budget))) is not None:
            return fmean(own)
        rates = [fmean(spent) / budget for (name, budget), spent in self._spent.items() if name == model and budget]
        return None if cell.budget is None or not rates else fmean(rates) * cell.budget

    def _say(self, line: str) -> None:
        if not self._quiet:
            common.say(line, on_error=True)


study_app.command("run")(common.handles_errors(run_command))
study_app.command("report")(common.handles_errors(report_command))
study_app.command("pack")(common.handles_errors(pack_command))
study_app.command("check")(common.handles_errors(check_command))
