from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tiny import save_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny language model."""
    pytest.importorskip("transformers")
    return save_model(tmp_path_factory.mktemp("tiny"))
