"""The driver's side of a large job: parts made by a generator, put together by `merge`, opened and cut.

python benchmarks/scale.py FOLDER [--documents 10000000] [--parts 64] [--top 100000] [--method gain|dsir|random]

`gain` scores documents one by one; of `dsir` and `random`, which rank what they measured, the driver ranks.
The pool is a file of the right size without content; nothing of it is read. Prints and keeps (`results/scale.json`) the
seconds and the peak memory of each step, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

import zipfit
from zipfit.corpus.inputs import Files
from zipfit.corpus.pieces import stamp
from zipfit.corpus.store import Store
from zipfit.selection.cut import Budget, Terms
from zipfit.selection.merge import part_name
from zipfit.selection.score_tables import WORK, block_table, write_table

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).parent / "results" / "scale.json"
BLOCK = 32_768
MEAN_BYTES = 620


def made_parts(folder: str, documents: int, parts: int, method: str) -> None:
    """Write the blocks that the parts of a pool of so many documents would have kept."""
    pool, target = Path(folder, "pool.jsonl"), Path(folder, "target.jsonl")
    target.write_text('{"text": "def add(a, b): return a + b"}\n')
    pool.write_text('{"text": "a"}\n')
    zipfit.score_pool(str(pool), str(target), f"{folder}/scores", method=method, part=(1, 1))
    done = json.loads(Path(folder, "scores", WORK, part_name(1, 1), "done.json").read_text())
    Store(folder).below("scores").remove(WORK)
    with pool.open("r+b") as file:
        file.truncate(documents * MEAN_BYTES)
    (item,), _ = Files([str(pool)]).open()
    mark = stamp(item)
    rng = np.random.default_rng(0)
    sources = pa.array(["books", "code", "web"])
    for part in range(parts):
        first, last = documents * part // parts, documents * (part + 1) // parts
        begin, end = first * MEAN_BYTES, last * MEAN_BYTES
        store = Store(f"{folder}/scores/{WORK}/{part_name(part + 1, parts)}")
        segments, tables = [], []
        for start in range(first, last, BLOCK):
            count = min(BLOCK, last - start)
            lengths = rng.integers(1, 2 * MEAN_BYTES, count)
            hashes = rng.integers(0, 1 << 63, count).astype(np.uint64)
            labels = sources.take(pa.array(rng.integers(0, 3, count)))
            measured = {
                "gain": rng.random(count),
                "dsir": np.column_stack([rng.normal(size=count), rng.integers(100, 1000, count)]),
                "random": np.empty((count, 0)),
            }[method]
            table = block_table(count, np.arange(count), measured, (lengths, hashes, labels), [])
            segment = {
                "name": str(pool), "begin": begin, "end": end, "stamp": mark, "first": start - first, "records": count,
                "skipped": {}, "is_last": start + count == last, "bytes": documents * MEAN_BYTES, "sha256": "0" * 64,
            }  # fmt: skip
            name = f"{start:012d}.parquet"
            sample = [["text", [], "a text", 6]] * 256
            write_table(store, name, table, {"job": done["job"], "segments": [segment], "sample": sample})
            segments.append(segment)
            tables.append(name)
        about = done | {"part": part, "parts": parts, "files": [[str(pool), mark]]}
        about |= {"tables": tables, "segments": segments}
        store.write("done.json", json.dumps(about).encode())


def merged(folder: str) -> None:
    zipfit.merge_scores(f"{folder}/scores")


def cut(folder: str, top: int) -> None:
    scores = zipfit.open_scores(f"{folder}/scores")
    found = scores.ranking.cut(Terms(Budget(top=top)))
    assert len(found.indices) == top


def _measured(function: Callable[..., None], arguments: tuple[object, ...], queue: multiprocessing.Queue) -> None:
    start = time.perf_counter()
    function(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    queue.put({"seconds": round(time.perf_counter() - start, 1), "peak_MiB": round(peak)})


def measured(function: Callable[..., None], *arguments: object) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measured, args=(function, arguments, queue))
    process.start()
    found: dict[str, float] = queue.get()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--documents", type=int, default=10_000_000)
    parser.add_argument("--parts", type=int, default=64)
    parser.add_argument("--top", type=int, default=100_000)
    parser.add_argument("--method", choices=["gain", "dsir", "random"], default="gain")
    given = parser.parse_args()
    Path(given.folder).mkdir(parents=True)
    results = {
        "method": given.method,
        "documents": given.documents,
        "parts": given.parts,
        "top": given.top,
        "make": measured(made_parts, given.folder, given.documents, given.parts, given.method),
        "merge": measured(merged, given.folder),
        "open and cut": measured(cut, given.folder, given.top),
        "bytes of parts": sum(path.stat().st_size for path in Path(given.folder, "scores", WORK).rglob("*.parquet")),
        "bytes of tables": sum(path.stat().st_size for path in Path(given.folder, "scores").glob("*.parquet")),
    }
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(kept | {given.method: results}, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
