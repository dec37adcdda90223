"""What a study's figures and sentences rest on: curves over seeds, speed-ups, and the share of the gap closed."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.study.results import Results
    from zipfit.study.schema import Arm, Cell


@dataclass(frozen=True)
class Spread:
    """One number a seed.

    Attributes:
        values: in the order of the seeds, at least one.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Their sample standard deviation; None of a single seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        return f"{self.mean:.3f}" + ("" if self.deviation is None else f" ± {self.deviation:.3f}")

    @property
    def low(self) -> float:
        """The lowest."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The highest."""
        return max(self.values)


@dataclass(frozen=True)
class Curve:
    """Test loss along training, over seeds.

    Attributes:
        tokens: float64[m], ascending, tokens trained on.
        mean: float64[m], mean loss of the seeds, nats a token.
        low: float64[m], the lowest seed's.
        high: float64[m], the highest seed's.
        seeds: number of seeds.
    """

    tokens: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: int

    def until(self, end: float) -> Curve:
        """The curve as far as `end` tokens, interpolated there if it goes on."""
        if self.tokens[-1] <= end:
            return self
        tokens = np.append(self.tokens[self.tokens < end], end)
        mean, low, high = (np.interp(tokens, self.tokens, row) for row in (self.mean, self.low, self.high))
        return Curve(tokens, mean, low, high, self.seeds)


def loss_curve(cells: Sequence[Cell]) -> Curve:
    """The curve of one arm's cells at one budget, one a seed.

    Seeds that were evaluated at other token counts are interpolated linearly at all of them, as far as every seed got.
    """
    end = min(cell.losses[-1].tokens for cell in cells)
    start = max(cell.losses[0].tokens for cell in cells)
    grid = sorted({loss.tokens for cell in cells for loss in cell.losses if start <= loss.tokens <= end})
    tokens = np.array(grid or [end], dtype=np.float64)
    curves = [np.array([(loss.tokens, loss.loss) for loss in cell.losses]).T for cell in cells]
    rows = np.array([np.interp(tokens, *curve) for curve in curves])
    return Curve(tokens, rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0), len(cells))


def tokens_to_reach(
    tokens: Sequence[float] | np.ndarray, losses: Sequence[float] | np.ndarray, loss: float
) -> float | None:
    """Tokens at which a curve first is as low as `loss`, interpolated linearly; None if it never is.

    Args:
        tokens: m values, ascending.
        losses: m values, nats a token.
        loss: the level to reach, nats a token.
    """
    for index, reached in enumerate(losses):
        if reached <= loss:
            if index == 0:
                return float(tokens[0])
            before = float(losses[index - 1])
            part = (before - loss) / (before - float(reached))
            return float(tokens[index - 1]) + part * (float(tokens[index]) - float(tokens[index - 1]))
    return None


@dataclass(frozen=True)
class Speedup:
    """How much sooner one curve is as low as another ever gets.

    Attributes:
        loss: the slower curve's lowest mean loss, nats a token.
        slow: tokens at which the slower curve gets there.
        fast: tokens at which the other does; None if it never does.
    """

    loss: float
    slow: float
    fast: float | None

    @property
    def faster(self) -> float | None:
        """Share of the slower curve's tokens that is saved, as the paper counts 'x% faster'; None if never reached."""
        return None if self.fast is None else 1 - self.fast / self.slow


def speedup(fast: Curve, slow: Curve) -> Speedup | None:
    """Compare two mean curves.

    None if training never lowers the slower one's loss, so that there is none to reach, or if the faster was measured
    before and after training alone: where between the two it got there, a straight line does not tell.
    """
    lowest = int(np.argmin(slow.mean))
    if slow.tokens[lowest] <= 0 or len(fast.tokens) < 3:
        return None
    loss = float(slow.mean[lowest])
    return Speedup(loss, float(slow.tokens[lowest]), tokens_to_reach(fast.tokens, fast.mean, loss))


@dataclass(frozen=True)
class Gap:
    """The share of the way from random choice to the target itself that an arm goes.

    Attributes:
        share: (random - arm) / (random - target) of the mean losses over the seeds that all three have; 0 is as good as
            random choice, 1 as the target, below 0 worse than random choice.
        seeds: each such seed's own share, where its gap is above 0.
    """

    share: float
    seeds: tuple[float, ...]


