"""Reading and starting: `zipfit select --method random` and `zipfit --help` by two builds, in processor time.

    python benchmarks/reading.py OLD_PYTHON NEW_PYTHON POOL TARGET [--megabytes 500] [--runs 3] [--json FILE]

The pool is repeated until it has so many megabytes, and written as JSON Lines, the same compressed by zstd in one file,
and 40 Parquet shards. Each run is a process of its own, from its start to the finished output, the builds in turn; what
they write must be the same. Ratios are those of the processor times (user and system) in pairs, their median. The new
build then runs on one core and on two: the least wall times, which other work on the machine blurs. `decoding_alone` is
what the libraries take to read the pool once and do nothing with it, in processor seconds; a selection reads it twice.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

SHARDS = 40
MAIN = "from zipfit.cli import main; main()"


def write_pools(pool, folder, size):
    raw = (
        zstandard.ZstdDecompressor().stream_reader(pool.read_bytes()).read()
        if pool.suffix == ".zst"
        else pool.read_bytes()
    )
    raw *= max(1, round(size / len(raw)))
    paths = {
        "JSON Lines": folder / "pool.jsonl",
        "JSON Lines, zstd": folder / "pool.jsonl.zst",
        "Parquet": folder / "shards",
    }
    paths["JSON Lines"].write_bytes(raw)
    paths["JSON Lines, zstd"].write_bytes(zstandard.compress(raw, 3))
    paths["Parquet"].mkdir()
    lines = raw.splitlines()
    step = -(-len(lines) // SHARDS)
    for shard in range(SHARDS):
        records = [json.loads(line) for line in lines[shard * step : (shard + 1) * step]]
        pq.write_table(pa.Table.from_pylist(records), paths["Parquet"] / f"{shard:02}.parquet")
    few = folder / "few.jsonl"
    few.write_bytes(b"\n".join(lines[:100]))
    return paths, few, len(raw)


def decoding(path):
    """Processor seconds that the libraries take to decompress and decode a pool once."""
    start = time.process_time()
    if path.is_dir():
        for shard in sorted(path.iterdir()):
            with pq.ParquetFile(shard) as parquet:
                for _ in parquet.iter_batches(batch_size=2048, use_threads=False):
                    pass
    elif path.suffix == ".zst":
        with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
            while stream.read(1 << 20):
                pass
    else:
        with path.open("rb") as raw:
            while raw.read(1 << 20):
                pass
    return time.process_time() - start


def run(python, arguments, cores=None):
    """Processor and wall seconds of a command."""
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    start = time.perf_counter()
    command = [python, "-c", MAIN, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=pin)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{arguments} failed"
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start


def main():
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or a build without bytecode would be compiled in every run
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("old", "new"):
        parser.add_argument(name)
    for name in ("pool", "target"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--megabytes", type=float, default=500)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        paths, few, size = write_pools(given.pool, folder, given.megabytes * 1e6)
        time.sleep(5)  # files just written are hashed by every pass, as is right

        def select(pool, output, *options):
            return ["select", str(pool), "-t", str(given.target), "-o", str(output), "--overwrite", "--quiet", *options]

        def compare(what, arguments, runs):
            seconds = {"old": [], "new": []}
            for _ in range(runs):
                for build, times in seconds.items():
                    output = folder / f"{build}.jsonl"
                    times.append(run(getattr(given, build), arguments(output))[0])
            if arguments(folder)[0] == "select":
                assert (folder / "old.jsonl").read_bytes() == (folder / "new.jsonl").read_bytes(), what
            ratio = statistics.median(old / new for old, new in zip(seconds["old"], seconds["new"], strict=True))
            medians = {build: round(statistics.median(times), 3) for build, times in seconds.items()}
            return {"what": what, "processor_seconds": medians, "times_faster": round(ratio, 2)}

        for build in (given.old, given.new):
            run(build, select(few, folder / "few_selected.jsonl", "--method", "random", "--top", "10"))  # compiles it

        for what, pool in paths.items():
            arguments = lambda output, pool=pool: select(pool, output, "--method", "random", "--top", "500")  # noqa: E731
            result = compare(what, arguments, given.runs)
            result["decoding_alone"] = round(statistics.median(decoding(pool) for _ in range(given.runs)), 3)
            walls = {1: [], 2: []}
            for _ in range(given.runs):
                for cores, times in walls.items():
                    times.append(
                        run(given.new, arguments(folder / "new.jsonl"), set(sorted(os.sched_getaffinity(0))[:cores]))[1]
                    )
            result["wall_seconds_by_cores"] = {cores: round(min(times), 3) for cores, times in walls.items()}
            result["wall_ratio"] = round(min(walls[1]) / min(walls[2]), 2)
            results.append(result)
            print(json.dumps(result), flush=True)
        for what, arguments in (
            ("zipfit --help", lambda _: ["--help"]),
            ("100 documents, random", lambda output: select(few, output, "--method", "random", "--top", "10")),
            ("100 documents, zipfit", lambda output: select(few, output, "--top", "10")),
        ):
            results.append(compare(what, arguments, 3 * given.runs))
            print(json.dumps(results[-1]), flush=True)
    if given.json:
        about = {
            "megabytes": round(size / 1e6, 1),
            "cores": len(os.sched_getaffinity(0)),
            "python": sys.version.split()[0],
        }
        given.json.write_text(json.dumps(about | {"results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
