"""ZIP-FIT's figures beside the kept results: `python benchmarks/paper.py` writes the tables of docs/paper.md anew.

What the paper claims stands here as its text, captions and plots print it; what we find, and whether it agrees, is
worked out from the studies in docs/results, whichever are there. A test holds the page to that. Needs the extra `plots`.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from zipfit.report.statistics import Spread, loss_curve, regress, speedup
from zipfit.report.wording import count, p_value, percent, seconds
from zipfit.study.results import load_results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zipfit.study.results import Results
    from zipfit.study.schema import Arm, Cell

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "paper.md"
TASKS = {"proofnet": "ProofNet", "humaneval": "HumanEval", "mbpp": "MBPP", "spider": "Spider"}
RIVALS = ("dsir", "d4")
HEAD = 10  # documents at the head of a selection
BLOCK = re.compile(r"(<!-- (\w+): .*? -->\n).*?(\n<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Kept:
    """A kept study's cells of one model; `name` is its folder's, within docs/results."""

    name: str
    results: Results
    model: str

    @cached_property
    def task(self) -> str:
        files = " ".join(file for part in self.results.study.target for file in part.files)
        return next((name for key, name in TASKS.items() if key in files), "")

    @cached_property
    def pool(self) -> str:
        sample = self.results.study.source[0].sample
        return "whole" if sample is None else f"{count(sample)} documents"

    def cells(self, arm: str, budget: int | None) -> list[Cell]:
        return self.results.done(arm, self.model, budget)

    def plain(self, method: str) -> Arm | None:
        """The arm that is this method as it comes."""
        return next((arm for arm in self.results.arms if arm.method == method and arm.is_plain), None)


@dataclass(frozen=True)
class Match:
    """ZIP-FIT and its rivals in one study at one budget: their finished cells, by method."""

    study: Kept
    budget: int | None
    cells: dict[str, list[Cell]]

    def losses(self, method: str) -> Spread | None:
        found = self.cells.get(method)
        return Spread(tuple(cell.loss for cell in found)) if found else None

    def is_lower_than(self, rival: str) -> bool | None:
        """Whether ZIP-FIT's mean loss is below the rival's over the seeds that both have; None without such seeds."""
        own, other = ({cell.seed: cell.loss for cell in self.cells.get(name, ())} for name in ("zipfit", rival))
        pairs = [own[seed] - other[seed] for seed in own if seed in other]
        return fmean(pairs) < 0 if pairs else None

    def sooner(self) -> str:
        """How much sooner ZIP-FIT is as low as DSIR ever gets, as the paper counts it."""
        if not (self.cells.get("zipfit") and self.cells.get("dsir")):
            return ""
        gained = speedup(loss_curve(self.cells["zipfit"]), loss_curve(self.cells["dsir"]))
        if gained is None:
            return "not measured"
        return "never" if gained.faster is None else percent(gained.faster)

    def time(self, method: str) -> float | None:
        """Seconds to select, encoding included; None where it was kept from before."""
        whole = [cell for cell in self.cells.get(method, ()) if not (cell.cached_vectors or 0)]
        return fmean(cell.selection_seconds or 0.0 for cell in whole) if whole else None


def studies() -> list[Kept]:
    """The kept studies, in the order of their folders' names."""
    loaded = {path.parent: load_results(path.parent) for path in sorted(RESULTS.rglob("study.json"))}
    return [
        Kept(folder.relative_to(RESULTS).as_posix(), results, model)
        for folder, results in loaded.items()
        for model in results.models
    ]


def matches(kept: Sequence[Kept], *tasks: str) -> list[Match]:
    """Every study of these tasks that has ZIP-FIT and DSIR at a budget, whole pools first."""
    found = []
    for study in kept:
        arms = {method: study.plain(method) for method in ("zipfit", *RIVALS, "random")}
        for budget in study.results.budgets if study.task in tasks else ():
            cells = {method: study.cells(arm.name, budget) for method, arm in arms.items() if arm is not None}
            if cells.get("zipfit") and cells.get("dsir"):
                found.append(Match(study, budget, cells))
    return sorted(found, key=lambda match: (match.study.task, match.study.pool != "whole", match.budget or 0))


