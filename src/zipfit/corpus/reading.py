"""How records become texts and labels: by a field, a template, or the shapes that the field's data sets have."""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zipfit.errors import ZipfitError, need

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_LABEL = "(none)"
_DEFAULT_LABEL = "source"


class BadRecordError(Exception):
    """A record that gives no text; the message is the reason, without the place."""


@dataclass(frozen=True)
class Reading:
    r"""How records become texts and labels.

    With neither a field nor a template, the usual shapes are recognised, in this order: `text`; chat `messages`
    (`role`, `content`) and ShareGPT `conversations` (`from`, `value`), rendered as `role: content`, a blank line
    between turns; Alpaca's `instruction`, `input`, `output` and TRL's `prompt`, `completion`, joined by newlines;
    `content`.

    Attributes:
        text_field: name of the field that holds the text; dots reach into nested records (`a.b`), and into each of a
            list of records, unless a field of the whole name is there.
        template: text with `{field}` in braces (doubled braces stand for themselves); `\n` and `\t` are understood.
        by: field (dots reach into nested records) whose value labels a document; None for its `source` field, if that
            is a string, and otherwise the name of its input.
        skip_bad: pass over records that give no text; if not, the first one is an error.

    Raises:
        ZipfitError: field and template are both given, or the template is malformed or names no field.

    Example:
        >>> Reading(template="{question} {answer}").text({"question": "1 + 1?", "answer": 2})
        '1 + 1? 2'
        >>> Reading().text({"messages": [{"role": "user", "content": "Hello"}]})
        'user: Hello'
    """

    text_field: str | None = None
    template: str | None = None
    by: str | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        need(self.text_field is None or self.template is None, "give a text field or a template, not both")
        if self.template is not None and not self._template_fields():
            raise ZipfitError(f"template {self.template!r} names no field: write fields in braces, as in '{{prompt}}'")

    def text(self, record: Mapping[str, Any]) -> str:
        """Return the record's text.

        Raises:
            BadRecordError: a field is missing or null, or its value is not text.
        """
        if self.text_field is not None:
            return _text(_lookup(record, self.text_field), self.text_field)
        if self.template is not None:
            return "".join(
                literal + ("" if name is None else _inserted(_lookup(record, name), name))
                for literal, name in self._template_parts
            )
        return _recognised(record)

    def label(self, record: Mapping[str, Any], input_name: str) -> str:
        """Return the label of a record of the input of this name."""
        if self.by is None:
            value = record.get(_DEFAULT_LABEL)
            return value if isinstance(value, str) else input_name
        value = record.get(self.by)
        if value is None:
            value = record
            for part in self.by.split("."):
                value = value.get(part) if isinstance(value, dict) else None
        return NO_LABEL if value is None else value if isinstance(value, str) else json.dumps(value, default=str)

    @property
    def columns(self) -> list[str] | None:
        """Top-level fields that text and label need, or None if any may be needed."""
        if self.text_field is not None:
            names = [self.text_field]
        elif self.template is not None:
            names = self._template_fields()
        else:
            return None
        names.append(self.by or _DEFAULT_LABEL)
        return [column for name in names for column in (name, name.split(".")[0])]

    @cached_property
    def _template_parts(self) -> list[tuple[str, str | None]]:
        assert self.template is not None
        template = self.template.replace("\\n", "\n").replace("\\t", "\t")
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError as error:
            raise ZipfitError(f"template {self.template!r} is malformed: {error}") from error
        for _, name, specification, conversion in parts:
            if name is not None and (not name or specification or conversion):
                raise ZipfitError(f"template {self.template!r} is malformed: braces hold the name of a field alone")
        return [(literal, name) for literal, name, _, _ in parts]

    def _template_fields(self) -> list[str]:
        return [name for _, name in self._template_parts if name is not None]


def _lookup(record: Mapping[str, Any], name: str) -> Any:
    """The value of a field; of a list of records, their texts, each on a line of its own."""
    if name in record:
        return record[name]
    value: Any = record
    parts = name.split(".")
    for depth, part in enumerate(parts):
        if isinstance(value, list) and depth:
            inner = ".".join(parts[depth:])
            return "\n".join(_text(_lookup(item, inner), name) for item in value if isinstance(item, dict))
        if not isinstance(value, dict) or part not in value:
            raise BadRecordError(f"no field {name!r}; the record has {_names(record)}")
        value = value[part]
    return value


def _names(record: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, record)) if record else "no fields"


def _text(value: Any, name: str) -> str:
    if value is None:
        raise BadRecordError(f"field {name!r} is null, not text")
    if not isinstance(value, str):
        raise BadRecordError(f"field {name!r} is {_kind(value)}, not text")
    return value


def _inserted(value: Any, name: str) -> str:
    """A template also takes numbers, which read as they are written."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else _text(value, name)


def _kind(value: Any) -> str:
    kinds = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "a record"}
    return kinds.get(type(value), f"of type {type(value).__name__}")


def _recognised(record: Mapping[str, Any]) -> str:
    if "text" in record:
        return _text(record["text"], "text")
    if isinstance(record.get("messages"), list):
        return _chat(record["messages"], "messages", "role", "content")
    if isinstance(record.get("conversations"), list):
        return _chat(record["conversations"], "conversations", "from", "value")
    for first, *rest in (("instruction", "input", "output"), ("prompt", "completion")):
        if first in record and rest[-1] in record:
            # Alpaca's `input` is often absent, null or empty.
            parts = [_text(record[name], name) for name in (first, *rest) if record.get(name) is not None]
            return "\n".join(part for part in parts if part)
    if "content" in record:
        return _text(record["content"], "content")
    raise BadRecordError(f"no text found; the record has {_names(record)} (name one with a text field or a template)")


def _chat(turns: list[Any], name: str, role_key: str, content_key: str) -> str:
    rendered = []
    for turn in turns:
        if not isinstance(turn, dict) or content_key not in turn:
            raise BadRecordError(f"field {name!r} has a turn without {content_key!r}")
        content = turn[content_key]
        if isinstance(content, list):  # a multi-modal message: its text parts
            texts = [part["text"] for part in content if isinstance(part, dict) and part.get("text") is not None]
            content = "\n".join(_text(text, f"{name}.{content_key}.text") for text in texts)
        if content is None:  # a turn that only calls a tool
            continue
        rendered.append(f"{turn.get(role_key, '')}: {_text(content, f'{name}.{content_key}')}")
    return "\n\n".join(rendered)
