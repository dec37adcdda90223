"""Chats, tool calls and tools are read in every form that they are stored in, and nothing in them is lost silently."""

from __future__ import annotations

import contextlib
import json

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zipfit.corpus.convert import converted
from zipfit.corpus.reading import FORMS, Reading
from zipfit.errors import BadRecordError

HI, HELLO = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
WEATHER = {
    "name": "weather",
    "description": "of a town",
    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
}
CALL = '{"name": "weather", "arguments": {"town": "Oslo"}}'


def text(record, **options):
    return Reading(**options).text(record)


def chat(*turns, **columns):
    return text({"messages": list(turns), **columns})


@pytest.mark.parametrize("field", ["messages", "conversations", "conversation"])
@pytest.mark.parametrize(
    ("role", "content"), [("role", "content"), ("from", "value"), ("role", "text"), ("speaker", "text")]
)
def test_any_field_holds_turns_of_any_keys(field, role, content):
    turns = [{role: "human", content: "Hi"}, {role: "gpt", content: "Hello"}]
    assert text({field: turns}) == "human: Hi\n\ngpt: Hello"


def test_keys_that_a_table_fills_with_nulls_are_as_if_absent():
    turn = {"from": None, "value": None, "role": "user", "content": "Hi", "tool_calls": None, "function_call": None}
    assert text({"conversations": [turn], "system": None, "tools": None}) == "user: Hi"
    assert chat({**HELLO, "function_call": {"name": None, "arguments": None}}, {**HI, "role": None}) == (
        "assistant: Hello\n\n: Hi"
    )


def test_of_two_pairs_of_keys_the_field_s_own_is_read():
    turn = {"role": "user", "content": "a", "from": "human", "value": "b"}
    assert text({"messages": [turn]}) == "user: a"
    assert text({"conversations": [turn]}) == "human: b"


def test_a_turn_may_be_an_exchange():
    turns = [{"input": "Hi", "output": "Hello"}, {"input": "So?", "output": None}]
    assert text({"conversation": turns}) == "input: Hi\n\noutput: Hello\n\ninput: So?"
    assert text({"conversation": turns}, roles="user", role_labels=False) == "Hi\n\nSo?"


@pytest.mark.parametrize(
    ("content", "rendered"),
    [
        ("a", "a"),
        (["a", "b"], "a\nb"),
        ([{"type": "text", "text": "a"}, {"type": "text", "value": "b"}, {"type": "text", "content": "c"}], "a\nb\nc"),
        ({"type": "text", "text": "a"}, "a"),
        ([{"type": "text", "text": {"value": "a", "annotations": []}}], "a"),
        ([{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "a"}], "a"),
        ([{"image": "x.png"}, {"text": "a"}, None], "a"),
        ([{"type": "text", "text": "a", "image": None}, {"type": "image", "text": None, "image": b"x"}], "a"),
        ([{"type": "text", "text": "a"}, {"type": "tool_use", "id": "1", "name": "weather", "input": {"town": "Oslo"}}],
         "a\n" + CALL),
        ([{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "3 C"}]}], "3 C"),
    ],
)  # fmt: skip
def test_content_is_text_or_parts_of_it(content, rendered):
    assert chat({"role": "user", "content": content}) == f"user: {rendered}"


@pytest.mark.parametrize(
    ("part", "keys"),
    [
        ({"type": "text", "body": "a"}, "'type', 'body'"),
        ({"type": "thing"}, "'type'"),
        ({"type": "thing", "text": None, "data": "a"}, "'type', 'text', 'data'"),
        ({}, "no fields"),
    ],
)
def test_a_part_without_text_names_its_keys(part, keys):
    with pytest.raises(BadRecordError, match=f"field 'messages.content' has a part without text; it has {keys}"):
        chat(HI, {"role": "user", "content": [part, {"type": "text", "text": "a"}]})


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "user", "content": None}],
        [{"role": "user", "content": ""}, {"role": "assistant", "content": []}],
        [{"role": "user", "content": [{"type": "image"}]}],
    ],
)
def test_a_chat_without_any_text_names_its_keys(turns):
    with pytest.raises(BadRecordError, match="field 'messages' has no text in its turns; they have 'role', 'content'"):
        chat(*turns)


