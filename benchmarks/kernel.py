"""Measure the kernel against the libraries it replaces: all pairs of pool documents and targets, in processor time.

    python benchmarks/kernel.py POOL.jsonl.zst TARGET.jsonl [--json out.json]

The rivals are the C libraries at their best: a program (rivals.c, compiled here with -O2) that keeps one stream and
calls deflateReset and deflate, or LZ4F_compressFrame, for each pair. Both sides size the same pairs on one thread,
several times in turn; each side's fastest round counts, and the sums of sizes must agree. Needs a C compiler, zlib and
liblz4 with their headers. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import random
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import zstandard

from zipfit import _core
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
SEED = 0


def read_texts(path: Path) -> list[bytes]:
    """Return the `text` of each line of a JSON Lines file, plain or zstd."""
    with path.open("rb") as file:
        data = zstandard.ZstdDecompressor().stream_reader(file).read() if path.suffix == ".zst" else file.read()
    return [json.loads(line)["text"].encode() for line in io.BytesIO(data)]


def compile_rivals(folder: Path) -> Path:
    program = folder / "rivals"
    source = Path(__file__).with_name("rivals.c")
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, source, "-lz", "-llz4"], check=True)
    return program


def write_pairs(path: Path, sources: list[bytes], targets: list[bytes]) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("<II", len(sources), len(targets)))
        for text in sources + targets:
            file.write(struct.pack("<I", len(text)) + text)


def run_rival(program: Path, pairs: Path, method: str) -> tuple[float, int]:
    """Return the seconds and the sum of sizes of one round."""
    command = [program, pairs, *(["lz4"] if method == "lz4" else ["gzip", method])]
    seconds, total = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), int(total)


def run_kernel(prepare: Callable[[], _core.GzipPairs | _core.Lz4Pairs], sources: list[bytes], count: int) -> float:
    """Return the seconds of one round, the targets' preparation left out as the rival has none."""
    pairs = prepare()
    columns = np.arange(count, dtype=np.int32)
    texts = Texts.join(sources)
    start = time.process_time()
    pairs.distances(texts, columns)
    return time.process_time() - start


def measure(program: Path, folder: Path, name: str, method: str, sources: list[bytes], targets: list[bytes]) -> dict:
    def prepare() -> _core.GzipPairs | _core.Lz4Pairs:
        texts = Texts.join(targets)
        return _core.Lz4Pairs(texts) if method == "lz4" else _core.GzipPairs(texts, int(method))

    path = folder / "pairs"
    write_pairs(path, sources, targets)
    isas = _core.available_isas()
    rival = float("inf")
    ours = dict.fromkeys(isas, float("inf"))
    total = 0
    for _ in range(ROUNDS):
        seconds, total = run_rival(program, path, method)
        rival = min(rival, seconds)
        for isa in isas:
            os.environ["ZIPFIT_ISA"] = isa
            ours[isa] = min(ours[isa], run_kernel(prepare, sources, len(targets)))
    mine = sum(int(prepare().sizes(source)[1].sum()) for source in sources)
    if mine != total:
        raise SystemExit(f"{name}: the kernel's sizes sum to {mine}, the library's to {total}")
    pairs = len(sources) * len(targets)
    return {
        "work": name,
        "method": method,
        "sources": len(sources),
        "mean_source_bytes": sum(map(len, sources)) / len(sources),
        "targets": len(targets),
        "library_us": rival / pairs * 1e6,
        "kernel_us": {isa: seconds / pairs * 1e6 for isa, seconds in ours.items()},
        "ratio": {isa: rival / seconds for isa, seconds in ours.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--json", type=Path, help="write the results here too")
    arguments = parser.parse_args()
    pool, targets = read_texts(arguments.pool), read_texts(arguments.target)
    generator = random.Random(SEED)
    sample = generator.sample(pool, 200)
    long_sample = generator.sample([text for text in pool if 3600 <= len(text) <= 4400], 60)
    work = [
        ("gzip level 1", "1", sample),
        ("gzip level 6", "6", sample),
        ("gzip level 9", "9", sample),
        ("gzip level 6, documents of about 4 KB", "6", long_sample),
        ("lz4 frame", "lz4", sample),
    ]
    results = []
    isas = _core.available_isas()
    print(f"{'work':40}{'library':>12}" + "".join(f"{isa:>22}" for isa in isas))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = compile_rivals(folder)
        for title, method, sources in work:
            result = measure(program, folder, title, method, sources, targets)
            results.append(result)
            cells = "".join(f"{result['kernel_us'][isa]:12.2f} us {result['ratio'][isa]:5.1f}x" for isa in isas)
            print(f"{title:40}{result['library_us']:9.2f} us{cells}", flush=True)
    if arguments.json:
        report = {"machine": platform.machine(), "python": platform.python_version(), "results": results}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
