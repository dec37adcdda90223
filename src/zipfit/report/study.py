"""A study's report: one page that needs nothing but itself, its figures as files, and its numbers as JSON Lines."""

from __future__ import annotations

import json
import re
import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zipfit.corpus.outputs import replacing
from zipfit.errors import ZipfitError
from zipfit.report.figures import CHARTS, draw_charts, save
from zipfit.report.figures.inline import inline
from zipfit.report.figures.style import ON_DARK
from zipfit.report.markdown import heading, table_markdown
from zipfit.report.rendering import template
from zipfit.report.statistics import main_arms
from zipfit.report.tables import ROWS, arms_table, failed_table, methods_table, missing_table, top_documents
from zipfit.report.verdict import verdict
from zipfit.report.wording import count, plural, tidy
from zipfit.study.results import load_results
from zipfit.study.schema import Data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.report.figures.inline import Drawing
    from zipfit.report.figures.style import Chart
    from zipfit.report.tables import Table
    from zipfit.study.results import Results

# The figure beside the verdict: of methods, and of a study that compares source labels only.
_HERO = "loss_against_tokens"
_LABELS = "loss_against_alignment"


def write_report(folder: str | Path) -> Path:
    """Write a results folder's report, beside what it is made of; the same results give the same bytes.

    Beside `report.html` it writes `figures/*.png` and `*.svg`, `tables.md`, and `cells.jsonl`, `losses.jsonl` and
    `selections.jsonl`, the numbers that all of these are made of. Figures of an earlier report that the study no longer
    has the data for are removed.

    Args:
        folder: with `study.json` in it.

    Returns:
        The path of `report.html`.

    Raises:
        ZipfitError: the folder holds no results, a file in it is damaged, or the report cannot be written.
        MissingExtraError: matplotlib or scipy is not installed.
    """
    folder = Path(folder)
    results = load_results(folder)
    for name, rows in ROWS.items():
        _write(folder / f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows(results)).encode())
    _write(folder / "tables.md", _markdown(results).encode())
    figures = folder / "figures"
    try:
        figures.mkdir(exist_ok=True)
    except OSError as error:
        raise ZipfitError(f"{figures}: cannot be made ({error.strerror or error})") from error

    written = set()
    models = []
    for index, model in enumerate(results.models):
        after = f"-{index + 1}-{_slug(model)}" if len(results.models) > 1 else ""
        cards = []
        for chart in draw_charts(results, model):
            svg = save(chart.figure, "svg")
            for kind, content in (("svg", svg), ("png", save(chart.figure, "png"))):
                path = figures / f"{chart.name}{after}.{kind}"
                _write(path, content)
                written.add(path.name)
            name = f"{chart.name}{after}".replace("_", "-")
            cards.append(_Card(name, chart, inline(svg, name)))
        models.append(_model(results, model, cards))
    _remove_old(figures, written)

    report = folder / "report.html"
    _write(report, _page(results, models).encode("utf-8"))
    return report


@dataclass(frozen=True)
class _Card:
    """A figure on the page, under a name of its own."""

    name: str
    chart: Chart
    drawing: Drawing

    @property
    def is_tall(self) -> bool:
        """Whether it is as high as two."""
        width, height = self.chart.figure.get_size_inches()
        return bool(height > 1.5 * width)


def _write(path: Path, content: bytes) -> None:
    with replacing(str(path)) as written:
        written.file.write(content)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "model"


def _remove_old(figures: Path, written: set[str]) -> None:
    names = "|".join(draw.__name__ for draw in CHARTS)
    ours = re.compile(rf"({names})(_\d+)?(-\d+-[a-z0-9-]+)?\.(svg|png)")
    for path in figures.iterdir():
        if path.name not in written and ours.fullmatch(path.name):
            path.unlink()


def _page(results: Results, models: list[dict[str, Any]]) -> str:
    return template("study.html").render(
        title=f"{results.study.name} · zipfit study",
        colours=ON_DARK,
        name=results.study.name,
        description=results.study.description,
        state=_state(results),
        models=models,
        left_out=plural(results.left_out, "cell") if results.left_out else "",
        failed=failed_table(results),
        missing=missing_table(results),
        arms=arms_table(results),
        **_settings(results),
    )


