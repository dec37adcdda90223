"""The files that a command writes: known and checked before the work, and in their places together when all are whole.

A file is written to a temporary file beside its place, so a run that fails, is killed or finds the disk full leaves
nothing under a final name that is not whole. Without `overwrite`, a file is put in its place by link(), which fails
where the name is taken: of several processes with one output, one ends well. That holds wherever a name is linked
atomically: every local file system of Unix with hard links, and NFS. Where there are none (FAT, some of FUSE), the name
is looked at and the file renamed, which is as good between processes that keep the folder's lock; remote stores are
looked at just before the upload and promise no more than that.

An output in shards is a folder, which is filled under a temporary name and renamed. That fails where the name is taken,
unless by an empty folder. With `overwrite`, a folder of shards is moved away first, and removed when all is in place.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from zipfit.corpus.formats import TABLES, format_of_name
from zipfit.corpus.reading import check_form
from zipfit.corpus.remote import file_system, is_remote, raise_remote
from zipfit.corpus.shards import SHARD_NAME
from zipfit.corpus.streams import COMPRESSION_SUFFIXES, sha256_of
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

_IRREGULAR = {
    stat.S_IFDIR: "is a folder",
    stat.S_IFIFO: "is a named pipe, not a regular file",
    stat.S_IFSOCK: "is a socket, not a regular file",
    stat.S_IFCHR: "is a device, not a regular file",
    stat.S_IFBLK: "is a device, not a regular file",
}

# What link() says where there are no hard links.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EXDEV}

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
            raise ZipfitError(f"{self.path}: is the name of a folder, which takes shards: give their size")
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
                _check_folder(path, self.overwrite)
                replaced = _shards(path)
            else:
                replaced = [path]
            if any(not read.isdisjoint(_identities(each)) for each in replaced):
                raise ZipfitError(f"{path}: is one of the inputs, which a selection must not replace")
            if not is_folder:
                _check_place(path, self.overwrite)
            other = places.setdefault(_place(path), path)
            if other != path:
                raise ZipfitError(f"{path}: is a link to where {other} goes")

    @property
    def places(self) -> list[str]:
        """Where the files go, links followed."""
        return [_place(path) for path in (self.path, *self.companions)]

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

    def _publish(self, parts: list[_Part | Shards]) -> None:
        """Put files in their places, the manifest last, after removing what lies beside an earlier output, that first.

        So whatever lies beside an output is of the same run, and all is there if its manifest is, wherever this is
        killed.
        """
        placed: list[_Part | Shards] = []
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
        inside = [path for place, path in taken.items() if place.startswith(f"{_place(folder.path)}/")]
        if inside:
            raise ZipfitError(f"{inside[0]}: lies in the folder {folder.path}, which holds shards alone")


@dataclass
class Written:
    """An output on its way into place.

    Attributes:
        file: where to write it.
        bytes: its size, once it is whole.
        sha256: of its bytes, once it is whole.
    """

    file: BinaryIO
    bytes: int = 0
    sha256: str = ""


class Writing:
    """The files of a command while they are written; see `Outputs.writing`.

    Attributes:
        parts: those that are whole.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.parts: list[_Part | Shards] = []
        self._stack = stack

    @contextmanager
    def open(self, path: str) -> Iterator[Written]:
        """Open a temporary file that is to take the place of `path`, or to go to standard output.

        Raises:
            ZipfitError: what is there is no regular file; or the disk is full, or the file cannot be written for
                another such reason.
        """
        with _naming(path):
            part = _Part(path)
            self._stack.callback(part.close)
            with open(part.handle, "w+b") as stream, _filling(stream) as written:
                yield written
        self.parts.append(part)

    @contextmanager
    def folder(self, path: str) -> Iterator[Shards]:
        """Open a temporary folder that is to take the place of `path`.

        Raises:
            ZipfitError: as `open`; or what is there is no folder of shards.
        """
        with _naming(path):
            shards = Shards(path)
            self._stack.callback(shards.close)
            yield shards
        self.parts.append(shards)


@contextmanager
def _filling(stream: BinaryIO) -> Iterator[Written]:
    written = Written(stream)
    yield written
    stream.flush()
    os.fsync(stream.fileno())
    written.bytes = stream.tell()
    stream.seek(0)
    written.sha256 = sha256_of(stream)


@contextmanager
def replacing(path: str) -> Iterator[Written]:
    """Open a temporary file that takes the place of `path` (or goes to standard output) only if the block ends well.

    Raises:
        ZipfitError: as `Writing.open`; `path` is untouched.
    """
    with Outputs(path, overwrite=True).writing() as files, files.open(path) as written:
        yield written


