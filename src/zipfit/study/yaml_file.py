"""A YAML file as nodes that know their place, so that every complaint names the file and the dotted key."""

from __future__ import annotations

import difflib
import math
import os
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from zipfit.errors import ZipfitError, one_line
from zipfit.study.problems import Problems
from zipfit.system.whole_file import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable


Readers = Mapping[str, Callable[["Node"], Any]]
"""Key to what takes its value out of a node."""


@dataclass(frozen=True)
class Node:
    """A value of a YAML file.

    Attributes:
        file: the file, as messages call it.
        key: dotted path of the value in it, list items counted from 0; empty for the whole file.
        value: what YAML made of it.
        line: where it stands, for messages to name; None if they need not.
        lines: where the keys of the whole file stand, the outermost ones.
    """

    file: str
    key: str
    value: Any
    line: int | None = None
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    def fail(self, message: str) -> NoReturn:
        """Raise a ZipfitError that names file and key."""
        line = "" if self.line is None else f"line {self.line}"
        raise ZipfitError(": ".join(part for part in (self.file, line, self.key, message) if part))

    def fields(self, known: Iterable[str], required: Iterable[str] = ()) -> dict[str, Node]:
        """The values of a mapping whose keys are among `known`; null stands for an empty mapping.

        Raises:
            ZipfitError: it is no mapping, has another key, or lacks one that is required.
        """
        names = list(known)
        found, problems = self.entries(), Problems()
        for name, node in found.items():
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
                problems.take(node.fail, f"there is no such key: {hint}")
        for name in required:
            if name not in found:
                problems.take(self.fail, f"{name} is missing")
        problems.tell()
        return found

    def read(self, readers: Readers, required: Iterable[str] = ()) -> dict[str, Any]:
        """The values of a mapping as their readers, by key and in their order, take them.

        Raises:
            ZipfitError: as `fields` and the readers.
        """
        found, problems = self.entries(), Problems()
        problems.take(self.fields, readers, required)
        values = {name: problems.take(read, found[name]) for name, read in readers.items() if name in found}
        problems.tell()
        return values

    def entries(self) -> dict[str, Node]:
        """The values of a mapping by key, in their order; null stands for an empty mapping.

        Raises:
            ZipfitError: it is no mapping, or a key is no text.
        """
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            self._wanted("a mapping")
        for key in self.value:
            if not isinstance(key, str) or not key.strip():
                self.fail(f"the key {reprlib.repr(key)} must be text (write it in quotes)")
        return {
            key: Node(self.file, f"{self.key}.{key}" if self.key else key, value) for key, value in self.value.items()
        }

    def items(self) -> list[Node]:
        """The items of a list.

        Raises:
            ZipfitError: it is no list, it is empty, or an item stands in it twice.
        """
        if not isinstance(self.value, list):
            self._wanted("a list, in brackets")
        if not self.value:
            self.fail("must not be empty")
        for index, value in enumerate(self.value):
            if any(type(value) is type(other) and value == other for other in self.value[:index]):
                self.fail(f"holds {reprlib.repr(value)} twice")
        return [Node(self.file, f"{self.key}.{index}", value) for index, value in enumerate(self.value)]

    def text(self) -> str:
        """A text that is not blank."""
        if not isinstance(self.value, str) or not self.value.strip():
            self._wanted(
                "text" if self.value is None or isinstance(self.value, (str, list, dict)) else "text, in quotes"
            )
        return str(self.value)

    def choice(self, allowed: Iterable[str]) -> str:
        """One of some texts."""
        choices = list(allowed)
        if self.value not in choices:
            self._wanted(f"one of {', '.join(choices)}")
        return str(self.value)

    def whole(self, least: float = -math.inf) -> int:
        """A whole number of at least `least`."""
        if type(self.value) is not int or self.value < least:
            self._wanted("a whole number" if least == -math.inf else f"a whole number of at least {least}")
        return int(self.value)

    def number(self, least: float = -math.inf) -> float:
        """A finite number of at least `least`; text such as 1e-4, which YAML does not take for a number, is one."""
        try:
            value = math.nan if isinstance(self.value, (bool, list, dict)) else float(self.value)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if not math.isfinite(value) or value < least:
            self._wanted("a number" if least == -math.inf else f"a number of at least {least:g}")
        return value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self._wanted("true or false")
        return bool(self.value)

    def _wanted(self, what: str) -> NoReturn:
        self.fail(f"must be {what}, not {'null' if self.value is None else reprlib.repr(self.value)}")


def read_yaml(path: str | os.PathLike[str]) -> Node:
    """Read a file of one YAML document.

    Raises:
        ZipfitError: the file cannot be read, is not YAML (the message names the line), or gives a key twice.
    """
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
        """Plain data only, and no key twice: of two, YAML would silently keep the last."""

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            seen: set[tuple[str, str]] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if (key.tag, key.value) in seen:
                        message = f"the key {key.value!r} stands there a second time"
                        raise yaml.composer.ComposerError(None, None, message, key.start_mark)
                    seen.add((key.tag, key.value))
            return node

    name = os.fspath(path)
    text = read_text(path)
    try:
        loader = Loader(text)
        root = loader.get_single_node()
        value = None if root is None else loader.construct_document(root)
        keys = root.value if isinstance(root, yaml.MappingNode) else ()
        lines = {key.value: key.start_mark.line + 1 for key, _ in keys if isinstance(key, yaml.ScalarNode)}
        return Node(name, "", value, lines=lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f"line {mark.line + 1}: "
        raise ZipfitError(f"{name}: {line}{error.problem or error.context or 'is not YAML'}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # pyyaml lets through what Python says of dates and numbers that there are not, or of nesting without end.
        reason = one_line(error)
        raise ZipfitError(f"{name}: is not YAML that can be read ({reason})") from error
