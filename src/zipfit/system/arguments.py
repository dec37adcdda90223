"""Arguments checked as the native core checks them (core/bindings/arguments.hpp), in its words, for its twins."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray


def wrong_type(name: str, wanted: str, value: object) -> TypeError:
    """The error for an argument of a wrong type."""
    return TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def integer(value: Any, name: str, lowest: int, highest: int) -> int:
    """Return an integer; ValueError unless it lies in lowest..highest."""
    number = operator.index(value)
    if not lowest <= number <= highest:
        raise ValueError(f"{name} must lie in {lowest}..{highest}, not {number}")
    return number


def array(value: Any, name: str, dtype: type[np.generic], dimensions: int) -> NDArray[Any]:
    """Return an array; TypeError unless it is contiguous and of this very type."""
    if (
        not isinstance(value, np.ndarray)
        or value.dtype != dtype
        or value.ndim != dimensions
        or not value.flags.c_contiguous
    ):
        raise wrong_type(name, f"a contiguous array of {np.dtype(dtype)} with {dimensions} dimensions", value)
    return value


def batch(value: Any, name: str) -> Texts:
    """Return texts; TypeError if they are anything else."""
    if not isinstance(value, Texts):
        raise wrong_type(name, "Texts", value)
    return value


def single(value: Any) -> bytes:
    """Return a text; TypeError if it is anything else."""
    if not isinstance(value, bytes):
        raise wrong_type("text", "bytes", value)
    return value