@pytest.mark.parametrize(
    "call",
    [
        {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"town": "Oslo"}}}]},
        {"tool_calls": [{"function": {"name": "weather", "arguments": '{"town": "Oslo"}'}}]},
        {"tool_calls": [{"function": {"name": "weather", "arguments": {"town": "Oslo", "other": None}}}]},
        {"tool_calls": [{"name": "weather", "arguments": {"town": "Oslo"}}]},
        {"tool_calls": {"name": "weather", "parameters": {"town": "Oslo"}}},
        {"tool_calls": [CALL]},
        {"tool_calls": CALL},
        {"function_call": {"name": "weather", "arguments": '{"town": "Oslo"}'}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": ""}, {"content": "Let me look."}])
def test_a_call_is_part_of_the_turn_however_it_is_stored(call, content):
    said = "Let me look.\n" if content.get("content") else ""
    assert chat(HI, {"role": "assistant", **content, **call}) == f"user: Hi\n\nassistant: {said}{CALL}"


def test_several_calls_and_their_results():
    calls = [{"function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g", "arguments": None}}]
    assert chat(
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "3 C"},
        {"role": "tool", "content": {"degrees": 3}},
    ) == (
        'assistant: {"name": "f", "arguments": {}}\n{"name": "g", "arguments": {}}\n\ntool: 3 C\n\ntool: {"degrees": 3}'
    )


def test_sharegpt_calls_are_turns_and_count_as_the_assistant_s():
    record = {
        "conversations": [
            {"from": "human", "value": "hello"},
            {"from": "function_call", "value": '{"name":"f"}'},
            {"from": "observation", "value": "42"},
            {"from": "gpt", "value": "done"},
        ],
        "system": "be brief",
        "tools": "[]",
    }
    assert text(record) == (
        'system: be brief\n\nhuman: hello\n\nfunction_call: {"name":"f"}\n\nobservation: 42\n\ngpt: done'
    )
    assert text(record, roles="assistant") == 'function_call: {"name":"f"}\n\ngpt: done'
    assert text(record, roles="tool") == "observation: 42"
    assert text(record, roles="function_call") == 'function_call: {"name":"f"}'


@pytest.mark.parametrize(
    "tools",
    [
        [WEATHER],
        [{"type": "function", "function": WEATHER}],
        json.dumps([WEATHER], indent=2),
        {"type": "function", "function": WEATHER},
        [{"type": "function", "function": {**WEATHER, "strict": None}}, None],
    ],
)
def test_tools_are_one_text_however_they_are_stored(tools):
    line = (
        'tools: {"name": "weather", "description": "of a town", '
        '"parameters": {"type": "object", "properties": {"town": {"type": "string"}}}}'
    )
    assert chat(HI, tools=tools) == f"{line}\n\nuser: Hi"
    assert chat(HI, tools=tools, system="S") == f"system: S\n\n{line}\n\nuser: Hi"


@pytest.mark.parametrize(
    ("tools", "said"), [("weather(town)", "weather(town)"), (["f()", "g()"], "f()\ng()"), ("5", "5")]
)
def test_tools_that_are_text_stay_as_they_are(tools, said):
    assert chat(HI, tools=tools) == f"tools: {said}\n\nuser: Hi"


def test_a_system_column_that_the_chat_begins_with_stands_once():
    assert chat({"role": "system", "content": "S"}, HI, system="S") == "system: S\n\nuser: Hi"


