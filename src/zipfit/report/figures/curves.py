"""Test loss along training: Figures 2, 4, 5, 6 and 7 of the paper (arXiv 2410.18194), and training on everything."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.ticker import FuncFormatter, MaxNLocator

from zipfit.report.figures import style
from zipfit.report.figures.labels import label_arrow, label_ends
from zipfit.report.figures.style import Chart, Look, styled
from zipfit.report.statistics import (
    Curve,
    best_selection,
    loss_curve,
    main_arms,
    random_arm,
    speedup,
    standings,
    target_arm,
)
from zipfit.report.wording import count, percent, seeds_of, short_names, short_tokens, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zipfit.study.results import Results
    from zipfit.study.schema import Arm

_LOSS = "Test loss, nats a token"
_BAND = "the band spans the lowest to the highest seed"
_NAME = 17


@styled()
def loss_against_tokens(
    results: Results, model: str, arrow: tuple[str, str] | None = None, budget: int | None = None
) -> Chart | None:
    """Test loss against training tokens, a curve an arm (Figures 2, 5 and 7).

    The arms are the study's main ones (no sweeps). Dotted: the loss before training. The arrow is the paper's
    'x% faster': the tokens at which one arm's mean curve is as low as another's ever gets, against the tokens at which
    that other's is.

    Args:
        results: the study.
        model: label of the model.
        arrow: names of the faster and the slower arm; None for the best selection and random choice.
        budget: training tokens of the arms; None for the largest budget that is complete, the study's main one. Of
            any other, a single curve is no figure, and the chart's name and title name the budget.
    """
    arms = main_arms(results)
    main = results.main_budget(model, arms)
    name, title = "loss_against_tokens", "Test loss along training"
    if budget is None:
        budget = main
    elif budget != main:
        name, title = f"{name}_{budget}", f"{title}, {count(budget)} tokens"
    curves = _curves(results, model, [arm for arm in arms if budget in results.budgets_of(arm)], budget)
    if not curves or (budget != main and len(curves) < 2):
        return None
    figure, axes = _draw(curves, style.looks(results))
    best, random = best_selection(standings(results, model, budget), budget), random_arm(results)
    if arrow is None and best is not None and random is not None:
        arrow = best.arm.name, random.name
    faster = _arrow(axes, curves, *arrow) if arrow is not None and curves.keys() >= set(arrow) else ""
    lowest = _lowest(results, curves)
    return Chart(
        name=name,
        title=title,
        caption=f"Mean test loss of {_seeds(curves)} against training tokens; {_spread(curves)}, the dotted line is "
        "the model before training.",
        finding=f"{lowest} {faster}".strip(),
        settings=style.settings_line(results, model, [budget]),
        figure=figure,
    )


def _lowest(results: Results, curves: Mapping[str, Curve]) -> str:
    """Which curve ends lowest, other than the target's own, whose place is what the others are measured by."""
    at_end = {name: float(curve.mean[-1]) for name, curve in curves.items()}
    yardsticks = [name for name in curves if results.arm(name).train_on == "target"]
    name = min((name for name in at_end if name not in yardsticks), key=lambda name: at_end[name], default=None)
    if name is None:
        return ""
    beside = "".join(f", apart from the target itself ({at_end[other]:.3f})" for other in yardsticks[:1])
    return f"{tidy(name, 80)} ends lowest, at {at_end[name]:.3f}{beside}."


def _arrow(axes: Axes, curves: Mapping[str, Curve], fast: str, slow: str) -> str:
    """Draw the arrow 'x% faster' where there is one, and say it."""
    sooner, later = curves[fast], curves[slow]
    found = speedup(sooner, later)
    name, other = tidy(fast, 80), tidy(slow, 80)
    if found is None:
        return f"Training never lowers the loss of {other}, so there is no level for {name} to reach sooner."
    if found.faster is None or found.fast is None:
        return f"{name} never reaches the lowest loss of {other} ({found.loss:.3f})."
    if found.faster <= 0:
        return f"{name} reaches the lowest loss of {other} ({found.loss:.3f}) no sooner than {other} does."
    ends = {"arrowstyle": "-|>", "color": style.SOFT, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (found.fast, found.loss), (found.slow, found.loss), arrowprops=ends, zorder=5)
    label_arrow(axes, f"{percent(found.faster)} faster", found.fast, found.slow, found.loss)
    overlap = max(sooner.seeds, later.seeds) > 1 and sooner.high[-1] >= later.low[-1]
    return (
        f"{name} is as low as {other} ever gets ({found.loss:.3f}) after {count(found.fast)} tokens instead of "
        f"{count(found.slow)}: {percent(found.faster)} faster, by a straight line between measurements"
        + ("; but their seeds overlap at the end, so it may be chance." if overlap else ".")
    )


