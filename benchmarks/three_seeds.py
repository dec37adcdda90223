"""The studies in docs/results/three-seeds-* in one table: `python benchmarks/three_seeds.py` writes it anew.

It stands in README.md, and with shares of the gap in docs/results/README.md. A test holds both pages to the kept cells.
"""

from __future__ import annotations

import re
from pathlib import Path
from statistics import fmean

from zipfit.report.statistics import Standing, standings
from zipfit.report.wording import percent
from zipfit.study.results import load_results

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "results" / "README.md")
TASKS = {"proofnet": "ProofNet", "humaneval": "HumanEval", "spider": "Spider", "mbpp": "MBPP"}
NAMES = {
    "target": "the task's own examples",
    "random": "random documents",
    "surprise": "`cover`, `weights=surprise`",
    "cover and embedding": "`cover` and `embedding` in turn",
}
BUDGET = 40_000
BLOCK = re.compile(r"(<!-- three-seeds (\w+): .*? -->\n).*?(\n<!-- end -->)", re.DOTALL)


def found() -> dict[str, dict[str, Standing]]:
    """For each task the arms with a finished cell, by their names."""
    studies = {task: load_results(ROOT / "docs" / "results" / f"three-seeds-{task}") for task in TASKS}
    return {
        task: {standing.arm.name: standing for standing in standings(results, results.models[0], BUDGET)}
        for task, results in studies.items()
    }


def arms(tasks: dict[str, dict[str, Standing]]) -> list[str]:
    """The target, then what was chosen out of all pools by the mean share of the gap, then random choice."""
    everywhere = set.intersection(*map(set, tasks.values())) - {"target", "random"}
    return ["target", *sorted(everywhere, key=lambda arm: -share(tasks, arm)), "random"]


def share(tasks: dict[str, dict[str, Standing]], arm: str) -> float:
    """The mean over tasks of the share of the gap that an arm closes."""
    if arm in ("target", "random"):
        return float(arm == "target")
    return fmean(gap.share for standing in tasks.values() if (gap := standing[arm].gap))


def ahead(standing: Standing) -> str:
    """The seeds in which an arm beats random choice."""
    apart = standing.against_random
    return "" if apart is None else f"{sum(value < 0 for value in apart.values)} of {len(apart.values)}"


def losses(tasks: dict[str, dict[str, Standing]]) -> list[list[str]]:
    """Losses and the mean share, the lowest loss of what was chosen in bold."""
    rows = [["trained on", *TASKS.values(), "gap closed"]]
    shown = arms(tasks)
    best = {task: min(shown[1:-1], key=lambda arm: ranked[arm].loss.mean) for task, ranked in tasks.items()}
    for arm in shown:
        cells = [
            f"**{ranked[arm].loss}**" if arm == best[task] else str(ranked[arm].loss) for task, ranked in tasks.items()
        ]
        rows.append([NAMES.get(arm, f"`{arm}`"), *cells, percent(share(tasks, arm))])
    return rows


def shares(tasks: dict[str, dict[str, Standing]]) -> list[list[str]]:
    """Of each task the share of the gap, and in how many seeds an arm beats random choice."""
    rows = [["trained on", *TASKS.values(), "mean"]]
    for arm in arms(tasks)[1:-1]:
        cells = [
            f"{percent(ranked[arm].gap.share) if ranked[arm].gap else ''} ({ahead(ranked[arm])})"
            for ranked in tasks.values()
        ]
        rows.append([NAMES.get(arm, f"`{arm}`"), *cells, percent(share(tasks, arm))])
    return rows


TABLES = {"losses": losses, "shares": shares}


def written(page: str, tasks: dict[str, dict[str, Standing]]) -> str:
    """The page with its tables made anew."""

    def table(block: re.Match[str]) -> str:
        head, *rows = ["| " + " | ".join(row) + " |" for row in TABLES[block[2]](tasks)]
        return block[1] + "\n".join([head, "|---|" + "---:|" * (head.count("|") - 2), *rows]) + block[3]

    return BLOCK.sub(table, page)


if __name__ == "__main__":
    kept = found()
    for page in PAGES:
        page.write_text(written(page.read_text(encoding="utf-8"), kept), encoding="utf-8")
