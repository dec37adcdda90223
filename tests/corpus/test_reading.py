from __future__ import annotations

import pytest

from zipfit.corpus.reading import Reading
from zipfit.errors import BadRecordError, ZipfitError

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
        ({"question": "2 + 2?", "answer": 4}, "2 + 2?\n4"),
        ({"question": "q", "answer": 12345678901234567890}, "q\n12345678901234567890"),
        ({"question": "q", "passage": "p", "answer": False}, "q\nfalse"),
        ({"question": "q", "solution": ["a", 1.5, "a"]}, "q\na\n1.5"),
        ({"text": 5, "question": "q", "answer": 0}, "q\n0"),
        ({"prompt": "p", "code": "c", "test_list": ["t"]}, "p\nc"),
        ({"input": "a", "output": "b"}, "a\nb"),
        ({"input": "a", "target": 3}, "a\n3"),
        ({"turns": ["a", "b"]}, "user: a\n\nuser: b"),
        ({"turns": CHAT}, "user: Hi\n\nassistant: Hello"),
        ({"question": [[CHAT[0]], CHAT], "function": []}, "user: Hi\n\nuser: Hi\n\nassistant: Hello"),
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
        ({"text": ["a"]}, "field 'text' is a list, not text; a template '{text}' takes it"),
        ({"text": ["a", 1]}, "field 'text' is a list, not text$"),
        ({"text": {"a": 1}}, "field 'text' is a record, not text"),
        ({"text": b"a\xff"}, "field 'text' is bytes, not text: invalid UTF-8 at byte 1"),
        ({str(n): n for n in range(1000)}, "no text found; the record has '0', .*, '19', … .name one"),
        (
            {"harbor": "a", "12": "b"},
            r"the record has 'harbor', '12' .*; if these are the first row of CSV, give --no-header\)$",
        ),
        ({"the harbor at night": "b"}, "give --no-header"),
        ({"harbor" * 7: "b"}, "give --no-header"),
        ({"the harbor, night": "b"}, r"a template\)$"),
        ({"12": 5}, r"a template\)$"),
        ({"messages": ["Hi"]}, "field 'messages' has a turn without 'content'"),
        ({"messages": [{"role": "user"}]}, "field 'messages' has a turn without 'content'"),
        ({"messages": [{"role": "user", "content": 5}]}, "field 'messages.content' is a number, not text"),
        ({"messages": [{"role": "user", "content": [{"text": 5}]}]}, "not text"),
        ({"messages": "Hi"}, "no text found; the record has 'messages'"),
        ({"instruction": 1, "output": "3"}, "field 'instruction' is a number, not text"),
        ({"question": "q"}, "no text found"),
        ({"question": ["q"]}, "no text found"),
        ({"turns": 5}, "no text found"),
    ],
)
def test_says_why_a_record_gives_no_text(record, reason):
    with pytest.raises(BadRecordError, match=reason):
        Reading().text(record)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"text": None, "messages": CHAT}, "user: Hi\n\nassistant: Hello"),
        ({"text": "", "messages": CHAT}, "user: Hi\n\nassistant: Hello"),
        ({"text": "a", "messages": None}, "a"),
        ({"messages": [], "prompt": "p", "completion": "c"}, "p\nc"),
        ({"prompt": "p", "completion": None, "chosen": "x", "rejected": "y"}, "p\nx"),
        ({"instruction": None, "output": None, "question": "q", "answer": "a"}, "q\na"),
        ({"text": "", "messages": []}, ""),
        ({"prompt": "p", "completion": None}, "p"),
    ],
)
def test_a_row_of_a_union_is_read_by_what_it_fills(record, text):
    assert Reading().text(record) == text


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"system": "S", "history": [["q1", "a1"], ["q2", "a2"]], "instruction": "i", "input": "n", "output": "o"},
         "S\nq1\na1\nq2\na2\ni\nn\no"),
        ({"system": None, "history": None, "instruction": "i", "input": "", "output": "o"}, "i\no"),
        ({"instruction": "i", "context": "c", "response": "r", "category": "open_qa"}, "i\nc\nr"),
        ({"instruction": "i", "context": "", "response": "r"}, "i\nr"),
        ({"instruction": "i", "response": "r"}, "i\nr"),
        ({"id": "x", "system_prompt": "S", "question": "q", "response": "r"}, "S\nq\nr"),
        ({"system_prompt": "", "question": "q", "response": "r"}, "q\nr"),
        ({"question": "q", "answer": "a"}, "q\na"),
        ({"question": "q", "answer": ["a", "b", "a"]}, "q\na\nb"),
        ({"context": "c", "question": "q", "answers": {"text": ["a", "a"], "answer_start": [1, 1]}}, "q\nc\na"),
        ({"context": "c", "question": "q", "answers": {"text": [], "answer_start": []}}, "q\nc"),
        ({"question": "q", "answers": [{"text": "a"}, {"text": "b"}]}, "q\na\nb"),
        ({"question": "q", "sql": "SELECT 1"}, "q\nSELECT 1"),
        ({"question": "q", "query": "SELECT 1", "db_id": "d"}, "q\nSELECT 1"),
        ({"question": "q", "context": "CREATE", "answer": "SELECT 1"}, "q\nCREATE\nSELECT 1"),
        ({"question": "q", "evidence": "e", "SQL": "SELECT 1"}, "q\ne\nSELECT 1"),
        ({"sql_prompt": "q", "sql_context": "CREATE", "sql": "SELECT 1"}, "q\nCREATE\nSELECT 1"),
        ({"problem": "p", "solution": "s", "answer": "4"}, "p\ns"),
        ({"prompt": "p", "response": "r"}, "p\nr"),
        ({"query": "q", "response": "r"}, "q\nr"),
        ({"task_id": "t", "prompt": "def f():\n", "canonical_solution": "  pass"}, "def f():\n\n  pass"),
        ({"prompt": "p", "chosen": "yes", "rejected": "no"}, "p\nyes"),
        ({"system": "S", "question": "q", "chosen": "yes", "rejected": "no"}, "S\nq\nyes"),
        ({"chosen": "Human: q Assistant: yes", "rejected": "Human: q Assistant: no"}, "Human: q Assistant: yes"),
        ({"prompt": "p", "completion": "c", "system": 5, "tools": True, "history": "none"}, "p\nc"),
    ],
)  # fmt: skip
def test_reads_pairs_by_the_names_of_the_field(record, text):
    assert Reading().text(record) == text


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"question": "q", "sql": {"sel": 1, "conds": []}}, "field 'sql' is a record, not text; it has 'sel', 'conds'"),
        ({"question": 4, "answer": "q"}, "field 'question' is a number, not text"),
        ({"question": "q", "answers": [["a", None]]}, "field 'answers' is null, not text"),
        ({"question": "q"}, "no text found; the record has 'question'"),
        ({"prompt": "p", "chosen": "yes"}, "no text found; the record has 'prompt', 'chosen'"),
        ({"prompt": [{"a": 1}], "completion": "c"}, "field 'prompt' is a list, not text; its records have 'a'"),
    ],
)
def test_says_why_a_pair_gives_no_text(record, reason):
    with pytest.raises(BadRecordError, match=reason):
        Reading().text(record)


