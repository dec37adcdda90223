"""Results folders without any training: whole studies whose numbers follow from a formula and a seed."""

from __future__ import annotations

import hashlib
import json
import math
import random
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from zipfit.training.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOSTILE = '<script>document.title="taken"</script> & "quoted" \'single\' </table> $x^2$ ${var}'


def arm(name: str, family: str | None = None, **fields: Any) -> dict[str, Any]:
    """An arm as a study file's reader would keep it."""
    empty = {
        "swept": {}, "method": None, "options": {}, "train_on": None, "label": None, "lengths_of": None,
        "min_score": None, "target_size": None, "budgets": None,
    }  # fmt: skip
    return {"name": name, "family": family or name, **empty, **fields}


def swept(family: str, key: str, value: Any, **fields: Any) -> dict[str, Any]:
    shown = "null" if value is None else value
    return arm(f"{family} {key}={shown}", family, swept={key: value}, **fields)


MAIN_ARMS = [
    arm("zipfit", method="zipfit"),
    arm("zipfit-gzip1", method="zipfit", options={"level": 1}),
    arm("zipfit-gzip9", method="zipfit", options={"level": 9}),
    arm("zipfit-lz4", method="zipfit", options={"compressor": "lz4"}),
    arm("dsir", method="dsir"),
    arm("d4", method="d4"),
    arm("embedding", method="embedding"),
    arm("gain", method="gain"),
    arm("cover", method="cover"),
    arm("random", method="random"),
    arm("target", train_on="target"),
]
FEW = [item for item in MAIN_ARMS if item["name"] in ("zipfit", "dsir", "random", "target")]

LABELS = (
    "proofnet-train", "lean4-putnam", "lean-workbook", "mma", "algebraic-stack", "stack-exchange-math", "mathlib-docs",
    "code-search-net", "wikitext-2", "c4", "openwebtext", "gutenberg",
)  # fmt: skip

RICH_ARMS = [
    *MAIN_ARMS,
    arm("everything", train_on="source", budgets=[None]),
    *(swept("sources", "label", label, label=label) for label in LABELS),
    *(swept("above", "min_score", score, method="zipfit", min_score=score) for score in (0.1, 0.2, 0.3)),
    *(swept("small", "target_size", size, method="zipfit", target_size=size) for size in (1, 5, 20, 80, None)),
    *(
        swept("compressors", "level", level, method="zipfit", options={"compressor": "zstd", "level": level})
        for level in (1, 10, 22)
    ),
    arm("lengths", lengths_of="zipfit"),
]

# How much lower than before training an arm ends at the largest budget, as a share of what the target itself gains.
_GAINS = {
    "target": 1.0, "cover": 0.86, "gain": 0.83, "dsir": 0.79, "zipfit-lz4": 0.71, "zipfit": 0.74, "zipfit-gzip1": 0.73,
    "zipfit-gzip9": 0.745, "embedding": 0.69, "d4": 0.5, "random": 0.62, "everything": 0.8, "lengths": 0.6,
}  # fmt: skip
_SECONDS = {"cover": 31.0, "gain": 48.0, "dsir": 9.5, "d4": 210.0, "embedding": 140.0}


@dataclass(frozen=True)
class Story:
    """What comes of a study that was never run.

    Attributes:
        name: the study's.
        gains: arm to the share of the target's gain that it reaches; else a built-in one, or a hash's.
        humaneval: whether pass@k was measured.
        failed: arm, budget and seed to the error of a cell that failed half-way.
        absent: arm, budget and seed of cells that were not run yet.
        text: what every top document begins with.
    """

    name: str = "ProofNet out of the AutoFormalization pool"
    gains: Mapping[str, float] = field(default_factory=dict)
    humaneval: bool = False
    failed: Mapping[tuple[str, int | None, int], str] = field(default_factory=dict)
    absent: Sequence[tuple[str, int | None, int]] = ()
    text: str = "theorem exercise_1_2 (n : ℕ) : n + 0 = n := by simp"


