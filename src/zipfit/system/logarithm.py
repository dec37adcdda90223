"""The natural logarithm with the same bits on every machine.

Numpy's takes another polynomial for each kind of vector instructions, and C's another for each library, so their last
bits differ from machine to machine. This one adds, multiplies and divides alone, which IEEE 754 rounds in one way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_LN2_HIGH = float.fromhex("0x1.62e42feep-1")
"""ln 2 to 33 bits: times an exponent it is exact."""

_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
"""What is left of ln 2."""

_BLOCK = 1 << 16
"""Values at once: what is held in between is small."""


def natural_log(values: ArrayLike) -> NDArray[np.float64]:
    """Return ln of positive normal numbers, shape as given, to within 2 units in the last place.

    With x = 2^e m, m from sqrt(1/2) to sqrt(2), and s = (m - 1) / (m + 1):
    ln x = e ln 2 + 2 (s + s^3/3 + s^5/5 + ...), where s^2 < 0.0295, so 12 terms are enough.
    """
    given = np.asarray(values, np.float64)
    flat = given.ravel()
    logs = np.empty_like(flat)
    for start in range(0, len(flat), _BLOCK):
        m, e = np.frexp(flat[start : start + _BLOCK])
        small = m < 0.7071067811865476
        m = np.where(small, 2 * m, m)
        exponents = (e - small).astype(np.float64)
        s = (m - 1) / (m + 1)
        square = s * s
        series = np.zeros_like(s)
        for odd in range(23, 1, -2):
            series = (series + 1 / odd) * square
        logs[start : start + _BLOCK] = exponents * _LN2_HIGH + (2 * s + (2 * s * series + exponents * _LN2_LOW))
    return logs.reshape(given.shape)
