"""Every seed as a point: how far apart the arms lie, and how far apart the seeds of one arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zipfit.report.figures import style
from zipfit.report.figures.style import Chart, styled
from zipfit.report.statistics import main_arms, standings
from zipfit.report.wording import count, seeds_of, short_names, signed, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
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
def loss_against_budget(results: Results, model: str) -> Chart | None:
    """The final test loss of every seed at each budget, a panel a budget: each point is a training run of its own."""
    arms = main_arms(results)
    panels: dict[int, list[Standing]] = {}
    for budget in results.budgets:
        ranked = [found for found in standings(results, model, budget) if found.arm in arms and found.budget == budget]
        if budget is not None and ranked:
            panels[budget] = ranked
    if len(panels) < 2:
        return None
    rivals = {at: [row for row in rows if row.arm.train_on != "target"] for at, rows in panels.items()}
    is_aside = rivals != panels and any(rivals.values())
    best = {at: rows[0] for at, rows in (rivals if is_aside else panels).items() if rows}
    ends = [f"{tidy(row.arm.name, 60)} at {count(at)} tokens ({row.loss.mean:.3f})" for at, row in best.items()]
    numbers = [len(row.loss.values) for rows in panels.values() for row in rows]
    return Chart(
        name="loss_against_budget",
        title="Loss by budget",
        caption="Test loss after training for each budget of tokens, each a run of its own, one point a seed "
        f"({seeds_of(numbers)}), lowest mean first; the bar is the mean, the line spans the lowest to the highest "
        "seed.",
        finding=("Lowest, the target aside: " if is_aside else "Lowest: ") + ", ".join(ends) + ".",
        settings=style.settings_line(results, model, list(panels)),
        figure=_panels(results, {f"{count(budget)} tokens": rows for budget, rows in panels.items()}),
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
    return _panels(results, {"": rows})


def _panels(results: Results, panels: Mapping[str, Sequence[Standing]]) -> Figure:
    """Rows in panels one above the other, each under its title, with one horizontal axis."""
    arms = [row.arm.name for rows in panels.values() for row in rows]
    short = short_names(dict.fromkeys(arms), _NAME)
    left = style.text_width(short.values()) + 0.2
    heads = [0.36 if title else 0.1 for title in panels]
    heights = [0.25 * len(rows) + 0.15 for rows in panels.values()]
    whole = sum(heads) + sum(heights) + 0.5
    figure, last = style.new_axes("", "Test loss, nats a token", right=0.62, left=left, height=whole)
    top = whole
    for place, (title, rows) in enumerate(panels.items()):
        top -= heads[place] + heights[place]
        is_last = place == len(panels) - 1
        box = (left / style.WIDTH, top / whole, 1 - (left + 0.62) / style.WIDTH, heights[place] / whole)
        axes = last if is_last else figure.add_axes(box, sharex=last)
        axes.set_position(box)
        axes.tick_params(labelbottom=is_last)
        figure.text(0.08 / style.WIDTH, (top + heights[place] + 0.16) / whole, title, color=style.INK, va="center")
        _fill(axes, results, rows, short)
    return figure


def _fill(axes: Axes, results: Results, rows: Sequence[Standing], short: Mapping[str, str]) -> None:
    seen = style.looks(results)
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
    style.fixed_ticks(axes.yaxis, range(len(rows)), [short[row.arm.name] for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color(seen[row.arm.name].colour)
    axes.margins(x=0.06)
    axes.locator_params(axis="x", nbins=4)
