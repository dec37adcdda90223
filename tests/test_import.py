from __future__ import annotations

import contextlib
import doctest
import importlib
import pkgutil
import subprocess
import sys
from importlib.metadata import version

import pytest

import zipfit
from zipfit.errors import MissingExtraError

# What is loaded only when it is needed, by one command or by one function.
EXTRAS = {
    "accelerate", "brotli", "datasets", "faiss", "fsspec", "huggingface_hub", "lz4", "matplotlib", "msgspec", "pandas",
    "peft", "polars", "pyarrow", "scipy", "tokenizers", "torch", "transformers", "yaml", "zstandard",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """Full names of the modules that a new interpreter holds after it ran the code."""
    code += "\nimport sys\nprint(*sys.modules, sep='\\n', file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stderr.split())


def test_importing_zipfit_loads_nothing_else():
    loaded = loaded_by("import zipfit")
    assert "zipfit" in loaded
    assert not {name for name in loaded if name.startswith("zipfit.")}
    assert not loaded & (EXTRAS | {"numpy", "rich", "typer"})


def test_the_command_lines_help_loads_no_library_that_only_some_commands_need():
    help_ = (
        "import sys\nsys.argv = ['zipfit', '--help']\nfrom zipfit.cli import main\ntry: main()\nexcept SystemExit: pass"
    )
    loaded = loaded_by(help_)
    assert {"zipfit.cli.app", "typer"} <= loaded
    assert not loaded & EXTRAS


def test_the_public_names_are_there_and_no_others():
    for name in zipfit.__all__:
        assert getattr(zipfit, name).__name__ == name
        assert name in dir(zipfit)
    assert zipfit.__version__ == version("zipfit")
    with pytest.raises(AttributeError, match="module 'zipfit' has no attribute 'nothing'"):
        _ = zipfit.nothing


def modules() -> list[str]:
    names = [info.name for info in pkgutil.walk_packages(zipfit.__path__, "zipfit.")]
    return [name for name in names if not name.endswith("._core")]


def test_the_examples_in_docstrings_hold():
    attempted, failed = 0, []
    for name in modules():
        with contextlib.suppress(MissingExtraError):
            results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
            attempted += results.attempted
            failed += [name] * (results.failed > 0)
    assert not failed
    assert attempted > 20
