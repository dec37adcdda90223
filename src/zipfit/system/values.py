"""Plain values, as JSON has them, taken for a type, or a sentence that names the one which cannot be."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from msgspec import ValidationError, convert

_T = TypeVar("_T")

# What msgspec says is wrong, where, and the names that it has for types.
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_EXPECTED = re.compile(r"Expected `(\w+)[^`]*`(?:( [<>]=? \d+)(?!\S))?")
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a finite number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}


def as_type(values: Any, kind: type[_T], *, null_if_missing: bool = False) -> _T:
    """Values as a type.

    Args:
        values: what `json.loads` gives.
        kind: made of the types that msgspec knows.
        null_if_missing: put null in `values` for fields that are missing and have no default.

    Raises:
        ValueError: one is not what it must be; the message names it, and what is wanted.
    """
    while True:
        try:
            return convert(values, kind, str_keys=True)
        except ValidationError as error:
            said, _, at = str(error).partition(" - at ")
            missing = _MISSING.fullmatch(said)
            if missing is None or not null_if_missing:
                raise ValueError(_in_words(said, at, values, "missing" if null_if_missing else "null")) from error
            _at(values, _STEP.findall(at))[missing[1]] = None


def _in_words(said: str, at: str, values: Any, null: str) -> str:
    """What msgspec says of a value, as a user reads it: where it is, what it must be, and what it is."""
    steps = _STEP.findall(at)
    place = "".join(f".{name}" if name else f"[{index}]" for name, index in steps).removeprefix(".")
    if missing := _MISSING.fullmatch(said):
        return f"it lacks {place}.{missing[1]}" if place else f"it lacks {missing[1]}"
    if unknown := _UNKNOWN.fullmatch(said):
        return f"{place or 'it'} has an unknown field {unknown[1]!r}"
    if at.startswith("`key` in "):
        return f"{place} has a k that is no whole number"
    expected = _EXPECTED.match(said)
    wanted = _WORDS.get(expected[1]) if expected else _WORDS["float"] if said == "Number out of range" else None
    if wanted is None:
        return f"{place or 'it'}: {said[0].lower()}{said[1:]}"
    wanted += (expected and expected[2]) or ""
    if ("", "...") in steps:  # in a mapping, where it does not say which
        return f"{place} must be {wanted}"
    value = _at(values, steps)
    if value is None:
        return f"{place or 'it'} must be {wanted}, not {null}"
    if expected and "matching" in said:
        return f"{place} is {wanted} that cannot be taken: {json.dumps(value)[:60]}"
    return f"{place or 'it'} must be {wanted}, not {json.dumps(value, default=str)[:60]}"


def _at(values: Any, steps: list[tuple[str, str]]) -> Any:
    for name, index in steps:
        values = values[name] if name else values[int(index)]
    return values