@dataclass(frozen=True)
class Standing:
    """How one arm did at one budget.

    Attributes:
        arm: the arm.
        budget: its budget.
        cells: its finished cells, one a seed, at least one.
        loss: final test losses, nats a token.
        against_random: its loss less that of random choice, seed by seed; None without a common seed.
        gap: None where random choice or the target is missing, or the target is no better than random choice.
    """

    arm: Arm
    budget: int | None
    cells: tuple[Cell, ...]
    loss: Spread
    against_random: Spread | None
    gap: Gap | None

    @property
    def is_spared_encoding(self) -> bool:
        """Whether most of the pool's vectors were kept from before, so that a time to select lacks the encoder's."""
        return any((cell.cached_vectors or 0) > 0.5 for cell in self.cells)


def standings(results: Results, model: str, budget: int | None) -> list[Standing]:
    """Every arm with a finished cell at this budget, and those that have only budgets of their own, by mean loss."""
    random, target = random_arm(results), target_arm(results)
    found = []
    for arm in results.arms:
        own = results.budget_of(arm, budget)
        cells = results.done(arm.name, model, own)
        if not cells:
            continue
        at_random = _by_seed(results.done(random.name, model, own) if random else [])
        at_target = _by_seed(results.done(target.name, model, own) if target else [])
        pairs = [cell.loss - at_random[cell.seed] for cell in cells if cell.seed in at_random]
        found.append(
            Standing(
                arm=arm,
                budget=own,
                cells=tuple(cells),
                loss=Spread(tuple(cell.loss for cell in cells)),
                against_random=Spread(tuple(pairs)) if pairs and arm is not random else None,
                gap=gap_closed(_by_seed(cells), at_random, at_target) if arm not in (random, target) else None,
            )
        )
    return sorted(found, key=lambda standing: standing.loss.mean)


def has_no_gap(results: Results, ranked: Sequence[Standing]) -> bool:
    """Whether the target itself, trained on, did no better than random choice, so that there is no gap to close."""
    target = next((found for found in ranked if found.arm == target_arm(results)), None)
    return target is not None and target.against_random is not None and target.against_random.mean >= 0


def gap_closed(arm: dict[int, float], random: dict[int, float], target: dict[int, float]) -> Gap | None:
    """The share of the gap between random choice and the target that an arm closes.

    The share is taken of the means, not averaged over seeds: one seed with a narrow gap would outweigh the others.

    Args:
        arm: seed to final loss, nats a token.
        random: the same of random choice.
        target: the same of training on the target itself.

    Returns:
        None without a common seed, or if the target is no better than random choice over the common seeds.
    """
    own = [(random[seed] - arm[seed], random[seed] - target[seed]) for seed in arm if seed in random and seed in target]
    gap = math.fsum(wide for _, wide in own)
    if gap <= 0:
        return None
    return Gap(math.fsum(gained for gained, _ in own) / gap, tuple(gained / wide for gained, wide in own if wide > 0))


def _by_seed(cells: Sequence[Cell]) -> dict[int, float]:
    return {cell.seed: cell.loss for cell in cells}


@dataclass(frozen=True)
class Regression:
    """A straight line by least squares, with its squared correlation and its two-sided p value (slope 0)."""

    slope: float
    intercept: float
    r_squared: float
    p: float


def regress(x: Sequence[float], y: Sequence[float]) -> Regression | None:
    """Fit a line; None of fewer than three points or where all x, or all y, are the same."""
    if len(x) < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    from scipy.stats import linregress

    fit = linregress(x, y)
    return Regression(float(fit.slope), float(fit.intercept), float(fit.rvalue) ** 2, float(fit.pvalue))


def random_arm(results: Results) -> Arm | None:
    """The arm that draws from the whole source by chance."""
    return next((arm for arm in results.arms if arm.is_random), None)


def target_arm(results: Results) -> Arm | None:
    """The arm that trains on the target itself."""
    return next((arm for arm in results.arms if arm.train_on == "target" and not arm.swept), None)


def best_selection(ranked: Sequence[Standing], budget: int | None) -> Standing | None:
    """The selection method of the lowest mean loss at this budget, out of what `standings` returned."""
    return next((found for found in ranked if found.arm.is_selection and found.budget == budget), None)


def main_arms(results: Results) -> list[Arm]:
    """The arms that a study compares first.

    They are those that are no point of a sweep and no length control; where no selection is among these, the sweeps of
    selection methods join them, and where there is nothing at all, every arm does.
    """
    plain = [arm for arm in results.arms if not arm.swept and arm.lengths_of is None]
    if not any(arm.is_selection for arm in plain):
        plain = [arm for arm in results.arms if arm in plain or (arm.is_selection and arm.swept)]
    return plain or list(results.arms)
