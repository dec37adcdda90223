"""Text in any encoding as UTF-8, which is what everything else reads."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from zipfit.corpus.streams import RefusedError

if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from collections.abc import Iterator

_BLOCK = 1 << 20

# The marks by which a file says its encoding; that of UTF-32 begins with one of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# Encodings by the bytes of a character and which of them an ASCII letter has.
_WIDE = (("utf-16-le", 2, 0), ("utf-16-be", 2, 1), ("utf-32-le", 4, 0), ("utf-32-be", 4, 3))

# What cannot be decoded becomes a byte that is not UTF-8 either, so that the record it stands in is a bad one.
_INVALID = "zipfit-invalid"
codecs.register_error(_INVALID, lambda error: ("\udcff", error.end))  # type: ignore[attr-defined]


def is_encoding(name: str) -> bool:
    """Whether Python knows an encoding of text by this name."""
    try:
        io.TextIOWrapper(io.BytesIO(), name)  # which refuses encodings of bytes, as base64
        codecs.getincrementaldecoder(name)(_INVALID).decode(b"a", final=True)
    except (LookupError, ValueError):  # UnicodeError is a ValueError
        return False
    return bool(name)


def has_mark(head: bytes) -> bool:
    """Whether text begins with a byte order mark."""
    return head.startswith((codecs.BOM_UTF8, *_MARKS))


def encoding_without_mark(head: bytes) -> str | None:
    """The encoding of text in UTF-16 or UTF-32 that has no mark, if its first two characters are ASCII.

    Which of the first bytes are zero tells it (RFC 4627, section 3).
    """
    for name, width, place in _WIDE:
        first = head[: 2 * width]
        letters = first[place::width]
        zeros = (byte for at, byte in enumerate(first) if at % width != place)
        if (
            len(first) == 2 * width
            and not any(zeros)
            and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in letters)
        ):
            return name
    return None


def utf8(stream: BinaryIO, encoding: str | None) -> io.BufferedReader:
    """Text as UTF-8 without a byte order mark; `peek` gives a mebibyte of it, or all that there is.

    Args:
        stream: the bytes.
        encoding: as Python names it; None for UTF-8, or what a byte order mark says.

    Raises:
        RefusedError: it seems to be UTF-16 or UTF-32 without a mark; or, when it is read, nothing of this encoding.
    """
    return io.BufferedReader(_Utf8Reader(stream, encoding), _BLOCK)


def blocks(stream: io.BufferedReader, size: int) -> Iterator[bytes]:
    """What `utf8` gave, from where it stands to its end, in blocks of about this size, none of them copied."""
    buffered = stream.read1()
    yield from (buffered[start : start + size] for start in range(0, len(buffered), size))
    reader = cast("_Utf8Reader", stream.raw)
    while block := reader.block(size):
        yield block


class _Utf8Reader(io.RawIOBase):
    def __init__(self, stream: BinaryIO, encoding: str | None) -> None:
        self._stream = stream
        self._output = stream.read(_BLOCK)
        self._decoder: IncrementalDecoder | None = None
        if encoding is None:
            encoding = next((name for mark, name in _MARKS.items() if self._output.startswith(mark)), "utf-8")
            if unmarked := encoding_without_mark(self._output):
                kind = unmarked[: len("utf-16")].upper()
                raise RefusedError(f"is text in {kind} without a byte order mark (give --encoding {unmarked})")
        if codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig"):
            self._decoder = codecs.getincrementaldecoder(encoding)(_INVALID)
            self._output = self._transcoded(self._output)
        self._output = self._output.removeprefix(codecs.BOM_UTF8)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._output:
            self._output = self.block(_BLOCK)
        count = min(len(buffer), len(self._output))
        buffer[:count] = memoryview(self._output)[:count]
        self._output = self._output[count:]
        return count

    def block(self, size: int) -> bytes:
        """The next bytes, nothing at the end: of so many before they are decoded, but for those held back."""
        block, self._output = self._output, b""
        while not block and (data := self._stream.read(size)):
            block = self._transcoded(data)
        return block or self._transcoded(b"")

    def _transcoded(self, data: bytes) -> bytes:
        if self._decoder is None:
            return data
        try:
            return self._decoder.decode(data, final=not data).encode("utf-8", "surrogateescape")
        except UnicodeError as error:  # of the whole file: that it has no mark, say, which `utf-16` needs
            raise RefusedError(f"is not text of the encoding given ({error})") from error
