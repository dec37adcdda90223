"""How records become texts and labels: by a field, a template, or the shapes that the field's data sets have."""

from __future__ import annotations

import json
import re
import string
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from zipfit.corpus.chat import (
    Turn,
    are_functions,
    chat_turns,
    content_text,
    is_chat,
    joined,
    kind,
    names,
    picked,
    plain,
    tool_records,
    tools_text,
)
from zipfit.errors import BadRecordError, ZipfitError, need

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NO_LABEL = "(none)"
_DEFAULT_LABEL = "source"

# The shapes that are recognised, in this order: the fields in the order of the text, of which those between first and
# last may be absent. Those above the line are of the first release; a record that has several shapes keeps its text.
_SHAPES = tuple(
    tuple(line.split())
    for line in (
        "text",
        "messages",
        "conversations",
        "instruction input output",
        "prompt completion",
        "content",
        # ---
        "conversation",
        "prompt chosen",
        "question chosen",
        "instruction input chosen",
        "chosen",
        "instruction input context response",
        "prompt response",
        "question context response",
        "query response",
        "prompt canonical_solution",
        "problem solution",
        "question solution",
        "sql_prompt sql_context sql",
        "question context sql",
        "question evidence SQL",
        "question context query",
        "question context answer",
        "question context answers",
        "problem answer",
        "query answers",
        "prompt code",
        "input output",
        "input target",
        "turns",
        "question",
    )
)
_WHOLE = ("text", "content")
_NUMBER = re.compile(r"[-+]?[0-9]+([.,][0-9]+)*")
_SOMETIMES = ("turns", "question")
"""Chats only where they hold turns, and other things elsewhere."""

_CHATS = ("messages", "conversations", "conversation", "turns", "question")

FORMS = ("messages", "prompt-completion", "text")
"""The uniform forms that records can be converted to; see `zipfit.corpus.convert`."""

# Columns that stand before a chat or a pair where a record has them, the last first; and the history before a pair.
_TOOLS = ("functions", "tools")
_BEFORE = (*_TOOLS, "system_prompt", "system")
_HISTORY = "history"

_ANSWERS = ("chosen", "completion", "response")
"""Fields that hold the answer to a chat which ends with the user's turn."""