@styled()
def loss_by_dataset(results: Results, model: str) -> Chart | None:
    """Test loss along training for each source label, coloured by its mean alignment with the target (Figure 4)."""
    arms = [arm for arm in results.arms if arm.label is not None]
    budget = results.main_budget(model, arms)
    curves = _curves(results, model, arms, budget)
    aligned = {
        name: sum(values) / len(values)
        for name in curves
        if (values := [c.alignment for c in results.done(name, model, budget) if c.alignment is not None])
    }
    curves = {name: curve for name, curve in curves.items() if name in aligned}
    if len(curves) < 2:
        return None
    scale = Normalize(min(aligned.values()), max(aligned.values()))
    seen = {name: Look(style.ramp(float(scale(aligned[name]))), "solid", "o") for name in curves}
    labels = {arm.name: str(arm.label) for arm in arms}
    figure, _ = _draw(curves, seen, labels)
    bar = figure.add_axes((0.74, 1 - 0.225 / figure.get_figheight(), 0.15, 0.05 / figure.get_figheight() * 1.6))
    colours = ScalarMappable(scale, ListedColormap([style.ramp(step / 23) for step in range(24)]))
    solids = figure.colorbar(colours, cax=bar, orientation="horizontal", ticks=[]).solids
    if solids is not None:
        solids.set_edgecolor("face")  # else its steps have seams
    bar.spines[:].set_visible(False)
    for word, at, side, away in ((f"alignment {scale.vmin:.2f}", 0, "right", -4), (f"{scale.vmax:.2f}", 1, "left", 4)):
        bar.annotate(
            word, (at, 0.5), (away, 0), xycoords="axes fraction", textcoords="offset points", ha=side, va="center",
            color=style.SOFT, fontsize=11.2,
        )  # fmt: skip
    best = min(curves, key=lambda name: curves[name].mean[-1])
    most = max(aligned, key=lambda name: aligned[name])
    return Chart(
        name="loss_by_dataset",
        title="Loss along training, by source label",
        caption=f"Mean test loss of {_seeds(curves)} against tokens of each source label, coloured by the label's mean "
        f"alignment with the target; {_spread(curves)}.",
        finding=f"{tidy(labels[best], 60)} ends lowest, at {curves[best].mean[-1]:.3f}; "
        + (
            "it is also the best aligned."
            if best == most
            else f"the best aligned is {tidy(labels[most], 60)}, at {curves[most].mean[-1]:.3f}."
        ),
        settings=style.settings_line(results, model, [budget]),
        figure=figure,
    )


@styled()
def loss_by_threshold(results: Results, model: str) -> Chart | None:
    """Test loss along training on all documents above a score, against random choice and everything (Figure 6)."""
    swept = sorted(
        (arm for arm in results.arms if arm.min_score is not None), key=lambda arm: (arm.min_score or 0, arm.name)
    )
    budget = results.main_budget(model, swept)
    curves = _curves(results, model, swept, budget)
    if not curves:
        return None
    end = max(float(curve.tokens[-1]) for curve in curves.values())
    thresholds = list(curves)
    names = {arm.name: f"≥ {arm.min_score:g}" for arm in swept}
    if len(set(names.values())) < len(names):  # of several methods
        names = {arm.name: arm.name for arm in swept}
    seen = dict(style.looks(results))
    for index, name in enumerate(thresholds):
        seen[name] = Look(style.ramp(index / max(len(thresholds) - 1, 1)), "solid", "o")
    for arm in (random_arm(results), *(arm for arm in results.arms if arm.train_on == "source")):
        if arm is not None:
            found = _curves(results, model, [arm], results.budget_of(arm, budget))
            curves |= {name: curve.until(end) for name, curve in found.items()}
    figure, _ = _draw(curves, seen, names)
    best = min(thresholds, key=lambda name: curves[name].mean[-1])
    others = {name: curve for name, curve in curves.items() if name not in thresholds}
    against = "; ".join(f"{tidy(name, 60)} is at {curve.mean[-1]:.3f} there" for name, curve in others.items())
    return Chart(
        name="loss_by_threshold",
        title="Loss by score threshold",
        caption=f"Mean test loss of {_seeds(curves)} when training on the documents that score above a threshold, in "
        f"an order drawn by the seed; {_spread(curves)}.",
        finding=f"{names[best]} ends lowest of the thresholds, at {curves[best].mean[-1]:.3f}"
        + (f"; {against}." if against else "."),
        settings=style.settings_line(results, model, [budget]),
        figure=figure,
    )


