"""A file or folder on its way into its place: made beside it under a temporary name, and put there when it is whole.

Without `overwrite`, a file is put in its place by link(), which fails where the name is taken: of several processes
with one output, one ends well. That holds wherever a name is linked atomically: every local file system of Unix with
hard links, and NFS. Where there are none (FAT, some of FUSE), the name is looked at and the file renamed, which is as
good between processes that keep the folder's lock; remote stores are looked at just before the upload and promise no
more than that.

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from zipfit.corpus.remote import file_system, is_remote, raise_remote
from zipfit.corpus.shards import SHARD_NAME
from zipfit.corpus.streams import sha256_of
from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterator

_IRREGULAR = {
    stat.S_IFDIR: "is a folder",
    stat.S_IFIFO: "is a named pipe, not a regular file",
    stat.S_IFSOCK: "is a socket, not a regular file",
    stat.S_IFCHR: "is a device, not a regular file",
    stat.S_IFBLK: "is a device, not a regular file",
}

# What link() says where there are no hard links.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EXDEV}


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


@contextmanager
def filling(stream: BinaryIO) -> Iterator[Written]:
    """Settle size and hash of what the block writes to a stream that can be read again, and have it on the disk."""
    written = Written(stream)
    yield written
    stream.flush()
    os.fsync(stream.fileno())
    written.bytes = stream.tell()
    stream.seek(0)
    written.sha256 = sha256_of(stream)


class Part:
    """A temporary file and the place that it is for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.local = path != "-" and not is_remote(path)
        self.place = place_of(path)  # a link stays one: what it points to is replaced
        folder = None
        if self.local:
            check_place(path, overwrite=True)
            folder = Path(self.place).parent
        name = Path(path).name[:40]  # whatever is added, a file's name has at most 255 bytes
        self.handle, self.temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)
        made = os.fstat(self.handle)
        self._inode = made.st_dev, made.st_ino

    def set_permissions(self) -> None:
        """Take over the mode of a file that is replaced, and its group and owner as far as this user may set them."""
        if not self.local:
            return
        with naming_output(self.path):
            try:
                old = os.stat(self.place)
            except FileNotFoundError:
                os.chmod(self.temporary, 0o666 & ~umask())
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
        with naming_output(self.path):
            if self.path == "-":
                with open(self.temporary, "rb") as stream:
                    shutil.copyfileobj(stream, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            elif not self.local:
                if not overwrite:
                    check_place(self.path, overwrite)
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
        self.place = place_of(path)
        self.written: dict[str, Written] = {}
        self._whole = hashlib.sha256()
        if self.local:
            check_folder(path, overwrite=True)
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
        with naming_output(f"{self.path}/{name}"), open(path, "w+b") as stream:
            with filling(stream) as written:
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
        with naming_output(self.path):
            made = os.stat(self.temporary)
            self._inode = made.st_dev, made.st_ino
            mask = umask()
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
        with naming_output(self.path):
            if not self.local:
                self._upload(overwrite)
                return
            check_folder(self.path, overwrite)
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

        check_folder(self.path, overwrite)
        fs, inner = file_system(self.path)
        old = {path.rsplit("/", 1)[-1] for path in shards_in(self.path)}
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


def shards_in(path: str) -> list[str]:
    """The files of a folder of shards that may be there."""
    if not is_remote(path):
        return [os.path.join(path, name) for name in sorted(os.listdir(path))] if os.path.isdir(path) else []
    fs, inner = file_system(path)
    fs.invalidate_cache()
    return [f"{path}/{name.removeprefix(inner).lstrip('/')}" for name in sorted(fs.find(inner))]


def check_folder(path: str, overwrite: bool) -> None:
    """Check that a folder of shards can be put there.

    Raises:
        ZipfitError: what is there is no folder, may not be replaced, or holds something that is no shard; or the folder
            that it is to lie in does not exist or takes none.
    """
    with naming_output(path):
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
        there = shards_in(path)
        if not overwrite and (there or (not is_remote(path) and os.path.lexists(path))):
            raise _exists(path)
        other = [
            each
            for each in there
            if re.fullmatch(SHARD_NAME, each.removeprefix(f"{path}/")) is None or os.path.isdir(each)
        ]
        if other:
            raise ZipfitError(f"{path}: holds {other[0]}, which is no shard of a selection, so it is not replaced")


def place_of(path: str) -> str:
    """Where an output goes, links followed."""
    return path if path == "-" or is_remote(path) else os.path.realpath(path)


def check_place(path: str, overwrite: bool) -> None:
    """Check that a file can be put there.

    Raises:
        ZipfitError: what is there is no regular file or may not be replaced; or its folder does not exist or takes no
            file.
    """
    if is_remote(path):
        with naming_output(path):
            fs, inner = file_system(path)
            fs.invalidate_cache()
            if fs.exists(inner) and not overwrite:  # asked in any case, so that a store which refuses does so now
                raise _exists(path)
        return
    _check_folders_above(path)
    with naming_output(path):
        kind = _kind(path)
    if kind is not None and kind != stat.S_IFREG:
        raise ZipfitError(f"{path}: {_IRREGULAR.get(kind, 'is not a regular file')}")
    if kind is not None and not overwrite:
        raise _exists(path)


def _check_folders_above(path: str) -> None:
    for folder in dict.fromkeys((Path(path).parent, Path(place_of(path)).parent)):
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
    return ZipfitError(f"{path}: exists already (give --overwrite, or overwrite=True in Python, to replace it)")


@contextmanager
def naming_output(path: str) -> Iterator[None]:
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


def umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