class ReadAs(NamedTuple):
    """How a record was read: in words (`messages (user, assistant)`, `question + answer`), and who speaks in it."""

    what: str
    speakers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    r"""How records become texts and labels.

    With neither a field nor a template, the usual shapes are recognised, each record by the first that it fills:
    `text`, chats, pairs of prompt and completion by many names, preferences (of which the chosen answer is read),
    `content`. Chats are rendered as `role: content`, a blank line between turns; pairs are joined by newlines.
    docs/inputs.md has the table.

    Attributes:
        text_field: name of the field that holds the text; dots reach into nested records (`a.b`), and into each of a
            list of records, unless a field of the whole name is there. A chat is rendered as one.
        template: text with `{field}` in braces (doubled braces stand for themselves); `\n` and `\t` are understood.
        by: field (dots reach into nested records) whose value labels a document; None for its `source` field, if that
            is a string, and otherwise the name of its input.
        skip_bad: pass over records that give no text; if not, the first one is an error.
        roles: the roles whose turns make the text, as `user,assistant`, by the data's own names or the usual ones; the
            fields of a pair have roles too. None for all. What has no turns is read whole.
        role_labels: whether each turn of a chat begins with its role.
        convert: one of `FORMS` that every record must be able to take; None to ask for none. The text is the same.
        convert_to_table: whether it must also fit the columns of a table then.

    Raises:
        ZipfitError: field and template are both given, the template is malformed or names no field, `roles` names no
            role, or the form is unknown.

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
    roles: str | None = None
    role_labels: bool = True
    convert: str | None = None
    convert_to_table: bool = False

    def __post_init__(self) -> None:
        for name in ("text_field", "template", "by", "roles", "convert"):
            value = getattr(self, name)
            need(value is None or isinstance(value, str), f"{name} must be text, not {kind(value)}")
        need(self.text_field is None or self.template is None, "give a text field or a template, not both")
        if self.template is not None and not self._template_fields():
            raise ZipfitError(f"template {self.template!r} names no field: write fields in braces, as in '{{prompt}}'")
        if self.roles is not None and not all(self._roles):
            raise ZipfitError(f"roles {self.roles!r} name no role: write them with commas, as in user,assistant")
        check_form(self.convert)

    def text(self, record: Mapping[str, Any]) -> str:
        """Return the record's text.

        Raises:
            BadRecordError: a field is missing or null, its value is not text, or a chat has no text or no turn of the
                roles.
        """
        try:
            if self.text_field is not None:
                return self._value(_lookup(record, self.text_field), self.text_field)
            if self.template is not None:
                return "".join(
                    literal + ("" if name is None else self._inserted(_lookup(record, name), name))
                    for literal, name in self._template_parts
                )
            return self._recognised(record)
        except RecursionError as error:
            raise BadRecordError("the record is nested too deeply") from error

    def turns(self, record: Mapping[str, Any]) -> tuple[list[Turn], list[dict[str, Any]]]:
        """Return all turns that the record holds, whatever their roles, and the tools that are stored as records.

        The turns are those of the text field, if it holds a chat, and otherwise of the first chat or pair that the
        record fills, whatever text stands beside it. Those of fields that follow one another with one role are one.

        Raises:
            BadRecordError: there are none, or they cannot be read.
        """
        stored = {name: tool_records(record[name]) for name in _TOOLS[::-1] if _stands_before(record, name)}
        tools = [tool for records in stored.values() for tool in records or []]
        before = [name for name in _BEFORE if stored.get(name) is None]
        chat = None if self.text_field is None else _lookup(record, self.text_field)
        if is_chat(chat):
            turns = _with_columns(record, chat_turns(chat, self.text_field or ""), before)
        else:
            shape = _shape(record, [shape for shape in _SHAPES if _holds_turns(shape, record)])
            if shape is None:
                raise BadRecordError(f"no turns found, as it holds no chat and no pair; the record has {names(record)}")
            turns, _ = _turns(record, shape, before)
        return _merged(turns), tools

    def read_as(self, record: Mapping[str, Any]) -> ReadAs:
        """Return how a record that gives a text is read."""
        if self.template is not None:
            return ReadAs("a template")
        if self.text_field is not None:
            return self._chat_or_text(f"field {self.text_field}", _lookup(record, self.text_field))
        shape = _known_shape(record)
        if shape[0] in _WHOLE:
            return self._chat_or_text(shape[0], record[shape[0]])
        turns, _ = _turns(record, shape, _BEFORE)
        if _is_one_chat(shape):
            return self._read_as(shape[0], turns, named=True)
        said = ((name, "assistant" if name == shape[-1] else "user") for name in shape)
        fields = " + ".join(name for name, role in said if _field(record, name, role))
        return self._read_as(fields or shape[-1], turns, named=self.roles is not None)

    def _chat_or_text(self, what: str, value: Any) -> ReadAs:
        return self._read_as(what, chat_turns(value, what), named=True) if is_chat(value) else ReadAs(what)

    def _read_as(self, what: str, turns: list[Turn], named: bool) -> ReadAs:
        if self.roles is not None:
            turns = picked(turns, self._roles)
        speakers = tuple(dict.fromkeys(turn.speaker for turn in turns if turn.text))
        return ReadAs(f"{what} ({', '.join(speakers)})" if named and any(speakers) else what, speakers)

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
        if isinstance(value, bytes):
            value = value.decode("utf-8", "backslashreplace")
        return NO_LABEL if value is None else value if isinstance(value, str) else json.dumps(value, default=str)

    @property
    def is_recognising(self) -> bool:
        """Whether the text is found by the usual shapes."""
        return self.text_field is None and self.template is None

    @property
    def columns(self) -> list[str] | None:
        """Top-level fields that text, label and conversion need, or None if any may be needed."""
        if self.convert is not None and self.convert != "text":
            return None
        if self.text_field is not None:
            names = [self.text_field]
        elif self.template is not None:
            names = self._template_fields()
        else:
            return None
        names.append(self.by or _DEFAULT_LABEL)
        return [column for name in names for column in (name, name.split(".")[0])]

    @property
    def text_columns(self) -> frozenset[str]:
        """Top-level fields that text and label may be read from: where they are bytes, they are text."""
        given = self.columns
        return frozenset(chain(*_SHAPES, _BEFORE, (self.by or _DEFAULT_LABEL,)) if given is None else given)

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

    @cached_property
    def _roles(self) -> list[str]:
        return [role.strip().lower() for role in (self.roles or "").split(",")]

    def _value(self, value: Any, name: str) -> str:
        if is_chat(value):
            return self._rendered(chat_turns(value, name), chat=True)
        if isinstance(value, (bool, int, float)) or _is_lines(value):
            raise BadRecordError(f"field {name!r} is {kind(value)}, not text; a template '{{{name}}}' takes it")
        return plain(value, name)

    @staticmethod
    def _inserted(value: Any, name: str) -> str:
        """A template also takes numbers, truth values and lists of strings."""
        return "\n".join(value) if _is_lines(value) else _written(value, name)

    def _recognised(self, record: Mapping[str, Any]) -> str:
        text = record.get("text")
        if isinstance(text, str) and text:  # most often
            return text
        shape = _known_shape(record)
        if shape[0] in _WHOLE:
            return self._value(record[shape[0]], shape[0])
        return self._rendered(*_turns(record, shape, _BEFORE))

    def _rendered(self, turns: list[Turn], chat: bool) -> str:
        """Turns as text: of a chat, or of a pair, whose fields are joined by newlines."""
        if self.roles is not None:
            turns = picked(turns, self._roles)
        if chat and self.role_labels:
            return "\n\n".join(f"{turn.role}: {turn.text}" for turn in turns)
        return ("\n\n" if chat else "\n").join(turn.text for turn in turns if turn.text)


def check_form(form: str | None) -> None:
    """Check that a form is one of `FORMS`, or None.

    Raises:
        ZipfitError: it is neither.
    """
    need(form is None or form in FORMS, f"unknown form {form!r} to convert to: choose from {', '.join(FORMS)}")


def _lookup(record: Mapping[str, Any], name: str) -> Any:
    """The value of a field; of a list of records, their texts, each on a line of its own."""
    if name in record:
        return record[name]
    value: Any = record
    parts = name.split(".")
    for depth, part in enumerate(parts):
        if isinstance(value, list) and depth:
            inner = ".".join(parts[depth:])
            return "\n".join(_inner_texts(value, inner, name))
        if not isinstance(value, dict) or part not in value:
            raise BadRecordError(f"no field {name!r}; the record has {names(record)}")
        value = value[part]
    return value


def _inner_texts(items: list[Any], inner: str, name: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, list):
            yield from _inner_texts(item, inner, name)
        elif isinstance(item, dict):
            yield plain(_lookup(item, inner), name)
        elif item is not None:
            raise BadRecordError(f"field {name!r} leads to {kind(item)} in a list, not to a record")


def _shape(record: Mapping[str, Any], shapes: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The first of the shapes that the record fills, or else the first that it has."""
    first = None
    for shape in shapes:
        if _is_there(shape, record):
            # In a union of data sets a row has all fields and fills some. An answer may be a number.
            last = record[shape[-1]]
            if _is_filled(last) or (len(shape) > 1 and isinstance(last, (bool, int, float))):
                return shape
            first = first or shape
    return first


