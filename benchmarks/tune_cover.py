"""Which features, phi, weights and cost serve `cover`? Compared by the n-gram check on three tasks.

For each task `cover` is fitted to the task's selection half, ranks a random half of the pool, and the first bytes of
the ranking are judged by `zipfit.selection.preview.bits_per_byte` on the task's other half; several random halves give the
spread. One option is changed at a time, from two starting points, words and bytes. A JSON line for each figure goes to
standard output, a table to standard error.

    python benchmarks/tune_cover.py DATA [--budget 120000] [--seeds 3]

DATA is a folder with `af_pool.jsonl.zst`, `code_pool.jsonl.zst` and, in `targets/`, ProofNet, HumanEval and Spider,
each line a JSON object with a `text`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from zipfit.methods.cover import Cover
from zipfit.selection.preview import bits_per_byte

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

WORDS = Cover(unit="word", orders="1,2,3", phi="log", weights="share", cost_exponent=1.0)
BYTES = replace(WORDS, unit="byte", orders="4,6,8")
VARIANTS = [
    WORDS,
    *(replace(WORDS, orders=orders) for orders in ("1", "1,2", "1,2,3,4")),
    BYTES,
    *(replace(BYTES, orders=orders) for orders in ("4", "8", "2,3,4", "3,5,7")),
    *(
        replace(start, **change)
        for start in (WORDS, BYTES)
        for change in (
            {"phi": "sqrt"},
            {"phi": "saturating"},
            {"weights": "contrast"},
            {"cost_exponent": 0.5},
            {"cost_exponent": 0.8},
            {"cost_exponent": 1.1},
            {"phi": "saturating", "weights": "contrast"},
        )
    ),
    *(replace(BYTES, phi="saturating", orders=orders) for orders in ("2,3,4", "3,5,7")),
]


class Batches:
    """A pool in memory."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __iter__(self) -> Iterator[list[str]]:
        for start in range(0, len(self.texts), 1000):
            yield self.texts[start : start + 1000]

    def map(self, function: Callable[[list[str]], object]) -> Iterator[object]:
        """Apply `function` to each batch."""
        return map(function, self)


def texts_of(path: Path) -> list[str]:
    opened = zstandard.open(path, "rt", encoding="utf-8") if path.suffix == ".zst" else path.open(encoding="utf-8")
    with opened as lines:
        return [json.loads(line)["text"] for line in lines]


def first_bytes(texts: Iterable[str], budget: int) -> list[str]:
    chosen = []
    for text in texts:
        encoded = text.encode()[:budget]
        chosen.append(encoded.decode(errors="ignore"))
        budget -= len(encoded)
        if budget <= 0:
            break
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=int, default=120_000, help="bytes selected")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()

    formal, code = texts_of(args.data / "af_pool.jsonl.zst"), texts_of(args.data / "code_pool.jsonl.zst")
    targets = args.data / "targets"
    humaneval = texts_of(targets / "humaneval.jsonl")
    tasks = {
        "ProofNet": (formal, texts_of(targets / "proofnet_valid.jsonl"), texts_of(targets / "proofnet_test.jsonl")),
        "HumanEval": (code, humaneval[:82], humaneval[82:]),
        "Spider": (code, texts_of(targets / "spider_valid.jsonl"), texts_of(targets / "spider_test.jsonl")),
    }

    def report(name: str, judge: Callable[[list[str], list[str], list[str]], float]) -> None:
        cells = []
        for task, (pool, fitted, held_out) in tasks.items():
            figures = []
            for seed in range(args.seeds):
                half = random.Random(seed).sample(pool, len(pool) // 2)
                figures.append(judge(half, fitted, held_out))
                print(
                    json.dumps({"variant": name, "task": task, "seed": seed, "bits_per_byte": figures[-1]}), flush=True
                )
            cells.append(f"{statistics.mean(figures):.3f} ± {(max(figures) - min(figures)) / 2:.3f}")
        print(f"| {name} | " + " | ".join(cells) + " |", file=sys.stderr, flush=True)

    report("random", lambda half, _, held_out: bits_per_byte(first_bytes(half, args.budget), held_out))
    report("the target itself", lambda _, fitted, held_out: bits_per_byte(first_bytes(fitted, args.budget), held_out))
    for method in VARIANTS:

        def judge(half: list[str], fitted: list[str], held_out: list[str], method: Cover = method) -> float:
            ranking = replace(method).fit(fitted).rank(Batches(half))
            return bits_per_byte(first_bytes((half[position] for position, _ in ranking), args.budget), held_out)

        name = f"{method.unit} {method.orders}, {method.phi}, {method.weights}, cost {method.cost_exponent:g}"
        report(name, judge)


if __name__ == "__main__":
    main()
