"""Files of object stores and servers: read on where a connection breaks, and asked for before they are needed."""

from __future__ import annotations

import io
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from zipfit.errors import BadRecordError, MissingExtraError, ZipfitError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

# Which extra serves a remote protocol whose fsspec file system is not in the core install.
_PROTOCOL_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "http": "http",
    "https": "http",
    "hf": "hub",
}

# Requests that are under way where a remote file is read front to back, and the bytes that each asks for.
_AT_ONCE = 4
_LEAST_RANGE, _LARGEST_RANGE = 1 << 18, 1 << 22

# Seconds to wait before a remote file is opened again after each failure in its middle.
_WAITS = (0.1, 0.5, 2.0)


def is_remote(path: str) -> bool:
    """Whether a path names a remote object (`s3://...`, `https://...`) rather than a local file."""
    return "://" in path


def file_system(path: str) -> tuple[Any, str]:
    """Return the fsspec file system of a remote path and the path inside it.

    Raises:
        MissingExtraError: the protocol's package is not installed.
        ZipfitError: fsspec does not know the protocol.
    """
    import fsspec

    protocol = path.split("://", 1)[0].split("::")[-1]
    try:
        fs, inner = fsspec.core.url_to_fs(path)
    except ImportError as error:
        extra = _PROTOCOL_EXTRAS.get(protocol)
        if extra is None:
            raise ZipfitError(f"{path}: fsspec needs a package to read {protocol}:// ({error})") from error
        raise MissingExtraError(f"reading {protocol}:// paths", extra) from error
    except ValueError as error:
        raise ZipfitError(f"{path}: unknown protocol {protocol}://") from error
    except Exception as error:
        raise_remote(path, "cannot be opened", error)
        raise
    return fs, inner


def raise_remote(path: str, what: str, error: BaseException) -> None:
    """Say what became of a remote path in one sentence; each store's library has errors of its own.

    Raises:
        ZipfitError: the path is remote, and the error not one of ours already.
    """
    if is_remote(path) and not isinstance(error, (ZipfitError, BadRecordError)):
        raise ZipfitError(f"{path}: {what} ({one_line(error)})") from error


class RemoteReader(io.RawIOBase):
    """A remote file that is opened again, and read on from where it was, when the connection breaks.

    Args:
        path: the file's.
        ranges: ask for what is read and no more, of a store that can be asked by several threads.
        same_as: a reader of the same file.

    Raises:
        ZipfitError: the file is another one than that, or when it is opened again.
    """

    def __init__(self, path: str, *, ranges: bool = False, same_as: RemoteReader | None = None) -> None:
        self._path = path
        self._place = 0
        self._ranges = ranges
        self._stream = self._open()
        self._version: object = self._tag() if same_as is None else same_as._version
        self._check_version()

    def _open(self) -> Any:
        fs, inner = file_system(self._path)
        is_store = getattr(fs, "async_impl", False) and "http" not in fs.protocol  # whose servers may have no ranges
        self._ranges = self._ranges and is_store
        return fs.open(inner, "rb", **({"cache_type": "none"} if self._ranges else {}))

    def _tag(self) -> object:
        """What changes when the file does, as far as the store tells."""
        details = getattr(self._stream, "details", None) or {}
        return {key: details.get(key) for key in ("size", "ETag", "etag", "md5Hash")}

    def _check_version(self) -> None:
        if self._tag() != self._version:
            raise ZipfitError(f"{self._path}: the file changed while it was being read")

    def ranges_to(self) -> int | None:
        """The file's size, if ranges of it can be asked for."""
        size, block = getattr(self._stream, "size", None), getattr(self._stream, "blocksize", 0)  # 0: as it comes
        return size if self._ranges and isinstance(size, int) and block else None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._stream.seekable())

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = int(self._stream.seek(offset, whence))
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        data: bytes = self._again(lambda: self._stream.read(-1 if size is None else size))
        self._place += len(data)
        return data

    def read_all(self, size: int) -> bytes:
        """So many bytes; ZipfitError if the file ends before."""
        found = bytearray()
        while len(found) < size:
            data = self.read(size - len(found))
            if not data:
                raise ZipfitError(f"{self._path}: the file changed while it was being read")
            found += data
        return bytes(found)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _again(self, read: Callable[[], bytes]) -> bytes:
        waits = iter(_WAITS)
        while True:
            try:
                return read()
            except Exception as error:
                if not _may_pass(error):
                    raise
                wait = next(waits, None)
                if wait is None or not (self._place == 0 or self.seekable()):
                    raise
                time.sleep(wait)
                try:
                    self._reopen()
                except Exception as again:  # what is amiss still is told by the next reading
                    if not _may_pass(again):
                        raise

    def _reopen(self) -> None:
        old, self._stream = self._stream, self._open()
        with suppress(Exception):
            old.close()
        self._check_version()
        if self._place:
            self._stream.seek(self._place)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class RemoteAhead(io.RawIOBase):
    """A remote file from a place to its end, several ranges of which are asked for before they are needed.

    A store gives each connection only so much. A file of unknown size, or none that ranges can be had of, is read as it
    comes.

    Raises:
        ZipfitError: the file changes while it is read.
    """

    def __init__(self, path: str, start: int) -> None:
        self._path = path
        self._first = RemoteReader(path, ranges=True)
        self._place = start
        self._end = self._first.ranges_to() or 0
        if start:
            self._first.seek(start)
        self._idle: SimpleQueue[RemoteReader] = SimpleQueue()
        self._idle.put(self._first)
        self._others: list[RemoteReader] = []
        self._executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="zipfit-remote") if self._end else None
        self._coming: deque[Future[bytes]] = deque()
        self._size = min(max(-(-(self._end - start) // _AT_ONCE), _LEAST_RANGE), _LARGEST_RANGE)
        self._block = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if self._executor is None:
            return self._first.read(size)
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_LARGEST_RANGE), b""))
        if not self._block:
            self._block = memoryview(self._following(self._executor))
        data = bytes(self._block[:size])
        self._block = self._block[size:]
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _following(self, executor: ThreadPoolExecutor) -> bytes:
        while self._place < self._end and len(self._coming) < _AT_ONCE:
            if self._idle.empty() and len(self._others) + 1 < _AT_ONCE:
                self._others.append(RemoteReader(self._path, ranges=True, same_as=self._first))
                self._idle.put(self._others[-1])
            size = min(self._size, self._end - self._place)
            self._coming.append(executor.submit(self._range, self._place, size))
            self._place += size
        return self._coming.popleft().result() if self._coming else b""

    def _range(self, place: int, size: int) -> bytes:
        reader = self._idle.get()
        try:
            reader.seek(place)
            return reader.read_all(size)
        finally:
            self._idle.put(reader)

    def close(self) -> None:
        if not self.closed:
            if self._executor is not None:
                self._executor.shutdown(wait=True, cancel_futures=True)
            for reader in (self._first, *self._others):
                reader.close()
        super().close()


def _may_pass(error: Exception) -> bool:
    """Whether what went wrong in the middle of a remote file may go well when it is tried again."""
    if isinstance(error, (FileNotFoundError, PermissionError, ZipfitError)):
        return False
    status = getattr(error, "status", None)
    return not (isinstance(status, int) and 400 <= status < 500)