@dataclass(frozen=True)
class Finding:
    """What our cells say of a claim, and whether it agrees."""

    said: str
    agrees: str


NOTHING = Finding("not run", "open")


def judged(holds: Sequence[bool]) -> str:
    return "yes" if all(holds) else "no" if not any(holds) else "in part"


def against_rivals(*tasks: str) -> Callable[[Sequence[Kept]], Finding]:
    def find(kept: Sequence[Kept]) -> Finding:
        said, every = [], []
        for rival in RIVALS:
            holds = [lower for match in matches(kept, *tasks) if (lower := match.is_lower_than(rival)) is not None]
            every += holds
            said.append(f"below `{rival}` in {sum(holds)} of {len(holds)} comparisons")
        return (
            Finding(f"`zipfit` ends {' and '.join(said)}, [below](#all-comparisons)", judged(every))
            if every
            else NOTHING
        )

    return find


def labels(kept: Sequence[Kept]) -> tuple[list[tuple[float, float]], int | None, str] | None:
    """Alignment and loss of every data set trained on alone, ascending; the tokens, and the task."""
    for study in kept:
        arms = [arm for arm in study.results.arms if arm.label is not None]
        budget = study.results.main_budget(study.model, arms) if arms else None
        found = [cells for arm in arms if (cells := study.cells(arm.name, budget))]
        if len(found) > 5:
            points = [(fmean(c.alignment or 0.0 for c in cells), fmean(c.loss for c in cells)) for cells in found]
            return sorted(points), budget, study.task
    return None


def correlation(kept: Sequence[Kept]) -> Finding:
    found = labels(kept)
    line = regress(*zip(*found[0], strict=True)) if found else None
    if found is None or line is None:
        return NOTHING
    points, budget, task = found
    said = (
        f"R² {line.r_squared:.2f}, {p_value(line.p)} over {len(points)} data sets, {count(budget or 0)} tokens, {task}"
    )
    holds = line.slope < 0 and line.p < 0.05
    return Finding(said, ("yes" if line.r_squared > 0.7 else "in part, less tightly") if holds else "no")


def sooner_by_alignment(kept: Sequence[Kept]) -> Finding:
    found = labels(kept)
    if found is None:
        return NOTHING
    points, budget, _ = found
    third = len(points) // 3
    low, high = (fmean(loss for _, loss in part) for part in (points[:third], points[-third:]))
    lowest = min(points, key=lambda point: point[1])
    place = 1 + sum(point[0] > lowest[0] for point in points)
    said = (
        f"after {count(budget or 0)} tokens the {third} best aligned of {len(points)} data sets end at {high:.3f} in the "
        f"mean, the {third} worst at {low:.3f}; the lowest loss is of the one that is {place}. by alignment"
    )
    return Finding(said, "no" if high >= low else "yes" if place == 1 else "in part")


def thresholds(kept: Sequence[Kept]) -> Finding:
    for study in kept:
        arms = [arm for arm in study.results.arms if "min_score" in arm.swept]
        everything = next((arm for arm in study.results.arms if arm.train_on == "source"), None)
        if not arms or everything is None:
            continue
        budget = study.results.main_budget(study.model, arms)
        found = [
            (arm.min_score, fmean(cell.loss for cell in cells))
            for arm in arms
            if (cells := study.cells(arm.name, budget))
        ]
        found.sort(key=lambda pair: pair[0] or 0.0)
        whole = study.cells(everything.name, budget)
        if len(found) > 1 and whole:
            losses = [loss for _, loss in found]
            at_all = fmean(cell.loss for cell in whole)
            ends = ", ".join(f"{loss:.3f} above {score:g}" for score, loss in found)
            holds = [after < before for before, after in itertools.pairwise(losses)]
            said = f"{ends}; {at_all:.3f} with all documents, {count(budget or 0)} tokens"
            return Finding(said, judged([*holds, *(loss < at_all for loss in losses)]))
    return NOTHING


