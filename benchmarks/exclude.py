"""What leaving a test set out costs: `zipfit select --top K` with and without `--exclude`, in turn.

python benchmarks/exclude.py POOL TARGET TEST [--top 500] [--method zipfit] [--repeats 5]
"""

from __future__ import annotations

import argparse
import statistics
import time

import zipfit


def main() -> None:
    """Print the median seconds of each and their ratio."""
    parser = argparse.ArgumentParser()
    for name in ("pool", "target", "test"):
        parser.add_argument(name)
    parser.add_argument("--top", type=int, default=500)
    parser.add_argument("--method", default="zipfit")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    seconds: dict[str | None, list[float]] = {None: [], given.test: []}
    for _ in range(given.repeats):
        for exclude, times in seconds.items():
            start = time.perf_counter()
            chosen = zipfit.select(given.pool, given.target, top=given.top, method=given.method, exclude=exclude)
            times.append(time.perf_counter() - start)
    plain, excluding = (statistics.median(times) for times in seconds.values())
    dropped = sum(item.reason == "overlap" for item in chosen.cut.dropped)
    print(f"{plain:.2f} s without, {excluding:.2f} s with, ratio {excluding / plain:.3f}; {dropped} left out")


if __name__ == "__main__":
    main()
