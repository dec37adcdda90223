"""How time and memory grow: each method at several sizes of the pool and of the target, with fitted exponents.

    python benchmarks/growth.py POOL TARGET [--documents 10000 100000 1000000] [--targets 10 100 1000]
        [--methods random dsir ...] [--seconds 600] [--json FILE] [--figure FILE.png]

A pool is the given one over and over, the lines of each text rotated so that rounds differ; so is a target. The pool
grows with 100 examples, the target with the least pool. Each run is a whole `zipfit select` of 100 documents in a
process of its own: processor time, wall time and peak memory. A method is not run at a size where its last run, taken
times the growth, would pass `--seconds` of processor time; it is listed as left out. The exponent is the slope of the
logarithms by least squares, over the sizes above the least, whose time is mostly that of starting.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
from all import run
from cover import RepeatedPool, texts_of

METHODS = {
    "random": ["--method", "random"],
    "gain": ["--method", "gain"],
    "dsir": ["--method", "dsir"],
    "cover": ["--method", "cover"],
    "racing": ["--racing"],
    "lz4": ["--compressor", "lz4"],
    "bm25": ["--method", "bm25", "--param", "reduce=mean"],
    "zipfit": ["--method", "zipfit"],
    "mmr": ["--method", "mmr"],
}
EXAMPLES = 100
"""In the target while the pool grows."""


def write(source: Path, paths: dict[int, Path]) -> None:
    """Write files of so many documents each."""
    texts = texts_of(source)
    random.Random(1).shuffle(texts)  # its head is then like the rest
    for size, path in paths.items():
        with path.open("w", encoding="utf-8") as stream:
            for batch in RepeatedPool(texts, size):
                stream.writelines(json.dumps({"text": text}) + "\n" for text in batch)


def series(methods: list[str], points: list[tuple[int, Path, Path]], seconds: float, output: Path) -> dict[str, dict]:
    """Costs of each method at each (size, pool, target)."""
    found = {}
    for name in methods:
        costs, left_out = {}, []
        before: tuple[int, float] | None = None
        for size, pool, target in points:
            if left_out or (before and before[1] * size / before[0] > seconds):
                left_out.append(size)
                continue
            command = ["select", str(pool), "-t", str(target), "--top", "100", "-o", str(output), "--overwrite", "-q"]
            cost = run(sys.executable, *command, *METHODS[name])
            costs[size] = {"processor": round(cost.processor, 2), "wall": round(cost.wall, 2), "mb": round(cost.peak)}
            before = size, cost.processor
            print(name, size, costs[size], file=sys.stderr, flush=True)
        found[name] = {"costs": costs, "left_out": left_out} | {
            f"exponent_of_{key}": exponent({size: cost[key] for size, cost in costs.items()})
            for key in ("processor", "mb")
        }
    return found


def exponent(values: dict[int, float]) -> float | None:
    """The slope of the logarithms over all sizes but the least; None for fewer than two."""
    some = sorted(values.items())[1:]
    if len(some) < 2:
        return None
    return round(float(np.polyfit(*np.log(np.array(some, float)).T, 1)[0]), 2)


def draw(results: dict[str, dict[str, dict]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, rows = plt.subplots(2, 2, figsize=(11, 7), constrained_layout=True)
    for axes, (grown, key) in zip(rows.T.flat, [(g, k) for g in results for k in ("processor", "mb")], strict=True):
        for number, (name, result) in enumerate(results[grown].items()):
            costs = result["costs"]
            slope = result[f"exponent_of_{key}"]
            label = name if slope is None else f"{name} ({slope:.2f})"
            style = {"marker": "os^dvP*XD"[number % 9], "markersize": 4, "color": f"C{number}", "label": label}
            axes.plot(list(costs), [cost[key] for cost in costs.values()], **style)
        axes.set(xscale="log", yscale="log", xlabel=grown)
        axes.set_ylabel("processor seconds" if key == "processor" else "peak memory, MB")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, title="method (exponent)", title_fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--targets", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seconds", type=float, default=600, help="of processor time, for a run")
    parser.add_argument("--folder", help="for temporary files")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        pools = {size: folder / f"pool-{size}.jsonl" for size in sorted(given.documents)}
        targets = {size: folder / f"target-{size}.jsonl" for size in sorted({*given.targets, EXAMPLES})}
        for source, paths in ((given.pool, pools), (given.target, targets)):
            # The system takes what a process held before it started another for that one's memory: so hold little.
            writer = multiprocessing.get_context("spawn").Process(target=write, args=(source, paths))
            writer.start()
            writer.join()
        least = pools[min(pools)]
        output = folder / "selected.jsonl"
        by_documents = [(size, path, targets[EXAMPLES]) for size, path in pools.items()]
        by_targets = [(size, least, targets[size]) for size in sorted(given.targets)]
        results = {
            "documents in the pool": series(given.methods, by_documents, given.seconds, output),
            "examples in the target": series(given.methods, by_targets, given.seconds, output),
        }
    about = {"machine": platform.machine(), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}
    if given.json:
        given.json.write_text(json.dumps(about | {"results": results}, indent=1) + "\n")
    if given.figure:
        draw(results, given.figure)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
