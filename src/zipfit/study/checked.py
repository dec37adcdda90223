"""A JSON file whose values are checked as they are taken: what is wrong is one sentence that names file and place."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class CheckedFile:
    """A JSON object of a file, whose values are checked as they are taken; `at` is where in the file it lies."""

    path: Path
    record: dict[str, Any]
    at: str = ""

    @staticmethod
    def read(path: Path, absent: str | None = None) -> CheckedFile:
        """Read a file's object. NaN and infinity, which JSON does not have, are taken for null."""
        try:
            record = json.loads(path.read_bytes(), parse_constant=lambda _: None, parse_float=_finite)
        except FileNotFoundError as error:
            raise ZipfitError(absent or f"{path}: is missing") from error
        except OSError as error:
            raise ZipfitError(f"{path}: cannot be read ({error.strerror or error})") from error
        except (ValueError, RecursionError) as error:
            raise ZipfitError(f"{path}: is damaged: it is no JSON ({error})") from error
        if not isinstance(record, dict):
            raise ZipfitError(f"{path}: is damaged: it holds no JSON object")
        if record.get("format") != FORMAT:
            raise ZipfitError(f"{path}: has format {record.get('format')!r}; this zipfit reads format {FORMAT}")
        return CheckedFile(path, record)

    def damaged(self, what: str) -> ZipfitError:
        return ZipfitError(f"{self.path}: is damaged: {what}")

    def get(self, name: str, kind: type, none: bool = False) -> Any:
        """A value of a type; null, or no value at all, only where `none` says so."""
        value = self.record.get(name)
        if (value is None and none) or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
            return value
        words = {str: "text", int: "a whole number", dict: "an object", list: "a list"}
        found = "missing" if value is None else f"{json.dumps(value, default=str)[:60]}"
        raise self.damaged(f"{self.at}{name} must be {words[kind]}, not {found}")

    def number(self, name: str, none: bool = True) -> float | None:
        """A number; null, or no value at all, only where `none` says so."""
        value = self.record.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300:
            return float(value)
        if value is None and none:
            return None
        found = "missing" if value is None else json.dumps(value, default=str)[:60]
        raise self.damaged(f"{self.at}{name} must be a finite number, not {found}")

    def whole(self, name: str, none: bool = False) -> tuple[int | None, ...]:
        """A list of whole numbers, with null among them only where `none` says so."""
        values = tuple(self.get(name, list))
        if all(
            (value is None and none) or (isinstance(value, int) and not isinstance(value, bool)) for value in values
        ):
            return values
        raise self.damaged(f"{self.at}{name} must be a list of whole numbers, not {json.dumps(values)[:60]}")

    def sub(self, name: str, none: bool = False) -> Any:
        """The object of this name, or None where `none` says that it may be missing."""
        value = self.get(name, dict, none)
        return None if value is None else CheckedFile(self.path, value, f"{self.at}{name}.")

    def subs(self, name: str, none: bool = False) -> list[CheckedFile]:
        """The objects of the list of this name."""
        found = []
        for index, item in enumerate(self.get(name, list, none) or []):
            if not isinstance(item, dict):
                raise self.damaged(f"{self.at}{name}[{index}] must be an object")
            found.append(CheckedFile(self.path, item, f"{self.at}{name}[{index}]."))
        return found

    def key(self) -> str:
        """The file's key, which its name must be."""
        key = self.get("key", str)
        if key != self.path.stem:
            raise self.damaged(f"its key is {key!r}, which is not its name")
        return str(key)
