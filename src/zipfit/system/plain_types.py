"""Values of the plain types that an annotation allows, and arguments that are of others."""

from __future__ import annotations

import inspect
import os
import reprlib
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES: dict[str, type | tuple[type, ...]] = {
    "int": Integral,
    "float": Real,
    "bool": (bool, np.bool_),
    "str": str,
    "os.PathLike[str]": os.PathLike,
    "None": type(None),
}
PLAIN = _TYPES.keys()

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "str": "a string",
    "os.PathLike[str]": "a path",
}


def kinds_of(annotation: Any) -> set[str]:
    """The names of the types that an annotation such as `int | None` allows; empty if there is none."""
    if annotation is inspect.Parameter.empty:
        return set()
    if not isinstance(annotation, str):  # a TypedDict's are references, and other classes have names
        annotation = getattr(annotation, "__forward_arg__", None) or getattr(annotation, "__name__", str(annotation))
    return {kind.strip() for kind in annotation.split("|")}


def is_one_of(value: Any, kinds: set[str]) -> bool:
    """Whether a value is of one of the plain types; a bool is no number, and an int is a float."""
    return any(isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool)) for kind in kinds)


def check_arguments(annotated: object, given: Mapping[str, Any]) -> None:
    """Check those arguments whose annotations are of plain types alone.

    Args:
        annotated: the function that takes them, or whatever else names their types in `__annotations__`.
        given: arguments by name, as `locals()` has them where a function begins.

    Raises:
        ZipfitError: one is of another type.
    """
    for name, annotation in annotated.__annotations__.items():
        kinds = kinds_of(annotation)
        if name in given and kinds <= PLAIN and not is_one_of(given[name], kinds):
            wanted = " or ".join(words for kind, words in _WORDS.items() if kind in kinds)
            raise ZipfitError(f"{name} must be {wanted}, not {reprlib.repr(given[name])}")
