"""Compare the kernel's sizes with zlib's and lz4's on all pairs of pool documents and targets.

    python benchmarks/exactness.py POOL.jsonl.zst TARGET.jsonl [--documents 2000]

Levels 1, 6 and 9 and LZ4, every instruction set. Ends with an error if a single size differs. Takes some minutes: it is
the libraries that are slow.
"""

from __future__ import annotations

import argparse
import os
import random
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import lz4.frame
from kernel import read_texts

from zipfit import _core
from zipfit.system.texts import Texts


def library_size(text: bytes, method: str) -> int:
    if method == "lz4":
        return len(lz4.frame.compress(text))
    stream = zlib.compressobj(int(method), zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)
    return 18 + len(stream.compress(text)) + len(stream.flush())


def mismatches(sources: list[bytes], targets: list[bytes], method: str) -> dict[str, int]:
    """Return how many sizes of these sources differ, for each instruction set."""
    expected = [[library_size(source + target, method) for target in [b"", *targets]] for source in sources]
    wrong = {}
    for isa in _core.available_isas():
        os.environ["ZIPFIT_ISA"] = isa
        texts = Texts.join(targets)
        pairs = _core.Lz4Pairs(texts) if method == "lz4" else _core.GzipPairs(texts, int(method))
        wrong[isa] = 0
        for source, sizes in zip(sources, expected, strict=True):
            own, both = pairs.sizes(source)
            wrong[isa] += (own != sizes[0]) + sum(int(size) != want for size, want in zip(both, sizes[1:], strict=True))
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--documents", type=int, default=2000)
    arguments = parser.parse_args()
    targets = read_texts(arguments.target)
    sources = random.Random(1).sample(read_texts(arguments.pool), arguments.documents)
    batches = [sources[i : i + 50] for i in range(0, len(sources), 50)]
    failed = False
    with ProcessPoolExecutor() as pool:
        for method in ("1", "6", "9", "lz4"):
            totals = dict.fromkeys(_core.available_isas(), 0)
            for wrong in pool.map(partial(mismatches, targets=targets, method=method), batches):
                for isa, count in wrong.items():
                    totals[isa] += count
            failed |= any(totals.values())
            print(f"{method:>4}: {len(sources) * len(targets)} pairs, mismatches: {totals}", flush=True)
    if failed:
        raise SystemExit("sizes differ")


if __name__ == "__main__":
    main()
