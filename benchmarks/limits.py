"""What extremes cost: selections whose pool, target or records are large in one way each.

    python benchmarks/limits.py POOL [--only CASE ...] [--json FILE]

POOL gives ordinary documents to put beside what is extreme. Each case is a whole `zipfit select` in a process of its
own: processor time, wall time and peak memory.
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
from itertools import cycle, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from all import run
from cover import texts_of

WORDS = ["sum", "of", "two", "even", "numbers", "every", "prime", "odd", "def", "return", "theorem", "lemma", "simp"]
MB = 1_000_000


class Given:
    """A folder to write into, ordinary texts, and a seeded source of made-up ones."""

    def __init__(self, folder: Path, texts: list[str]) -> None:
        self.folder = folder
        self.texts = texts
        self._random = random.Random(1)

    def words(self, size: int) -> str:
        """A text of so many bytes, made up up to 1 MB."""
        some = " ".join(self._random.choices(WORDS, k=min(size, MB)))[: min(size, MB)]
        return (some * -(-size // len(some)))[:size]

    def lines(self, name: str, texts: list[str]) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        return path


def short_documents(given: Given) -> list[object]:
    pool = given.lines("pool.jsonl", [given.words(20) for _ in range(1_000_000)])
    return [pool, "-t", given.lines("target.jsonl", given.texts[:10])]


def many_examples(given: Given) -> list[object]:
    pool = given.lines("pool.jsonl", given.texts[:1_000])
    return [pool, "-t", given.lines("target.jsonl", list(islice(cycle(given.texts[1_000:]), 10_000)))]


def long_example(given: Given) -> list[object]:
    pool = given.lines("pool.jsonl", given.texts[:20])
    return [pool, "-t", given.lines("target.jsonl", [given.words(50 * MB)])]


def long_document(given: Given) -> list[object]:
    pool = given.lines("pool.jsonl", [*given.texts[:1_000], given.words(100 * MB)])
    return [pool, "-t", given.lines("target.jsonl", given.texts[1_000:1_100])]


def many_files(given: Given) -> list[object]:
    for number in range(5_000):
        given.lines(f"pool/{number:04}.jsonl", list(islice(cycle(given.texts), number, number + 10)))
    return [given.folder / "pool", "-t", given.lines("target.jsonl", given.texts[:100])]


def many_row_groups(given: Given) -> list[object]:
    path = given.folder / "pool.parquet"
    table = pa.table({"text": list(islice(cycle(given.texts), 30_000))})
    pq.write_table(table, path, row_group_size=1)
    return [path, "-t", given.lines("target.jsonl", given.texts[:100])]


def wide_records(given: Given) -> list[object]:
    path = given.folder / "pool.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for text in given.texts[:200]:
            stream.write(json.dumps({"text": text} | {f"field {i}": i for i in range(10_000)}) + "\n")
    return [path, "-t", given.lines("target.jsonl", given.texts[:100])]


def nested_record(given: Given) -> list[object]:
    path = given.folder / "pool.jsonl"
    objects = {f"object {i}": {f"field {j}": {"value": i * j} for j in range(10)} for i in range(500)}
    path.write_text(json.dumps({"text": given.texts[0]} | objects) + "\n")
    return [path, "-t", given.lines("target.jsonl", given.texts[:100])]


CASES = {
    "a million documents of 20 bytes, 10 examples": (short_documents, "out.jsonl", []),
    "the same by cover": (short_documents, "out.jsonl", ["--method", "cover"]),
    "10,000 examples, 1,000 documents": (many_examples, "out.jsonl", []),
    "an example of 50 MB, 20 documents": (long_example, "out.jsonl", []),
    "a document of 100 MB among 1,000, 100 examples": (long_document, "out.jsonl", []),
    "5,000 files of 10 documents, 100 examples": (many_files, "out.jsonl", []),
    "30,000 row groups of 1 document, 100 examples": (many_row_groups, "out.jsonl", []),
    "200 records of 10,000 fields": (wide_records, "out.jsonl", []),
    "the same to Parquet": (wide_records, "out.parquet", []),
    "one record of 500 nested objects to Parquet": (nested_record, "out.parquet", []),
}
"""What makes the pool and the target, where the selection goes, and further options."""


def make(case: str, pool: Path, folder: Path) -> list[str]:
    """Write a case's inputs, and return the arguments that name them."""
    texts = texts_of(pool)
    random.Random(1).shuffle(texts)
    return [str(each) for each in CASES[case][0](Given(folder, texts))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--only", nargs="+", default=list(CASES), choices=CASES, metavar="CASE")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = {}
    for case in given.only:
        _, output, options = CASES[case]
        # In a process of its own: what a command's parent holds counts as the command's own peak.
        with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as apart:
            inputs = apart.apply(make, (case, given.pool, Path(folder)))
            out = Path(folder) / output
            cost = run(
                sys.executable, "select", *inputs, "--top", "10", "--allow-fewer", "-o", str(out), "-q", *options
            )
        found[case] = {"processor": round(cost.processor, 1), "wall": round(cost.wall, 1), "mb": round(cost.peak)}
        print(f"| {case} | {cost.processor:.1f} s | {cost.wall:.1f} s | {cost.peak:.0f} MB |", flush=True)
    if given.json:
        machine = {"machine": platform.machine(), "cores": len(os.sched_getaffinity(0))}
        given.json.write_text(json.dumps(machine | {"cases": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
