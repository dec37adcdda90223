"""A random projection of very long vectors that costs one addition an entry (Charikar et al. 2002; Li et al. 2006).

Each of the D entries is given a random sign and one of d sums to go to: a matrix of d rows with one +1 or -1 in each of
its D columns. For all x and y,

    E[Px . Py] = x . y,     Var[Px . Py] = (|x|^2 |y|^2 + (x . y)^2 - 2 sum_i x_i^2 y_i^2) / d,

the same mean and variance as under a dense matrix of random signs over sqrt(d), which costs d additions an entry. The
signs are bits of a counter-based generator and sums are added one after another, so bits depend on neither the device
nor the number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MOST_DIMENSIONS = 1 << 16
"""So that two bytes name one."""


class Projection:
    """From `size` entries to `dimension`.

    Args:
        size: D.
        dimension: d, from 1 to MOST_DIMENSIONS.
        seed: of signs and places, at least 0.
    """

    def __init__(self, size: int, dimension: int, seed: int) -> None:
        bits = np.random.Philox(key=seed).random_raw(size)
        self._places = ((bits >> np.uint64(1)) % np.uint64(dimension)).astype(np.uint16)
        self._signs = (bits & np.uint64(1)).astype(np.int8) * np.int8(2) - np.int8(1)
        self.dimension = dimension

    def of(self, parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Return the projection, shape (d,), of a vector that comes in parts, D entries in all."""
        projected = np.zeros(self.dimension)
        start = 0
        for part in parts:
            span = slice(start, start + part.size)
            start += part.size
            signed = part.ravel() * self._signs[span]
            projected += np.bincount(self._places[span], signed, self.dimension)
        return projected
