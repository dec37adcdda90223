"""Chats as turns, and tool calls and tools as text: one plain rendering for all the ways in which they are stored.

A turn's text is its reasoning, where that stands apart, its content, then its tool calls, one a line:
`{"name": "f", "arguments": {"x": 1}}`, where arguments that are stored as a string stand as that string. Tools are
their JSON, one a line, without the wrapper `function`. Null values within calls and tools are left out: Parquet and
Arrow fill in a null wherever another record has a field.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from zipfit.errors import BadRecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Keys of a turn, of which the first with a value counts (in `conversations`, ShareGPT's own come first).
_ROLE_KEYS = ("role", "from", "speaker", "sender", "author")
_CONTENT_KEYS = ("content", "value", "text", "message", "utterance", "refusal")
_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
_SHAREGPT = (("from", *_ROLE_KEYS), ("value", *_CONTENT_KEYS))
_PART_KEYS = ("text", "value", "content")
_CALL_KEYS = ("tool_calls", "function_call")
_CALLING_ROLES = ("function_call", "tool_call")  # of ShareGPT, whose content is a call
_ARGUMENT_KEYS = ("arguments", "parameters", "input")

# Parts of a multi-modal message that hold no text, by their type or by a key.
_MEDIA = ("image", "image_url", "input_image", "video", "video_url", "audio", "audio_url", "input_audio", "file")

_SPEAKERS = {
    "human": "user", "prompter": "user", "input": "user",
    "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant", "output": "assistant",
    "function_call": "assistant", "tool_call": "assistant",
    "function": "tool", "observation": "tool", "ipython": "tool", "tool_response": "tool",
    "tools": "system", "developer": "system",
}  # fmt: skip
"""Who speaks in a turn, for roles that the field calls otherwise."""

# A turn may also hold an exchange under the roles' own names: `{"input": "Hi", "output": "Hello"}`.
_EXCHANGE_KEYS = frozenset((*_SPEAKERS, "system", "user", "assistant")) - {*_CALL_KEYS, "tools"}


_NAMED = 20
"""Fields that a message names; a dictionary by identifier may have thousands."""

_CLIPPED = 80
"""Characters of each."""


class Call(NamedTuple):
    """A tool call: the function's name, its arguments as text (JSON, unless the data hold another), and its id."""

    name: str
    arguments: str
    id: str | None

    @property
    def text(self) -> str:
        return f'{{"name": {json.dumps(self.name, ensure_ascii=False)}, "arguments": {self.arguments}}}'


class Turn(NamedTuple):
    """One turn: its role as the data name it, its text, and the record that it was made of, if it was one."""

    role: str
    text: str
    record: dict[str, Any] | None = None

    @property
    def speaker(self) -> str:
        """The role by its usual name: `system`, `user`, `assistant` or `tool`, or the data's own."""
        role = self.role.lower()
        return _SPEAKERS.get(role, role)

    @property
    def reasoning(self) -> str:
        """What its text begins with that stands apart from its content; empty for nothing."""
        return _reasoning(self.record or {})


def is_chat(value: Any) -> bool:
    """Whether a value is a turn (a record that has a role), or a list, perhaps of lists, that begins with one."""
    if isinstance(value, str):
        return False
    first = value
    while isinstance(first, (list, tuple)) and first:  # BFCL has a list of turns for each step
        first = first[0]
    return isinstance(first, dict) and _key(first, _ROLE_KEYS) is not None


def chat_turns(chat: Any, name: str) -> list[Turn]:
    """The turns of a chat, or of a single turn; those without content and without a call are left out.

    Args:
        chat: the list of turns, or one turn.
        name: the field's name, for messages.

    Raises:
        BadRecordError: a turn is no record or has neither content nor a call, something in it is not text, or no turn
            has any text.
    """
    items = _items(chat)
    while items and isinstance(items[0], (list, tuple)):
        items = [item for step in items for item in _items(step)]
    turns = [turn for item in items for turn in _turns(item, name)]
    if chat and not any(turn.text for turn in turns):
        keys = dict.fromkeys(key for item in items for key in item)
        raise BadRecordError(f"field {name!r} has no text in its turns; they have {names(keys)}")
    return turns


