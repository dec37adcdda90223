"""The table of what the paper's models take: as the script works it out from their shapes."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytest.importorskip("peft")
pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "model_sizes.py"))


@pytest.mark.parametrize("name", SCRIPT["SHAPES"])
def test_the_page_has_the_row(name):
    assert SCRIPT["row"](name) in (ROOT / "docs" / "finetune.md").read_text().splitlines()
