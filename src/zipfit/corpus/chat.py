"""Chats as turns, and tool calls and tools as text: one plain rendering for all the ways in which they are stored.

A turn's text is its reasoning, where that stands apart, its content, then its tool calls, one a line:
`{"name": "f", "arguments": {"x": 1}}`, where arguments that are stored as a string stand as that string. What stands
under several keys in the same words is said once. Tools are their JSON, one a line, without the wrapper `function`.
Null values within calls and tools are left out: Parquet and Arrow fill in a null wherever another record has a field.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from zipfit.errors import BadRecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Keys of a turn, of which the first that is filled counts (in `conversations`, ShareGPT's own come first).
_ROLE_KEYS = ("role", "from", "speaker", "sender", "author")
_CONTENT_KEYS = ("content", "value", "text", "message", "utterance", "parts")
_SHAREGPT = (("from", *_ROLE_KEYS), ("value", *_CONTENT_KEYS))
_BESIDE_KEYS = ("refusal", "audio")  # of OpenAI: besides the content or in its place
_PART_KEYS = ("text", "value", "content", "refusal", "transcript", "parts")
# Of these all count: OpenRouter gives the same words as a string and as parts. A part of these types is reasoning too.
_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
_REASONING_PARTS = ("text", "thinking", "reasoning", "content", "summary")
_REASONING_TYPES = ("thinking", "reasoning", "summary_text", "reasoning_text")
_HIDDEN_REASONING = ("redacted_thinking", "reasoning.encrypted")
_CALL_KEYS = ("tool_calls", "function_call")
_CALLING_ROLES = ("function_call", "tool_call")  # of ShareGPT, whose content is a call
_MORE_KEYS = frozenset((*_BESIDE_KEYS, *_REASONING_KEYS, *_CALL_KEYS))
_ARGUMENT_KEYS = ("arguments", "parameters", "input", "args", "kwargs")
_CALL_WRAPPERS = ("function", "custom")  # under which a call, or a tool, has its name
_OF_CALLS = frozenset(("name", "id", "type", "index", "call_id", "status"))  # which a call may have besides arguments

# Parts whose text is under one of `_PART_KEYS` whatever else they have; of other types, a tool's result is data.
_RESULT_TYPES = ("tool_result", "tool_response")  # which may be empty
_TEXT_TYPES = ("text", "input_text", "output_text", "refusal", *_RESULT_TYPES)

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
    """One turn: its role as the data name it, what it says, and the record that it was made of, if it was one."""

    role: str
    content: str
    reasoning: str = ""
    calls: tuple[Call | str, ...] = ()
    record: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        if not self.reasoning and not self.calls:
            return self.content
        calls = (call if isinstance(call, str) else call.text for call in self.calls)
        return "\n".join(part for part in (self.reasoning, self.content, *calls) if part)

    @property
    def speaker(self) -> str:
        """The role by its usual name: `system`, `user`, `assistant` or `tool`, or the data's own."""
        role = self.role.lower()
        return _SPEAKERS.get(role, role)


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
    if turn.role.lower() in _CALLING_ROLES and not turn.calls:
        items = _items(parsed(turn.content))
        if items and all(_is_call(item) for item in items):
            return "", [_call(item, turn.role) for item in items]
    calls = [call for call in turn.calls if isinstance(call, Call)]
    if len(calls) == len(turn.calls):
        return turn.content, calls
    return turn._replace(reasoning="").text, []


def content_text(content: Any, name: str) -> str:
    """The text of what is said: a string, a part, or a list of these.

    Raises:
        BadRecordError: something in it is not text.
    """
    if isinstance(content, (list, tuple, dict)):
        return "\n".join(text for part in _items(content) for text in _part(part, name))
    return plain(content, name)


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


def are_functions(value: Any) -> bool:
    """Whether a value is tools as OpenAI had them before `tools`: records with a name, or the JSON of such."""
    records = tool_records(value)
    return bool(records) and all(isinstance(record.get("name"), str) for record in records or [])


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
    for tool in _items(_given(tools)):
        if isinstance(tool, dict):
            tool = _unwrapped(tool)
            if tool.get("type") == "function" and "name" in tool:  # the wrapper's, of OpenAI's later form
                tool = {key: value for key, value in tool.items() if key != "type"}
        if _filled(tool) if isinstance(tool, dict) else tool is not None:
            yield tool