def times(kept: Sequence[Kept]) -> Finding:
    found = [match for match in matches(kept, "ProofNet", "HumanEval") if match.study.pool == "whole"]
    taken = {name: [time for match in found if (time := match.time(name)) is not None] for name in ("zipfit", *RIVALS)}
    if not (taken["zipfit"] and taken["dsir"]):
        return NOTHING
    said = ", ".join(
        f"`{name}` {seconds(min(each))} to {seconds(max(each))}" if len(each) > 1 else f"`{name}` {seconds(each[0])}"
        for name, each in taken.items()
        if each
    )
    lost = fmean(taken["dsir"]) <= fmean(taken["zipfit"])
    far = bool(taken["d4"]) and fmean(taken["d4"]) > 10 * fmean(taken["zipfit"])
    agrees = f"against DSIR {'no' if lost else 'yes'}" + (
        f", against D4 {'yes' if far else 'no'}" if taken["d4"] else ""
    )
    return Finding(f"{said}, on two cores with other work", agrees)


def heads(kept: Sequence[Kept]) -> Finding:
    """Alignments of the first documents chosen for HumanEval out of a whole pool."""
    for study in kept:
        chosen = {record.arm.method: record for record in study.results.selections.values() if record.arm.is_plain}
        if study.task != "HumanEval" or study.pool != "whole" or not {"zipfit", "dsir"} <= chosen.keys():
            continue
        said, values = [], {}
        for name in ("zipfit", "dsir"):
            record = chosen[name]
            values[name] = [value for value in record.alignment[:HEAD] if value is not None]
            kinds = len(set(record.label[:HEAD]))
            said.append(
                f"`{name}` {min(values[name]):.3f} to {max(values[name]):.3f}, {count(fmean(record.bytes[:HEAD]))} bytes "
                f"in the mean, out of {kinds} data sets"
            )
        higher = min(values["zipfit"]) > max(values["dsir"])
        return Finding("the first ten: " + "; ".join(said), "yes" if higher else "no")
    return NOTHING


def levels(kept: Sequence[Kept]) -> Finding:
    """The lightest and the heaviest level of each compressor."""
    for study in kept:
        swept = [arm for arm in study.results.arms if "level" in arm.swept]
        families: dict[str, list[tuple[int, float]]] = {}
        for arm in swept:
            cells = study.cells(arm.name, study.results.main_budget(study.model, swept))
            if cells:
                families.setdefault(arm.family, []).append((arm.swept["level"], fmean(cell.loss for cell in cells)))
        ends = {family: (min(found)[1], max(found)[1]) for family, found in families.items() if len(found) > 1}
        if ends:
            said = ", ".join(f"`{family}` {light:.3f} to {heavy:.3f}" for family, (light, heavy) in ends.items())
            every = [loss for found in families.values() for _, loss in found]
            said += f" (test loss, lightest to heaviest level); all levels lie within {max(every) - min(every):.3f}"
            return Finding(said, judged([light < heavy for light, heavy in ends.values()]))
    return NOTHING


def pass_rates(kept: Sequence[Kept]) -> Finding:
    for match in matches(kept, "HumanEval"):
        rates = {
            name: fmean(cell.pass_at[1] for cell in cells)
            for name, cells in match.cells.items()
            if cells and all(1 in cell.pass_at for cell in cells)
        }
        if {"zipfit", "dsir"} <= rates.keys():
            said = ", ".join(f"`{name}` {percent(rate)}" for name, rate in rates.items())
            return Finding(f"pass@1: {said}", "yes" if rates["zipfit"] > rates["dsir"] else "no")
    return NOTHING


@dataclass(frozen=True)
class Claim:
    """A figure or table of the paper: what it says, on what, and how to find ours."""

    figure: str
    says: str
    on: str
    ours: Callable[[Sequence[Kept]], Finding]


