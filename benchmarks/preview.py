"""Does `zipfit preview` rank methods as fine-tuning does? Spearman's rank correlation with the kept losses.

For each task of docs/results the preview is made on several splits of the target, and its bits per byte are compared
with the mean test loss of SmolLM2-135M on selections out of the same pool, at the budget of which most cells were run:
split by split, and for the mean of the splits. Random choice is one of the ranked.

    python benchmarks/preview.py DATA [--splits 3] [--json FILE]

DATA is a folder with `af_pool.jsonl.zst`, `code_pool.jsonl.zst` and the targets of `studies/` in `targets/`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from itertools import islice
from pathlib import Path

import numpy as np
import zstandard

TASKS = {
    "autoformalization": ("af_pool.jsonl.zst", "targets/proofnet_valid.jsonl", (0, None)),
    "code": ("code_pool.jsonl.zst", "targets/humaneval.jsonl", (0, 82)),
    "text2sql": ("code_pool.jsonl.zst", "targets/spider_valid.jsonl", (0, None)),
    "mbpp": ("code_pool.jsonl.zst", "targets/mbpp.jsonl", (510, 600)),
}
METHODS = ("cover", "mmr", "gain", "zipfit", "dsir")
RESULTS = Path(__file__).parent.parent / "docs" / "results"


def kept_losses(task: str) -> dict[str, float]:
    """The mean test loss of each arm, in nats a token."""
    losses: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with zstandard.open(RESULTS / task / "records.jsonl.zst", "rt") as lines:
        for record in map(json.loads, lines):
            if record["kind"] == "cells" and record["status"] == "done" and record["arm"] in (*METHODS, "random"):
                losses[record["budget"]][record["arm"]].append(record["losses"][-1]["loss"])
    most = max(losses.values(), key=lambda arms: sum(map(len, arms.values())))
    return {arm: float(np.mean(found)) for arm, found in most.items()}


def previewed(pool: Path, target: Path, seed: int) -> dict[str, float]:
    """Bits per byte of the held-out half by each method, and by random choice."""
    methods = [word for method in METHODS for word in ("-m", method)]
    command = [sys.executable, "-c", "from zipfit.cli import main; main()", "preview", str(pool), "-t", str(target)]
    ran = subprocess.run(
        [*command, *methods, "--seed", str(seed), "--json"], check=True, capture_output=True, text=True
    )
    return {row["method"]: row["bits_per_byte"] for row in json.loads(ran.stdout)}


def spearman(one: dict[str, float], other: dict[str, float]) -> float:
    ranks = [np.argsort(np.argsort([values[name] for name in sorted(other)])) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = {}
    for task, (pool, target, rows) in TASKS.items():
        losses = kept_losses(task)
        with tempfile.TemporaryDirectory() as folder:
            examples = Path(folder, "target.jsonl")
            with (given.data / target).open() as lines:
                examples.write_text("".join(islice(lines, *rows)))
            splits = [previewed(given.data / pool, examples, seed) for seed in range(given.splits)]
        mean = {name: float(np.mean([split[name] for split in splits])) for name in losses}
        found[task] = {
            "losses": losses,
            "bits_per_byte": mean,
            "correlation": spearman(mean, losses),
            "by_split": [spearman(split, losses) for split in splits],
        }
        print(task, json.dumps(found[task]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