def joined(before: list[Turn], turns: list[Turn]) -> list[Turn]:
    """Turns one after another; those before are left out if the others hold them all, as `chosen` may its prompt."""
    if not before:
        return turns
    there = {(turn.speaker, turn.text) for turn in turns}
    return turns if all((turn.speaker, turn.text) in there for turn in before) else before + turns


def picked(turns: list[Turn], roles: Sequence[str]) -> list[Turn]:
    """The turns of these roles, by the data's own names or the usual ones.

    Raises:
        BadRecordError: there are turns, but none of them.
    """
    found = [turn for turn in turns if turn.speaker in roles or turn.role.lower() in roles]
    if turns and not found:
        there = names(dict.fromkeys(turn.role for turn in turns))
        raise BadRecordError(f"no turn has the role {' or '.join(map(repr, roles))}; there are {there}")
    return found


def said_and_called(turn: Turn) -> tuple[str, list[Call]]:
    """A turn's content and its tool calls; calls that the data hold as text, or among the parts, are content."""
    if turn.role.lower() in _CALLING_ROLES:
        items = _items(parsed(turn.text))
        if items and all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in items):
            return "", [_call(item, turn.role) for item in items]
    record = turn.record or {}
    calls = [call for key in _CALL_KEYS if key in record for call in _calls(record[key], key)]
    structured = [call for call in calls if isinstance(call, Call)]
    said = turn.text.removeprefix(turn.reasoning).removeprefix("\n") if turn.reasoning else turn.text
    if not calls or len(structured) < len(calls):
        return said, []
    return said.removesuffix("\n".join(call.text for call in structured)).removesuffix("\n"), structured


def tools_text(tools: Any, name: str) -> str:
    """The tools that a chat may call, one a line; empty if there are none.

    Args:
        tools: a list of tools or one tool, as records or as their JSON; other strings are text themselves.
        name: the field's name, for messages.

    Raises:
        BadRecordError: a tool is neither a record nor text.
    """
    return "\n".join(_json(tool, name) if isinstance(tool, dict) else plain(tool, name) for tool in _tools(tools))


def tool_records(tools: Any) -> list[dict[str, Any]] | None:
    """The same as records, without the wrapper `function` and without nulls; None if any is text."""
    found = [_without_nulls(tool) for tool in _tools(tools)]
    return found if all(isinstance(tool, dict) for tool in found) else None


def parsed(text: str) -> Any:
    """The list or record that a text is the JSON of, or else the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, (list, dict)) else text


def plain(value: Any, name: str) -> str:
    """The value, if it is a string, or bytes of UTF-8, as Parquet files hold text that do not say that it is text.

    Raises:
        BadRecordError: it is null, or not text.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadRecordError(f"field {name!r} is bytes, not text: invalid UTF-8 at byte {error.start}") from error
    if value is None:
        raise BadRecordError(f"field {name!r} is null, not text")
    reason = f"field {name!r} is {kind(value)}, not text"
    if isinstance(value, dict):
        reason += f"; it has {names(value)}"
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        reason += f"; its records have {names(value[0])}"
    raise BadRecordError(reason)


def kind(value: Any) -> str:
    """What a value is, as messages say it."""
    kinds = {
        type(None): "null", str: "text", bool: "a truth value", int: "a number", float: "a number",
        list: "a list", dict: "a record",
    }  # fmt: skip
    return kinds.get(type(value), f"of type {type(value).__name__}")


def names(fields: Iterable[Any]) -> str:
    """The names of fields, as messages say them."""
    some = [repr(field)[:_CLIPPED] for field in islice(fields, _NAMED + 1)]
    if len(some) > _NAMED:
        some[-1] = "…"
    return ", ".join(some) or "no fields"


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _tools(tools: Any) -> Iterator[Any]:
    for tool in _items(parsed(tools) if isinstance(tools, str) else tools):
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
            tool = tool["function"]
        if _filled(tool) if isinstance(tool, dict) else tool is not None:
            yield tool


def _key(record: dict[Any, Any], keys: Sequence[str]) -> str | None:
    """The first of the keys that has a value, or else the first that is there."""
    for key in keys:
        if record.get(key) is not None:
            return key
    return next((key for key in keys if key in record), None)


def _filled(record: dict[Any, Any]) -> list[Any]:
    return [key for key, value in record.items() if value is not None]


