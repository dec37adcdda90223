"""Bytes in: local files, standard input and remote paths, decompressed by what they contain, hashed as they pass."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import lzma
import os
import shutil
import sys
import tempfile
import weakref
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from zipfit.errors import MissingExtraError, ZipfitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    OnRead: TypeAlias = Callable[[int], None]
    """Called with the number of raw bytes (of tables: rows) each time some were read."""

COMPRESSION_SUFFIXES = (".gz", ".zst", ".bz2", ".xz", ".lz4")

# The first bytes of each compressed container: what a file is does not depend on what it is called.
_MAGIC = {
    b"\x1f\x8b": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"\x50\x2a\x4d\x18": ".zst",  # the skippable frame that pzstd begins with
    b"BZh": ".bz2",
    b"\xfd7zXZ\x00": ".xz",
    b"\x04\x22\x4d\x18": ".lz4",
}

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

_BLOCK = 1 << 20


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
    return fs, inner


def sha256_of(stream: BinaryIO, before: hashlib._Hash | None = None) -> str:
    """The SHA-256 of a stream, from where it stands to its end, in hexadecimal digits.

    Args:
        stream: is read to its end.
        before: a hash to go on with, of what is to count as lying before the stream.
    """
    sha256 = hashlib.sha256() if before is None else before
    while block := stream.read(_BLOCK):
        sha256.update(block)
    return sha256.hexdigest()


class _HashingReader(io.RawIOBase):
    """Passes bytes through while counting and hashing them, so that a file is read once for both."""

    def __init__(self, raw: BinaryIO, progress: OnRead | None) -> None:
        self._raw = raw
        self._progress = progress
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self.sha256.update(data)
        self.bytes += len(data)
        if self._progress is not None:
            self._progress(len(data))
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _ZstdReader(io.RawIOBase):
    """Decompresses concatenated zstd frames and, unlike `zstandard`'s own reader, notices that the last is cut off."""

    def __init__(self, raw: BinaryIO) -> None:
        import zstandard

        self._raw = raw
        self._new_frame = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._pending = b""
        self._output = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._output:
            data = self._pending or self._raw.read(1 << 17)
            self._pending = b""
            if not data:
                if self._frame is not None:
                    raise EOFError("the last zstd frame is cut off")
                return 0
            if self._frame is None:
                self._frame = self._new_frame()
            self._output = self._frame.decompress(data)
            if self._frame.eof:
                self._pending = self._frame.unused_data
                self._frame = None
        count = min(len(buffer), len(self._output))
        buffer[:count] = self._output[:count]
        self._output = self._output[count:]
        return count


def _decompressed(stream: io.BufferedReader) -> io.BufferedReader:
    """Wrap a stream in the decompressor that its first bytes call for, if any."""
    head = stream.peek(8)[:8]
    kind = next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), None)
    return stream if kind is None else cast("io.BufferedReader", compressed_file(kind, stream, "rb"))


def compressed_file(suffix: str, stream: BinaryIO, mode: str) -> Any:
    """A file of Python's, over the stream, that reads (`rb`) or writes (`wb`) what a suffix of compression names.

    What is written is the same each time: no name, no time stamp.
    """
    if suffix == ".gz":
        return gzip.GzipFile("", mode, fileobj=stream, mtime=0)
    if suffix == ".zst" and mode == "rb":
        return io.BufferedReader(_ZstdReader(stream), _BLOCK)
    if suffix == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().stream_writer(stream, closefd=False)
    library = {".bz2": "bz2", ".xz": "lzma", ".lz4": "lz4.frame"}[suffix]
    return importlib.import_module(library).open(stream, mode)


def is_compressed(path: str) -> bool:
    """Whether a file's first bytes are those of a compressed container."""
    with _raw(path) as raw:
        head = raw.read(8)
    return any(head.startswith(magic) for magic in _MAGIC)


