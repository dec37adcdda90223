"""From what a user names (files, globs, folders, remote paths) to an ordered list of files."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.corpus.formats import format_of_name
from zipfit.corpus.streams import file_system, is_remote, reading
from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Sequence


def expand(paths: Sequence[str], any_format: bool = False) -> tuple[list[str], list[str]]:
    """Expand globs and folders into files, sorted by name within each; the order of `paths` is kept.

    A folder is searched at every depth for files whose names tell a format that can be read. Hidden files and folders
    (names that begin with a dot) and the files that zipfit writes beside a selection are left out.

    Args:
        paths: files, globs, folders, remote paths, or `-` for standard input.
        any_format: take every file of a folder, whatever its name (when the format was given by hand).

    Returns:
        The files, and those of the folders' files that were passed over because their names tell no format.

    Raises:
        ZipfitError: something does not exist, or a glob or folder holds nothing that can be read.
    """
    files: list[str] = []
    passed_over: list[str] = []
    for path in paths:
        if path == "-":
            files.append(path)
            continue
        found = _expand_remote(path) if is_remote(path) else _expand_local(path)
        if found is None:
            files.append(path)
            continue
        known = [name for name in found if any_format or format_of_name(name) is not None]
        if not known:
            raise ZipfitError(f"{path}: holds no file whose name tells a format that zipfit reads (give --format)")
        files += known
        passed_over += [name for name in found if name not in set(known)]
    return files, passed_over


def _expand_local(path: str) -> list[str] | None:
    """The files of a folder or glob in order; None for a path that names one file."""
    if os.path.isdir(path):
        return _walk(path)
    if os.path.exists(path):
        return None
    if glob.has_magic(path):
        found = sorted(glob.glob(path, recursive=True))
        if not found:
            raise ZipfitError(f"{path}: matches no file")
        return [name for match in found for name in (_walk(match) if os.path.isdir(match) else [match])]
    raise ZipfitError(f"{path}: no such file or folder")


def _walk(folder: str) -> list[str]:
    names = []
    with reading(folder):
        for name in sorted(Path(folder).rglob("*")):
            hidden = any(part.startswith(".") for part in name.relative_to(folder).parts)
            if name.is_file() and not hidden and not _is_ours(name.name):
                names.append(str(name))
    return names


def _is_ours(name: str) -> bool:
    return name.endswith((".manifest.json", ".rejected.jsonl", ".duplicates.jsonl"))


def _expand_remote(path: str) -> list[str] | None:
    fs, inner = file_system(path)
    protocol = path.split("://", 1)[0]
    with reading(path):
        if glob.has_magic(path):
            found = sorted(fs.glob(inner))
            if not found:
                raise ZipfitError(f"{path}: matches no file")
        elif protocol not in ("http", "https") and fs.isdir(inner):
            found = sorted(name for name in fs.find(inner) if not _is_ours(name.rsplit("/", 1)[-1]))
        else:
            return None
    return [fs.unstrip_protocol(name) for name in found]