@styled()
def loss_of_everything(results: Results, model: str) -> Chart | None:
    """Training on the whole source, to its end, beside what selections reach with their budgets."""
    curves: dict[str, Curve] = {}
    for arm in results.arms:
        if arm.train_on == "source":
            curves |= _curves(results, model, [arm], results.budget_of(arm, None))
    arms = [arm for arm in main_arms(results) if arm.train_on != "source"]
    budget = results.main_budget(model, arms)
    ranked = standings(results, model, budget)
    best, others = best_selection(ranked, budget), (random_arm(results), target_arm(results))
    beside = [arm for arm in (best.arm if best else None, *others) if arm is not None]
    shorter = _curves(results, model, beside, budget)
    if not curves or not shorter:
        return None
    long = max(float(curve.tokens[-1]) for curve in curves.values())
    short = max(float(curve.tokens[-1]) for curve in shorter.values())
    figure, _ = _draw(curves | shorter, style.looks(results), log=long > 6 * short)
    name = min(curves, key=lambda arm: curves[arm].mean[-1])
    ends = [
        f"{tidy(arm, 60)} is at {curve.mean[-1]:.3f} after {count(curve.tokens[-1])}" for arm, curve in shorter.items()
    ]
    return Chart(
        name="loss_of_everything",
        title="Training on everything",
        caption=f"Mean test loss of {_seeds(curves | shorter)} while training on the whole source, beside arms that "
        f"stop at their budget; {_spread(curves | shorter)}.",
        finding=f"{tidy(name, 60)} ends at {curves[name].mean[-1]:.3f} after {count(curves[name].tokens[-1])} tokens; "
        + "; ".join(ends)
        + ".",
        settings=style.settings_line(results, model, [budget, None]),
        figure=figure,
    )


def _curves(results: Results, model: str, arms: Sequence[Arm], budget: int | None) -> dict[str, Curve]:
    return {arm.name: loss_curve(cells) for arm in arms if (cells := results.done(arm.name, model, budget))}


def _draw(
    curves: Mapping[str, Curve], seen: Mapping[str, Look], names: Mapping[str, str] | None = None, log: bool = False
) -> tuple[Figure, Axes]:
    """Draw curves, their names with their last losses on the right, and the loss before training, dotted."""
    shown = {name: (names or {}).get(name, name) for name in curves}
    short = short_names(shown.values(), _NAME)
    at_end = {name: float(curve.mean[-1]) for name, curve in curves.items()}
    ends = [
        (float(curve.tokens[-1]), at_end[name], f"{short[shown[name]]}  {at_end[name]:.3f}", seen[name].colour)
        for name, curve in curves.items()
    ]
    far = max(end for end, *_ in ends)
    first = [float(curve.mean[0]) for curve in curves.values() if curve.tokens[0] == 0]
    level = fmean(first) if first else None
    if level is not None:
        ends.append((far, level, f"pre-trained  {level:.3f}", style.SOFT))
    right = style.text_width(words for _, _, words, _ in ends) + 0.3
    figure, axes = style.new_axes(_LOSS, "Training tokens", right=right, height=max(3.9, 0.18 * len(curves) + 1.2))
    for name in sorted(curves, key=lambda name: -at_end[name]):
        curve, look = curves[name], seen[name]
        if curve.seeds > 1:
            axes.fill_between(curve.tokens, curve.low, curve.high, color=look.colour, alpha=0.13, linewidth=0)
        marker = "o" if len(curve.tokens) == 1 else ""
        drawn = {"color": look.colour, "linestyle": look.dashes, "linewidth": look.width, "marker": marker}
        axes.plot(curve.tokens, curve.mean, gid=style.line_id(name), **drawn)
    if log:
        near = min(float(curve.tokens[curve.tokens > 0][0]) for curve in curves.values() if curve.tokens[-1] > 0)
        axes.set_xscale("log")
        axes.set_xlim(near, far)
        places = [near * (far / near) ** (step / 3) for step in range(4)]
        style.fixed_ticks(axes.xaxis, places, [short_tokens(float(f"{place:.2g}")) for place in places])
    else:
        axes.set_xlim(0, far * 1.005 or 1)  # room for the tick at the budget, which whole blocks fall short of
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_tokens(value)))
    if level is not None:
        axes.axhline(level, color=style.SOFT, linestyle=":", linewidth=1.2)
    axes.margins(y=0.05)
    axes.autoscale_view(scalex=False)
    label_ends(axes, ends)
    return figure, axes


def _seeds(curves: Mapping[str, Curve]) -> str:
    return seeds_of([curve.seeds for curve in curves.values()])


def _spread(curves: Mapping[str, Curve]) -> str:
    return _BAND if any(curve.seeds > 1 for curve in curves.values()) else "a single seed has no band"