@pytest.mark.parametrize(
    ("roles", "text"),
    [
        (None, "system: S\n\nhuman: Hi\n\ngpt: Hello"),
        ("user,assistant", "human: Hi\n\ngpt: Hello"),
        ("assistant", "gpt: Hello"),
        (" GPT , Human ", "human: Hi\n\ngpt: Hello"),
        ("system", "system: S"),
    ],
)
def test_roles_pick_turns_by_their_own_or_their_usual_names(roles, text):
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    assert Reading(roles=roles).text({"system": "S", "conversations": turns}) == text
    short = text.replace("system: ", "").replace("human: ", "").replace("gpt: ", "")
    assert Reading(roles=roles, role_labels=False).text({"system": "S", "conversations": turns}) == short


def test_roles_pick_the_fields_of_a_pair_and_leave_plain_text_alone():
    pair = {"system": "S", "instruction": "i", "input": "n", "output": "o"}
    assert Reading(roles="assistant").text(pair) == "o"
    assert Reading(roles="user").text(pair) == "i\nn"
    assert Reading(roles="assistant").text({"text": "a"}) == "a"


def test_a_role_that_no_turn_has_is_a_bad_record_and_no_role_an_error():
    with pytest.raises(BadRecordError, match="no turn has the role 'tool' or 'x'; there are 'user', 'assistant'"):
        Reading(roles="tool,x").text({"messages": CHAT})
    for roles in ("", "user,", ","):
        with pytest.raises(ZipfitError, match="name no role"):
            Reading(roles=roles)


def test_a_field_by_name_may_hold_a_chat():
    record = {"log": {"turns": CHAT}, "id": 3}
    assert Reading(text_field="log.turns").text(record) == "user: Hi\n\nassistant: Hello"
    assert Reading(text_field="log.turns", roles="user").text(record) == "user: Hi"
    with pytest.raises(
        BadRecordError, match=r"field 'log.turns' is a list, not text; its records have 'role', 'content'"
    ):
        Reading(template="{id} {log.turns}").text(record)


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
    assert Reading(template="{b}").text({"b": True}) == "true"
    assert Reading(template="{a}: {b.c}.").text({"a": [], "b": {"c": ["one", "two"]}}) == ": one\ntwo."
    with pytest.raises(BadRecordError, match=r"^field 'a' is a list, not text$"):
        Reading(template="{a}").text({"a": ["one", None]})


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


def test_lists_of_lists_are_gone_into_and_other_items_are_errors():
    assert Reading("q.content").text({"q": [[{"content": "a"}], [{"content": "b"}]]}) == "a\nb"
    with pytest.raises(BadRecordError, match=r"field 'a\.b' leads to text in a list, not to a record"):
        Reading("a.b").text({"a": ["x"]})


def test_spiders_parsed_query_is_not_its_text():
    record = {"question": "How many?", "query": "SELECT 1", "sql": {"from": {"conds": []}, "select": [1]}}
    assert Reading().text(record) == "How many?\nSELECT 1"


@pytest.mark.parametrize("name", ["text_field", "template", "by", "roles", "convert"])
def test_an_option_of_another_type_is_named(name):
    with pytest.raises(ZipfitError, match=f"^{name} must be text, not "):
        Reading(**{name: ["user"]})
