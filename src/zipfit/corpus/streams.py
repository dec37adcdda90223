"""Bytes in: local files, standard input and remote paths, decompressed by what they contain, hashed as they pass."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import shutil
import sys
import tempfile
import time
import weakref
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from zipfit.corpus.remote import RemoteAhead, RemoteReader, file_system, is_remote, raise_remote
from zipfit.errors import ZipfitError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    OnRead: TypeAlias = Callable[[int], None]
    """Called with the number of raw bytes (of tables: rows) each time some were read."""

COMPRESSION_SUFFIXES = (".gz", ".zst", ".bz2", ".xz", ".lz4")

# The first bytes of each compressed container: what a file is does not depend on what it is called.
_GZIP = b"\x1f\x8b"
_BZIP2 = (b"1AY&SY", b"\x17rE8P\x90")  # of a block and of the end, after "BZh" and the level
_XZ = b"\xfd7zXZ\x00"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LZ4 = b"\x04\x22\x4d\x18"
_SKIPPABLE = tuple(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))  # frames that both may have

# What is none of these, nor a format of documents, and is told by its first bytes.
_FOREIGN = {
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive: unpack it first",
    b"\x02\x21\x4c\x18": "an lz4 file of the legacy format: decompress it, and compress it again without -l",
    b"LZIP\x01": "an lzip file: decompress it first",
    b"\xff\x06\x00\x00sNaPpY": "a Snappy file: decompress it first",
    b"\x1f\x9d": "a file of the old program compress: decompress it first",
    b"version https://git-lfs.github.com/spec/": "a Git LFS pointer, not the data: run git lfs pull",
    b"WARC/": "a WARC archive: extract the texts first",
    b"Obj\x01": "an Avro file: convert it to Parquet or JSON Lines first",
    b"SQLite format 3\x00": "an SQLite database: export the table first",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file: convert it to Parquet or JSON Lines first",
    b"%PDF-": "a PDF file: extract the text first",
}
_TAR, _TAR_PLACE = b"ustar", 257

_BLOCK = 1 << 20

# Compressed bytes decompressed at a time.
_PIECE = 1 << 16

# Blocks of zstd decompressed at a time: zstandard gives all at once that its input stands for, which may be 128 KiB for
# four bytes, but no more than that for a block.
_ZSTD_BLOCKS = 8

# Bytes that no text has; UTF-16 and UTF-32 aside.
_CONTROLS = frozenset(range(32)) - frozenset(b"\b\t\n\v\f\r\x1b")

# Bytes that tell what a file is, and those of a skippable frame before its content.
_HEAD = 512
_HEADER = 8
_BLOCK_HEADER = 3  # of a zstd block

# Seconds in which a file system may tell two changes by one time, with much to spare (FAT has 2).
_RECENT = 4

# The largest window that a zstd frame may ask for, as `zstd --long=31` makes it.
_WINDOW = 1 << 31


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


def _stamp_of(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class _HashingReader(io.RawIOBase):
    """Passes bytes through while counting and hashing them, so that a file is read once for both.

    Args:
        raw: the bytes.
        progress: as of `HashedFile.open`.
        known: the stamp of a file whose hash is known; one with the same is not hashed again.

    Attributes:
        stamp: what tells that a local file is as it was, if anything does: where it lies, its size, and when it was
            changed. A file that was changed just before it was opened has none: it might be changed once more within
            what the clock of the file system calls the same time.
    """

    def __init__(self, raw: BinaryIO, progress: OnRead | None, known: tuple[int, ...] | None) -> None:
        self._raw = raw
        self._progress = progress
        self.stamp = self._stamp()
        self.sha256 = hashlib.sha256() if known is None or self.stamp != known else None
        self.bytes = 0

    def _stamp(self) -> tuple[int, ...] | None:
        if not isinstance(self._raw, io.FileIO):
            return None
        found = os.fstat(self._raw.fileno())
        if time.time() - max(found.st_mtime, found.st_ctime) < _RECENT:
            return None
        return _stamp_of(found)

    @property
    def is_as_opened(self) -> bool:
        """Whether the file still has its stamp."""
        return self._stamp() == self.stamp

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if isinstance(self._raw, io.FileIO):
            count = self._raw.readinto(buffer) or 0
        else:  # a remote file, which may have nothing but `read`
            data = self._raw.read(len(buffer))
            count = len(data)
            buffer[:count] = data
        if self.sha256 is not None:
            self.sha256.update(buffer[:count])
        self.bytes += count
        if self._progress is not None:
            self._progress(count)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class RefusedError(Exception):
    """A file that is as it should be, but nothing that is read here; the message says what it is."""


class DamagedError(Exception):
    """A compressed file that is not as it should be; the message says where."""


class _ZstdStream:
    """A zstd frame with the interface of Python's own decompressors (RFC 8878 has its parts).

    Args:
        head: the frame's first bytes, as `decompress` will be given them.
    """

    needs_input = True

    def __init__(self, head: bytes) -> None:
        import zstandard

        self._frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
        self._input = b""
        about = head[4] if len(head) > 4 else 0
        self._checksum = about & 4
        self._to_block = 5 + (not about & 32) + (0, 1, 2, 4)[about & 3] + (about >> 5 & 1, 2, 4, 8)[about >> 6]
        self._ending = False

    def decompress(self, data: bytes, max_length: int) -> bytes:  # noqa: ARG002 - bounded by the number of blocks
        import zstandard

        self._input += data
        size = self._pass_blocks()
        try:
            output = self._frame.decompress(self._input[:size])
        except zstandard.ZstdError as error:
            if "too much memory" in str(error):
                raise RefusedError("is a zstd file with a window of more than 2 GiB") from error
            if "Dictionary" in str(error):
                raise RefusedError("is a zstd file that needs a dictionary") from error
            raise
        self._input = self._input[size:]
        self.needs_input = self._ending or len(self._input) < _BLOCK_HEADER
        return output

    def _pass_blocks(self) -> int:
        """The bytes of the input that belong to the blocks to decompress next, as far as it goes."""
        place = self._to_block
        for _ in range(0 if self._ending else _ZSTD_BLOCKS):
            if place + _BLOCK_HEADER > len(self._input):
                break
            header = int.from_bytes(self._input[place : place + _BLOCK_HEADER], "little")
            place += _BLOCK_HEADER + (1 if header >> 1 & 3 == 1 else header >> 3)  # one byte to repeat, or as many
            if header & 1:
                place += self._checksum
                self._ending = True
                break
        size = min(place, len(self._input))
        self._to_block = place - size
        return size

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + self._input


def _frame(head: bytes) -> Any:
    """A decompressor of the zstd or lz4 frame that begins so."""
    if not head.startswith(_LZ4):
        return _ZstdStream(head)
    import lz4.frame

    if head[4:5] and head[4] & 1:
        raise RefusedError("is an lz4 file that needs a dictionary")
    return lz4.frame.LZ4FrameDecompressor()


class _StreamsReader(io.RawIOBase):
    """Decompresses the streams (or frames) of a file, one after another, to its very end.

    What readers of libraries let pass without a word is an error here: Python's end at whatever follows a stream of
    .xz or .bz2 and is none, as if the file did; zstandard's takes a frame that is cut off for whole. And a few bytes,
    which may stand for gigabytes, are never decompressed all at once.

    Args:
        raw: the compressed bytes.
        new_stream: makes a decompressor, as `lzma.LZMADecompressor`, for a stream that begins with the bytes given.
        magics: how a stream may begin.
        padding: between streams, and after the last, zero bytes may stand, so many or a multiple; 0 for none.
    """

    def __init__(
        self,
        raw: io.BufferedReader,
        new_stream: Callable[[bytes], Any],
        magics: Sequence[bytes] = (_ZSTD, _LZ4),
        padding: int = 0,
    ) -> None:
        self._raw = raw
        self._new_stream = new_stream
        self._magics = magics
        self._padding = padding
        self._stream: Any = None
        self._pending = b""
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._output:
            if self._stream is None and not self._begin():
                return 0
            data = self._more() if self._stream.needs_input else b""
            if self._stream.needs_input and not data:
                raise EOFError("the last stream is cut off")
            self._output = memoryview(self._stream.decompress(data, _BLOCK))
            if self._stream.eof:
                self._pending = (self._stream.unused_data or b"") + self._pending
                self._stream = None
        count = min(len(buffer), len(self._output))
        buffer[:count] = self._output[:count]
        self._output = self._output[count:]
        return count

    def _begin(self) -> bool:
        """Go to the next stream, if there is one."""
        zeros = 0
        while not self._pending or (self._padding and not self._pending[0]):
            left = self._pending.lstrip(b"\0")
            zeros += len(self._pending) - len(left)
            self._pending = left or self._raw.read(_PIECE)
            if not self._pending:
                break
        if zeros and zeros % self._padding:
            raise EOFError(f"{zeros} zero bytes follow a stream, which is no padding")
        if len(self._pending) < _HEADER:
            self._pending += self._raw.read(_PIECE)
        if self._pending.startswith(_SKIPPABLE):
            self._skip()
            return self._begin()
        if not self._pending:
            return False
        if not any(magic.startswith(self._pending[: len(magic)]) for magic in self._magics):
            raise DamagedError("something follows a stream that is none")
        self._stream = self._new_stream(self._pending)
        return True

    def _skip(self) -> None:
        """Pass over a skippable frame."""
        left = _HEADER + int.from_bytes(self._pending[4:_HEADER], "little")
        while left > len(self._pending):
            left -= len(self._pending)
            self._pending = self._raw.read(_PIECE)
            if not self._pending:
                raise EOFError("the last frame is cut off")
        self._pending = self._pending[left:]

    def _more(self) -> bytes:
        data = self._pending[:_PIECE] or self._raw.read(_PIECE)
        self._pending = self._pending[_PIECE:]
        return data


def _is_compressed(head: bytes) -> bool:
    return head.startswith((_GZIP, _XZ, _ZSTD, _LZ4, *_SKIPPABLE)) or _is_bzip2(head)


def _is_bzip2(head: bytes) -> bool:
    return head.startswith(b"BZh") and head[4:].startswith(_BZIP2)


def _xz_stream(head: bytes) -> lzma.LZMADecompressor:
    """A decompressor of an xz stream; Python's reads one with an unknown kind of check, and checks nothing."""
    check = head[7] & 15 if len(head) > 7 else lzma.CHECK_NONE  # the second byte of the flags after the magic
    if not lzma.is_check_supported(check):
        raise RefusedError(
            f"has checks of kind {check}, which liblzma does not know, so nobody could tell it from damage"
        )
    return lzma.LZMADecompressor(lzma.FORMAT_XZ)


