"""What zipfit runs on: the native core or the twins that stand in for it, cores, and which versions of what.

Each class and function of `zipfit._core` has a twin of the same name and signature in a reference module of the room
that uses it (`compression/reference.py`, `methods/cover_reference.py` ...). The twin is the definition, says it as
plainly as it can, and gives the same values, to the bit, and the same exceptions: tests/core/test_engines.py holds both
to that.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType


@cache
def native_core() -> Any:
    """The extension module `zipfit._core`, or None where zipfit was installed without a C++ compiler."""
    try:
        return importlib.import_module("zipfit._core")
    except ImportError:
        return None


def engine(reference: ModuleType) -> Any:
    """The native core or, where it was not built, the module of its twins."""
    return native_core() or reference


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of those of the libraries that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in names:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


@cache
def zipfit_commit() -> str | None:
    """The commit that zipfit's code is of, in 40 hexadecimal digits.

    It is that of the checkout which the code runs from, with `-dirty` behind it where files have changed since; else
    the one that pip installed from (PEP 610). None where neither is known, as of a release.
    """
    return _checked_out(Path(__file__).parent) or _installed_from()


def _checked_out(package: Path) -> str | None:
    try:
        # An environment may lie within another project's repository, which does not keep the package.
        _git(package, "ls-files", "--error-unmatch", "__init__.py")
        return _git(package, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
    except (OSError, subprocess.CalledProcessError):  # no git, no repository
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _installed_from() -> str | None:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        noted = distribution("zipfit").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    commit = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id")
    return commit if isinstance(commit, str) else None