def _model(results: Results, model: str, cards: list[_Card]) -> dict[str, Any]:
    """All that there is to say of one model: the verdict beside the main figure, the tables, the other figures."""
    names = [card.chart.name for card in cards]
    first = _HERO if any(arm.is_selection for arm in main_arms(results)) or _LABELS not in names else _LABELS
    rest = [card for card in cards if card.chart.name != first]
    return {
        "name": model,
        "verdict": verdict(results, model),
        "hero": next((card for card in cards if card.chart.name == first), None),
        "tested": _tested(results, model),
        "tables": _method_tables(results, model),
        "cards": rest,
        "is_odd": sum(2 if card.is_tall else 1 for card in rest) % 2 == 1,
        "tops": top_documents(results, model),
    }


def _state(results: Results) -> dict[str, str]:
    """How much of the grid is there."""
    asked, failed, missing = len(results.places), len(results.failed), len(results.missing)
    rest = [f"{count(failed)} failed"] * bool(failed) + [f"{count(missing)} not run yet"] * bool(missing)
    return {
        "finished": f"{count(asked - failed - missing)} of {plural(asked, 'cell')} finished",
        "unfinished": ", ".join(rest),
    }


def _method_tables(results: Results, model: str) -> list[Table]:
    """The arms that are compared first, at the main budget, then the others, then all at other budgets."""
    first = main_arms(results)
    main = results.main_budget(model, first)
    table = methods_table(results, model, main, first)
    if table is None:
        return []
    rest = methods_table(results, model, main, [arm for arm in results.arms if arm not in first])
    if rest is not None:
        rest = replace(rest, title=f"Sweeps and controls: {rest.title.lower()}")
    budgets = [methods_table(results, model, budget, results.arms) for budget in results.budgets if budget != main]
    return [found for found in (table, rest, *budgets) if found is not None]


def _markdown(results: Results) -> str:
    """Every model's tables of methods, and what is missing from them."""
    parts = [heading(1, results.study.name)]
    for model in results.models:
        tables = _method_tables(results, model)
        if len(results.models) > 1 and tables:
            parts.append(heading(1, model))
        if tables:
            parts.append(f"{_tested(results, model)}\n")
        parts += map(table_markdown, tables)
    parts += [table_markdown(table) for table in (failed_table(results), missing_table(results)) if table is not None]
    return "\n".join(parts)


def _tested(results: Results, model: str) -> str:
    """What the losses were measured on, and where they begin."""
    done = [cell for cell in results.cells if cell.is_done and cell.model == model]
    test = next((cell.test for cell in done if cell.test is not None), None)
    if test is None:
        tested = "Loss on the test set after training."
    else:
        parts = [f"{count(getattr(test, name))} {name}" for name in ("documents", "tokens", "bytes")]
        cut = f"; {plural(test.truncated, 'document')} cut to the longest scored length" if test.truncated else ""
        tested = f"Tested on {', '.join(parts)}{cut}."
    before = {loss.loss for cell in done for loss in cell.losses if loss.tokens == 0}
    return tested + (f" Before training: {statistics.fmean(before):.3f} nats a token." if before else "")


def _settings(results: Results) -> dict[str, dict[str, str]]:
    """What all numbers rest on, by name: of the study, of its training, and of what made it."""
    study = results.study
    settings = {
        **{name.capitalize(): _data(getattr(study, name)) for name in ("source", "target", "test")},
        "Models": ", ".join(results.models),
        "Seeds": ", ".join(map(str, study.seeds)),
        "Evaluated every": f"{count(study.evaluate_every)} tokens" if study.evaluate_every else "before and after",
    }
    training = {name.replace("_", " "): _value(value) for name, value in asdict(study.settings).items()}
    if study.chat_template is not None:
        training["chat template"] = f"the model's, loss on {study.chat_template}"
    made = [cell.made for cell in results.cells if cell.made]
    versions = dict(results.versions)
    for name in ("commit", "device", "precision"):
        versions[name] = ", ".join(sorted({str(one[name]) for one in made if one.get(name)}))
    times = sorted(str(one["at"]) for one in made if one.get("at"))
    if times:
        versions["cells made"] = f"{times[0]} to {times[-1]}" if times[0] != times[-1] else times[0]
    return {
        "settings": {name: value for name, value in settings.items() if value},
        "training": training,
        "versions": {name: value for name, value in versions.items() if value},
    }


def _data(data: Sequence[Data]) -> str:
    """The files of a data set, and what is taken of them."""
    parts = []
    for part in data:
        usual = asdict(Data(part.files))
        taken = {name: found for name, found in asdict(part).items() if found != usual[name]}
        extras = [f"{name.replace('_', ' ')} {_value(found)}" for name, found in taken.items()]
        parts.append("; ".join([", ".join(part.files), *extras]))
    return tidy(" + ".join(parts), 600)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)
