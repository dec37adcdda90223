"""Arrays among the terms of a method, which are JSON values: see `methods.base.Measurer`."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_text(array: NDArray[Any]) -> str:
    """The numbers of an array, compressed; its shape and type are the reader's to know."""
    return b64encode(zlib.compress(array.astype(array.dtype.newbyteorder("<")).tobytes())).decode()


def from_text(text: str, dtype: type[np.number[Any]]) -> NDArray[Any]:
    """The numbers, of this type, shape (n,).

    Raises:
        ValueError: the text is none that `as_text` made.
        zlib.error: likewise.
    """
    return np.frombuffer(zlib.decompress(b64decode(text)), np.dtype(dtype).newbyteorder("<")).astype(dtype)
