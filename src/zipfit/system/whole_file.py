"""Files that are read at once because they are small: studies, manifests, records. A device without an end is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from zipfit.errors import need

if TYPE_CHECKING:
    import os

_MOST = 1 << 28


def read_whole(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a local file.

    Raises:
        OSError: it cannot be read.
        ZipfitError: as `read_rest`.
    """
    with open(path, "rb") as stream:
        return read_rest(stream, str(path))


def read_rest(stream: BinaryIO, name: str) -> bytes:
    """What is left of a stream.

    Raises:
        ZipfitError: it is more than 256 MiB.
    """
    data = stream.read(_MOST + 1)
    need(len(data) <= _MOST, f"{name}: has more than {_MOST >> 20} MiB, so it is nothing that is read at once")
    return data
