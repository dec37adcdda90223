"""How far rankings by different compressors and levels agree, and what each costs.

    python benchmarks/levels.py POOL TARGET [--documents 3000] [--targets 100]

For each compressor and level: CPU time a pair, Spearman's rank correlation with gzip 6 over the pool, and the share of
gzip 6's best 10% that it chooses too. Also gzip level 0, to show what it ranks by.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from pathlib import Path

import numpy as np

from zipfit.compression.base import CalledPairs
from zipfit.compression.compressors import get_compressor
from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import Files
from zipfit.corpus.reading import Reading
from zipfit.system.texts import Texts

CHOICES = [("gzip", level) for level in range(1, 10)]
CHOICES += [("lz4", 0), ("zstd", 3), ("zstd", 19), ("brotli", 5), ("lzma", 6)]


def read(path, limit):
    texts = [text for batch in Corpus(Files([path]).open()[0], Reading()).read() for text in batch.texts.encoded()]
    return Texts.join([texts[i] for i in np.random.default_rng(0).permutation(len(texts))[:limit]])


def spearman(a, b):
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def stored(text):
    stream = zlib.compressobj(0, zlib.DEFLATED, 31)
    return len(stream.compress(text)) + len(stream.flush())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("target")
    parser.add_argument("--documents", type=int, default=3000)
    parser.add_argument("--targets", type=int, default=100)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pool, target = read(arguments.pool, arguments.documents), read(arguments.target, arguments.targets)
    base = get_compressor("gzip", 6).pairs(target).alignments(pool)
    best = set(np.argsort(-base, kind="stable")[: len(pool) // 10].tolist())
    lengths = pool.lengths
    results = []
    for name, level in [("gzip", 0), *CHOICES]:
        pairs = (
            CalledPairs(stored, target) if level == 0 and name == "gzip" else get_compressor(name, level).pairs(target)
        )
        # The slow ones on fewer documents: what is compared is their order among the same documents.
        part = len(pool) if name in ("gzip", "lz4") else min(len(pool), 400)
        start = time.process_time()
        scores = pairs.alignments(pool[:part])
        seconds = time.process_time() - start
        chosen = set(np.argsort(-scores, kind="stable")[: part // 10].tolist())
        reference = best if part == len(pool) else set(np.argsort(-base[:part], kind="stable")[: part // 10].tolist())
        results.append(
            {
                "compressor": name,
                "level": level,
                "documents": part,
                "microseconds_a_pair": round(1e6 * seconds / part / len(target), 2),
                "rank_correlation_with_gzip_6": round(spearman(scores, base[:part]), 4),
                "share_of_gzip_6_best_tenth": round(len(chosen & reference) / len(reference), 3),
                "rank_correlation_with_length": round(spearman(scores, lengths[:part]), 4),
            }
        )
        print(json.dumps(results[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
