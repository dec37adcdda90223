"""zipfit: pick, out of a large pool of text, the training documents that best fit a task.

The public names are loaded when first used, so that `import zipfit` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zipfit.corpus.inputs import Files
    from zipfit.errors import MissingExtraError, ZipfitError
    from zipfit.explanation import explain
    from zipfit.manifest import verify
    from zipfit.methods.zipfit import ZipFit
    from zipfit.repeating import rerun
    from zipfit.result import Selection
    from zipfit.scoring import Alignment, alignment
    from zipfit.selecting import select
    from zipfit.training.evaluating import evaluate
    from zipfit.training.finetuning import finetune

_HOMES = {
    "Alignment": "zipfit.scoring",
    "Files": "zipfit.corpus.inputs",
    "MissingExtraError": "zipfit.errors",
    "Selection": "zipfit.result",
    "ZipFit": "zipfit.methods.zipfit",
    "ZipfitError": "zipfit.errors",
    "alignment": "zipfit.scoring",
    "evaluate": "zipfit.training.evaluating",
    "explain": "zipfit.explanation",
    "finetune": "zipfit.training.finetuning",
    "rerun": "zipfit.repeating",
    "select": "zipfit.selecting",
    "verify": "zipfit.manifest",
}

__all__ = [
    "Alignment",
    "Files",
    "MissingExtraError",
    "Selection",
    "ZipFit",
    "ZipfitError",
    "alignment",
    "evaluate",
    "explain",
    "finetune",
    "rerun",
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
    return sorted([*globals(), *__all__])
