"""What a study says, in plain sentences: which selection is best, by how much, and how sure that is."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zipfit.report.statistics import (
    Speedup,
    best_selection,
    has_no_gap,
    loss_curve,
    main_arms,
    random_arm,
    regress,
    speedup,
    standings,
)
from zipfit.report.wording import NO_GAP, count, p_value, percent, plural, signed, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zipfit.report.statistics import Standing
    from zipfit.study.results import Results


@dataclass(frozen=True)
class Verdict:
    """A study's outcome for one model.

    Attributes:
        headline: the outcome in one sentence.
        sentences: by how much, with what spread, and what speaks against it.
        facts: numbers to show large, each with what it is.
    """

    headline: str
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


def verdict(results: Results, model: str) -> Verdict:
    """Judge a study at the largest budget that is complete."""
    budget = results.main_budget(model, main_arms(results))
    ranked = [found for found in standings(results, model, budget) if found.budget == budget]
    after = "on all tokens" if budget is None else f"after {count(budget)} tokens"
    if not ranked:
        return Verdict("No cell has finished yet.", (), ())
    best = best_selection(ranked, budget)
    random = next((found for found in ranked if found.arm == random_arm(results)), None)
    if best is None and any(arm.is_selection for arm in main_arms(results)):
        return Verdict("No selection has finished yet.", (), ())
    if best is None:
        return _of_labels(results, model) or Verdict(
            f"{_name(ranked[0])} ends lowest: test loss {ranked[0].loss} {after}.", (), ()
        )
    sentences = (_margin(best, random), _gap(results, ranked, best), *_doubts(ranked, best), _zipfit(ranked, best))
    facts = _facts(best, _speedup(results, model, budget, best))
    return Verdict(_headline(best, random, after), tuple(filter(None, sentences)), tuple(facts))


def _of_labels(results: Results, model: str) -> Verdict | None:
    """The outcome of a study that compares sources by their labels: whether alignment tells which are good."""
    arms = [arm for arm in results.arms if arm.label is not None]
    budget = results.main_budget(model, arms)
    ranked = [found for found in standings(results, model, budget) if found.arm in arms and found.budget == budget]
    points = [
        (statistics.fmean(aligned), found.loss.mean)
        for found in ranked
        if (aligned := [cell.alignment for cell in found.cells if cell.alignment is not None])
    ]
    line = regress([x for x, _ in points], [y for _, y in points])
    if line is None:
        return None
    over = plural(len(points), "source label")
    if line.p >= 0.05:
        headline = f"Alignment does not predict the loss over {over}."
    elif line.slope < 0:
        headline = f"Better aligned sources end lower, over {over}."
    else:
        headline = f"Better aligned sources end higher, over {over}."
    first, last = ranked[0], ranked[-1]
    ends = [f"{tidy(str(found.arm.label), 80)} at {found.loss}" for found in (first, last)]
    sentences = [f"Lowest ends {ends[0]}, highest {ends[1]}."]
    if any(found.against_random for found in ranked):
        better = sum(found.against_random is not None and found.against_random.mean < 0 for found in ranked)
        sentences.append(
            f"{count(better)} of {plural(len(ranked), 'source')} end below random choice from all of them."
        )
    facts = ((f"{line.r_squared:.2f}", "R² of alignment and loss"), (p_value(line.p).replace("p ", ""), "p, two-sided"))
    return Verdict(headline, tuple(sentences), facts)


def _name(found: Standing) -> str:
    return tidy(found.arm.name, 80)


def _headline(best: Standing, random: Standing | None, after: str) -> str:
    if random is not None and best.loss.mean >= random.loss.mean:
        return (
            f"No selection beats random choice: the best, {_name(best)}, ends at {best.loss}, random choice at "
            f"{random.loss} {after}."
        )
    return f"{_name(best)} selects best: test loss {best.loss} {after}."


def _margin(best: Standing, random: Standing | None) -> str:
    spread = best.against_random
    if random is None or spread is None:
        return "There is no random choice to compare with."
    seeds = len(spread.values)
    lower = sum(value < 0 for value in spread.values)
    way = "below" if spread.mean < 0 else "above"
    around = f" (by seed {signed(spread.low)} to {signed(spread.high)})" if seeds > 1 else ""
    return (
        f"{_name(best)} ends {abs(spread.mean):.3f} nats a token {way} random choice{around}; it is lower in "
        f"{lower} of {plural(seeds, 'seed')}."
    )


def _gap(results: Results, ranked: Sequence[Standing], best: Standing) -> str:
    if best.gap is None:
        return NO_GAP if has_no_gap(results, ranked) else ""
    seeds = best.gap.seeds
    around = f" ({percent(min(seeds))} to {percent(max(seeds))} by seed)" if len(seeds) > 1 else ""
    share = f"{percent(best.gap.share)}{around}"
    between = "the gap between random choice and training on the target itself"
    return f"It closes {share} of {between}." if best.gap.share > 0 else f"It closes nothing of {between}: {share}."


def _doubts(ranked: Sequence[Standing], best: Standing) -> list[str]:
    """What a careful reader should hold against the headline."""
    selections = [found for found in ranked if found.arm.is_selection]
    said = []
    if len(selections) > 1:
        second = selections[1]
        theirs = {cell.seed: cell.loss for cell in second.cells}
        pairs = [theirs[cell.seed] - cell.loss for cell in best.cells if cell.seed in theirs]
        if pairs:
            ahead = sum(pair > 0 for pair in pairs)
            behind = math.fsum(pairs) / len(pairs)
            word = ", so that lead is not safe" if ahead < len(pairs) else ""
            said.append(
                f"{_name(second)} comes next, {abs(behind):.3f} {'behind' if behind >= 0 else 'ahead'} seed by seed; "
                f"{_name(best)} is ahead in {ahead} of {plural(len(pairs), 'seed')}{word}."
            )
        said.append(f"The best of {len(selections)} selections was picked on the test set that it is reported on.")
    if len({tuple(cell.seed for cell in found.cells) for found in ranked}) > 1:
        said.append("Not every arm has finished the same seeds, so their means are not of the same runs.")
    if len(best.cells) == 1:
        said.append("A single seed says nothing of the spread.")
    overlaps = [cell.overlap for cell in best.cells if cell.overlap]
    exact, ngram = (max((getattr(overlap, kind) for overlap in overlaps), default=0) for kind in ("exact", "ngram"))
    if exact or ngram:
        said.append(
            f"Its training documents hold {plural(exact, 'test document')} whole and 13-grams of {count(ngram)}, so "
            "its loss may flatter it."
        )
    return said


def _zipfit(ranked: Sequence[Standing], best: Standing) -> str:
    """How the paper's own method did, wherever it stands."""
    selections = [found for found in ranked if found.arm.is_selection]
    own = [found for found in selections if found.arm.method == "zipfit"]
    plain = next((found for found in own if found.arm.is_plain), own[0] if own else None)
    if plain is None or plain is best:
        return ""
    place = f"place {selections.index(plain) + 1} of {len(selections)} selections"
    sentence = f"ZIP-FIT ({_name(plain)}) comes in at {plain.loss}, {place}"
    if plain.against_random is not None:
        mean = plain.against_random.mean
        sentence += f"; it {'beats' if mean < 0 else 'loses to'} random choice by {abs(mean):.3f}"
    if plain.gap is not None:
        share = plain.gap.share
        sentence += f" and closes {percent(share) if share > 0 else 'nothing'} of the gap"
    return sentence + "."


def _speedup(results: Results, model: str, budget: int | None, best: Standing) -> Speedup | None:
    random = random_arm(results)
    cells = results.done(random.name, model, budget) if random else []
    return speedup(loss_curve(best.cells), loss_curve(cells)) if cells else None


def _facts(best: Standing, found: Speedup | None) -> list[tuple[str, str]]:
    facts = []
    if best.gap is not None:
        facts.append((percent(best.gap.share), "of the gap from random to target closed"))
    if best.against_random is not None:
        facts.append((signed(best.against_random.mean), "nats a token against random choice"))
    faster = None if found is None else found.faster
    if faster is not None and faster > 0:
        facts.append((percent(faster), "fewer tokens to random choice's lowest loss"))
    elif found is not None and faster is None:
        facts.append(("never", "as low as random choice gets"))
    return facts
