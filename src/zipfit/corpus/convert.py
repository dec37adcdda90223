"""Records in uniform forms, which TRL's SFTTrainer and axolotl read: one set of fields, whatever shape a record has.

- `messages`: `{"messages": [{"role": "user", "content": "..."}, ...]}`, with the roles `system`, `user`, `assistant`
  and `tool`.
- `prompt-completion`: `{"prompt": [...], "completion": [...]}`, two lists of such messages: the last turn in which
  the assistant says anything is the completion, what stands before it the prompt, and what follows it is left out.
- `text`: `{"text": "..."}`, the text that was scored.

The first two hold all turns, also those that were not scored. Tool calls stay calls, in `tool_calls` of OpenAI's form,
but with their arguments as a record: most chat templates refuse arguments that are a string, or encode them twice.
`datasets` from 4.7 reads arguments that differ from record to record as JSON, axolotl both forms. `tools` is a string
of JSON, which both trainers decode, as schemas of functions fit no one column.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zipfit.corpus.chat import Turn, parsed, said_and_called
from zipfit.errors import BadRecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zipfit.corpus.reading import Reading

_ROLES = ("system", "user", "assistant", "tool")
_OF_COLUMNS = {"role", "content", "reasoning_content"}
"""What messages may have in a table."""

_OF_RESULTS = ("tool_call_id", "name")
"""What a tool's turn keeps besides its content, for the templates that ask for it."""


def converted(record: Mapping[str, Any], reading: Reading, form: str, *, to_table: bool = False) -> dict[str, Any]:
    r"""Return a record in a form.

    Args:
        record: as Python values; `reading.text` has read it.
        reading: how its text and turns are read.
        form: one of `zipfit.corpus.reading.FORMS`.
        to_table: whether it must fit the columns of a table.

    Raises:
        BadRecordError: the record cannot take the form, or not as JSON in UTF-8; or its messages differ in their fields
            and must fit columns. A table gives all of them all fields, and nulls where a call has no such argument,
            which the trainers would read as arguments.

    Example:
        >>> from zipfit.corpus.reading import Reading
        >>> converted({"instruction": "Add.", "input": "1 2", "output": "3"}, Reading(), "messages")
        {'messages': [{'role': 'user', 'content': 'Add.\n1 2'}, {'role': 'assistant', 'content': '3'}]}
    """
    try:
        made: dict[str, Any] = {"text": reading.text(record)} if form == "text" else _of_turns(record, reading, form)
        json.dumps(made, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise BadRecordError("the record is nested too deeply") from error
    except UnicodeEncodeError as error:
        raise BadRecordError("lone surrogate in the converted record") from error
    except (TypeError, ValueError) as error:
        raise BadRecordError(f"the converted record has no JSON form: {error}") from error
    for name in ("messages", "prompt", "completion") if to_table else ():
        if any(not message.keys() <= _OF_COLUMNS for message in made.get(name, ())):
            raise BadRecordError(f"tool calls in {name!r} fit no column: write .jsonl instead")
    return made


def _of_turns(record: Mapping[str, Any], reading: Reading, form: str) -> dict[str, Any]:
    turns, tools = reading.turns(record)
    messages = [_message(turn) for turn in turns]
    if not messages:
        raise BadRecordError("the chat has no turns")
    made: dict[str, Any] = {"messages": messages}
    if form == "prompt-completion":
        said = [
            place
            for place, message in enumerate(messages)
            if message["content"] or not message.keys().isdisjoint(("tool_calls", "reasoning_content"))
        ]
        answers = [place for place in said if messages[place]["role"] == "assistant"]
        if not answers:
            raise BadRecordError("no turn of the assistant, to be the completion")
        if answers[-1] == said[0]:
            raise BadRecordError("no turn before the assistant's, to be the prompt")
        made = {"prompt": messages[: answers[-1]], "completion": [messages[answers[-1]]]}
    if tools:
        wrapped = [{"type": "function", "function": tool} for tool in tools]
        made["tools"] = json.dumps(wrapped, ensure_ascii=False, allow_nan=False)
    return made


def _message(turn: Turn) -> dict[str, Any]:
    role = turn.speaker
    if role not in _ROLES:
        raise BadRecordError(
            f"a turn has the role {turn.role!r}; known are system, user, assistant, tool and their like"
        )
    said, calls = said_and_called(turn)
    message: dict[str, Any] = {"role": role, "content": said}
    if turn.reasoning:
        message["reasoning_content"] = turn.reasoning
    if calls:
        message["tool_calls"] = [
            {
                **({} if call.id is None else {"id": call.id}),
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in calls
        ]
    if role == "tool":
        kept = {name: (turn.record or {}).get(name) for name in _OF_RESULTS}
        message |= {name: value for name, value in kept.items() if isinstance(value, str)}
    return message


def _arguments(text: str) -> dict[str, Any]:
    arguments = parsed(text)
    if not isinstance(arguments, dict):
        raise BadRecordError(f"a tool call has arguments that are no JSON object: {text[:80]!r}")
    return arguments
