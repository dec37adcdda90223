"""The final loss against one thing that a study varies: the target's size, compressor and level."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import MaxNLocator

from zipfit.compression.compressors import LEVELS
from zipfit.report.figures import style
from zipfit.report.figures.labels import label_ends
from zipfit.report.figures.style import Chart, Look, styled
from zipfit.report.statistics import Spread, random_arm
from zipfit.report.wording import count, seeds_of, short_names, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zipfit.study.results import Results
    from zipfit.study.schema import Arm, Cell

_LOSS = "Test loss, nats a token"
_SPREAD = "bars span the lowest to the highest seed"
_NAME = 17

Line = dict[float, Spread]
"""Place on the horizontal axis to what the seeds gave there."""


@styled()
def loss_against_target_size(results: Results, model: str) -> Chart | None:
    """Final test loss against n, the number of target examples that the method saw; `all` is every one of them."""
    arms = [arm for arm in results.arms if "target_size" in arm.swept or arm.target_size is not None]
    budget = results.main_budget(model, arms)
    sizes = sorted({arm.target_size for arm in arms}, key=lambda size: (size is None, size or 0))
    lines: dict[str, Line] = {}
    for arm in arms:
        cells = results.done(arm.name, model, budget)
        if cells:
            place = float(sizes.index(arm.target_size))
            lines.setdefault(arm.family, {})[place] = Spread(tuple(cell.loss for cell in cells))
    if len({place for line in lines.values() for place in line}) < 2:
        return None
    shown = style.looks(results, by_family=True)
    seen = {arm.family: shown[arm.name] for arm in arms}
    said = _extremes(lines, [_size(size) for size in sizes])
    random = random_arm(results)
    if random is not None and (cells := results.done(random.name, model, budget)):
        spread = Spread(tuple(cell.loss for cell in cells))
        lines[random.name] = {float(place): spread for place in range(len(sizes))}
        seen[random.name] = replace(shown[random.name], marker="")
    figure, axes = _lines(lines, seen, y=_LOSS, x="Target examples, n (not to scale)")
    style.fixed_ticks(axes.xaxis, range(len(sizes)), [_size(size) for size in sizes])
    return Chart(
        "loss_against_target_size",
        "Loss by size of the target",
        "Mean test loss after training on what the method selects when it sees only n target examples, over "
        f"{_seeds(lines)}; {_SPREAD}.",
        said,
        style.settings_line(results, model, [budget]),
        figure,
    )


def _size(size: int | None) -> str:
    return "all" if size is None else count(size)


@styled()
def loss_by_compressor(results: Results, model: str) -> Chart | None:
    """Final test loss against the compressor's level, 0 (its lowest) to 1 (its highest), a line a compressor."""
    return _by_compressor(
        results, model, lambda cell: cell.loss, "loss_by_compressor", "Compressor and level", _LOSS,
        "test loss after training",
    )  # fmt: skip


@styled()
def pass_by_compressor(results: Results, model: str) -> Chart | None:
    """HumanEval's pass@1 against the compressor's level, as in the paper's appendix."""
    return _by_compressor(
        results, model, lambda cell: cell.pass_at.get(1), "pass_by_compressor", "pass@1 by compressor and level",
        "HumanEval pass@1", "pass@1 on HumanEval",
    )  # fmt: skip


def compressor_and_level(arm: Arm) -> tuple[str, int] | None:
    """What an arm of the method zipfit compresses with; None for another arm, or one with more to it than that."""
    options: dict[str, Any] = {name: value for name, value in arm.options.items() if value is not None}
    compressor = options.get("compressor", "gzip")
    is_known = options.keys() <= {"compressor", "level"} and compressor in LEVELS
    if arm.method != "zipfit" or arm.is_cut or arm.rules or arm.within or not is_known:
        return None
    return compressor, options.get("level", LEVELS[compressor][2])


def _by_compressor(
    results: Results, model: str, value: Callable[[Cell], float | None], name: str, title: str, y: str, what: str
) -> Chart | None:
    kinds = {arm.name: kind for arm in results.arms if (kind := compressor_and_level(arm)) is not None}
    arms = [arm for arm in results.arms if arm.name in kinds]
    budget = results.main_budget(model, arms)
    lines: dict[str, Line] = {}
    for arm in arms:
        values = [number for cell in results.done(arm.name, model, budget) if (number := value(cell)) is not None]
        compressor, level = kinds[arm.name]
        if values:
            lines.setdefault(compressor, {}).setdefault(level, Spread(tuple(values)))  # two arms may be the same
    if sum(map(len, lines.values())) < 3:
        return None
    order = list(LEVELS)
    seen = {name: Look(style.PALETTE[order.index(name)], "solid", "oDs^v"[order.index(name)]) for name in lines}
    figure, axes = _lines(lines, seen, y=y, x="Level")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    best = min if name == "loss_by_compressor" else max
    mean, compressor, at_level = best(
        (spread.mean, key, at) for key, line in lines.items() for at, spread in line.items()
    )
    return Chart(
        name,
        title,
        f"Mean {what} by compressor and level, over {_seeds(lines)}; {_SPREAD}.",
        f"Best: {compressor} level {at_level:.0f}, {mean:.3f}.",
        style.settings_line(results, model, [budget]),
        figure,
    )


def _lines(lines: Mapping[str, Line], seen: Mapping[str, Look], y: str, x: str) -> tuple[Figure, Axes]:
    """Draw lines with a bar from lowest to highest seed at each point, and their names on the right."""
    short = short_names(lines, _NAME)
    words = {name: f"{short[name]}  {line[max(line)].mean:.3f}" for name, line in lines.items()}
    height = max(3.9, 0.18 * len(lines) + 1.0)
    figure, axes = style.new_axes(y, x, right=style.text_width(words.values()) + 0.3, height=height)
    for name, line in lines.items():
        places = sorted(line)
        look = seen[name]
        for place in places:
            axes.plot([place, place], [line[place].low, line[place].high], color=look.colour, linewidth=1.2, alpha=0.45)
        means = [line[place].mean for place in places]
        axes.plot(
            places, means, color=look.colour, linestyle=look.dashes, marker=look.marker, markersize=4.5, linewidth=1.6,
            gid=style.line_id(name),
        )  # fmt: skip
    axes.margins(0.04, 0.08)
    label_ends(
        axes, [(max(line), line[max(line)].mean, words[name], seen[name].colour) for name, line in lines.items()]
    )
    return figure, axes


def _extremes(lines: Mapping[str, Line], names: Sequence[str]) -> str:
    """For each line, where it is lowest and where highest."""
    said = []
    for family, line in lines.items():
        low, high = min(line, key=lambda place: line[place].mean), max(line, key=lambda place: line[place].mean)
        said.append(
            f"{tidy(family, 60)} is lowest at n = {names[int(low)]} ({line[low].mean:.3f}) and highest at "
            f"n = {names[int(high)]} ({line[high].mean:.3f})."
        )
    return " ".join(said)


def _seeds(lines: Mapping[str, Line]) -> str:
    return seeds_of([len(spread.values) for line in lines.values() for spread in line.values()])
