"""DSIR here and in data-selection 1.0.3: the same weights, at what cost.

    python benchmarks/dsir.py POOL.jsonl TARGET.jsonl [--processes 2] [--json RESULT.json]

Both read the same uncompressed JSON lines with a `text` field, fit, and weigh every document; data-selection with that
many processes, zipfit with that many threads, each in a process of its own so that processor time and peak memory are
its own. Then the weights are compared. The reference is given its tokenizer as `re` runs it, which is what it had when
published: from 3.10.3 on, NLTK runs it by the `regex` package, which is slower and splits some scripts differently.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np


def run_zipfit(pool: Path, target: Path, processes: int, out: Path) -> None:
    from zipfit.methods.dsir import Dsir
    from zipfit.selection.ranking import rank, ranks_and_scores
    from zipfit.selection.sources import open_sources

    sources = open_sources(str(pool), str(target), threads=processes)
    ranking = rank(sources, Dsir(min_length=0))
    np.save(out, ranks_and_scores(ranking.whole(), len(sources.pool.facts.lengths))[1])


def run_data_selection(pool: Path, target: Path, processes: int, out: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pkg_resources
        from data_selection import HashedNgramDSIR

    with tempfile.TemporaryDirectory() as folder:
        dsir = HashedNgramDSIR([str(pool)], [str(target)], cache_dir=folder, num_proc=processes)
        dsir.tokenizer = re.compile(r"\w+|[^\w\s]+").findall
        dsir.fit_importance_estimator()
        dsir.compute_importance_weights()
        shards = [np.load(Path(folder) / "log_importance_weights" / f"{i}.npy") for i in range(processes)]
    weights = np.empty(sum(map(len, shards)))
    for i, shard in enumerate(shards):  # its shards are dealt out document by document
        weights[i::processes] = shard
    np.save(out, weights)


CONTENDERS = {"zipfit": run_zipfit, "data-selection": run_data_selection}


def measure(name: str, arguments: list[str]) -> dict[str, float]:
    """Run one contender in a process of its own; return seconds and MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, __file__, *arguments, "--contender", name], check=True, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or a build without bytecode would be compiled in every run
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the result here as well")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        CONTENDERS[arguments.contender](arguments.pool, arguments.target, arguments.processes, arguments.out)
        return

    weights = {}
    result: dict[str, object] = {
        "megabytes": round(arguments.pool.stat().st_size / 1e6, 1),
        "cores": arguments.processes,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in CONTENDERS:
            out = Path(folder) / f"{name}.npy"
            common = [str(arguments.pool), str(arguments.target), "--processes", str(arguments.processes)]
            result[name] = measure(name, [*common, "--out", str(out)])
            weights[name] = np.load(out)
    ours, theirs = weights.values()
    result["documents"] = len(ours)
    result["documents_off_by_1e-9"] = int((np.abs(ours - theirs) > 1e-9 * np.abs(theirs)).sum())
    for clock in ("wall_s", "cpu_s"):
        result[f"times_faster_{clock}"] = round(result["data-selection"][clock] / result["zipfit"][clock], 1)
    print(json.dumps(result, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