def _given(value: Any) -> Any:
    """What a value is that may be the JSON of one; None for the JSON of null."""
    if not isinstance(value, str):
        return value
    return None if value.strip() == "null" else parsed(value)


def _unwrapped(record: dict[str, Any]) -> dict[str, Any]:
    """What a call or a tool holds, without the wrapper."""
    return next((record[key] for key in _CALL_WRAPPERS if isinstance(record.get(key), dict)), record)


def _is_call(item: Any) -> bool:
    """Whether a record is a call and nothing besides."""
    if not isinstance(item, dict):
        return False
    inner = _unwrapped(item)
    return isinstance(inner.get("name"), str) and _OF_CALLS.union(_ARGUMENT_KEYS).issuperset(_filled(inner))


def _key(record: dict[Any, Any], keys: Sequence[str]) -> str | None:
    """The first of the keys that is filled, or else that has a value, or else that is there."""
    found = None
    for key in keys:
        if key in record:
            value = record[key]
            if value is not None and not _is_empty(value):
                return key
            if found is None or (value is not None and record[found] is None):
                found = key
    return found


def _is_empty(value: Any) -> bool:
    return isinstance(value, (str, bytes, list, tuple, dict)) and not value


def _filled(record: dict[Any, Any]) -> list[Any]:
    return [key for key, value in record.items() if value is not None]


def _turns(turn: Any, name: str) -> Iterator[Turn]:
    if not isinstance(turn, dict):
        raise BadRecordError(f"field {name!r} has a turn without 'content'; it is {kind(turn)}")
    role_keys, content_keys = _SHAREGPT if name == "conversations" else (_ROLE_KEYS, _CONTENT_KEYS)
    role, content = _key(turn, role_keys), _key(turn, content_keys)
    said = None if content is None else turn[content]
    more = any(turn[key] is not None for key in _MORE_KEYS.intersection(turn))
    if not more and isinstance(said, str) and said and role and isinstance(turn[role], str):
        yield Turn(turn[role], said, record=turn)  # most often
        return
    reasoning = _reasoning(turn, said, name)
    calls = tuple(call for key in _CALL_KEYS if key in turn for call in _calls(turn[key], f"{name}.{key}"))
    beside = list(_beside(turn))
    if content is None and (role is None or not (calls or beside)):
        exchange = [key for key in turn if key in _EXCHANGE_KEYS and turn[key] is not None]
        if not (exchange or reasoning or calls or beside):
            raise BadRecordError(f"field {name!r} has a turn without 'content' or a tool call; it has {names(turn)}")
        if exchange:
            yield from _exchange(turn, exchange, Turn("assistant", "\n".join(beside), reasoning, calls, turn), name)
            return
    turn_role = "" if role is None else _role(turn[role], f"{name}.{role}")
    text = ""
    if said is not None:
        if Turn(turn_role, "").speaker == "tool" and _is_data(said):
            text = _json(said, f"{name}.{content}")
        else:
            text = content_text(said, f"{name}.{content}")
    if said is not None or reasoning or calls or beside:
        yield Turn(turn_role, "\n".join(_differing([text, *beside])), reasoning, calls, turn)


def _exchange(turn: dict[str, Any], keys: Sequence[str], beside: Turn, name: str) -> Iterator[Turn]:
    """A turn for each role that is a key; what stands beside them is the last of the assistant's, or comes last."""
    turns = [Turn(key, content_text(turn[key], f"{name}.{key}"), _reasoning({}, turn[key], name)) for key in keys]
    if beside.text:
        place = next((place for place in reversed(range(len(turns))) if turns[place].speaker == "assistant"), None)
        if place is None:
            turns.append(beside)
        else:
            made = turns[place]
            content = "\n".join(_differing([made.content, beside.content]))
            reasoning = "\n".join(_differing([beside.reasoning, made.reasoning]))
            turns[place] = Turn(made.role, content, reasoning, beside.calls, turn)
    return iter(turns)


