"""Unit vectors whose cosines are exact, so that no BLAS can make two runs differ.

The last bits of a float32 matrix product depend on how the library cuts it up: on the number of rows beside this one,
on threads, on the instruction set. Ties would then break at random. So every vector is rounded, once, to multiples of
GRID = 2**-24 (float32's own spacing just below 1; the error of a cosine is near 1e-7). A product of two entries is a
multiple of 2**-48, and no partial sum of a dot product exceeds |x| |y| <= 2 (Cauchy and Schwarz), so every partial sum
is a multiple of 2**-48 below 2: at most 49 bits, which float64 holds exactly. Float64 products of such vectors are
therefore exact in whatever order they are summed, and equal on every machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

GRID = 2.0**-24
"""Entries of a vector are multiples of this."""

BLOCK = 4096
"""Rows of the pool taken into memory at once (12 MB as float64 at 384 dimensions). Results do not depend on it."""


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale vectors, shape (..., d), to length 1 and round them to the grid; a zero vector stays zero.

    Raises:
        ZipfitError: an entry is not a finite number.
    """
    exact = vectors.astype(np.float64)
    if not np.isfinite(exact).all():
        raise ZipfitError("the encoder returned a vector with entries that are not finite numbers")
    # Divided by the largest entry first, so that the squares neither overflow nor vanish.
    largest = np.abs(exact).max(axis=-1, keepdims=True, initial=0.0)
    exact /= np.where(largest > 0, largest, 1.0)
    length = np.sqrt((exact * exact).sum(axis=-1, keepdims=True))
    exact /= np.where(length > 0, length, 1.0)
    return (np.rint(exact / GRID) * GRID).astype(np.float32)


def cosines(
    matrix: NDArray[np.float32], rows: NDArray[np.int64], others: NDArray[np.float32]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield, block by block, the exact cosines of `matrix[rows]` with each of `others`, both as `unit` makes them.

    Args:
        matrix: shape (N, d); may be a memory map, only BLOCK rows of it are read at a time.
        rows: which rows, shape (m,).
        others: shape (n, d).

    Yields:
        (a slice of `rows`, cosines of shape (rows in the slice, n)).
    """
    wide = others.astype(np.float64).T
    for start in range(0, len(rows), BLOCK):
        block = slice(start, min(start + BLOCK, len(rows)))
        yield block, matrix[rows[block]].astype(np.float64) @ wide
