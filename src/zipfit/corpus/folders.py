"""Which files of folders and globs hold documents: not cards, licences and test sets."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.corpus.formats import format_of_name
from zipfit.corpus.outputs import COMPANIONS
from zipfit.corpus.remote import file_system, is_remote
from zipfit.corpus.streams import naming
from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What lies beside the documents of a data set: of `datasets`, and of the hub.
_ABOUT = re.compile(
    r"(dataset_infos?|dataset_dict|state|croissant|config|metadata)\.json|requirements\.txt"
    r"|(readme([-_.][\w-]+)?|(licen[cs]e|copying|notice|changelog|dataset_card)(\.\w+)?|licen[cs]e-(code|data))\.(md|txt)",
    re.IGNORECASE,
)

# The words, and what parts them, by which `datasets` tells splits (5.2.0, data_files.py).
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_PARTS = re.compile(r"[-._ 0-9]+")
_SHARD = re.compile(r"(\w+(?:\.\w+)*)-\d{5}-of-\d{5}\.")


def expand(paths: Sequence[str], any_format: bool = False) -> tuple[list[str], list[str]]:
    """Expand globs and folders into files, sorted by name within each; the order of `paths` is kept.

    A folder is searched at every depth for files whose names tell a format that can be read. Hidden files and folders
    (names that begin with a dot) and the files that zipfit writes beside a selection are left out. So are cards,
    licences and descriptions of data sets; and, where names tell splits, all but the train split. `FOLDER@SPLIT` names
    another.

    Args:
        paths: files, globs, folders, remote paths, or `-` for standard input.
        any_format: take a folder's files whatever their names (when the format was given by hand).

    Returns:
        The files, and those of the folders' files that were passed over.

    Raises:
        ZipfitError: something does not exist, or a glob or folder holds nothing that can be read.
    """
    files: list[str] = []
    passed_over: list[str] = []
    for path in paths:
        found, folder, split = _expand_remote(path) if is_remote(path) else _expand_local(path)
        if folder is None:
            known = [name for name in found if any_format or found == [path] or format_of_name(name) is not None]
        else:
            known = [name for name in found if any_format or _holds_documents(name)]
            known = _of_split(folder, known, split, f"{folder}/dataset_dict.json" in found)
        if not known:
            raise ZipfitError(f"{path}: holds no file whose name tells a format that zipfit reads (give --format)")
        files += known
        taken = set(known)
        passed_over += [name for name in found if name not in taken]
    return files, passed_over


def split_of(name: str) -> str | None:
    """The split that a file's path tells, by its file name or a folder's name.

    Example:
        >>> split_of("data/validation-00000-of-00002.parquet"), split_of("dev/a.jsonl"), split_of("a.jsonl")
        ('validation', 'validation', None)
    """
    for part in reversed(name.split("/")):
        words = set(_PARTS.split(part.lower()))
        for split, keywords in _SPLITS.items():
            if not words.isdisjoint(keywords):
                return split
    return None


def _holds_documents(name: str) -> bool:
    return format_of_name(name) is not None and _ABOUT.fullmatch(name.rsplit("/", 1)[-1]) is None


def _of_split(folder: str, names: list[str], wanted: str | None, by_folder: bool) -> list[str]:
    """The files of a folder that are of a split; of the train split, where there is another too, and none is named.

    Args:
        folder: the folder.
        names: its files.
        wanted: the split.
        by_folder: whether each split lies in a folder of its name, as `datasets` saves a DatasetDict.
    """
    within = [name.removeprefix(folder).lstrip("/") for name in names]
    splits = [split_of(name) for name in within]
    if wanted is None:
        if by_folder:
            splits = [split or name.split("/")[0] for split, name in zip(splits, within, strict=True)]
        told = {split for split in splits if split is not None}
        return [n for n, s in zip(names, splits, strict=True) if s == "train"] if told > {"train"} else names
    # A split of a data set's own, as test_sft, is told by the name of its folder or of a shard.
    if by_folder:
        splits = own = [name.split("/")[0] if "/" in name else None for name in within]
    else:
        own = [shard.group(1) if (shard := _SHARD.match(name.rsplit("/", 1)[-1])) else None for name in within]
    chosen = [name for name, *told in zip(names, splits, own, strict=True) if wanted in told]
    if not chosen:
        has = ", ".join(sorted({name for name in [*splits, *own] if name is not None})) or "none"
        raise ZipfitError(f"{folder}: has no split {wanted!r} (the names of its files tell: {has})")
    return chosen


def _expand_local(path: str) -> tuple[list[str], str | None, str | None]:
    """The files that a path names, in order; the folder, if it is one, and the split that is named with it."""
    if path == "-":
        return [path], None, None
    if os.path.isdir(path):
        return _walk(path), str(Path(path)), None
    if os.path.exists(path):
        return [path], None, None
    folder, _, split = path.rpartition("@")
    if split and os.path.isdir(folder):
        return _walk(folder), str(Path(folder)), split
    if glob.has_magic(path):
        found = sorted(set(_glob(path)))
        if not found:
            raise ZipfitError(f"{path}: matches no file")
        return [name for match in found for name in (_walk(match) if os.path.isdir(match) else [match])], None, None
    hint = " (a string is a path: give texts as a list of strings)" if any(map(str.isspace, path)) else ""
    raise ZipfitError(f"{path}: no such file or folder{hint}")


def _glob(pattern: str) -> list[str]:
    """What `glob.glob` finds; but `**` goes into no folder through a link that leads back up, and names files alone."""
    before, stars, after = pattern.partition("**")
    if not stars or not (before.endswith("/") or not before) or not (after.startswith("/") or not after):
        return glob.glob(pattern)
    bases = glob.glob(before) if before else [""]
    below = (str(folder) for base in bases for folder in _folders_below(Path(base), ()))
    return [name for folder in below for name in _glob(os.path.join(glob.escape(folder), after.lstrip("/") or "*.*"))]


def _folders_below(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """The folder, and those within it; links are followed, but not back up."""
    status = folder.stat()
    here = status.st_dev, status.st_ino
    if here not in above:
        yield folder
        for path in folder.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                yield from _folders_below(path, (*above, here))


def _walk(folder: str) -> list[str]:
    with naming(folder):
        return [str(path) for path in _files_below(Path(folder), ())]


def _files_below(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """The files of a folder, those of folders within it too, by name; links are followed, but not back up.

    A link that leads nowhere counts as a file, which then is missing.
    """
    status = folder.stat()
    here = status.st_dev, status.st_ino
    if here in above:
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _files_below(path, (*above, here))
        elif (path.is_file() or not path.exists()) and not _is_ours(path.name):
            yield path


def _is_ours(name: str) -> bool:
    return name.endswith(COMPANIONS)


def _expand_remote(path: str) -> tuple[list[str], str | None, str | None]:
    """As `_expand_local`; a split is named by a glob."""
    fs, inner = file_system(path)
    protocol = path.split("://", 1)[0]
    folder = None
    with naming(path):
        if glob.has_magic(path):
            found = sorted(fs.glob(inner))
            if not found:
                raise ZipfitError(f"{path}: matches no file")
        elif protocol not in ("http", "https") and fs.isdir(inner):
            found = sorted(name for name in fs.find(inner) if not _is_ours(name.rsplit("/", 1)[-1]))
            folder = fs.unstrip_protocol(inner)
        else:
            return [path], None, None
    return [fs.unstrip_protocol(name) for name in found], folder, None
