"""The files that a command writes: known and checked before the work, and in their places together when all are whole.

Each is written under a temporary name beside its place (`corpus.placing`), so a run that fails, is killed or finds the
disk full leaves nothing under a final name that is not whole.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zipfit.corpus.formats import TABLES, format_of_name
from zipfit.corpus.placing import (
    Part,
    Shards,
    Written,
    check_folder,
    check_place,
    filling,
    naming_output,
    place_of,
    shards_in,
)
from zipfit.corpus.reading import check_form
from zipfit.corpus.remote import file_system, is_remote
from zipfit.corpus.streams import COMPRESSION_SUFFIXES
from zipfit.corpus.write import output_format
from zipfit.errors import ZipfitError, need

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zipfit.corpus.shards import Sharding

MANIFEST, REJECTED = ".manifest.json", ".rejected.jsonl"
DUPLICATES, EXCLUDED = ".duplicates.jsonl", ".excluded.jsonl"
COMPANIONS = (MANIFEST, REJECTED, DUPLICATES, EXCLUDED)
"""How the names of the files that lie beside outputs end."""

# A lock is held for a few renames. A folder that stays locked is locked by something else, as by `flock FOLDER zipfit`.
_LOCK_SECONDS = 5.0


def manifest_path(output: str) -> str:
    """Where an output's manifest lies: `selected.manifest.json` beside `selected.jsonl.zst`, or beside `selected/`."""
    if output.endswith("/") or os.path.isdir(output):
        return folder_name(output) + MANIFEST
    for suffix in COMPRESSION_SUFFIXES:
        output = output.removesuffix(suffix)
    return os.path.splitext(output)[0] + MANIFEST


def folder_name(path: str) -> str:
    """The path of a folder as it is written here: without a slash at its end."""
    return path.rstrip("/") or path


def check_order(order: str) -> None:
    """Raise ZipfitError if it is no order of an output's records."""
    need(order in ("rank", "source"), f"order must be 'rank' or 'source', not {order!r}")


