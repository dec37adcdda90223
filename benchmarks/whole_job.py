"""The whole job, `zipfit select`, against zip-fit 1.0.9 on the same pool, targets, level and cores.

    pip install '.[test]'
    python benchmarks/whole_job.py POOL TARGET [--documents 10000] [--level 6] [--runs 3]

Each run is a process of its own, from start to finished output, in turn; the ratio is that of the wall times in pairs.
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

from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import Files
from zipfit.corpus.reading import Reading

RIVAL = """
import sys
from zip_fit import ZIPFIT
pool, target, output, k, level = sys.argv[1:]
ZIPFIT(pool, target, k=int(k), output_file=output, compression_algorithm="gzip", compress_level=int(level)).run()
"""


def prepare(paths, out, limit=None):
    texts = [text for batch in Corpus(Files(paths).open()[0], Reading()).read() for text in batch.texts][:limit]
    out.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return len(texts)


def timed(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or a build without bytecode would be compiled in every run
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("target")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--level", type=int, default=6)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pool, target = Path(folder, "pool.jsonl"), Path(folder, "target.jsonl")
        documents = prepare([arguments.pool], pool, arguments.documents)
        targets = prepare([arguments.target], target)
        top = str(documents // 100)
        level = str(arguments.level)
        rival = [sys.executable, "-c", RIVAL, str(pool), str(target), str(Path(folder, "rival.jsonl")), top, level]
        ours = [sys.executable, "-c", "from zipfit.cli import main; main()", "select", str(pool), "-t", str(target)]
        ours += ["--top", top, "--level", level, "--overwrite", "--quiet", "-o"]
        commands = {
            "zip-fit": rival,
            "zipfit": [*ours, str(Path(folder, "ours.jsonl"))],
            "zipfit --racing": [*ours, str(Path(folder, "raced.jsonl")), "--racing"],
        }
        seconds = {name: [] for name in commands}
        for _ in range(arguments.runs):
            for name, command in commands.items():
                seconds[name].append(timed(command))
        same = Path(folder, "ours.jsonl").read_bytes() == Path(folder, "raced.jsonl").read_bytes()
        chosen = {json.loads(line)["text"] for line in Path(folder, "ours.jsonl").open()}
        theirs = {json.loads(line)["text"] for line in Path(folder, "rival.jsonl").open()}
    result = {
        "documents": documents,
        "targets": targets,
        "level": arguments.level,
        "seconds": {name: [round(value, 2) for value in values] for name, values in seconds.items()},
        "times_faster": {
            name: round(statistics.median(a / b for a, b in zip(seconds["zip-fit"], values, strict=True)), 1)
            for name, values in seconds.items()
        },
        "racing_found_the_same": same,
        "share_of_rivals_choice": len(chosen & theirs) / len(theirs),
    }
    print(json.dumps(result, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