CLAIMS = (
    Claim(
        "2",
        "Code: ZIP-FIT is as low as DSIR ever gets 52.55% to 85.11% sooner, and lower than DSIR and D4 at the end",
        "Gemma2-2B (top 800k, 930k, 1.6M tokens), CodeGemma-2B (770k, 842k, 1M)",
        against_rivals("HumanEval"),
    ),
    Claim(
        "3",
        "A data set's alignment predicts the loss after training on it: R² 0.90, p 0.001, and R² 0.75, p 0.025",
        "GPT-2 and Mistral7B, 22k tokens, 7 and 6 data sets, ProofNet",
        correlation,
    ),
    Claim(
        "4",
        "The best aligned data lower the loss soonest (curves, no number printed but the alignments)",
        "GPT-2 and Mistral7B, up to 100k tokens of 6 and 8 data sets, ProofNet",
        sooner_by_alignment,
    ),
    Claim(
        "5 and 7",
        "AutoFormalization: 13.79% to 64.3% sooner than DSIR, and lower than DSIR and D4 at the end",
        "InternLM-Math-Plus-1.8B, Gemma2-2B and Mistral7B; of the first, top 49k, 81k, 111k, 353k and 695k tokens",
        against_rivals("ProofNet"),
    ),
    Claim(
        "6",
        "Documents above an alignment of 0.3 are better than those above 0.2, these than those above 0.1, and all three "
        "than all documents (curves, no number printed; none of them is of all documents)",
        "Mistral7B, about 33k, 79k and 220k tokens, ProofNet",
        thresholds,
    ),
    Claim(
        "8",
        "Selecting for code takes ZIP-FIT 85 s, DSIR 97 s and D4 5 h; elsewhere up to 65.8% less than DSIR",
        "its source of code; the machine is not told",
        times,
    ),
    Claim(
        "Table 1",
        "The first ten documents for code have alignments of 0.4853 to 0.5000, DSIR's ten (its Table 2) of 0.121 to 0.239",
        "its source of code; three of the ten are of Python, the others prose, Coq, Agda, Fortran and GAP",
        heads,
    ),
    Claim(
        "pass@1, later text",
        "Full fine-tuning: ZIP-FIT 18.86%, DSIR 17.98%, before 15.24%; QLoRA: ZIP-FIT 12.19%, DSIR 9.14%, D4 and before "
        "6.09%",
        "Gemma2-2B, top 1M tokens, HumanEval",
        pass_rates,
    ),
    Claim(
        "compressors, later text",
        "Lighter compression selects better: pass@1 12.19% by LZ4 and 11.58% by gzip at their lightest, falling with the "
        "level; zstd is worse",
        "Gemma2-2B in 4 bits, LoRA, HumanEval",
        levels,
    ),
)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """A Markdown table; `right` has an r for each column of numbers."""
    marks = ["---:" if mark == "r" else "---" for mark in right.ljust(len(heads))]
    return "\n".join("|" + "|".join(f" {cell} " for cell in row) + "|" for row in (heads, marks, *rows)).replace(
        "  ", " "
    )


def claims(kept: Sequence[Kept]) -> str:
    rows = []
    for claim in CLAIMS:
        found = claim.ours(kept)
        rows.append((claim.figure, claim.says, claim.on, found.said, f"**{found.agrees}**"))
    return table(("figure", "the paper", "measured on", "we find", "agrees"), rows)


def comparisons(kept: Sequence[Kept]) -> str:
    rows = [
        (
            f"[{match.study.name}](results/{match.study.name}/tables.md)",
            match.study.task,
            match.study.model,
            match.study.pool,
            "all" if match.budget is None else count(match.budget),
            *(str(match.losses(name) or "") for name in ("zipfit", *RIVALS, "random")),
            match.sooner(),
        )
        for match in matches(kept, *TASKS.values())
    ]
    heads = ("study", "task", "model", "pool", "tokens", "`zipfit`", "`dsir`", "`d4`", "`random`", "sooner than DSIR")
    return table(heads, rows, right="    rrrrrr")


TABLES = {"claims": claims, "comparisons": comparisons}


def written(page: str) -> str:
    """The page with its tables made anew."""
    kept = studies()
    return BLOCK.sub(lambda block: block[1] + TABLES[block[2]](kept) + block[3], page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