@dataclass(frozen=True)
class Outputs:
    """All files that a command will write, or may.

    Attributes:
        path: the output, by its path; `-` for standard output, which has no companions.
        rejected: where the records that were passed over go; None for an output without.
        duplicates: where the duplicates that were dropped go; likewise.
        excluded: where the documents go that overlap with a test set; likewise.
        manifest: where the manifest goes; likewise.
        overwrite: replace what is there, and leave no companion of an earlier output.
        convert: form that the records are converted to; None to write them as they are.
        sharding: how the output is cut into files of a folder, which `path` then is; None for one file.
        is_page: whether it is a page about a selection, and no records.
    """

    path: str
    rejected: str | None = None
    duplicates: str | None = None
    excluded: str | None = None
    manifest: str | None = None
    overwrite: bool = False
    convert: str | None = None
    sharding: Sharding | None = None
    is_page: bool = False

    @classmethod
    def of_selection(
        cls, path: str, overwrite: bool, convert: str | None = None, sharding: Sharding | None = None
    ) -> Outputs:
        """A selection with its companions."""
        if sharding is not None:
            if path == "-":
                raise ZipfitError("-: standard output takes no shards, which are files of a folder")
            if not path.endswith("/") and format_of_name(path) is not None:
                raise ZipfitError(f"{path}: is the name of a file, but shards go into a folder")
            path = folder_name(path)
            if os.path.basename(path) in ("", ".", ".."):
                raise ZipfitError(f"{path}: shards need a folder of their own: name one that is not there")
        if path == "-":
            return cls(path, overwrite=overwrite, convert=convert)
        rejected, duplicates, excluded = (f"{path}{ending}" for ending in (REJECTED, DUPLICATES, EXCLUDED))
        manifest = manifest_path(path) if sharding is None else f"{path}{MANIFEST}"
        return cls(path, rejected, duplicates, excluded, manifest, overwrite, convert, sharding)

    @classmethod
    def of_scores(cls, path: str, overwrite: bool) -> Outputs:
        """The scores of a data set's documents, with its bad records beside them."""
        return cls(path, None if path == "-" else f"{path}{REJECTED}", overwrite=overwrite)

    @classmethod
    def of_page(cls, path: str, overwrite: bool) -> Outputs:
        """A page about a selection."""
        need(path.lower().endswith(".html"), f"{path}: a report is a page of HTML: name it .html")
        return cls(path, overwrite=overwrite, is_page=True)

    @property
    def records(self) -> str:
        """A path whose extension is the format of the records: the output, or its first shard."""
        return self.path if self.sharding is None else f"{self.path}/{self.sharding.names(1)[0]}"

    @property
    def is_table(self) -> bool:
        """Whether the records are written in columns."""
        return output_format(self.records) in TABLES

    @property
    def companions(self) -> list[str]:
        """The files beside the output; the manifest, which describes the others, is the last."""
        return [path for path in (self.rejected, self.duplicates, self.excluded, self.manifest) if path is not None]

    def check(self, inputs: Iterable[str] = ()) -> None:
        """Check before the work that all files can be written, and that none takes the place of an input.

        Args:
            inputs: names of what the command reads.

        Raises:
            ZipfitError: the extension names no format that can be written, or none that can hold the form; the form is
                unknown; a file is one of the inputs, or exists and may not be replaced; or its folder does not exist or
                takes no file.
        """
        check_form(self.convert)
        if self.path == "-":
            return
        need("\0" not in self.path, f"{self.path!r}: no file can have this name")
        if self.path.endswith("/") and self.sharding is None:
            raise ZipfitError(
                f"{self.path}: is the name of a folder, which takes shards: give their size "
                "(--shard-records, or shard_records in Python)"
            )
        kind = None if self.is_page else output_format(self.records)
        if kind in ("csv", "tsv") and self.convert not in (None, "text"):
            raise ZipfitError(
                f"{self.path}: {kind.upper()} has no lists, which {self.convert} needs: write .jsonl instead"
            )
        files = [self.path, *self.companions]
        read = {identity for name in inputs for identity in _identities(name)}
        places: dict[str, str] = {}
        for path in files:
            is_folder = path == self.path and self.sharding is not None
            if is_folder:
                check_folder(path, self.overwrite)
                replaced = shards_in(path)
            else:
                replaced = [path]
            if any(not read.isdisjoint(_identities(each)) for each in replaced):
                raise ZipfitError(f"{path}: is one of the inputs, which a selection must not replace")
            if not is_folder:
                check_place(path, self.overwrite)
            other = places.setdefault(place_of(path), path)
            if other != path:
                raise ZipfitError(f"{path}: is a link to where {other} goes")

    @property
    def places(self) -> list[str]:
        """Where the files go, links followed."""
        return [place_of(path) for path in (self.path, *self.companions)]

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Open the files for writing; those opened are put in their places, together, only if the block ends well.

        Raises:
            ZipfitError: a file exists by now, or cannot be written; without `overwrite`, nothing is left behind.
        """
        with ExitStack() as stack:
            files = Writing(stack)
            yield files
            self._publish(files.parts)

    def _publish(self, parts: list[Part | Shards]) -> None:
        """Put files in their places, the manifest last, after removing what lies beside an earlier output, that first.

        So whatever lies beside an output is of the same run, and all is there if its manifest is, wherever this is
        killed.
        """
        placed: list[Part | Shards] = []
        alone = self.overwrite and not self.companions  # one rename, which needs no lock
        with _locked(set() if alone else {Path(part.place).parent for part in parts if part.local}):
            try:
                for part in parts:
                    part.set_permissions()
                if self.overwrite:
                    places = {part.path: part.place for part in parts}
                    for companion in reversed(self.companions):
                        _remove(places.get(companion, companion))
                for part in parts:
                    placed.append(part)
                    part.put(self.overwrite)
            except BaseException:
                for part in reversed(placed) if not self.overwrite else ():
                    part.take_back()
                raise


def check_outputs(outputs: Sequence[Outputs], inputs: Sequence[str]) -> None:
    """Check the outputs of one command as `Outputs.check`, and that none takes the place of another's.

    Raises:
        ZipfitError: as `Outputs.check`; or two outputs have a file in common, or one lies in another's folder.
    """
    taken: dict[str, str] = {}
    for each in outputs:
        each.check(inputs)
        for place in each.places:
            if taken.get(place) == each.path:
                raise ZipfitError(f"{each.path}: is an output twice")
            if place in taken:
                raise ZipfitError(f"{each.path}: writes {place}, as {taken[place]} does")
        taken |= dict.fromkeys(each.places, each.path)
    for folder in (each for each in outputs if each.sharding is not None):
        inside = [path for place, path in taken.items() if place.startswith(f"{place_of(folder.path)}/")]
        if inside:
            raise ZipfitError(f"{inside[0]}: lies in the folder {folder.path}, which holds shards alone")


class Writing:
    """The files of a command while they are written; see `Outputs.writing`.

    Attributes:
        parts: those that are whole.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.parts: list[Part | Shards] = []
        self._stack = stack

    @contextmanager
    def open(self, path: str) -> Iterator[Written]:
        """Open a temporary file that is to take the place of `path`, or to go to standard output.

        Raises:
            ZipfitError: what is there is no regular file; or the disk is full, or the file cannot be written for
                another such reason.
        """
        with naming_output(path):
            part = Part(path)
            self._stack.callback(part.close)
            with open(part.handle, "w+b") as stream, filling(stream) as written:
                yield written
        self.parts.append(part)

    @contextmanager
    def folder(self, path: str) -> Iterator[Shards]:
        """Open a temporary folder that is to take the place of `path`.

        Raises:
            ZipfitError: as `open`; or what is there is no folder of shards.
        """
        with naming_output(path):
            shards = Shards(path)
            self._stack.callback(shards.close)
            yield shards
        self.parts.append(shards)


