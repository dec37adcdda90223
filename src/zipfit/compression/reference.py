"""Compressed sizes as they are defined, by asking the compression libraries: the twins of the native kernel's."""

from __future__ import annotations

import zlib
from functools import partial
from typing import TYPE_CHECKING

from zipfit.compression.base import CalledPairs
from zipfit.system.arguments import instance, integer

if TYPE_CHECKING:
    from zipfit.system.texts import Texts


def gzip_size(text: bytes, level: int) -> int:
    """Return len(gzip.compress(text, level)); ValueError for a level outside 1..9."""
    text, level = instance(text, "text", bytes), integer(level, "level", 1, 9)
    stream = zlib.compressobj(level, zlib.DEFLATED, 31)  # 31: a gzip header and trailer, as gzip.compress writes
    return len(stream.compress(text)) + len(stream.flush())


def lz4_size(text: bytes) -> int:
    """Return len(lz4.frame.compress(text))."""
    import lz4.frame

    return len(lz4.frame.compress(instance(text, "text", bytes)))


class GzipPairs(CalledPairs):
    """Gzip sizes of pairs; ValueError for a level outside 1..9."""

    def __init__(self, targets: Texts, level: int) -> None:
        super().__init__(partial(gzip_size, level=integer(level, "level", 1, 9)), targets)


class Lz4Pairs(CalledPairs):
    """LZ4 frame sizes of pairs."""

    def __init__(self, targets: Texts) -> None:
        super().__init__(lz4_size, targets)