def _raw(path: str) -> BinaryIO:
    if is_remote(path):
        fs, inner = file_system(path)
        return cast("BinaryIO", fs.open(inner, "rb"))
    return open(path, "rb", buffering=0)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Turn what can go wrong while reading `path` into one sentence that names it.

    Raises:
        ZipfitError: the file is missing, unreadable, cut off or corrupt.
    """
    import zstandard

    try:
        yield
    except FileNotFoundError as error:
        raise ZipfitError(f"{path}: no such file") from error
    except PermissionError as error:
        raise ZipfitError(f"{path}: permission denied") from error
    except IsADirectoryError as error:
        raise ZipfitError(f"{path}: is a folder, not a file") from error
    except EOFError as error:
        raise ZipfitError(f"{path}: the compressed file is cut off before its end") from error
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "LZ4" not in str(error):
            raise
        raise ZipfitError(f"{path}: the compressed file is corrupt ({error})") from error
    except OSError as error:
        raise ZipfitError(f"{path}: cannot be read ({error.strerror or error})") from error


class HashedFile:
    """One input by path: opened as often as needed, its size and hash known once it has been read to the end.

    Attributes:
        path: as the user gave it (or as a folder or glob expanded).
        local_path: where the bytes lie, if that is on this machine.
        bytes: size of the file as it lies, compressed if it is; None until read.
        sha256: of the same bytes; None until read.
    """

    def __init__(self, path: str) -> None:
        self.path = self.local_path = path
        self.bytes: int | None = None
        self.sha256: str | None = None

    def size(self) -> int | None:
        """Size in bytes if it can be told without reading the file."""
        try:
            if is_remote(self.path):
                fs, inner = file_system(self.path)
                return cast("int | None", fs.size(inner))
            return os.stat(self.local_path).st_size
        except (OSError, NotImplementedError):
            return None

    @contextmanager
    def open(self, progress: OnRead | None = None) -> Iterator[io.BufferedReader]:
        """Open the decompressed bytes; on leaving after the end was reached, settle size and hash.

        Args:
            progress: called with the number of raw bytes each time some were read.

        Raises:
            ZipfitError: as `naming`; or the file is no longer what it was when first read.
        """
        with naming(self.path), _HashingReader(_raw(self.local_path), progress) as hashing:
            stream = _decompressed(io.BufferedReader(hashing, _BLOCK))
            yield stream
            if stream.read(1) == b"":
                self._settle(hashing)

    def hash_contents(self) -> None:
        """Read the raw bytes through once for size and hash (for formats that are not read front to back)."""
        with naming(self.path), _HashingReader(_raw(self.local_path), None) as hashing:
            self._settle(hashing)

    def _settle(self, hashing: _HashingReader) -> None:
        while hashing.read(_BLOCK):  # to the end, so that the hash covers the whole file
            pass
        sha256 = hashing.sha256.hexdigest()
        if self.sha256 not in (None, sha256):
            raise ZipfitError(f"{self.path}: the file changed while it was being read")
        self.bytes, self.sha256 = hashing.bytes, sha256


class SpooledFile(HashedFile):
    """An input that cannot be read twice (standard input, a pipe), kept in a temporary file until the job ends."""

    def __init__(self, path: str, stream: BinaryIO) -> None:
        super().__init__(path)
        copy = tempfile.NamedTemporaryFile(prefix="zipfit-input-")
        close_after(self, copy)
        self.local_path = copy.name
        with naming(path):
            shutil.copyfileobj(stream, copy, _BLOCK)
            copy.flush()


def close_after(owner: object, file: Any) -> None:
    """Close a temporary file when the object that it belongs to goes, whatever the state of the disk."""
    weakref.finalize(owner, _close, file)


def _close(file: Any) -> None:
    with suppress(OSError):  # what it still holds in memory may no longer fit
        file.close()


def file_at(path: str) -> HashedFile:
    """Return the input for a path; `-` is standard input, and what cannot be read twice is spooled to disk."""
    if path == "-":
        return SpooledFile("-", sys.stdin.buffer)
    if not is_remote(path) and Path(path).is_fifo():
        with naming(path), open(path, "rb") as pipe:
            return SpooledFile(path, pipe)
    return HashedFile(path)
