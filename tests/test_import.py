from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import zipfit
from zipfit.errors import MissingExtraError

HEAVY = {
    "aiohttp", "brotli", "datasets", "faiss", "fsspec", "huggingface_hub", "lz4", "numpy", "pandas", "polars",
    "pyarrow", "rich", "tokenizers", "torch", "transformers", "typer", "zstandard",
}  # fmt: skip


def test_importing_zipfit_imports_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-c", "import zipfit"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    modules = [line.rsplit("|", 1)[-1].strip() for line in lines]
    assert "zipfit" in modules
    assert not {module.split(".")[0] for module in modules} & HEAVY
    cumulative = next(int(line.split("|")[1]) for line in lines if line.endswith("| zipfit"))
    assert cumulative < 300_000  # microseconds


def test_the_public_names_are_there_and_no_others():
    for name in zipfit.__all__:
        assert getattr(zipfit, name).__name__ == name
        assert name in dir(zipfit)
    assert zipfit.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="module 'zipfit' has no attribute 'nothing'"):
        _ = zipfit.nothing


def modules() -> list[str]:
    names = [info.name for info in pkgutil.walk_packages(zipfit.__path__, "zipfit.")]
    return [name for name in names if not name.endswith("._core")]


@pytest.mark.parametrize("name", modules())
def test_the_examples_in_docstrings_hold(name):
    try:
        module = importlib.import_module(name)
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0
