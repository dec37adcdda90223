"""Every method on one pool: throughput and peak memory of a whole `zipfit select`, beside two rivals.

Each runs as a command of its own on the same uncompressed sample of the pool (`random.Random(1)`), start of Python and
imports included, and selects a tenth of it. The encoder's cache is empty at first; a second run of the same encoder
shows what the cache saves. Rivals, passed over where they are not installed: data-selection 1.0.3 (DSIR; `pip install
data-selection "setuptools<81"`) and semhash, which removes near duplicates by meaning and is shown beside
`zipfit --dedup near` (benchmarks/dedup.py has more). Wall time is noisy on a machine with other work; processor time is
the sum over threads and processes.

    python benchmarks/methods.py POOL.jsonl[.zst] TARGET.jsonl --documents 5000 > methods.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import zstandard

ENCODED = ("embedding", "d4")
"""Methods whose cost is the encoder's; run again with its cache filled."""


def sample(path: Path, documents: int | None, into: Path) -> tuple[int, int]:
    """Write a sample of the pool, uncompressed; return its documents and the bytes of their texts."""
    opened = zstandard.open(path, "rt", encoding="utf-8") if path.suffix == ".zst" else path.open(encoding="utf-8")
    with opened as lines:
        pool = list(lines)
    if documents is not None and documents < len(pool):
        pool = random.Random(1).sample(pool, documents)
    into.write_text("".join(pool), encoding="utf-8")
    return len(pool), sum(len(json.loads(line)["text"].encode("utf-8", "surrogatepass")) for line in pool)


def run_data_selection(pool: str, target: str, count: int, folder: str, processes: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pkg_resources
        from data_selection import HashedNgramDSIR

    dsir = HashedNgramDSIR([pool], [target], cache_dir=f"{folder}/cache", num_proc=processes)
    dsir.fit_importance_estimator()
    dsir.compute_importance_weights()
    dsir.resample(out_dir=f"{folder}/out", num_to_sample=count, cache_dir=f"{folder}/resampled", top_k=True)


def run_semhash(pool: str, static_model: str | None) -> None:
    from semhash import SemHash

    model = None
    if static_model:
        from model2vec import StaticModel

        model = StaticModel.from_pretrained(static_model)
    with Path(pool).open(encoding="utf-8") as lines:
        SemHash.from_records([json.loads(line)["text"] for line in lines], model=model).self_deduplicate(threshold=0.9)


def measure(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Run a command; return its seconds, its processor seconds and the peak memory of its largest process, in MB."""
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError((errors.read().strip().splitlines() or ["no message"])[-1])
    peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
    return {"wall_s": round(wall, 2), "cpu_s": round(usage.ru_utime + usage.ru_stime, 2), "peak_mb": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--documents", type=int, help="size of the sample; all of the pool if not given")
    parser.add_argument("--methods", default="random,zipfit,dsir,gain,cover,embedding,d4")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--static-model", help="a model2vec model for semhash, instead of the one it downloads")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        pool = f"{folder}/pool.jsonl"
        documents, size = sample(args.pool, args.documents, Path(pool))
        count = max(1, documents // 10)
        environment = os.environ | {"ZIPFIT_CACHE": f"{folder}/cache", "PYTHONWARNINGS": "ignore"}
        select = [sys.executable, "-c", "from zipfit.cli import main; main()", "select", pool]
        select += ["--target", str(args.target), "--top", str(count), "--threads", str(args.threads), "--allow-fewer"]
        select += ["--quiet", "--overwrite", "-o", f"{folder}/out.jsonl"]
        this = [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import methods; ",
        ]

        runs = {}
        for method in args.methods.split(","):
            runs[method] = [*select, "--method", method]
            if method in ENCODED:
                runs[f"{method}, cached"] = runs[method]
        runs["random, near duplicates removed"] = [*select, "--method", "random", "--dedup", "near"]
        dsir = f"methods.run_data_selection({pool!r}, {str(args.target)!r}, {count}, {folder!r}, {args.threads})"
        runs["data-selection (DSIR)"] = [*this[:2], this[2] + dsir]
        runs["semhash (near duplicates)"] = [
            *this[:2],
            this[2] + f"methods.run_semhash({pool!r}, {args.static_model!r})",
        ]

        results = {}
        for name, command in runs.items():
            if name in ENCODED:  # each of them pays for the encoder once
                environment["ZIPFIT_CACHE"] = f"{folder}/cache-{name}"
            try:
                result = measure(command, environment)
            except RuntimeError as error:
                print(f"{name} passed over: {error}", file=sys.stderr)
                continue
            result["mb_per_cpu_s"] = round(size / 1e6 / result["cpu_s"], 3)
            result["documents_per_cpu_s"] = round(documents / result["cpu_s"], 1)
            results[name] = result
            print(f"{name}: {result}", file=sys.stderr)
    setup = {"documents": documents, "mb": round(size / 1e6, 2), "selected": count, "threads": args.threads}
    json.dump(setup | {"machine": platform.machine(), "results": results}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
