"""`cover` in parts against one machine: processor time and peak memory of each step, and whether the bytes are the same.

    python benchmarks/cover_parts.py POOL.jsonl[.zst] TARGET.jsonl FOLDER [--documents 1000000] [--parts 8] [--top 500]

The pool is that of `benchmarks/cover.py`, written to FOLDER. Prints and keeps (`results/cover_parts.json`) what each
step took, every one in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from cover import RepeatedPool, texts_of

RESULTS = Path(__file__).parent / "results" / "cover_parts.json"


def measured(*arguments: object) -> dict[str, float]:
    command = [sys.executable, "-c", "from zipfit.cli import main; main()", *map(str, arguments), "-q"]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{command} failed"
    return {
        "processor_s": round(usage.ru_utime + usage.ru_stime, 1),
        "wall_s": round(time.perf_counter() - start, 1),
        "peak_MiB": round(usage.ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--top", type=int, default=500)
    args = parser.parse_args()
    args.folder.mkdir(parents=True)
    pool, scores = args.folder / "pool.jsonl", args.folder / "scores"
    with pool.open("w", encoding="utf-8") as file:
        for batch in RepeatedPool(texts_of(args.pool), args.documents):
            file.writelines(json.dumps({"text": text}) + "\n" for text in batch)
    score = ["score", pool, "-t", args.target, "-m", "cover", "-o", scores]
    direct = ["select", pool, "-t", args.target, "-m", "cover", "-k", args.top, "-o", args.folder / "direct.jsonl"]
    results = {
        "documents": args.documents,
        "pool_MB": round(pool.stat().st_size / 1e6),
        "parts": args.parts,
        "top": args.top,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "direct": measured(*direct),
        "each part": [measured(*score, "--part", f"{number}/{args.parts}") for number in range(1, args.parts + 1)],
        "merge": measured("merge", scores),
        "cut": measured("select", "--scores", scores, "-k", args.top, "-o", args.folder / "cut.jsonl"),
        "parts_MB": round(sum(path.stat().st_size for path in (scores / "work").rglob("*.parquet")) / 1e6),
    }
    same = (args.folder / "direct.jsonl").read_bytes() == (args.folder / "cut.jsonl").read_bytes()
    results["same_bytes"] = same
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
