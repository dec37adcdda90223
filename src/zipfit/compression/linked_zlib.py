"""Whether the zlib that Python links gives the sizes of reference zlib."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from zipfit.compression.reference import gzip_size

if TYPE_CHECKING:
    from collections.abc import Iterator

# Sizes that reference zlib gives the first texts of `strings` at level 6. Other zlibs that a Python may link (zlib-ng,
# Intel's, Cloudflare's, Chromium's) parse differently and give other sizes.
# fmt: off
_PROBE_SIZES = (
    23, 1099, 26, 105, 1004, 51, 174, 180, 282, 1963, 354, 313, 29, 1599, 43, 67, 24, 1131, 28, 508, 107, 24, 37, 608,
)
# fmt: on


def is_reference() -> bool:
    """Whether it gives some texts the sizes that reference zlib does."""
    return tuple(gzip_size(text, 6) for text in strings(len(_PROBE_SIZES))) == _PROBE_SIZES


def strings(count: int) -> Iterator[bytes]:
    """Yield texts of many kinds, from nothing to tens of kilobytes; the same on every machine."""
    generator = random.Random(20241018)
    words = ["".join(generator.choices("etaoinshrdlucmfw", k=generator.randint(1, 9))) for _ in range(400)]
    for index in range(count):
        length = int(2 ** generator.uniform(0, 9))
        if index % 4 == 0:
            text = " ".join(generator.choices(words, k=length)).encode()
        elif index % 4 == 1:
            text = bytes(generator.choices(range(256), k=4 * length))
        elif index % 4 == 2:
            text = bytes(generator.choices(b"ab\n", k=8 * length))
        else:
            period = bytes(generator.choices(range(256), k=generator.randint(1, 300)))
            text = period * length + bytes(generator.choices(b"xyz", k=length))
        yield text
