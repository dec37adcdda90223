"""Arguments checked as the native core checks them (core/bindings/arguments.hpp), in its words, for its twins."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")


def instance(value: Any, name: str, kind: type[T], wanted: str = "") -> T:
    """Return a value of a type, which messages call `wanted` if its own name does not say it; TypeError for another."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {wanted or kind.__name__}, not {type(value).__name__}")
    return value


def integer(value: Any, name: str, lowest: int, highest: int) -> int:
    """Return an integer; ValueError unless it lies in lowest..highest."""
    number = operator.index(value)
    if not lowest <= number <= highest:
        raise ValueError(f"{name} must lie in {lowest}..{highest}, not {number}")
    return number


def array(value: Any, name: str, dtype: type[np.generic], dimensions: int) -> NDArray[Any]:
    """Return an array; TypeError unless it is contiguous and of this very type."""
    wanted = f"a contiguous array of {np.dtype(dtype)} with {dimensions} dimensions"
    found = instance(value, name, np.ndarray, wanted)
    if not (found.dtype == dtype and found.ndim == dimensions and found.flags.c_contiguous):
        raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")
    return found


def batch(value: Any, name: str) -> Texts:
    """Return texts; TypeError if they are anything else."""
    return instance(value, name, Texts)