def write_results(
    folder: Path,
    arms: Sequence[Mapping[str, Any]] = MAIN_ARMS,
    budgets: Sequence[int | None] = (20_000, 40_000, 80_000),
    models: Sequence[str] = ("smollm2",),
    seeds: Sequence[int] = (0, 1, 2),
    **told: Any,
) -> Path:
    """Write a results folder of such a study, of which `told` says what `Story` has."""
    story = Story(**told)
    gains = {**_GAINS, **story.gains}
    settings = asdict(Settings(block_size=256, batch_size=4, learning_rate=1e-4))
    study = {
        "name": story.name,
        "description": "Which selection teaches a small model the most formal mathematics?",
        "source": [{"files": ["af_pool.jsonl.zst"], "format": None, "text_field": "text", "template": None,
                    "sample_by": "line", "by": "source", "rows": [None, None]}],
        "target": [{"files": ["proofnet_valid.jsonl"], "rows": [None, None]}],
        "test": [{"files": ["proofnet_test.jsonl"], "rows": [None, None]}],
        "arms": list(arms),
        "budgets": list(budgets),
        "models": [{"name": model, "label": model, "revision": None, "trust_remote_code": False} for model in models],
        "seeds": list(seeds),
        "settings": settings,
        "evaluate_every": 5000,
        "humaneval": None,
    }  # fmt: skip
    for inner in ("cells", "selections"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    write_json(folder / "study.json", {"format": 1, "study": study, "versions": {"zipfit": "0.1.0", "torch": "2.13.0"}})
    for item in arms:
        for budget in budgets if item["budgets"] is None else item["budgets"]:
            for model in models:
                for seed in seeds:
                    place = (item["name"], budget, seed)
                    if place in story.absent:
                        continue
                    error = story.failed.get(place)
                    cell = _cell(item, budget, model, seed, gains, settings, story.humaneval, error)
                    write_json(folder / "cells" / f"{cell['key']}.json", cell)
                    if item["method"] and item["method"] != "random":
                        selection = _selection(item, cell["selection"], story.text)
                        write_json(folder / "selections" / f"{cell['selection']}.json", selection)
    return folder


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _key(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _share(item: Mapping[str, Any], gains: Mapping[str, float]) -> tuple[float, float]:
    """The share of the target's gain that an arm reaches, and its mean alignment."""
    hashed = int(_key(item["name"]), 16) / 2**64
    if item["name"] in gains:
        return gains[item["name"]], 0.1 + 0.2 * gains[item["name"]] + 0.03 * hashed
    if item["label"] is not None:
        place = LABELS.index(item["label"]) / len(LABELS) if item["label"] in LABELS else hashed
        return 0.85 - 0.75 * place + 0.12 * (hashed - 0.5), 0.29 - 0.24 * place
    if item["min_score"] is not None:
        return 0.6 + 0.5 * item["min_score"], item["min_score"] + 0.04
    if "target_size" in item["swept"]:
        return 0.74 - 0.2 / (item["target_size"] or 185), 0.24
    return 0.7 + 0.06 * hashed, 0.22 + 0.03 * hashed


def _cell(
    item: Mapping[str, Any],
    budget: int | None,
    model: str,
    seed: int,
    gains: Mapping[str, float],
    settings: dict[str, Any],
    humaneval: bool,
    error: str | None,
) -> dict[str, Any]:
    rng = random.Random(repr((item["name"], budget, model, seed)))
    share, alignment = _share(item, gains)
    end = (budget or 400_000) // 256 * 256
    before = 2.531 + 0.3 * (len(model) % 3)
    shift = rng.gauss(0, 0.006)
    every = 5120 if end < 200_000 else 20_480
    points = sorted({*range(0, end, every), end})
    if error is not None:
        points = points[: len(points) // 2]
    losses = []
    for tokens in points:
        gained = 0.62 * share * (1 - math.exp(-((tokens / 60_000) ** 0.6) * 1.6)) / 0.85
        loss = before - gained + (shift if tokens else 0) + (rng.gauss(0, 0.002) if tokens else 0)
        losses.append({"tokens": tokens, "loss": loss, "bits_per_byte": loss * 0.38})
    method = item["method"]
    seconds = _SECONDS.get(str(method), 4.2 + rng.random()) if method not in (None, "random") else 0.0
    passed = round(0.02 + 0.05 * share, 4)
    return {
        "format": 1, "key": _key("cell", item["name"], budget, model, seed), "study": "synthetic",
        **{name: item[name] for name in ("family", "swept", "method", "options", "train_on", "label", "min_score", "target_size")},
        "arm": item["name"], "budget": budget, "model": model, "seed": seed,
        "status": "done" if error is None else "failed", "error": error,
        "selection": _key("selection", item["name"]), "documents": 150 + seed, "tokens": end,
        "alignment": round(alignment + rng.gauss(0, 0.001), 6), "mean_bytes": 480.0 + 40 * share,
        "selection_seconds": seconds, "training_seconds": end / 520, "tokens_per_second": 520.0,
        "losses": losses, "training_losses": [{"tokens": 1024, "loss": 2.9}],
        "overlap": {"exact": 0, "ngram": 3 if item["name"] == "dsir" else 0, "test_documents": 186},
        "humaneval": {"problems": 164, "samples": 20, "pass_at": {"1": passed, "10": 2.5 * passed}} if humaneval else None,
        "test": {"documents": 186, "tokens": 25_113, "bytes": 61_040, "truncated": 0},
        "settings": settings,
        "made": {"at": f"2026-11-22T06:{seed:02d}:00Z", "commit": f"{seed:040x}", "zipfit": "0.1.0", "torch": "2.13.0", "device": "cpu", "precision": "fp32"},
    }  # fmt: skip


def _selection(item: Mapping[str, Any], key: str, text: str) -> dict[str, Any]:
    top = [
        {"rank": rank, "position": 17 * rank, "score": round(0.4 - 0.005 * rank, 6), "alignment": round(0.35 - 0.004 * rank, 6),
         "label": LABELS[rank % 5], "text": f"{text} -- {rank}"}
        for rank in range(1, 21)
    ]  # fmt: skip
    return {
        "format": 1, "key": key, "arm": dict(item), "seconds": {"fit": 0.1, "score": 4.0, "cut": 0.1},
        "position": [row["position"] for row in top], "score": [row["score"] for row in top],
        "label": [row["label"] for row in top], "tokens": [140] * 20, "bytes": [400] * 20, "top": top,
    }  # fmt: skip


def write_rich_results(folder: Path, **changes: Any) -> Path:
    """A study with everything in it: every kind of arm, three budgets, three seeds, cells that failed or are not there."""
    failed = {
        (
            "d4",
            80_000,
            2,
        ): "The loss of a training step is no number (NaN) after 40,960 tokens: try a lower learning rate.",
        ("embedding", 20_000, 1): "Out of memory: a batch of 4 blocks of 256 tokens does not fit.",
    }
    absent = [("gain", 40_000, 2), ("lengths", 20_000, 0)]
    return write_results(
        folder, **{"arms": RICH_ARMS, "humaneval": True, "failed": failed, "absent": absent, **changes}
    )
