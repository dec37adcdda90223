"""Every seed as a point: how far apart the arms lie, and how far apart the seeds of one arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zipfit.report.figures import style
from zipfit.report.figures.style import Chart, styled
from zipfit.report.statistics import main_arms, standings
from zipfit.report.wording import seeds_of, short_names, signed, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from zipfit.report.statistics import Standing
    from zipfit.study.results import Results

_NAME = 24


@styled()
def spread_over_seeds(results: Results, model: str) -> Chart | None:
    """The final test loss of every seed, arms by their mean: differences smaller than the spread say little."""
    arms = main_arms(results)
    budget = results.main_budget(model, arms)
    ranked = [found for found in standings(results, model, budget) if found.arm in arms and found.budget == budget]
    if len(ranked) < 2:
        return None
    widest = max(ranked, key=lambda found: found.loss.high - found.loss.low)
    between = ranked[-1].loss.mean - ranked[0].loss.mean
    finding = f"The arms' means lie {between:.3f} apart"
    if len(widest.loss.values) > 1:
        apart = widest.loss.high - widest.loss.low
        finding += f"; the seeds of one arm lie up to {apart:.3f} apart ({tidy(widest.arm.name, 60)})"
    return Chart(
        name="spread_over_seeds",
        title="Loss after training, every seed",
        caption="Test loss after training, one point a seed "
        f"({seeds_of([len(found.loss.values) for found in ranked])}), lowest mean first; the bar is the mean, the line "
        "spans the lowest to the highest seed.",
        finding=finding + ".",
        settings=style.settings_line(results, model, [budget]),
        figure=_rows(results, ranked),
    )


@styled()
def length_control(results: Results, model: str) -> Chart | None:
    """Each control of random documents of a selection's lengths, beside that selection.

    If the control does as well as its original, the original's merit is the length of its documents.
    """
    controls = [arm for arm in results.arms if arm.lengths_of is not None]
    budget = results.main_budget(model, controls)
    found = {standing.arm.name: standing for standing in standings(results, model, budget) if standing.budget == budget}
    rows: list[Standing] = []
    said = []
    for control in controls:
        original, own = found.get(str(control.lengths_of)), found.get(control.name)
        if original is None or own is None:
            continue
        rows += [original, own]
        apart = original.loss.mean - own.loss.mean
        said.append(
            f"{tidy(original.arm.name, 60)} ends {signed(apart)} from random documents of its lengths "
            f"({original.loss.mean:.3f} against {own.loss.mean:.3f})."
        )
    if not rows:
        return None
    rows += [standing for standing in found.values() if standing.arm.is_random]
    return Chart(
        name="length_control",
        title="A control for document length",
        caption="Test loss after training on a selection and on random documents of the same lengths, one point a seed "
        f"({seeds_of([len(row.loss.values) for row in rows])}); the bar is the mean, the line spans the lowest "
        "to the highest seed.",
        finding=" ".join(said),
        settings=style.settings_line(results, model, [budget]),
        figure=_rows(results, rows),
    )


def _rows(results: Results, rows: Sequence[Standing]) -> Figure:
    """A row an arm: a point a seed, the mean as a bar and as a number."""
    seen = style.looks(results)
    short = short_names([row.arm.name for row in rows], _NAME)
    names = [short[row.arm.name] for row in rows]
    left = style.text_width(names) + 0.2
    height = 0.25 * len(rows) + 0.75
    figure, axes = style.new_axes("", "Test loss, nats a token", right=0.62, left=left, height=height)
    for place, row in enumerate(rows):
        spread, look = row.loss, seen[row.arm.name]
        axes.plot([spread.low, spread.high], [place, place], color=look.colour, linewidth=1.6, alpha=0.45)
        axes.plot(
            spread.values, [place] * len(spread.values), color=look.colour, marker="x" if look.marker == "x" else "o",
            markersize=5, linestyle="", alpha=0.75,
        )  # fmt: skip
        axes.plot([spread.mean], [place], color=style.INK, marker="|", markersize=12, markeredgewidth=1.6, linestyle="")
        axes.annotate(
            f"{spread.mean:.3f}", (1, place), (5, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", color=style.SOFT,
        )  # fmt: skip
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(False)
    axes.grid(True, axis="x", color=style.RULE)
    style.fixed_ticks(axes.yaxis, range(len(rows)), names)
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color(seen[row.arm.name].colour)
    axes.margins(x=0.06)
    axes.locator_params(axis="x", nbins=4)
    return figure