def _decompressed(stream: io.BufferedReader) -> io.BufferedReader:
    """Wrap a stream in the decompressor that its first bytes call for, if any."""
    head = stream.peek(_HEAD)[:_HEAD]
    if head.startswith(_GZIP):
        return cast("io.BufferedReader", gzip.GzipFile(fileobj=stream))
    if _is_bzip2(head):
        streams = _StreamsReader(stream, lambda _: bz2.BZ2Decompressor(), [b"BZh"])
    elif head.startswith(_XZ):
        streams = _StreamsReader(stream, _xz_stream, [_XZ], padding=4)
    elif _is_compressed(head):
        streams = _StreamsReader(stream, _frame)
    else:
        return stream
    return io.BufferedReader(streams, _PIECE)  # smaller than what is read at a time, which then is not copied into it


def refuse_foreign(head: bytes) -> None:
    """Raise RefusedError if a file of this beginning is of a kind that is not read."""
    what = next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), None)
    if what is None and head[_TAR_PLACE:].startswith(_TAR):
        what = "a tar archive, as WebDataset has them: unpack it first"
    if what is not None:
        raise RefusedError(f"is {what}")


def _refuse_misnamed(path: str, head: bytes) -> None:
    """Refuse a file that is named as a compressed one and begins neither so nor like text, which servers may send."""
    if path.endswith(COMPRESSION_SUFFIXES) and not _CONTROLS.isdisjoint(head):
        raise RefusedError(f"is named {os.path.splitext(path)[1]}, but does not begin like a compressed file")