class _Part:
    """A temporary file and the place that it is for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.local = path != "-" and not is_remote(path)
        self.place = _place(path)  # a link stays one: what it points to is replaced
        folder = None
        if self.local:
            _check_place(path, overwrite=True)
            folder = Path(self.place).parent
        name = Path(path).name[:40]  # whatever is added, a file's name has at most 255 bytes
        self.handle, self.temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)
        made = os.fstat(self.handle)
        self._inode = made.st_dev, made.st_ino

    def set_permissions(self) -> None:
        """Take over the mode of a file that is replaced, and its group and owner as far as this user may set them."""
        if not self.local:
            return
        with _naming(self.path):
            try:
                old = os.stat(self.place)
            except FileNotFoundError:
                os.chmod(self.temporary, 0o666 & ~_umask())
                return
            for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
                with suppress(OSError, AttributeError):  # Windows has no owners
                    os.chown(self.temporary, owner, group)
            os.chmod(self.temporary, stat.S_IMODE(old.st_mode))

    def put(self, overwrite: bool) -> None:
        """Put the file in its place, or copy it to standard output.

        Raises:
            ZipfitError: it cannot be done, or the place is taken and is not to be overwritten.
        """
        with _naming(self.path):
            if self.path == "-":
                with open(self.temporary, "rb") as stream:
                    shutil.copyfileobj(stream, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            elif not self.local:
                if not overwrite:
                    _check_place(self.path, overwrite)
                fs, inner = file_system(self.path)
                fs.put_file(self.temporary, inner)
            elif overwrite:
                os.replace(self.temporary, self.place)
            else:
                self._create()

    def _create(self) -> None:
        try:
            os.link(self.temporary, self.place)
        except FileExistsError as error:
            if not self._is_there():  # NFS may say so of a link that it made itself, when the answer got lost
                raise _exists(self.path) from error
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(self.place):
                raise _exists(self.path) from error
            os.rename(self.temporary, self.place)

    def take_back(self) -> None:
        """Remove what was put in place, unless it has been replaced since."""
        if self.local and self._is_there():
            os.unlink(self.place)

    def _is_there(self) -> bool:
        try:
            there = os.lstat(self.place)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == self._inode

    def close(self) -> None:
        """Remove the temporary file."""
        with suppress(OSError):
            os.unlink(self.temporary)


class Shards:
    """A temporary folder of an output in shards, and the place that it is for.

    Attributes:
        written: what was written, by name.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.local = not is_remote(path)
        self.place = _place(path)
        self.written: dict[str, Written] = {}
        self._whole = hashlib.sha256()
        if self.local:
            _check_folder(path, overwrite=True)
        self._beside = Path(self.place).parent if self.local else None
        self.temporary = self._new_folder("part")
        self._old: str | None = None
        self._inode = (0, 0)

    def _new_folder(self, suffix: str) -> str:
        return tempfile.mkdtemp(prefix=f".{Path(self.path).name[:40]}.", suffix=f".{suffix}", dir=self._beside)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open a file of the folder, after the others.

        Raises:
            ZipfitError: as `Writing.open`.
        """
        path = os.path.join(self.temporary, name)
        with _naming(f"{self.path}/{name}"), open(path, "w+b") as stream:
            with _filling(stream) as written:
                yield stream
            stream.seek(0)
            sha256_of(stream, self._whole)
        self.written[name] = written

    @property
    def sha256(self) -> str:
        """Of the files' bytes, one file after another."""
        return self._whole.hexdigest()

    def set_permissions(self) -> None:
        """Give the folder and its files the mode of new ones, or of a folder that is replaced."""
        if not self.local:
            return
        with _naming(self.path):
            made = os.stat(self.temporary)
            self._inode = made.st_dev, made.st_ino
            mask = _umask()
            for name in self.written:
                os.chmod(os.path.join(self.temporary, name), 0o666 & ~mask)
            try:
                mode = stat.S_IMODE(os.stat(self.place).st_mode)
            except FileNotFoundError:
                mode = 0o777 & ~mask
            os.chmod(self.temporary, mode)

    def put(self, overwrite: bool) -> None:
        """Put the folder in its place; one that is replaced is moved away, for `close` to remove.

        Raises:
            ZipfitError: it cannot be done, or the place is taken and is not to be overwritten.
        """
        with _naming(self.path):
            if not self.local:
                self._upload(overwrite)
                return
            _check_folder(self.path, overwrite)
            if os.path.lexists(self.place):
                self._old = self._new_folder("old")
                os.rename(self.place, os.path.join(self._old, "old"))
            try:
                os.rename(self.temporary, self.place)
            except OSError as error:
                if self._old is not None:
                    os.rename(os.path.join(self._old, "old"), self.place)
                elif error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise _exists(self.path) from error
                raise

    def _upload(self, overwrite: bool) -> None:
        from fsspec.implementations.local import LocalFileSystem

        _check_folder(self.path, overwrite)
        fs, inner = file_system(self.path)
        old = {path.rsplit("/", 1)[-1] for path in _shards(self.path)}
        for name in sorted(old - self.written.keys()):
            fs.rm_file(f"{inner}/{name}")
        if isinstance(fs, LocalFileSystem):
            fs.makedirs(inner, exist_ok=True)
        for name in self.written:
            fs.put_file(os.path.join(self.temporary, name), f"{inner}/{name}")

    def take_back(self) -> None:
        """Remove what was put in place, unless it has been replaced since."""
        with suppress(OSError):
            there = os.lstat(self.place)
            if self.local and (there.st_dev, there.st_ino) == self._inode:
                shutil.rmtree(self.place)

    def close(self) -> None:
        """Remove the temporary folder, and the one that was replaced."""
        for folder in (self.temporary, self._old):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def _shards(path: str) -> list[str]:
    """The files of a folder of shards that may be there."""
    if not is_remote(path):
        return [os.path.join(path, name) for name in sorted(os.listdir(path))] if os.path.isdir(path) else []
    fs, inner = file_system(path)
    fs.invalidate_cache()
    return [f"{path}/{name.removeprefix(inner).lstrip('/')}" for name in sorted(fs.find(inner))]


