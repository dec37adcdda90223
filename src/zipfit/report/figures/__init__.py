"""A study's figures: one function each, from `Results` and a model's label to a `Chart`.

Each function returns None where the study lacks what its figure shows, so a report draws them all and keeps what there
is. The figures are plain matplotlib `Figure` objects, drawn without pyplot and its global state; on the same results
they save to the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zipfit.errors import MissingExtraError

try:
    import matplotlib as _matplotlib  # noqa: F401
    import scipy as _scipy  # noqa: F401
except ImportError as error:
    raise MissingExtraError("drawing a study's figures", "plots") from error

from zipfit.report.figures.curves import loss_against_tokens, loss_by_dataset, loss_by_threshold, loss_of_everything
from zipfit.report.figures.points import loss_against_alignment, loss_against_alignment_of_all, time_against_loss
from zipfit.report.figures.seeds import length_control, loss_against_budget, spread_over_seeds
from zipfit.report.figures.style import save as save
from zipfit.report.figures.sweeps import (
    loss_against_target_size,
    loss_by_compressor,
    pass_by_compressor,
)
from zipfit.report.statistics import main_arms

if TYPE_CHECKING:
    from collections.abc import Callable

    from zipfit.report.figures.style import Chart
    from zipfit.study.results import Results

# In the order of a report: what a reader asks first comes first.
CHARTS: tuple[Callable[[Results, str], Chart | None], ...] = (
    loss_against_tokens,
    spread_over_seeds,
    loss_against_budget,
    loss_of_everything,
    loss_against_alignment,
    loss_by_dataset,
    loss_against_alignment_of_all,
    loss_by_threshold,
    loss_against_target_size,
    loss_by_compressor,
    pass_by_compressor,
    time_against_loss,
    length_control,
)


def draw_charts(results: Results, model: str) -> list[Chart]:
    """Draw every figure of a model that the study has the data for; loss along training at every budget."""
    charts = [draw(results, model) for draw in CHARTS]
    main = results.main_budget(model, main_arms(results))
    others = [budget for budget in results.budgets if budget is not None and budget != main]
    charts += [loss_against_tokens(results, model, budget=budget) for budget in others]
    return [chart for chart in charts if chart is not None]
