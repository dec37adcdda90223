"""Near-duplicate removal against its rivals: CPU seconds, peak memory, and what each of them gets right.

The truth is the walk that `NearDeduplicator` approximates, done without MinHash: an exact similarity join (prefix
filter; Bayardo, Ma and Srikant 2007) over the same shingles. Each way runs in a process of its own and is charged for
tokenizing too, but not for reading the file or importing. Right: the documents dropped that truly repeat a kept one, as
a share of those dropped (precision) and of those that should be (recall). SemHash removes by meaning, so there the
shares only tell how far the two notions agree; its own threshold is a cosine of 0.9.

    python benchmarks/dedup.py POOL.jsonl[.zst] --documents 10000 [--static-model FOLDER] > dedup.json

Rivals: datasketch as its README uses it, rensa, semhash (`pip install datasketch rensa semhash`); those that are not
installed are passed over. FOLDER is a model2vec model for semhash instead of the one it downloads.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from zipfit.selection.dedup import TOKEN, ExactDeduplicator, NearDeduplicator, jaccard, shingles

if TYPE_CHECKING:
    from collections.abc import Callable

Dropped = list[int]
"""Positions of the documents left out."""


def texts_of(path: Path, documents: int) -> list[str]:
    opened = zstandard.open(path, "rt", encoding="utf-8") if path.suffix == ".zst" else path.open(encoding="utf-8")
    with opened as lines:
        return [json.loads(line)["text"] for line, _ in zip(lines, range(documents), strict=False)]


def join(texts: list[str], threshold: float) -> Dropped:
    """Two near sets share one of the first |A| - ceil(t |A|) + 1 shingles of either in a common order: rarest first."""
    sets = [shingles(text) for text in texts]
    frequency = Counter(shingle for one in sets for shingle in one.tolist())
    holders = defaultdict(list)
    dropped = []
    for position, one in enumerate(sets):
        ordered = sorted(one.tolist(), key=lambda shingle: (frequency[shingle], shingle))
        prefix = ordered[: len(ordered) - math.ceil(threshold * len(ordered)) + 1]
        candidates = {holder for shingle in prefix for holder in holders[shingle]}
        if any(jaccard(one, sets[candidate]) >= threshold for candidate in candidates):
            dropped.append(position)
        else:
            for shingle in prefix:
                holders[shingle].append(position)
    return dropped


def walk(deduplicator: ExactDeduplicator | NearDeduplicator, texts: list[str]) -> Dropped:
    return [position for position, text in enumerate(texts) if deduplicator.keep(position, text) is not None]


def runs(text: str) -> list[str]:
    """The same shingles as strings, for rivals that hash by themselves."""
    tokens = TOKEN.findall(text)
    return [" ".join(tokens[i : i + 5]) for i in range(max(1, len(tokens) - 4))]


def by_datasketch(texts: list[str], threshold: float, _: str | None) -> Dropped:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=128)
    dropped = []
    for position, text in enumerate(texts):
        signature = MinHash(num_perm=128)
        for run in runs(text):
            signature.update(run.encode("utf-8", "surrogatepass"))
        if index.query(signature):
            dropped.append(position)
        else:
            index.insert(position, signature)
    return dropped


def by_rensa(texts: list[str], threshold: float, _: str | None) -> Dropped:
    from rensa import RMinHash, RMinHashDeduplicator

    deduplicator = RMinHashDeduplicator(threshold, 128, True, 16)
    dropped = []
    for position, text in enumerate(texts):
        signature = RMinHash(128, 42)
        signature.update(runs(text))
        if not deduplicator.add(str(position), signature):
            dropped.append(position)
    return dropped


def by_semhash(texts: list[str], _: float, static_model: str | None) -> Dropped:
    from semhash import SemHash

    model = None
    if static_model:
        from model2vec import StaticModel

        model = StaticModel.from_pretrained(static_model)
    records = [{"text": text, "position": str(position)} for position, text in enumerate(texts)]
    result = SemHash.from_records(records, columns=["text"], model=model).self_deduplicate(threshold=0.9)
    return sorted(int(duplicate.record["position"]) for duplicate in result.filtered)


WAYS: dict[str, Callable[[list[str], float, str | None], Dropped]] = {
    "truth (exact join)": lambda texts, threshold, _: join(texts, threshold),
    "zipfit exact": lambda texts, *_: walk(ExactDeduplicator(), texts),
    "zipfit near": lambda texts, threshold, _: walk(NearDeduplicator(threshold), texts),
    "datasketch": by_datasketch,
    "rensa": by_rensa,
    "semhash": by_semhash,
}


def measure(way: str, texts: list[str], threshold: float, static_model: str | None) -> dict[str, object]:
    WAYS[way](texts[:50], threshold, static_model)  # imports what it needs
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, wall = time.process_time(), time.perf_counter()
    dropped = WAYS[way](texts, threshold, static_model)
    return {
        "cpu_s": round(time.process_time() - start, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "peak_mb_above_texts": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
        "dropped": dropped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--threshold", type=float, default=0.8)
    parser.add_argument("--static-model", help="a model2vec model for semhash")
    parser.add_argument("--way", choices=WAYS, help="only this one, with the positions that it drops")
    args = parser.parse_args()
    texts = texts_of(args.pool, args.documents)
    if args.way:
        json.dump(measure(args.way, texts, args.threshold, args.static_model), sys.stdout)
        return
    results = {}
    for way in WAYS:
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            results[way] = json.loads(done.stdout)
        else:
            print(f"{way} passed over: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    truth = set(results["truth (exact join)"]["dropped"])
    for result in results.values():
        dropped = set(result.pop("dropped"))
        result |= {
            "documents_per_cpu_s": round(len(texts) / max(result["cpu_s"], 1e-3)),
            "dropped": len(dropped),
            "precision": round(len(dropped & truth) / len(dropped), 4) if dropped else None,
            "recall": round(len(dropped & truth) / len(truth), 4) if truth else None,
        }
    megabytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / 1e6
    setup = {"documents": len(texts), "mb": round(megabytes, 1), "threshold": args.threshold}
    json.dump(setup | {"machine": platform.machine(), "results": results}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