def _is_data(said: Any) -> bool:
    """Whether a tool's result is data, and no text or parts of one."""
    if isinstance(said, (list, tuple)):
        return any(map(_is_data, said))
    if not isinstance(said, dict):
        return isinstance(said, (bool, int, float))
    if _is_media(said) or _is_reasoning(said) or said.get("type") in _TEXT_TYPES:
        return False
    filled = [key for key in _filled(said) if key != "type"]
    return len(filled) != 1 or filled[0] not in _PART_KEYS or _is_data(said[filled[0]])


def _beside(turn: dict[str, Any]) -> Iterator[str]:
    for key in _BESIDE_KEYS:
        value = turn.get(key)
        if isinstance(value, dict):
            value = value.get("transcript")
        if isinstance(value, str):
            yield value


def _reasoning(turn: dict[str, Any], said: Any, name: str) -> str:
    """What a turn holds as reasoning, under keys of its own and among the parts of what is said."""
    found = [list(_thoughts(turn[key], f"{name}.{key}")) for key in _REASONING_KEYS if key in turn]
    parts = [part for part in _items(said) if isinstance(part, dict) and _is_reasoning(part)]
    return "\n".join(_differing("\n".join(texts) for texts in [*found, list(_thoughts(parts, name))]))


def _thoughts(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _thoughts(item, name)
    elif isinstance(value, dict):
        key = _key(value, _REASONING_PARTS)
        if key is not None:
            yield from _thoughts(value[key], name)
        elif value.get("type") not in _HIDDEN_REASONING and _filled(value) not in ([], ["type"]):
            raise BadRecordError(f"field {name!r} has reasoning without text; it has {names(value)}")
    elif isinstance(value, (str, bytes)) and value:
        yield plain(value, name)


def _is_reasoning(part: dict[str, Any]) -> bool:
    return part.get("type") in (*_REASONING_TYPES, *_HIDDEN_REASONING)


def _differing(texts: Iterable[str]) -> list[str]:
    """The texts that are not empty, each once; they differ if they do so in more than white space."""
    found: dict[str, str] = {}
    for text in texts:
        if text:
            found.setdefault("".join(text.split()), text)
    return list(found.values())


def _role(role: Any, name: str) -> str:
    if isinstance(role, str):
        return role
    return "" if role is None else str(role) if isinstance(role, (int, float)) else plain(role, name)


def _part(part: Any, name: str) -> Iterator[str]:
    if not isinstance(part, dict):
        if part is not None:
            yield plain(part, name)
        return
    filled = _filled(part)
    key = next((key for key in _PART_KEYS if key in filled and not _is_empty(part[key])), None)
    if _is_reasoning(part):
        return  # which stands before the content
    if key is not None:
        yield content_text(part[key], f"{name}.{key}")
    elif "name" in filled and any(key in filled for key in _ARGUMENT_KEYS):
        yield _call(part, name).text
    elif _is_media(part):
        spoken = (value.get("transcript") for value in part.values() if isinstance(value, dict))
        yield from (transcript for transcript in spoken if isinstance(transcript, str))
    elif any(key in filled for key in _PART_KEYS):
        yield ""
    elif part.get("type") not in _RESULT_TYPES and (filled not in ([], ["type"]) or _key(part, _PART_KEYS) is None):
        raise BadRecordError(f"field {name!r} has a part without text; it has {names(part)}")


def _is_media(part: dict[str, Any]) -> bool:
    return part.get("type") in _MEDIA or any(part.get(key) is not None for key in _MEDIA)


def _calls(calls: Any, name: str) -> Iterator[Call | str]:
    given = _given(calls)
    if given is not calls and given is not None and not all(map(_is_call, _items(given))):
        given = calls  # a text of another kind
    for call in _items(given):
        if isinstance(call, dict):
            if _filled(call):
                yield _call(call, name)
        elif call not in (None, ""):
            yield plain(call, name)


def _call(call: dict[str, Any], name: str) -> Call:
    inner = _unwrapped(call)
    function = inner.get("name")
    if not isinstance(function, str):
        raise BadRecordError(f"field {name!r} has a tool call without a name; it has {names(inner)}")
    key = _key(inner, _ARGUMENT_KEYS)
    if key is None and not _OF_CALLS.issuperset(_filled(inner)):
        raise BadRecordError(f"field {name!r} has a tool call without arguments; it has {names(inner)}")
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
