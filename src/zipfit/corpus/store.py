"""A folder that a long job keeps its work in, here or in an object store: files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING, cast

from zipfit.corpus.placing import umask
from zipfit.corpus.remote import file_system, is_remote
from zipfit.corpus.streams import naming
from zipfit.errors import ZipfitError
from zipfit.system.whole_file import read_whole

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator


class Store:
    """Files by name below a folder, which is made when the first one is written.

    Args:
        path: the folder, local or remote.

    Attributes:
        path: likewise, without a final slash.
    """

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/") or "/"
        self._remote = is_remote(path)

    def below(self, name: str) -> Store:
        """The folder of a name within this one."""
        return Store(self.of(name))

    def of(self, name: str) -> str:
        """The path of a file."""
        return f"{self.path}/{name}"

    def names(self) -> list[str]:
        """What lies in the folder, sorted; nothing if there is none.

        Raises:
            ZipfitError: it is no folder, or cannot be listed.
        """
        with naming(self.path):
            if self._remote:
                fs, inner = file_system(self.path)
                fs.invalidate_cache()
                if not fs.isdir(inner):
                    return []
                return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in fs.ls(inner, detail=False))
            if not os.path.lexists(self.path):
                return []
            if not os.path.isdir(self.path):
                raise ZipfitError(f"{self.path}: is a file, not a folder")
            return sorted(name for name in os.listdir(self.path) if not name.endswith(".part"))

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return name in self.names()

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            ZipfitError: it is missing, or cannot be read.
        """
        path = self.of(name)
        with naming(path):
            if self._remote:
                fs, inner = file_system(path)
                return cast("bytes", fs.cat_file(inner))
            return read_whole(path)

    def source(self, name: str) -> str | BytesIO:
        """A file as Arrow reads it: by its path, of which only what is wanted is read, or all its bytes."""
        return BytesIO(self.read(name)) if self._remote else self.of(name)

    def write(self, name: str, data: bytes) -> None:
        """Put a file in its place when all of it is written, whatever was there.

        Raises:
            ZipfitError: it cannot be written; then what was there is.
        """
        path = self.of(name)
        try:
            if self._remote:
                fs, inner = file_system(path)
                fs.pipe_file(inner, data)
                return
            os.makedirs(os.path.dirname(path), exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=os.path.dirname(path))
            try:
                with open(handle, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.chmod(temporary, 0o666 & ~umask())
                os.replace(temporary, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            raise ZipfitError(f"{path}: cannot be written ({error.strerror or error})") from error

    def remove_all(self, last: str) -> None:
        """Remove the folder, and this file in it last, so that it is there as long as anything is."""
        for name in self.names():
            if name != last:
                self.remove(name)
        _remove(self.path, self._remote)

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it; what is not there is gone already."""
        _remove(self.of(name), self._remote)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while a job writes here; best effort, as object stores have no locks.

        Raises:
            ZipfitError: another process is at work here.
        """
        if self._remote or fcntl is None:
            yield
            return
        try:
            os.makedirs(self.path, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise ZipfitError(f"{self.path}: cannot be written ({error.strerror or error})") from error
        try:
            with suppress(OSError):
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise ZipfitError(f"{self.path}: another process is at work here") from error
            yield
        finally:
            os.close(handle)


def _remove(path: str, remote: bool) -> None:
    with suppress(FileNotFoundError):
        if remote:
            fs, inner = file_system(path)
            fs.rm(inner, recursive=True)
        elif os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