@contextmanager
def replacing(path: str) -> Iterator[Written]:
    """Open a temporary file that takes the place of `path` (or goes to standard output) only if the block ends well.

    Raises:
        ZipfitError: as `Writing.open`; `path` is untouched.
    """
    with Outputs(path, overwrite=True).writing() as files, files.open(path) as written:
        yield written


def _identities(name: str) -> Iterator[str | tuple[int, int]]:
    """What tells whether two names are of one file: the names themselves, without links, and where the bytes lie."""
    yield name
    if is_remote(name):
        from fsspec.implementations.local import LocalFileSystem

        fs, inner = file_system(name)
        yield fs.unstrip_protocol(inner)
        if not isinstance(fs, LocalFileSystem):
            return
        name = inner
    with suppress(OSError):  # there is none, and what is not there is not replaced
        found = os.stat(name)
        yield found.st_dev, found.st_ino


def _remove(path: str) -> None:
    """Remove a companion of an earlier output; what is no file is none."""
    with naming_output(path):
        if is_remote(path):
            fs, inner = file_system(path)
            if fs.isfile(inner):
                fs.rm_file(inner)
        elif os.path.isfile(path):
            os.unlink(path)


@contextmanager
def _locked(folders: set[Path]) -> Iterator[None]:
    """Keep other processes of ours from putting files into folders; best effort, as not every file system has locks."""
    with ExitStack() as stack:
        handles: dict[tuple[int, int], int] = {}  # by inode, as one folder may have two names
        for folder in folders:
            with suppress(OSError):
                handle = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, handle)
                found = os.fstat(handle)
                handles[found.st_dev, found.st_ino] = handle
        until = time.monotonic() + _LOCK_SECONDS
        for inode in sorted(handles):  # in one order, so that no two processes wait for each other
            with suppress(OSError):
                _lock(handles[inode], until)
        yield


def _lock(handle: int, until: float) -> None:
    while fcntl is not None:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return None
            time.sleep(0.01)
    return None
