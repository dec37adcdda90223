"""How often racing loses a document of the true top K, and how many pairs it saves.

    python benchmarks/racing.py POOL TARGET [POOL TARGET ...] [--documents 6000] [--top 60 600] [--trials 50]

For each pool the distances of all pairs are computed once; each trial then races with another seed over them, so that
many trials cost little. The racing code is the package's own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from zipfit.compression.compressors import get_compressor
from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import Files
from zipfit.corpus.reading import Reading
from zipfit.methods.base import Reach
from zipfit.methods.racing import Racing
from zipfit.system.texts import Texts


class RecordedPairs:
    """Answers from a matrix of distances; the texts are row numbers."""

    def __init__(self, target_sizes, source_sizes, distances):
        self.target_sizes = target_sizes
        self._source_sizes = source_sizes
        self._distances = distances

    def distances(self, texts, columns):
        rows = [int(text) for text in texts]
        return self._source_sizes[rows], self._distances[np.ix_(rows, columns)]


class RecordedPool:
    """A pool whose texts are row numbers."""

    def __init__(self, size):
        self._size = size

    def map(self, function, only=None):
        rows = np.arange(self._size) if only is None else np.flatnonzero(only)
        yield function([str(row) for row in rows])


def read(path):
    return [text for batch in Corpus(Files([path]).open()[0], Reading()).read() for text in batch.texts.encoded()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--documents", type=int, default=6000)
    parser.add_argument("--targets", type=int, default=250)
    parser.add_argument("--top", type=int, nargs="+", default=[60, 600])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--confidence", type=float, nargs="+", default=[3.0, 4.0, 5.0])
    parser.add_argument("--json")
    arguments = parser.parse_args()
    compressor = get_compressor("gzip", 6)
    results = []
    for pool_path, target_path in zip(arguments.paths[::2], arguments.paths[1::2], strict=True):
        generator = np.random.default_rng(0)
        pool, target = read(pool_path), read(target_path)
        pool = [pool[i] for i in generator.permutation(len(pool))[: arguments.documents]]
        target = [target[i] for i in generator.permutation(len(target))[: arguments.targets]]
        pool, target = Texts.join(pool), Texts.join(target)
        pairs = compressor.pairs(target)
        sizes, distances = pairs.distances(pool, np.arange(len(target), dtype=np.int32))
        scores = pairs.alignments(pool)
        recorded = RecordedPairs(pairs.target_sizes, sizes, distances)
        for top in arguments.top:
            truth = set(np.argsort(-scores, kind="stable")[:top].tolist())
            for confidence in arguments.confidence:
                found, share, wrong = [], [], 0
                for seed in range(arguments.trials):
                    racing = Racing(confidence=confidence, seed=seed)
                    racing._exact._pairs = recorded
                    ranked = list(racing.shortlist(RecordedPool(len(pool)), Reach(documents=top)))[:top]
                    wrong += sum(bool(score != scores[position]) for position, score in ranked)
                    found.append(len(truth & {position for position, _ in ranked}) / top)
                    share.append(racing.notes["share_of_pairs_evaluated"])
                result = {
                    "pool": Path(pool_path).name,
                    "target": Path(target_path).name,
                    "documents": len(pool),
                    "targets": len(target),
                    "top": top,
                    "confidence": confidence,
                    "trials": arguments.trials,
                    "recall": float(np.mean(found)),
                    "worst_recall": min(found),
                    "wrong_scores": wrong,
                    "pairs_evaluated": float(np.mean(share)),
                }
                results.append(result)
                print(json.dumps(result), flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
