"""Files that are read at once because they are small: studies, manifests, records. A device without an end is not."""

from __future__ import annotations

import os
from typing import BinaryIO

from zipfit.errors import ZipfitError, need

_MOST = 1 << 28


def read_whole(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a local file.

    Raises:
        OSError: it cannot be read.
        ZipfitError: as `read_rest`.
    """
    with open(path, "rb") as stream:
        return read_rest(stream, str(path))


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a local file in UTF-8, without a byte order mark.

    Raises:
        ZipfitError: it cannot be read, or is not UTF-8; or as `read_rest`.
    """
    name = os.fspath(path)
    try:
        return read_whole(path).decode("utf-8-sig")
    except OSError as error:
        raise ZipfitError(f"{name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ZipfitError(f"{name}: is not UTF-8 text") from error


def read_rest(stream: BinaryIO, name: str) -> bytes:
    """What is left of a stream.

    Raises:
        ZipfitError: it is more than 256 MiB.
    """
    data = stream.read(_MOST + 1)
    need(len(data) <= _MOST, f"{name}: has more than {_MOST >> 20} MiB, so it is nothing that is read at once")
    return data
