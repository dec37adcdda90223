"""The length bias of mean NCD, and whether other ways to pool a document's pairs do better.

    python benchmarks/length_bias.py FOLDER NAME=POOL,TARGET,HELDOUT [NAME=...]

For each task (JSON lines with a `text` field; `.zst` is read too) it measures

1. the bias: alignment of the same text cut to different lengths, for pool documents chosen at random. Whatever the text
   is about, only its length changes, so a fair score would stay level;
2. the variants: all pairs of documents and target examples once, pooled in several ways, each judged by bits per byte
   of the held-out examples under an n-gram model of its selection (`zipfit.selection.preview`).

Results go to FOLDER/length-bias.json and the figure to FOLDER/length-bias.png.
"""

from __future__ import annotations

import argparse
import json
import random
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from zipfit.selection.preview import bits_per_byte

DOCUMENTS = 6_000
TARGETS = 82
BUDGET = 120_000  # bytes selected
CUTS = [25, 50, 75, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400, 4000]  # bytes
CUT_DOCUMENTS = 60


def compressed(x: bytes) -> int:
    """C(x): size of a gzip file, level 6."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    return len(compressor.compress(x)) + len(compressor.flush())


def pair_sizes(targets: list[bytes], x: bytes) -> list[int]:
    return [compressed(x + t) for t in targets]


def all_pairs(documents: list[bytes], targets: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C(x), C(t) and C(xt), shapes (n,), (m,) and (n, m)."""
    with ProcessPoolExecutor() as executor:
        joint = np.array(list(executor.map(partial(pair_sizes, targets), documents, chunksize=64)), float)
    single = np.array([compressed(x) for x in documents], float)
    return single, np.array([compressed(t) for t in targets], float), joint


def alignments(x: np.ndarray, t: np.ndarray, xt: np.ndarray) -> np.ndarray:
    """1 - NCD of each pair, shape (n, m)."""
    return 1 - (xt - np.minimum(x[:, None], t)) / np.maximum(x[:, None], t)


def without_trend(scores: np.ndarray, x: np.ndarray, bins: int = 40) -> np.ndarray:
    """Subtract the median score of the pool's documents of about the same compressed size."""
    edges = np.quantile(x, np.linspace(0, 1, bins + 1)[1:-1])
    which = np.digitize(x, edges)
    medians = {b: np.median(scores[which == b]) for b in np.unique(which)}
    return scores - np.array([medians[b] for b in which])


def variants(x: np.ndarray, t: np.ndarray, xt: np.ndarray) -> dict[str, np.ndarray]:
    pairs = alignments(x, t, xt)
    nearest = -np.sort(-pairs, axis=1)
    saved = x[:, None] + t - xt
    mean = pairs.mean(axis=1)
    return {
        "mean (ZIP-FIT)": mean,
        "nearest 20": nearest[:, :20].mean(axis=1),
        "nearest 5": nearest[:, :5].mean(axis=1),
        "max": nearest[:, 0],
        "mean, less the pool's median at that size": without_trend(mean, x),
        "nearest 5, less the pool's median at that size": without_trend(nearest[:, :5].mean(axis=1), x),
        "bytes saved / C(x)": (saved / x[:, None]).mean(axis=1),
        "bytes saved / sqrt(C(x) C(t))": (saved / np.sqrt(x[:, None] * t)).mean(axis=1),
    }


def selection(documents: list[str], scores: np.ndarray) -> list[str]:
    chosen, left = [], BUDGET
    for i in np.argsort(-scores, kind="stable"):
        data = documents[i].encode()[:left]
        chosen.append(data.decode(errors="ignore"))
        left -= len(data)
        if left <= 0:
            break
    return chosen


def read(path: str) -> list[str]:
    if path.endswith(".zst"):
        import zstandard

        with zstandard.open(path, "rt", encoding="utf-8") as lines:
            return [json.loads(line)["text"] for line in lines]
    return [json.loads(line)["text"] for line in Path(path).read_text(encoding="utf-8").splitlines()]


def measure(pool_path: str, target_path: str, heldout_path: str) -> dict[str, object]:
    pool, target, heldout = read(pool_path), read(target_path), read(heldout_path)
    if target_path == heldout_path:
        target, heldout = target[: len(target) // 2], heldout[len(heldout) // 2 :]
    random.Random(1).shuffle(pool)
    pool = pool[:DOCUMENTS]
    random.Random(2).shuffle(target)
    targets = [text.encode() for text in target[:TARGETS]]

    whole = [text.encode() for text in pool if len(text.encode()) >= CUTS[-1]][:CUT_DOCUMENTS]
    curve = []
    for cut in CUTS:
        x, t, xt = all_pairs([text[:cut] for text in whole], targets)
        curve.append({"bytes": cut, "compressed": x.mean(), "alignment": alignments(x, t, xt).mean()})

    x, t, xt = all_pairs([text.encode() for text in pool], targets)
    scores = variants(x, t, xt)
    scores["random"] = np.random.default_rng(0).permutation(len(pool)).astype(float)
    check = {}
    for name, values in scores.items():
        chosen = selection(pool, values)
        sizes = np.array([compressed(text.encode()) for text in chosen])
        check[name] = {
            "bits_per_byte": round(bits_per_byte(chosen, heldout), 3),
            "median_compressed": float(np.median(sizes)),
        }
    return {
        "target_compressed": np.quantile(t, [0.1, 0.5, 0.9]).tolist(),
        "pool_compressed": np.quantile(x, [0.1, 0.5, 0.9]).tolist(),
        "curve": curve,
        "variants": check,
    }


def draw(results: dict[str, dict], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), constrained_layout=True)
    for color, (name, result) in zip(("#1b6ca8", "#c8553d", "#3a7d44", "#6c4ab6"), results.items(), strict=False):
        curve = result["curve"]
        axes.plot(
            [p["compressed"] for p in curve], [p["alignment"] for p in curve], "o-", ms=3, color=color, label=name
        )
        low, middle, high = result["target_compressed"]
        axes.axvspan(low, high, color=color, alpha=0.08, lw=0)
        axes.axvline(middle, color=color, lw=1, ls=":")
    axes.set_xscale("log")
    axes.set_xlabel("compressed size C(x) of the cut document, bytes (gzip 6)")
    axes.set_ylabel("mean alignment")
    axes.set_title("The same text scores by its length", fontsize=10)
    axes.legend(frameon=False, fontsize=8, title="target (dotted: its median C(t))", title_fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tasks", nargs="+", metavar="NAME=POOL,TARGET,HELDOUT")
    arguments = parser.parse_args()
    results = {}
    for task in arguments.tasks:
        name, _, paths = task.partition("=")
        results[name] = measure(*paths.split(","))
        print(name, json.dumps(results[name]["variants"], indent=1), flush=True)
    (arguments.folder / "length-bias.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    draw(results, arguments.folder / "length-bias.png")


if __name__ == "__main__":
    main()
