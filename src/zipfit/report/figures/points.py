"""One point an arm: alignment and selection time against loss (Figures 3 and 8 of arXiv 2410.18194)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zipfit.report.figures.labels import label_points
from zipfit.report.figures.style import SOFT, Chart, fixed_ticks, looks, new_axes, settings_line, styled
from zipfit.report.statistics import Spread, regress, standings
from zipfit.report.wording import WITHOUT_ENCODING, joined, p_value, seconds, seeds_of, short_names, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from zipfit.study.results import Results
    from zipfit.study.schema import Arm, Cell

_NAME = 18
_INSTANT = 1e-3  # seconds that nobody waits for, and a log axis would spread over half its width


@dataclass(frozen=True)
class _Point:
    arm: Arm
    x: Spread
    y: Spread
    spared: bool = False  # of encoding, by a cache


@styled()
def loss_against_alignment(results: Results, model: str) -> Chart | None:
    """Mean alignment of each source label against the final test loss, with a regression line (Figure 3)."""
    arms = [arm for arm in results.arms if arm.label is not None]
    names = {arm.name: str(arm.label) for arm in arms}
    return _alignment(results, model, arms, names, "loss_against_alignment", "Alignment against loss, by source label")


@styled()
def loss_against_alignment_of_all(results: Results, model: str) -> Chart | None:
    """The same with every arm: whether alignment predicts the loss also across methods."""
    names, title = _family_names(results.arms), "Alignment against loss, every arm"
    return _alignment(results, model, results.arms, names, "loss_against_alignment_of_all", title)


def _alignment(
    results: Results, model: str, arms: Sequence[Arm], names: dict[str, str], name: str, title: str
) -> Chart | None:
    budget = results.main_budget(model, arms)
    points = _points(results, model, budget, arms, lambda cell: cell.alignment)
    if len(points) < 3 or len({point.x.mean for point in points}) < 2:
        return None
    figure, axes = new_axes("Test loss, nats a token", "Mean alignment with the target", height=4.2)
    _scatter(axes, results, points)
    line = regress([point.x.mean for point in points], [point.y.mean for point in points])
    if line:
        ends = [min(point.x.mean for point in points), max(point.x.mean for point in points)]
        axes.plot(
            ends, [line.intercept + line.slope * x for x in ends], color=SOFT, linewidth=1.2, linestyle="--", zorder=1
        )
        words = f"R² = {line.r_squared:.2f}, {p_value(line.p)}"
        axes.figure.text(0.985, 1 - 0.2 / 4.2, words, ha="right", va="center", fontsize=11.5)
        way = "falls" if line.slope <= 0 else "rises"
        finding = f"The line {way} by {abs(line.slope) / 10:.3f} for 0.1 of alignment: {words} over {len(points)} arms."
    else:
        finding = f"No line can be fitted to these {len(points)} points."
    axes.margins(0.12, 0.12)
    _name(axes, results, points, names)
    what = "a source label" if name == "loss_against_alignment" else "an arm (of a sweep, the lowest is named)"
    return Chart(
        name=name,
        title=title,
        caption=f"One point {what}: the mean alignment of its documents with the target against the mean test loss "
        f"after training, over {_seeds(points)}; {_bars(points)}, the dashed line is the least-squares fit.",
        finding=finding,
        settings=settings_line(results, model, [budget]),
        figure=figure,
    )


@styled()
def time_against_loss(results: Results, model: str) -> Chart | None:
    """Seconds that a method takes to select, on a log axis, against the test loss after training (Figure 8).

    Arms that need no time to choose (under a millisecond), as random choice, stand at the left edge.
    """
    # Of a ranking that is cut, the time is that of the method as it comes.
    arms = [arm for arm in results.arms if arm.is_random or (arm.is_selection and not arm.is_cut)]
    budget = results.main_budget(model, arms)
    points = _points(results, model, budget, arms, lambda cell: cell.selection_seconds)
    timed = [point for point in points if point.x.mean >= _INSTANT]
    if not timed or len(points) < 2:
        return None
    figure, axes = new_axes("Test loss, nats a token", "Time to select (log axis)", right=0.35, height=4.2)
    low, high = min(point.x.low for point in timed), max(point.x.high for point in timed)
    left = low / 6
    at_edge = [_Point(point.arm, Spread((left,)), point.y) for point in points if point not in timed]
    axes.set_xscale("log")
    _scatter(axes, results, timed + at_edge)
    marks = [mark for mark in (1e-3, 1e-2, 0.1, 1, 10, 60, 600, 3600, 36000, 360000) if low / 3 < mark < high * 3]
    places = ([left] if at_edge else []) + (marks or [low, high])
    fixed_ticks(axes.xaxis, places, ["< 1 ms" if at_edge and place == left else seconds(place) for place in places])
    axes.set_xlim((left / 1.5) if at_edge else low / 2, high * 2)
    axes.margins(y=0.12)
    _name(axes, results, timed + at_edge, _family_names(arms))
    best = min(timed, key=lambda point: point.y.mean)
    slowest = max(timed, key=lambda point: point.x.mean)
    finding = f"{tidy(best.arm.name, 60)} has the lowest loss, {best.y.mean:.3f}, and took {_took(best)} to select"
    if slowest.arm is not best.arm:
        finding += f"; the slowest, {tidy(slowest.arm.name, 60)}, took {_took(slowest)}"
        finding += f" and ends at {slowest.y.mean:.3f}"
    spared = [tidy(point.arm.name, 60) for point in timed if point.spared]
    lacking = f" (those of {joined(spared)} without encoding, as the vectors were kept from before)" if spared else ""
    return Chart(
        name="time_against_loss",
        title="Selection time against loss",
        caption=f"One point an arm: seconds to fit, score and cut on a log axis{lacking} against the mean test loss "
        f"after training, over {_seeds(points)}; {_bars(points)}.",
        finding=finding + ".",
        settings=settings_line(results, model, [budget]),
        figure=figure,
    )


def _took(point: _Point) -> str:
    return seconds(point.x.mean) + (f" {WITHOUT_ENCODING}" if point.spared else "")


def _family_names(arms: Sequence[Arm]) -> dict[str, str]:
    """Arm to the name it is shown by: its own, or that of its sweep."""
    return {arm.name: arm.family if arm.swept else arm.name for arm in arms}


def _points(
    results: Results, model: str, budget: int | None, arms: Sequence[Arm], value: Callable[[Cell], float | None]
) -> list[_Point]:
    found = []
    for standing in standings(results, model, budget):
        values = [number for cell in standing.cells if (number := value(cell)) is not None]
        if standing.arm in arms and standing.budget == budget and values:
            found.append(_Point(standing.arm, Spread(tuple(values)), standing.loss, standing.is_spared_encoding))
    return found


def _scatter(axes: Axes, results: Results, points: Sequence[_Point]) -> None:
    seen = looks(results, by_family=True)
    for point in points:
        look = seen[point.arm.name]
        x, y = point.x, point.y
        axes.plot([x.mean, x.mean], [y.low, y.high], color=look.colour, linewidth=1.1, alpha=0.6)
        axes.plot([x.low, x.high], [y.mean, y.mean], color=look.colour, linewidth=1.1, alpha=0.6)
        axes.plot([x.mean], [y.mean], color=look.colour, marker=look.marker, markersize=5.5, linestyle="")


def _name(axes: Axes, results: Results, points: Sequence[_Point], names: dict[str, str]) -> None:
    seen = looks(results, by_family=True)
    short = short_names(dict.fromkeys(names.values()), _NAME)
    labels: list[tuple[float, float, str, str]] = []
    for point in sorted(points, key=lambda point: point.y.mean):
        name = short[names[point.arm.name]]
        new = name not in [label for _, _, label, _ in labels]
        labels.append((point.x.mean, point.y.mean, name if new else "", seen[point.arm.name].colour))
    label_points(axes, labels)


def _seeds(points: Sequence[_Point]) -> str:
    return seeds_of([len(point.y.values) for point in points])


def _bars(points: Sequence[_Point]) -> str:
    many = any(len(point.y.values) > 1 for point in points)
    return "bars span the lowest to the highest seed" if many else "a single seed has no spread"