def _turns(turn: Any, name: str) -> Iterator[Turn]:
    if not isinstance(turn, dict):
        raise BadRecordError(f"field {name!r} has a turn without 'content'; it is {kind(turn)}")
    role_keys, content_keys = _SHAREGPT if name == "conversations" else (_ROLE_KEYS, _CONTENT_KEYS)
    role, content = _key(turn, role_keys), _key(turn, content_keys)
    lines = [
        call if isinstance(call, str) else call.text
        for key in _CALL_KEYS
        if key in turn
        for call in _calls(turn[key], f"{name}.{key}")
    ]
    if content is None and not lines:
        exchange = [key for key in turn if key in _EXCHANGE_KEYS and turn[key] is not None]
        if not exchange and not _reasoning(turn):
            raise BadRecordError(f"field {name!r} has a turn without 'content' or a tool call; it has {names(turn)}")
        for key in exchange:
            text = _content(turn[key], f"{name}.{key}")
            if (reasoning := _reasoning(turn)) and Turn(key, "").speaker == "assistant":
                yield Turn(key, f"{reasoning}\n{text}" if text else reasoning, {"reasoning_content": reasoning})
            else:
                yield Turn(key, text)
        if exchange:
            return
    said = None if content is None else turn[content]
    if said in ("", []) and isinstance(turn.get("refusal"), str):
        said = turn["refusal"]
    turn_role = "" if role is None else _role(turn[role], f"{name}.{role}")
    if said is not None:
        if isinstance(said, dict) and Turn(turn_role, "").speaker == "tool" and _key(said, _PART_KEYS) is None:
            text = _json(said, f"{name}.{content}")  # a result that is data
        else:
            text = _content(said, f"{name}.{content}")
        lines = [text, *lines] if text or not lines else lines
    if reasoning := _reasoning(turn):
        lines = [reasoning, *(line for line in lines if line)]
    if lines:
        yield Turn(turn_role, "\n".join(lines), turn)


def _reasoning(turn: dict[str, Any]) -> str:
    found = (turn[key] for key in _REASONING_KEYS if isinstance(turn.get(key), str))
    return next((text for text in found if text), "")


def _role(role: Any, name: str) -> str:
    if isinstance(role, str):
        return role
    return "" if role is None else str(role) if isinstance(role, (int, float)) else plain(role, name)


def _content(content: Any, name: str) -> str:
    """The text of a message: a string, a part, or a list of these."""
    if isinstance(content, (list, tuple, dict)):
        return "\n".join(text for part in _items(content) for text in _part(part, name))
    return plain(content, name)


def _part(part: Any, name: str) -> Iterator[str]:
    if not isinstance(part, dict):
        if part is not None:
            yield plain(part, name)
        return
    filled = _filled(part)
    key = next((key for key in _PART_KEYS if key in filled), None)
    if key is not None:
        yield _content(part[key], f"{name}.{key}")
    elif "name" in filled and any(key in filled for key in _ARGUMENT_KEYS):
        yield _call(part, name).text
    elif part.get("type") in _MEDIA or any(key in _MEDIA for key in filled):
        return
    elif filled not in ([], ["type"]) or _key(part, _PART_KEYS) is None:
        raise BadRecordError(f"field {name!r} has a part without text; it has {names(part)}")


def _calls(calls: Any, name: str) -> Iterator[Call | str]:
    for call in _items(calls):
        if isinstance(call, dict):
            if _filled(call):
                yield _call(call, name)
        elif call not in (None, ""):
            yield plain(call, name)


def _call(call: dict[str, Any], name: str) -> Call:
    inner = call["function"] if isinstance(call.get("function"), dict) else call
    function = inner.get("name")
    if not isinstance(function, str):
        raise BadRecordError(f"field {name!r} has a tool call without a name; it has {names(inner)}")
    key = _key(inner, _ARGUMENT_KEYS)
    arguments = {} if key is None or inner[key] in (None, "") else inner[key]
    text = arguments if isinstance(arguments, str) else _json(arguments, f"{name}.{key}")
    identity = call.get("id")
    return Call(function, text, identity if isinstance(identity, str) else None)


def _json(value: Any, name: str) -> str:
    try:
        return json.dumps(_without_nulls(value), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise BadRecordError(f"field {name!r} has no JSON form: {error}") from error


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_nulls(item) for item in value]
    return value