def _known_shape(record: Mapping[str, Any]) -> tuple[str, ...]:
    shape = _shape(record, _SHAPES)
    if shape is None:
        advice = "name one with a text field or a template"
        if _are_data(record):
            advice += "; if these are the first row of CSV, give --no-header"
        raise BadRecordError(f"no text found; the record has {names(record)} ({advice})")
    return shape


def _are_data(record: Mapping[str, Any]) -> bool:
    """Whether a record may be a row of CSV whose header is another row: all is text, and a name is not like one."""
    odd = any(len(name) > 40 or len(name.split()) > 3 or _NUMBER.fullmatch(name) for name in map(str, record))
    return odd and all(isinstance(value, str) for value in record.values())


def _is_there(shape: tuple[str, ...], record: Mapping[str, Any]) -> bool:
    if _is_one_chat(shape):
        value = record.get(shape[0])
        return isinstance(value, (list, tuple)) and (
            shape[0] not in _SOMETIMES or is_chat(value) or (shape[0] == "turns" and bool(value) and _is_lines(value))
        )
    if (
        shape[-1] == "sql" and isinstance(record.get("sql"), dict) and "query" in record
    ):  # Spider's parsed query; its text is `query`
        return False
    return shape[0] in record and shape[-1] in record and (shape[-1] != "chosen" or "rejected" in record)


def _is_one_chat(shape: tuple[str, ...]) -> bool:
    return len(shape) == 1 and shape[0] in _CHATS