def is_compressed(path: str) -> bool:
    """Whether a file's first bytes are those of a compressed container."""
    with open_raw(path) as raw:
        return _is_compressed(raw.read(_HEAD))


def open_raw(path: str) -> BinaryIO:
    """A file's own bytes, unbuffered where it is local; the caller closes it."""
    if is_remote(path):
        return cast("BinaryIO", RemoteReader(path))
    return open(path, "rb", buffering=0)


def open_ahead(path: str, start: int = 0) -> BinaryIO:
    """Likewise from a byte on, to be read front to back: a remote file's are asked for before they are needed."""
    if is_remote(path):
        return cast("BinaryIO", RemoteAhead(path, start))
    raw = open_raw(path)
    raw.seek(start)
    return raw


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
        cause = error.__cause__
        if cause is not None and getattr(cause, "status", None) != 404:  # a server that does not answer, say
            raise_remote(path, "cannot be read", cause)
        raise ZipfitError(f"{path}: no such file") from error
    except PermissionError as error:
        raise ZipfitError(f"{path}: permission denied") from error
    except IsADirectoryError as error:
        raise ZipfitError(f"{path}: is a folder, not a file") from error
    except RefusedError as error:
        raise ZipfitError(f"{path}: {error}") from error
    except EOFError as error:
        raise ZipfitError(f"{path}: the compressed file is cut off before its end") from error
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, gzip.BadGzipFile, DamagedError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "LZ4" not in str(error):
            raise
        raise ZipfitError(f"{path}: the compressed file is corrupt ({error})") from error
    except OSError as error:
        raise ZipfitError(f"{path}: cannot be read ({error.strerror or one_line(error)})") from error
    except Exception as error:
        raise_remote(path, "cannot be read", error)
        raise


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
        self._stamp: tuple[int, ...] | None = None

    def size(self) -> int | None:
        """Size in bytes if it can be told without reading the file."""
        try:
            if is_remote(self.path):
                fs, inner = file_system(self.path)
                return cast("int | None", fs.size(inner))
            return os.stat(self.local_path).st_size
        except Exception:  # of whatever store; what is wrong is said when the file is read
            return None

    @contextmanager
    def open(self, progress: OnRead | None = None) -> Iterator[io.BufferedReader]:
        """Open the decompressed bytes; on leaving after the end was reached, settle size and hash.

        Args:
            progress: called with the number of raw bytes each time some were read.

        Raises:
            ZipfitError: as `naming`; or the file is no longer what it was when first read.
        """
        with naming(self.path), _HashingReader(open_ahead(self.local_path), progress, self._stamp) as hashing:
            raw: io.BufferedReader = io.BufferedReader(hashing, _BLOCK)
            refuse_foreign(raw.peek(_HEAD))
            stream = _decompressed(raw)
            if stream is not raw:
                refuse_foreign(stream.peek(_HEAD))
            else:
                _refuse_misnamed(self.path, raw.peek(_HEAD)[:_HEAD])
            yield stream
            if stream.read(1) == b"":
                self._settle(hashing)

    def hash_contents(self) -> None:
        """Read the raw bytes through once for size and hash (for formats that are not read front to back)."""
        with naming(self.path), _HashingReader(open_ahead(self.local_path), None, self._stamp) as hashing:
            self._settle(hashing)

    def _settle(self, hashing: _HashingReader) -> None:
        if hashing.sha256 is None:
            if not hashing.is_as_opened:
                raise self._changed()
            return
        rest = bytearray(_BLOCK)
        while hashing.readinto(rest):  # to the end, so that the hash covers the whole file
            pass
        sha256 = hashing.sha256.hexdigest()
        if self.sha256 not in (None, sha256):
            raise self._changed()
        self.bytes, self.sha256 = hashing.bytes, sha256
        self._stamp = hashing.stamp if hashing.is_as_opened else None

    def stamp(self) -> tuple[int, ...] | None:
        """What writing to a local file or replacing it changes; None where the file is gone."""
        try:
            return _stamp_of(os.stat(self.local_path))
        except OSError:
            return None

    def need_stamp(self, stamp: tuple[int, ...] | None) -> None:
        """Check that the file still has this stamp.

        Raises:
            ZipfitError: it has another.
        """
        if self.stamp() != stamp:
            raise self._changed()

    def _changed(self) -> ZipfitError:
        return ZipfitError(f"{self.path}: the file changed while it was being read")


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


def is_pipe(path: str) -> bool:
    """Whether a path names a pipe, which can be read only once."""
    return not is_remote(path) and Path(path).is_fifo()


def file_at(path: str) -> HashedFile:
    """Return the input for a path; `-` is standard input, and what cannot be read twice is spooled to disk."""
    if path == "-":
        if sys.stdin is None:  # closed by whatever started the process
            raise ZipfitError("-: standard input is closed")
        return SpooledFile("-", sys.stdin.buffer)
    if is_pipe(path):
        with naming(path), open(path, "rb") as pipe:
            return SpooledFile(path, pipe)
    return HashedFile(path)
