from __future__ import annotations

import pytest

from zipfit.corpus.reading import BadRecordError, Reading
from zipfit.errors import ZipfitError

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"text": "a", "content": "b"}, "a"),
        ({"text": ""}, ""),
        ({"messages": CHAT}, "user: Hi\n\nassistant: Hello"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}]}, "user: a"),
        ({"messages": [CHAT[0], {"role": "assistant", "content": None}]}, "user: Hi"),
        ({"messages": [{"role": "user", "content": [{"text": "a"}, {"type": "image", "text": None}]}]}, "user: a"),
        ({"messages": []}, ""),
        ({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
         "human: Hi\n\ngpt: Hello"),
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, "Add.\n1 2\n3"),
        ({"instruction": "Add.", "input": "", "output": "3"}, "Add.\n3"),
        ({"instruction": "Add.", "input": None, "output": "3"}, "Add.\n3"),
        ({"instruction": "Add.", "output": "3"}, "Add.\n3"),
        ({"prompt": "def f():", "completion": "  pass"}, "def f():\n  pass"),
        ({"content": "page", "url": "x"}, "page"),
    ],
)  # fmt: skip
def test_recognises_the_usual_shapes(record, text):
    assert Reading().text(record) == text


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "no text found; the record has no fields"),
        ({"a": 1, "b": 2}, "no text found; the record has 'a', 'b'"),
        ({"text": None}, "field 'text' is null, not text"),
        ({"text": 5}, "field 'text' is a number, not text"),
        ({"text": True}, "field 'text' is a truth value, not text"),
        ({"text": ["a"]}, "field 'text' is a list, not text"),
        ({"text": {"a": 1}}, "field 'text' is a record, not text"),
        ({"text": b"a"}, "field 'text' is of type bytes, not text"),
        ({"messages": ["Hi"]}, "field 'messages' has a turn without 'content'"),
        ({"messages": [{"role": "user"}]}, "field 'messages' has a turn without 'content'"),
        ({"messages": [{"role": "user", "content": 5}]}, "field 'messages.content' is a number, not text"),
        ({"messages": [{"role": "user", "content": [{"text": 5}]}]}, "not text"),
        ({"messages": "Hi"}, "no text found; the record has 'messages'"),
        ({"instruction": 1, "output": "3"}, "field 'instruction' is a number, not text"),
    ],
)
def test_says_why_a_record_gives_no_text(record, reason):
    with pytest.raises(BadRecordError, match=reason):
        Reading().text(record)


def test_a_field_by_name_reaches_into_records_unless_the_whole_name_is_a_field():
    assert Reading(text_field="a.b").text({"a": {"b": "inner"}}) == "inner"
    assert Reading(text_field="a.b").text({"a": {"b": "inner"}, "a.b": "outer"}) == "outer"
    with pytest.raises(BadRecordError, match=r"no field 'a.c'; the record has 'a'"):
        Reading(text_field="a.c").text({"a": {"b": "inner"}})
    with pytest.raises(BadRecordError, match=r"no field 'a.b.c'"):
        Reading(text_field="a.b.c").text({"a": {"b": "inner"}})


def test_a_field_of_a_list_of_records_is_read_line_by_line():
    record = {
        "steps": [{"tactic": "intro x"}, {"tactic": "simp"}],
        "none": [],
        "deep": [{"a": [{"b": "1"}, {"b": "2"}]}],
    }
    assert Reading(text_field="steps.tactic").text(record) == "intro x\nsimp"
    assert Reading(text_field="none.tactic").text(record) == ""
    assert Reading(text_field="deep.a.b").text(record) == "1\n2"
    assert Reading(template="{steps.tactic};").text(record) == "intro x\nsimp;"
    with pytest.raises(BadRecordError, match="no field 'state'"):
        Reading(text_field="steps.state").text(record)
    with pytest.raises(BadRecordError, match="'steps' is a list"):
        Reading(text_field="steps").text(record)


def test_a_template_joins_fields():
    record = {"prompt": "def f():", "answer": {"code": "  pass"}, "n": 3, "x": 1.5}
    assert Reading(template=r"{prompt}\n{answer.code}").text(record) == "def f():\n  pass"
    assert Reading(template="{{{n}}}\t{x}").text(record) == "{3}\t1.5"
    with pytest.raises(BadRecordError, match="no field 'missing'; the record has 'prompt', 'answer', 'n', 'x'"):
        Reading(template="{missing}").text(record)
    with pytest.raises(BadRecordError, match="field 'answer' is a record"):
        Reading(template="{answer}").text(record)
    with pytest.raises(BadRecordError, match="truth value"):
        Reading(template="{b}").text({"b": True})


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("no fields", "names no field"),
        ("", "names no field"),
        ("{a", "is malformed"),
        ("a}", "is malformed"),
        ("{}", "braces hold the name of a field alone"),
        ("{a!r}", "braces hold the name of a field alone"),
        ("{a:>5}", "braces hold the name of a field alone"),
    ],
)
def test_a_malformed_template_is_an_error(template, reason):
    with pytest.raises(ZipfitError, match=reason):
        Reading(template=template)


def test_a_field_and_a_template_together_are_an_error():
    with pytest.raises(ZipfitError, match="not both"):
        Reading("a", "{a}")


def test_names_the_columns_that_it_needs():
    assert Reading().columns is None
    assert Reading(text_field="a.b").columns == ["a.b", "a", "source", "source"]
    assert set(Reading(template="{a}{b.c}").columns) == {"a", "b.c", "b", "source"}
    assert set(Reading(text_field="a", by="m.k").columns) == {"a", "m.k", "m"}
