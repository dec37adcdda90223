"""Peak memory of `zipfit select` against the size of the pool.

    python benchmarks/memory.py [--gigabytes 0.25 0.5 1 2] [--folder DIR]

Generates a pool of JSON Lines of each size (documents of 200 to 4,000 characters of word salad, 20 target examples),
selects 1,000 documents with lz4, and prints the peak resident memory that the operating system saw.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write_pool(path, size):
    generator = random.Random(0)
    words = ["".join(generator.choices("etaoinshrdlucmfwypvbgk", k=generator.randint(2, 10))) for _ in range(20_000)]
    written = 0
    with path.open("w") as stream:
        while written < size:
            # A few thousand distinct documents at a time, each varied by its number: generating must not take all day.
            block = [" ".join(generator.choices(words, k=generator.randint(30, 600))) for _ in range(200)]
            for repeat in range(100):
                for number, text in enumerate(block):
                    written += stream.write(json.dumps({"id": f"{repeat}-{number}", "text": f"{repeat} {text}"}) + "\n")
                if written >= size:
                    break


def measure(command):
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{command} failed"
    kilobytes = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss / 1024
    return kilobytes / 1024, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.25, 0.5, 1.0, 2.0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        pool, target = Path(folder, "pool.jsonl"), Path(folder, "target.jsonl")
        generator = random.Random(1)
        target.write_text("".join(json.dumps({"text": f"example {generator.random()}"}) + "\n" for _ in range(20)))
        for gigabytes in arguments.gigabytes:
            write_pool(pool, gigabytes * 1e9)
            output = Path(folder, "selected.jsonl")
            command = [sys.executable, "-c", "from zipfit.cli import main; main()", "select", str(pool)]
            command += ["--target", str(target), "--compressor", "lz4", "--top", "1000", "-o", str(output)]
            peak, seconds = measure([*command, "--overwrite", "--quiet"])
            manifest = json.loads(Path(folder, "selected.manifest.json").read_text())
            results.append(
                {
                    "gigabytes": pool.stat().st_size / 1e9,
                    "documents": manifest["pool"]["documents"],
                    "peak_megabytes": round(peak, 1),
                    "seconds": round(seconds, 1),
                }
            )
            print(json.dumps(results[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
