"""Lines of bytes, none of them longer than a record may be."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from zipfit.errors import ZipfitError, need

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

# No document is so long: what has no end of a line is another format, or meant to fill the memory.
_MAX_RECORD_BYTES = 1 << 28

_BLOCK = 1 << 20


def max_record_bytes() -> int:
    """The most bytes that a record of a row format may have: `$ZIPFIT_MAX_RECORD_BYTES`, else 256 MiB.

    Raises:
        ZipfitError: the variable holds no positive whole number.
    """
    given = os.environ.get("ZIPFIT_MAX_RECORD_BYTES")
    if not given:
        return _MAX_RECORD_BYTES
    need(
        given.isdecimal() and 0 < len(given.lstrip("0")) < 19,
        f"ZIPFIT_MAX_RECORD_BYTES must be a number of bytes, not {given!r}",
    )
    return int(given)


def too_large(place: str, limit: int) -> ZipfitError:
    """The error of a record that is longer than may be."""
    return ZipfitError(
        f"{place}: the record has more than {limit:,} bytes (to read it, set the environment variable "
        "ZIPFIT_MAX_RECORD_BYTES to more)"
    )


def raw_lines(path: str, stream: io.BufferedReader, *, by_returns: bool | None = None) -> Iterator[bytes]:
    """The lines of a file with their ends; where it has no line feed, they end at carriage returns.

    Args:
        path: the file's name, for messages.
        stream: `peek` gives its beginning.
        by_returns: whether they end at carriage returns; None to tell by the beginning.

    Raises:
        ZipfitError: a line is longer than a record may be.
    """
    limit = max_record_bytes()
    by_returns = ends_by_returns(stream.peek(1)) if by_returns is None else by_returns
    read = _ended_by_returns(stream, limit) if by_returns else iter(partial(stream.readline, limit + 1), b"")
    for number, line in enumerate(read, 1):
        if len(line) > limit:
            raise too_large(f"{path}, line {number}", limit)
        yield line


def ends_by_returns(head: bytes) -> bool:
    """Whether the lines of a text with this beginning end at carriage returns alone."""
    return b"\r" in head and b"\n" not in head


def _ended_by_returns(stream: io.BufferedReader, limit: int) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(_BLOCK):
        *whole, rest = (rest + block).split(b"\r")
        yield from (line + b"\r" for line in whole)
        if len(rest) > limit:
            break
    if rest:
        yield rest


def lines(path: str, stream: io.BufferedReader, *, by_returns: bool | None = None) -> Iterator[tuple[int, bytes]]:
    """The same lines without their ends, numbered from 1."""
    for number, line in enumerate(raw_lines(path, stream, by_returns=by_returns), 1):
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")


def invalid_utf8(raw: bytes, unit: str) -> str | None:
    """The reason why bytes are no text, if they are not."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"invalid UTF-8 at byte {error.start} of the {unit}"
    return None
