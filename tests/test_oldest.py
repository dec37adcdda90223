"""The versions that CI tests as the oldest are those that pyproject.toml names."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {"s3fs", "gcsfs", "datatrove", "ray", "trl", "mypy", "ruff", "setuptools", "zipfit"}
"""What that job does not install, or only for other packages."""


def test_the_oldest_versions_are_the_lower_bounds():
    named = re.findall(r'"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)[";]', project_table())
    bounds = {name.lower(): version for name, version in named if name.lower() not in ELSEWHERE}
    lines = (ROOT / ".ci" / "oldest.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert len(pinned) > 20
    assert {name: parts(version) for name, version in pinned.items()} == {
        name: parts(version) for name, version in bounds.items()
    }


def project_table() -> str:
    """The lists of requirements; Python 3.10 reads no TOML."""
    text = (ROOT / "pyproject.toml").read_text()
    return text[text.index("dependencies = [") : text.index("[project.scripts]")]


def parts(version: str) -> list[int]:
    """A version as numbers, so that 13 is 13.0.0."""
    numbers = [int(part) for part in version.split(".")]
    return numbers + [0] * (3 - len(numbers))