def _is_lines(value: Any) -> bool:
    """Whether a value is a list of strings, as MT-bench has what the user says turn by turn."""
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)


def _is_filled(value: Any) -> bool:
    return isinstance(value, (str, bytes, list, tuple, dict)) and len(value) > 0


def _holds_turns(shape: tuple[str, ...], record: Mapping[str, Any]) -> bool:
    """Whether a shape is a chat or a pair, and not one text."""
    return len(shape) > 1 or _is_one_chat(shape) or is_chat(record.get(shape[0]))


def _turns(record: Mapping[str, Any], shape: tuple[str, ...], before: Sequence[str]) -> tuple[list[Turn], bool]:
    """The turns that a record of a shape holds, with the columns before them, and whether they are a chat's."""
    chat = _is_one_chat(shape)
    if chat:
        value = record[shape[0]]
        if shape[0] == "turns" and _is_lines(value):
            turns = [Turn("user", text) for text in value if text]
        else:
            turns = chat_turns(value, shape[0])
        if is_chat(record.get("chosen")):
            turns = joined(turns, chat_turns(record["chosen"], "chosen"))
        elif turns and turns[-1].speaker == "user":
            answer = next((text for name in _ANSWERS if isinstance(text := record.get(name), str) and text), None)
            turns = turns if answer is None else [*turns, Turn("assistant", answer)]
    else:
        chat = any(is_chat(record.get(name)) for name in shape)
        asked = [turn for name in shape[:-1] for turn in _field(record, name, "user")]
        turns = joined([*_history(record), *asked], _field(record, shape[-1], "assistant"))
    return _with_columns(record, turns, before), chat


def _with_columns(record: Mapping[str, Any], turns: list[Turn], columns: Sequence[str]) -> list[Turn]:
    for name in columns:
        if _stands_before(record, name):
            turns = joined(_field(record, name, "system"), turns)
    return turns


def _stands_before(record: Mapping[str, Any], name: str) -> bool:
    value = record.get(name)
    if isinstance(value, (type(None), bool, int, float)):  # which no text is in
        return False
    return name != "functions" or are_functions(value)  # of which code has other kinds


def _merged(turns: list[Turn]) -> list[Turn]:
    """Turns of which those of plain fields, with one role after another, are one, joined as the text joins them."""
    merged: list[Turn] = []
    for turn in turns:
        if turn.record is None and not turn.text:
            continue
        last = merged[-1] if merged else None
        if last and last.record is None and turn.record is None and last.speaker == turn.speaker:
            merged[-1] = Turn(last.role, f"{last.text}\n{turn.text}")
        else:
            merged.append(turn)
    return merged


def _field(record: Mapping[str, Any], name: str, role: str) -> list[Turn]:
    """What a field says: a chat's turns, or one turn of this role; none where it is absent, null or empty."""
    value = record.get(name)
    if is_chat(value):
        return chat_turns(value, name)
    if value is None:
        return []
    if name in _TOOLS:
        role, text = "tools", tools_text(value, name)
    else:
        is_parts = role == "system" and isinstance(value, (list, dict))  # of Anthropic
        text = _answers(value, name) if role == "assistant" else (content_text if is_parts else plain)(value, name)
    return [Turn(role, text)] if text else []


def _answers(value: Any, name: str) -> str:
    """One answer, or several, as SQuAD has them: each that differs on a line of its own."""
    if isinstance(value, dict) and "text" in value:
        return _answers(value["text"], f"{name}.text")
    if isinstance(value, (list, tuple)):
        return "\n".join(dict.fromkeys(_answers(item, name) for item in value))
    return _written(value, name)


def _written(value: Any, name: str) -> str:
    """A text, or a number or truth value as JSON writes it."""
    return json.dumps(value) if isinstance(value, (bool, int, float)) else plain(value, name)


def _history(record: Mapping[str, Any]) -> list[Turn]:
    """Earlier exchanges: turns, or pairs of what was asked and answered."""
    history = record.get(_HISTORY)
    if not isinstance(history, (list, tuple)):
        return []
    if is_chat(history):
        return chat_turns(history, _HISTORY)
    return [
        Turn(role, plain(said, _HISTORY))
        for pair in history
        for role, said in zip(("user", "assistant"), pair if isinstance(pair, (list, tuple)) else [pair], strict=False)
        if said is not None
    ]