def _check_folder(path: str, overwrite: bool) -> None:
    """Check that a folder of shards can be put there.

    Raises:
        ZipfitError: what is there is no folder, may not be replaced, or holds something that is no shard; or the folder
            that it is to lie in does not exist or takes none.
    """
    with _naming(path):
        if not is_remote(path):
            _check_folders_above(path)
            kind = _kind(path)
            if kind is not None and kind != stat.S_IFDIR:
                raise ZipfitError(f"{path}: is there and is no folder, which shards need")
        else:
            fs, inner = file_system(path)
            if "/" not in inner:
                raise ZipfitError(f"{path}: is a bucket, in which shards need a folder")
            fs.invalidate_cache()
            if fs.isfile(inner):
                raise ZipfitError(f"{path}: is there and is no folder, which shards need")
        there = _shards(path)
        if not overwrite and (there or (not is_remote(path) and os.path.lexists(path))):
            raise _exists(path)
        other = [
            each
            for each in there
            if re.fullmatch(SHARD_NAME, each.removeprefix(f"{path}/")) is None or os.path.isdir(each)
        ]
        if other:
            raise ZipfitError(f"{path}: holds {other[0]}, which is no shard of a selection, so it is not replaced")


def _place(path: str) -> str:
    return path if path == "-" or is_remote(path) else os.path.realpath(path)


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


def _check_place(path: str, overwrite: bool) -> None:
    """Check that a file can be put there.

    Raises:
        ZipfitError: what is there is no regular file or may not be replaced; or its folder does not exist or takes no
            file.
    """
    if is_remote(path):
        with _naming(path):
            fs, inner = file_system(path)
            fs.invalidate_cache()
            if fs.exists(inner) and not overwrite:  # asked in any case, so that a store which refuses does so now
                raise _exists(path)
        return
    _check_folders_above(path)
    with _naming(path):
        kind = _kind(path)
    if kind is not None and kind != stat.S_IFREG:
        raise ZipfitError(f"{path}: {_IRREGULAR.get(kind, 'is not a regular file')}")
    if kind is not None and not overwrite:
        raise _exists(path)


def _check_folders_above(path: str) -> None:
    for folder in dict.fromkeys((Path(path).parent, Path(_place(path)).parent)):
        if not folder.is_dir():
            raise ZipfitError(f"{path}: the folder {folder} does not exist")
        if not os.access(folder, os.W_OK):
            raise ZipfitError(f"{path}: the folder {folder} is not writable")


def _kind(path: str) -> int | None:
    """What kind of file is there, through links; None for none."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def _exists(path: str) -> ZipfitError:
    return ZipfitError(f"{path}: exists already (give --overwrite to replace it)")


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Turn what can go wrong while writing `path` into one sentence that names it."""
    try:
        yield
    except BrokenPipeError:  # whoever read standard output has seen enough
        raise
    except OSError as error:
        raise ZipfitError(f"{path}: cannot be written ({error.strerror or error}); nothing was left there") from error
    except Exception as error:
        raise_remote(path, "cannot be written", error)
        raise


def _remove(path: str) -> None:
    """Remove a companion of an earlier output; what is no file is none."""
    with _naming(path):
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


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
