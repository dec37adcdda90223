"""What compressors really do, on real documents: steps in their sizes, levels that are the same, how far gzip sees.

    pip install zlib-ng isal
    python benchmarks/compressors.py POOL TARGET [--documents 2000] [--json FILE]

`documents` are a sample of the pool (`random.Random(1)`) and its joins by ten, so that some are longer than a block.
The rankings are those of `zipfit` at gzip 6 with another zlib in the place of reference zlib, as on a Python that links
it; zlib-ng and ISA-L are passed over where their packages are missing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import lzma
import random
import time
from pathlib import Path

import lz4.frame
import numpy as np
import zstandard

from zipfit.compression.base import CalledPairs
from zipfit.compression.compressors import LEVELS, get_compressor
from zipfit.compression.reference import gzip_size
from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import Files
from zipfit.corpus.reading import Reading
from zipfit.system.texts import Texts

HEAD = 20
"""Length of the head of a ranking that is compared."""


def read(path):
    return [text for batch in Corpus(Files([path]).open()[0], Reading()).read() for text in batch.texts.encoded()]


def same_levels(size, levels, documents):
    """Groups of levels that give every document the same size."""
    groups = {}
    for level in levels:
        groups.setdefault(tuple(size(document, level) for document in documents), []).append(level)
    return list(groups.values())


def lzma_sizes(documents):
    """The sizes as .xz and as the raw stream within."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
    xz = [len(lzma.compress(document, preset=6)) for document in documents]
    raw = [len(lzma.compress(document, lzma.FORMAT_RAW, filters=filters)) for document in documents]
    return {
        "xz_sizes_that_are_no_multiple_of_4": sum(size % 4 != 0 for size in xz),
        "distinct_xz_sizes": len(set(xz)),
        "distinct_raw_sizes": len(set(raw)),
    }


def zstd_two_against_one(documents):
    """By length: zstd 2's total over zstd 1's."""
    one, two = (zstandard.ZstdCompressor(level=level) for level in (1, 2))
    found = {}
    for low, high in ((0, 300), (300, 1000), (1000, 3000), (3000, 10_000), (10_000, 1 << 30)):
        some = [document for document in documents if low <= len(document) < high]
        if some:
            totals = [sum(len(each.compress(document)) for document in some) for each in (one, two)]
            found[f"{low} to {high}"] = {"documents": len(some), "ratio": round(totals[1] / totals[0], 4)}
    return found


def gzip_reach(level=6, length=40):
    """The greatest distance at which gzip still sees a copy at the end of a text that has none else."""
    letters = random.Random(0).choices(range(32, 96), k=(1 << 15) + 2 * length)  # plain noise would only be stored
    piece, other, noise = bytes(letters[:length]), bytes(letters[length : 2 * length]), bytes(letters[2 * length :])

    def sees(distance):
        between = noise[: distance - length]
        copied, not_copied = (gzip_size(piece + between + end, level) for end in (piece, other))
        return copied < not_copied - length // 2

    distances = [distance for distance in range(32_400, 32_769) if sees(distance)]
    return max(distances, default=0)


def times(pool, target):
    """Processor seconds of lz4 by the kernel and by the package, at one level of the same sizes."""
    compressor = get_compressor("lz4", 0)
    called = CalledPairs(lambda text: len(lz4.frame.compress(text, compression_level=1)), target)
    seconds = {}
    scores = {}
    for name, pairs in {"kernel": compressor.pairs(target), "package": called}.items():
        start = time.process_time()
        scores[name] = pairs.alignments(pool)
        seconds[name] = round(time.process_time() - start, 2)
    return seconds | {"same_scores": bool((scores["kernel"] == scores["package"]).all())}


def other_zlibs(pool, target):
    """How the ranking by another zlib's gzip differs from the paper's."""
    best = np.argsort(-get_compressor("gzip", 6).pairs(target).alignments(pool), kind="stable")
    total = sum(gzip_size(text, 6) for text in pool.encoded())
    found = {}
    for module, level in (("zlib", 6), ("zlib_ng.zlib_ng", 6), ("isal.isal_zlib", 2), ("isal.isal_zlib", 3)):
        try:
            other = importlib.import_module(module)
        except ImportError:
            continue

        def size(text, other=other, level=level):
            stream = other.compressobj(level, 8, 31)
            return len(stream.compress(text)) + len(stream.flush())

        ranking = np.argsort(-CalledPairs(size, target).alignments(pool), kind="stable")
        found[f"{module} {level}"] = {
            "total_size": round(sum(map(size, pool.encoded())) / total - 1, 5),
            **{
                f"of_the_first_{head}": len(set(best[:head].tolist()) & set(ranking[:head].tolist()))
                for head in (HEAD, len(pool) // 10)
            },
        }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("target")
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--targets", type=int, default=100)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    single = random.Random(1).sample(read(given.pool), given.documents)
    documents = single + [b"\n".join(single[first : first + 10]) for first in range(0, len(single) // 2, 10)]
    pool, target = Texts.join(single), Texts.join(read(given.target)[: given.targets])
    sizers = {
        "lz4": lambda text, level: len(lz4.frame.compress(text, compression_level=level)),
        "lzma": lambda text, level: len(lzma.compress(text, preset=level)),
        "zstd": lambda text, level: len(zstandard.compress(text, level)),
        "gzip": gzip_size,
    }
    few = documents[::10]
    result = {
        "documents": len(documents),
        "lz4_version": lz4.library_version_string(),
        "zstd_version": ".".join(map(str, zstandard.ZSTD_VERSION)),
        "levels_of_equal_sizes": {
            name: same_levels(size, range(LEVELS[name][0], LEVELS[name][1] + 1), documents if name == "lz4" else few)
            for name, size in sizers.items()
        },
        "lzma": lzma_sizes(few),
        "zstd_2_over_zstd_1": zstd_two_against_one(documents),
        "gzip_sees_a_copy_as_far_back_as": gzip_reach(),
        "lz4_seconds": times(pool, target),
        "gzip_by_another_zlib": other_zlibs(pool, target),
    }
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