@pytest.mark.parametrize(
    ("record", "rendered"),
    [
        ({"prompt": [HI], "completion": [HELLO]}, "user: Hi\n\nassistant: Hello"),
        ({"prompt": [HI], "completion": "Hello"}, "user: Hi\n\nassistant: Hello"),
        ({"prompt": "Hi", "completion": [HELLO]}, "user: Hi\n\nassistant: Hello"),
        ({"prompt": [HI], "completion": HELLO}, "user: Hi\n\nassistant: Hello"),
        ({"prompt": [HI], "chosen": [HELLO], "rejected": [HI]}, "user: Hi\n\nassistant: Hello"),
        ({"prompt": "Hi", "chosen": [HI, HELLO], "rejected": [HI, HI]}, "user: Hi\n\nassistant: Hello"),
        ({"chosen": [HI, HELLO], "rejected": [HI, HI]}, "user: Hi\n\nassistant: Hello"),
        ({"messages": [HI, HELLO], "chosen": [HI, HELLO], "rejected": [HI]}, "user: Hi\n\nassistant: Hello"),
        ({"conversations": [{"from": "human", "value": "Hi"}], "chosen": {"from": "gpt", "value": "Yes"}, "rejected": {}},
         "human: Hi\n\ngpt: Yes"),
        ({"prompt": "Hi", "chosen": [{"role": "user", "content": "q"}, HELLO], "rejected": []},
         "user: Hi\n\nuser: q\n\nassistant: Hello"),
        ({"prompt": [HI], "completion": [{"role": "assistant", "tool_calls": [CALL]}], "tools": ["f()"]},
         f"tools: f()\n\nuser: Hi\n\nassistant: {CALL}"),
    ],
)  # fmt: skip
def test_pairs_and_preferences_may_be_chats(record, rendered):
    assert text(record) == rendered


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ("Hi", "field 'messages' has a turn without 'content'; it is text"),
        (None, "field 'messages' has a turn without 'content'; it is null"),
        ([HI], "field 'messages' has a turn without 'content'; it is a list"),
        ({"role": "user", "body": "Hi"}, "a turn without 'content' or a tool call; it has 'role', 'body'"),
        ({"role": "user", "tool_calls": []}, "a turn without 'content' or a tool call; it has 'role', 'tool_calls'"),
        ({"role": "user", "tool_calls": [{"id": 1}]}, "'messages.tool_calls' has a tool call without a name; it has 'id'"),
        ({"role": "user", "tool_calls": 5}, "field 'messages.tool_calls' is a number, not text"),
        ({"role": ["user"], "content": "Hi"}, "field 'messages.role' is a list, not text"),
        ({"role": "user", "content": {"a": 1}}, "field 'messages.content' has a part without text; it has 'a'"),
        ({"role": "user", "content": [5]}, "field 'messages.content' is a number, not text"),
        ({"role": "tool", "content": {"a": {1}}}, "field 'messages.content' has no JSON form"),
    ],
)  # fmt: skip
def test_a_malformed_turn_says_what_it_has(turn, reason):
    with pytest.raises(BadRecordError, match=reason):
        chat(HI, turn)


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"content": value}], ids=["lists", "records"])
def test_depth_and_size_are_no_crash(wrap):
    deep = "a"
    for _ in range(20_000):
        deep = wrap(deep)
    for record in (
        {"messages": [{"role": "user", "content": deep}]},
        {"messages": [{"role": "tool", "content": {"a": deep}}]},
        {"messages": [HI], "tools": [{"name": "f", "parameters": deep}]},
        {"question": "q", "answers": deep},
    ):
        with pytest.raises(BadRecordError, match=r"too deeply|not text"):
            text(record)
    assert chat(HI, tools="[" * 100_000) == "tools: " + "[" * 100_000 + "\n\nuser: Hi"
    assert len(chat(*[HI] * 20_000)) == 20_000 * len("user: Hi\n\n") - 2


@pytest.mark.skipif(int(pa.__version__.split(".")[0]) < 22, reason="pyarrow sorts the fields of structs")
def test_parquet_and_json_give_one_text():
    calls = [{"function": {"name": "weather", "arguments": {"town": "Oslo"}}}]
    records = [
        {"messages": [HI, {"role": "assistant", "content": None, "tool_calls": calls}], "tools": [WEATHER]},
        {"messages": [HI, HELLO], "tools": None},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "g", "arguments": {"x": 1}}}]}]},
    ]
    table = pa.Table.from_pylist(records)
    assert table.to_pylist() != records
    assert [text(row) for row in table.to_pylist()] == [text(record) for record in records]


KEYS = st.sampled_from(
    ["text", "messages", "conversations", "conversation", "content", "role", "from", "value", "type", "name", "function",
     "tool_calls", "function_call", "arguments", "tools", "system", "history", "prompt", "completion", "chosen",
     "rejected", "instruction", "input", "output", "question", "answer", "answers", "context", "response", "sql", "user",
     "assistant"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["text", "tool", "{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=2), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
TURNS = st.lists(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("role", "content", "from", "value", "tool_calls", "function_call"), VALUES)
    )
    | VALUES,
    max_size=4,
)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(KEYS, TURNS | VALUES, max_size=5), st.sampled_from([None, "user", "assistant,tool"]), st.booleans()
)
def test_whatever_a_record_holds_it_gives_text_and_takes_a_form_or_says_why_not(record, roles, role_labels):
    for reading in (
        Reading(roles=roles, role_labels=role_labels),
        Reading(text_field="messages", roles=roles),
        Reading(template="{prompt} {messages.content}", roles=roles),
    ):
        with contextlib.suppress(BadRecordError):
            assert isinstance(reading.text(record), str)
            for form in FORMS:
                with contextlib.suppress(BadRecordError):
                    converted(record, reading, form)
