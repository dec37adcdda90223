"""zipfit: pick, out of a large pool of text, the training documents that best fit a task.

The public names are loaded when first used, so that `import zipfit` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zipfit.corpus.inputs import Files
    from zipfit.errors import MissingExtraError, ZipfitError
    from zipfit.methods.bm25 import Bm25
    from zipfit.methods.cover import Cover
    from zipfit.methods.d4 import D4
    from zipfit.methods.distilled import Distilled
    from zipfit.methods.dsir import Dsir
    from zipfit.methods.embedding import Embedding
    from zipfit.methods.gain import Gain
    from zipfit.methods.less import Less
    from zipfit.methods.lossdrop import LossDrop
    from zipfit.methods.mmr import Mmr
    from zipfit.methods.racing import Racing
    from zipfit.methods.turns import Turns
    from zipfit.methods.uniform import Random
    from zipfit.methods.within import Within
    from zipfit.methods.zipfit import ZipFit
    from zipfit.report.selection import report_selection
    from zipfit.selection.alignment import Alignment, alignment
    from zipfit.selection.explain import explain
    from zipfit.selection.manifest import verify
    from zipfit.selection.merge import merge_scores
    from zipfit.selection.ray_engine import score_on_ray
    from zipfit.selection.rerun import rerun
    from zipfit.selection.scores import Scores, open_scores
    from zipfit.selection.scoring import score_pool
    from zipfit.selection.select import select
    from zipfit.selection.selection import Selection
    from zipfit.training.evaluate import evaluate
    from zipfit.training.finetune import finetune

_HOMES = {
    "Alignment": "zipfit.selection.alignment",
    "Bm25": "zipfit.methods.bm25",
    "Cover": "zipfit.methods.cover",
    "D4": "zipfit.methods.d4",
    "Distilled": "zipfit.methods.distilled",
    "Dsir": "zipfit.methods.dsir",
    "Embedding": "zipfit.methods.embedding",
    "Files": "zipfit.corpus.inputs",
    "Gain": "zipfit.methods.gain",
    "Less": "zipfit.methods.less",
    "LossDrop": "zipfit.methods.lossdrop",
    "MissingExtraError": "zipfit.errors",
    "Mmr": "zipfit.methods.mmr",
    "Racing": "zipfit.methods.racing",
    "Random": "zipfit.methods.uniform",
    "Scores": "zipfit.selection.scores",
    "Selection": "zipfit.selection.selection",
    "Turns": "zipfit.methods.turns",
    "Within": "zipfit.methods.within",
    "ZipFit": "zipfit.methods.zipfit",
    "ZipfitError": "zipfit.errors",
    "alignment": "zipfit.selection.alignment",
    "evaluate": "zipfit.training.evaluate",
    "explain": "zipfit.selection.explain",
    "finetune": "zipfit.training.finetune",
    "merge_scores": "zipfit.selection.merge",
    "open_scores": "zipfit.selection.scores",
    "report_selection": "zipfit.report.selection",
    "rerun": "zipfit.selection.rerun",
    "score_on_ray": "zipfit.selection.ray_engine",
    "score_pool": "zipfit.selection.scoring",
    "select": "zipfit.selection.select",
    "verify": "zipfit.selection.manifest",
}

__all__ = [
    "D4",
    "Alignment",
    "Bm25",
    "Cover",
    "Distilled",
    "Dsir",
    "Embedding",
    "Files",
    "Gain",
    "Less",
    "LossDrop",
    "MissingExtraError",
    "Mmr",
    "Racing",
    "Random",
    "Scores",
    "Selection",
    "Turns",
    "Within",
    "ZipFit",
    "ZipfitError",
    "alignment",
    "evaluate",
    "explain",
    "finetune",
    "merge_scores",
    "open_scores",
    "report_selection",
    "rerun",
    "score_on_ray",
    "score_pool",
    "select",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("zipfit")
    if name not in _HOMES:
        raise AttributeError(f"module 'zipfit' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
