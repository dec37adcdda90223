"""What a result was made with: the commit of zipfit's own code, and the versions of libraries."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of those of the libraries that are installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
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
    try:
        noted = distribution("zipfit").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    commit = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id")
    return commit if isinstance(commit, str) else None
