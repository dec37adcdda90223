"""What `cover` costs on a pool of a million documents: MB/s of feature extraction, time of the greedy, peak memory.

The pool is the given JSON Lines pool over and over, each document of each round with its lines rotated, so that rounds
differ; it is generated as it is read, so that memory is the method's own. CPU time is measured, and the generating is
timed apart. Writes JSON to standard output.

    python benchmarks/cover.py POOL.jsonl[.zst] TARGET.jsonl --documents 1000000 --budget-mb 20
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from zipfit.methods.cover import Cover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def texts_of(path: Path) -> list[str]:
    opened = zstandard.open(path, "rt", encoding="utf-8") if path.suffix == ".zst" else path.open(encoding="utf-8")
    with opened as lines:
        return [json.loads(line)["text"] for line in lines]


class RepeatedPool:
    """Batches of `documents` texts in all, made from a few on the fly; times its own work and its callers'."""

    def __init__(self, texts: list[str], documents: int, batch: int = 1000) -> None:
        self.texts, self.documents, self.batch = texts, documents, batch
        self.sizes: list[int] = []
        self.extracting = 0.0

    def __iter__(self) -> Iterator[list[str]]:
        for start in range(0, self.documents, self.batch):
            yield [self.text(i) for i in range(start, min(start + self.batch, self.documents))]

    def text(self, i: int) -> str:
        """The i-th text: each round of the given ones has their lines rotated by one more."""
        round_, which = divmod(i, len(self.texts))
        lines = self.texts[which].splitlines(keepends=True)
        at = round_ % max(len(lines), 1)
        return "".join(lines[at:] + lines[:at])

    def map(self, function: Callable[[list[str]], object]) -> Iterator[object]:
        """As a pool does, on one thread, timing what `function` takes."""
        for batch in self:
            self.sizes.extend(len(text.encode()) for text in batch)
            start = time.process_time()
            result = function(batch)
            self.extracting += time.process_time() - start
            yield result


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--budget-mb", type=float, default=20.0, help="how far to walk the ranking")
    parser.add_argument("--unit", default=Cover.unit)
    parser.add_argument("--orders", default=Cover.orders)
    args = parser.parse_args()

    pool = RepeatedPool(texts_of(args.pool), args.documents)
    target = texts_of(args.target)
    before = megabytes()
    method = Cover(unit=args.unit, orders=args.orders)
    start = time.process_time()
    method.fit(target)
    fitting = time.process_time() - start

    ranking = iter(method.rank(pool))
    start = time.process_time()
    next(ranking)
    to_first = time.process_time() - start
    start = time.process_time()
    chosen, budget = 1, args.budget_mb * 1e6
    for position, _ in ranking:
        chosen += 1
        budget -= pool.sizes[position]
        if budget <= 0:
            break
    walking = time.process_time() - start

    size = sum(pool.sizes)
    result = {
        "documents": len(pool.sizes),
        "megabytes": round(size / 1e6, 1),
        "unit": args.unit,
        "orders": args.orders,
        "features": method.notes["features"],
        "fit_seconds": round(fitting, 3),
        "extract_mb_per_s": round(size / 1e6 / pool.extracting, 1),
        "extract_seconds": round(pool.extracting, 2),
        "to_first_document_seconds_with_generating": round(to_first, 2),
        "chosen": chosen,
        "greedy_seconds_after_first": round(walking, 2),
        "overall_mb_per_s": round(size / 1e6 / (pool.extracting + walking), 1),
        "peak_mb_before": round(before),
        "peak_mb": round(megabytes()),
        "machine": f"{platform.machine()} {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
