"""Records of every shape in every uniform form, and selections written in them."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support import read_jsonl, write_jsonl

import zipfit as library
from zipfit.corpus.chat import chat_turns
from zipfit.corpus.convert import converted
from zipfit.corpus.reading import _SHAPES, FORMS, Reading
from zipfit.errors import BadRecordError, ZipfitError

S, Q, A = ({"role": role, "content": said} for role, said in (("system", "s"), ("user", "q"), ("assistant", "a")))
CALLS = {**A, "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]}
RESULT = {"role": "tool", "content": "3"}
FUNCTION = {"name": "f", "parameters": {"type": "object"}}
TOOLS = json.dumps([{"type": "function", "function": FUNCTION}])

SHAPES = {
    "OpenAI": ({"messages": [S, Q, A], "id": 7}, [S, Q, A]),
    "ShareGPT": ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, [Q, A]),
    "ShareGPT with a system column": ({"system": "s", "conversations": [{"from": "human", "value": "q"}]}, [S, Q]),
    "parts": ({"messages": [{"role": "User", "content": [{"type": "text", "text": "q"}, {"type": "image"}]}, A]}, [Q, A]),
    "exchanges": ({"conversation": [{"system": "s", "input": "q", "output": "a"}]}, [S, Q, A]),
    "Alpaca": ({"instruction": "q", "input": "", "output": "a"}, [Q, A]),
    "Alpaca with input": ({"instruction": "q", "input": "n", "output": "a"}, [{**Q, "content": "q\nn"}, A]),
    "Alpaca with history": (
        {"system": "s", "history": [["q", "a"]], "instruction": "q", "output": "a"}, [S, Q, A, Q, A]
    ),
    "Dolly": ({"instruction": "q", "context": "c", "response": "a"}, [{**Q, "content": "q\nc"}, A]),
    "prompt and completion": ({"prompt": "q", "completion": "a"}, [Q, A]),
    "prompt and completion of turns": ({"prompt": [S, Q], "completion": [A]}, [S, Q, A]),
    "preferences": ({"prompt": "q", "chosen": "a", "rejected": "b"}, [Q, A]),
    "preferences of turns": ({"prompt": "q", "chosen": [Q, A], "rejected": [Q]}, [Q, A]),
    "question and answers": ({"question": "q", "answers": {"text": ["a", "a"]}}, [Q, A]),
    "a chat beside its text": ({"text": "q a", "messages": [Q, A]}, [Q, A]),
    "a chat as text": ({"text": [Q, A]}, [Q, A]),
    "a union": ({"text": "t", "messages": None, "prompt": "q", "completion": "a"}, [Q, A]),
    "calls": (
        {"messages": [Q, {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "function": {"name": "f", "arguments": '{"x": 1}'}}]}, {**RESULT, "tool_call_id": "c", "name": None}, A]},
        [Q, {**CALLS, "tool_calls": [{"id": "c", **CALLS["tool_calls"][0]}]}, {**RESULT, "tool_call_id": "c"}, A],
    ),
    "calls after words, filled with nulls": (
        {"messages": [Q, {**A, "content": "a\n", "function_call": {"name": "f", "arguments": {"x": 1, "y": None}}}]},
        [Q, {**CALLS, "content": "a\n"}],
    ),
    "calls of ShareGPT": (
        {"conversations": [{"from": "human", "value": "q"},
                           {"from": "function_call", "value": '{"name": "f", "arguments": {"x": 1}}'},
                           {"from": "observation", "value": "3"}]},
        [Q, CALLS, RESULT],
    ),
    "calls that are text": ({"messages": [Q, {**A, "tool_calls": ["f(1)"]}]}, [Q, {**A, "content": "a\nf(1)"}]),
    "tools that are text": ({"tools": "f, g", "system": "s", "messages": [Q]}, [{**S, "content": "s\nf, g"}, Q]),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_takes_every_form(shape):
    record, messages = SHAPES[shape]
    assert converted(record, Reading(), "messages") == {"messages": messages}
    assert converted(record, Reading(), "text") == {"text": Reading().text(record)}
    answer = max((place for place, message in enumerate(messages) if message["role"] == "assistant"), default=0)
    if answer:
        assert converted(record, Reading(), "prompt-completion") == {
            "prompt": messages[:answer],
            "completion": [messages[answer]],
        }


@pytest.mark.parametrize("shape", [shape for shape in _SHAPES if len(shape) > 1], ids=" ".join)
def test_every_pair_is_asked_and_answered(shape):
    record = {name: name.upper() for name in shape} | {"rejected": "no"}
    asked = {"role": "user", "content": "\n".join(record[name] for name in shape[:-1])}
    answered = {"role": "assistant", "content": record[shape[-1]]}
    assert converted(record, Reading(), "messages") == {"messages": [asked, answered]}


@pytest.mark.parametrize(
    "tools", [[FUNCTION], TOOLS, [json.loads(TOOLS)[0], None], FUNCTION, [{**FUNCTION, "x": None}]]
)
def test_tools_are_json_of_one_form(tools):
    record = {"messages": [Q, A], "tools": tools}
    assert converted(record, Reading(), "messages") == {"messages": [Q, A], "tools": TOOLS}
    assert converted(record, Reading(), "prompt-completion") == {"prompt": [Q], "completion": [A], "tools": TOOLS}
    for none in (None, [], "[]", "", 5):
        assert converted({**record, "tools": none}, Reading(), "messages") == {"messages": [Q, A]}


def test_options_say_what_is_scored_and_the_form_has_all():
    record = {"log": {"turns": [Q, A]}, "system": "s", "note": "n"}
    assert converted(record, Reading("log.turns", roles="user"), "messages") == {"messages": [S, Q, A]}
    assert converted(record, Reading("log.turns", roles="user"), "text") == {"text": "user: q"}
    pair = {"prompt": "q", "completion": "a", "note": "n"}
    for reading in (Reading("note"), Reading(template="{note}!"), Reading(roles="assistant")):
        assert converted(pair, reading, "messages") == {"messages": [Q, A]}
        assert converted(pair, reading, "text") == {"text": reading.text(pair)}


@pytest.mark.parametrize(
    ("record", "form", "reason"),
    [
        ({"text": "t"}, "messages", "no turns found, as it holds no chat and no pair; the record has 'text'"),
        ({"chosen": "t", "rejected": "u"}, "messages", "no turns found"),
        ({"messages": []}, "messages", "the chat has no turns"),
        ({"messages": [{"role": "alice", "content": "q"}]}, "messages", "a turn has the role 'alice'"),
        ({"messages": [{"content": "q"}]}, "messages", "a turn has the role ''"),
        ({"messages": [Q]}, "prompt-completion", "no turn of the assistant, to be the completion"),
        ({"messages": [A, Q]}, "prompt-completion", "no turn before the assistant's, to be the prompt"),
        ({"messages": [{**Q, "content": ""}, A]}, "prompt-completion", "no turn before the assistant's"),
        ({"messages": [{**Q, "content": "\ud800"}]}, "messages", "lone surrogate in the converted record"),
        ({"messages": [Q], "tools": [{"name": "\ud800"}]}, "messages", "lone surrogate in the converted record"),
        ({"messages": [{**A, "tool_calls": [{"name": "f", "arguments": "{x"}]}]}, "messages", "no JSON object: '{x'"),
        ({"messages": [{**A, "tool_calls": [{"name": "f", "arguments": [1]}]}]}, "messages", "no JSON object: '\\[1\\]'"),
        ({"messages": [{**A, "tool_calls": [{"name": "f", "arguments": {"x": float("nan")}}]}]}, "messages", "no JSON form"),
        ({"messages": [Q], "tools": [{"name": {1}}]}, "messages", "no JSON form"),
    ],
)  # fmt: skip
def test_says_why_a_record_cannot_take_a_form(record, form, reason):
    with pytest.raises(BadRecordError, match=reason):
        converted(record, Reading(), form)


WORDS = st.text(alphabet="ab\n {}\"'é", max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner),
    max_leaves=4,
)
FUNCTIONS = st.fixed_dictionaries({"name": WORDS, "arguments": st.dictionaries(WORDS, VALUES)})
TURNS = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "human", "assistant", "gpt", "tool", "function_call"]),
        "content": WORDS,
    },
    optional={
        "tool_calls": st.none() | st.lists(FUNCTIONS | st.builds(lambda f: {"id": "c", "function": f}, FUNCTIONS)),
        "name": WORDS,
    },
)
RECORDS = st.fixed_dictionaries({"messages": st.lists(TURNS)}, optional={"system": WORDS, "tools": st.lists(FUNCTIONS) | WORDS}) | (
    st.fixed_dictionaries(
        {"instruction": WORDS, "output": WORDS}, optional={"input": WORDS, "history": st.lists(st.tuples(WORDS, WORDS))}
    )
)  # fmt: skip


@given(RECORDS, st.sampled_from(FORMS))
def test_converting_what_is_converted_changes_nothing(record, form):
    try:
        once = converted(record, Reading(), form)
    except BadRecordError:
        assume(False)
    if form == "prompt-completion":  # a prompt that the completion repeats is read as one
        assume(any(message["role"] == "user" for message in once["prompt"]))
    assert converted(json.loads(json.dumps(once)), Reading(), form) == once


MIXED = [record for record, messages in SHAPES.values() if messages[-1]["role"] == "assistant"] + [
    {"messages": [Q, {**A, "tool_calls": [{"name": "f", "arguments": arguments}]}], "tools": tools}
    for arguments, tools in (({"x": "1"}, [FUNCTION]), ({"x": [1, {"y": 2}]}, TOOLS), ({"y": 1.5}, None))
]


@pytest.fixture
def mixed(folder):
    """A pool of chats and pairs of all shapes, with calls whose arguments differ in their types."""
    write_jsonl(folder / "pool.jsonl", MIXED)
    return folder


def select(zipfit, *arguments, pool="pool.jsonl", output="out.jsonl"):
    return zipfit("select", pool, "-t", "target.jsonl", "--top", len(MIXED), "-o", output, "-q", *arguments)


@pytest.mark.parametrize("form", FORMS)
def test_a_selection_is_loaded_by_datasets_and_made_again(zipfit, mixed, form):
    datasets = pytest.importorskip("datasets", minversion="4.7")  # reads arguments that differ from call to call
    ran = select(zipfit, "--convert", form)
    assert (ran.status, ran.err) == (0, "")
    fields = {"messages": ["messages"], "prompt-completion": ["prompt", "completion"], "text": ["text"]}[form]
    for rank, record in enumerate(read_jsonl(mixed / "out.jsonl"), 1):
        assert [name for name in record if name != "tools"] == [*fields, "zipfit_score", "zipfit_rank"]
        assert record["zipfit_rank"] == rank
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset("json", data_files="out.jsonl", split="train", cache_dir="cache")
    rows = [{name: value for name, value in row.items() if value is not None} for row in loaded]
    for row, record in zip(rows, read_jsonl(mixed / "out.jsonl"), strict=True):
        assert row.pop("zipfit_score") == pytest.approx(record.pop("zipfit_score"))  # it reads ten digits
        assert row == record
    manifest = json.loads((mixed / "out.manifest.json").read_text())
    assert manifest["parameters"]["convert"] == manifest["output"]["convert"] == form
    assert zipfit("rerun", "out.manifest.json", "-o", "again.jsonl").out == "identical, bit for bit\n"
    for rank in (1, len(MIXED)):
        explained = library.explain("out.jsonl", rank=rank)
        assert explained.alignment == explained.fields["zipfit_score"]
    assert select(zipfit, "--convert", form, "--no-fields", output="bare.jsonl").status == 0
    assert list(read_jsonl(mixed / "bare.jsonl")[0]) == fields


def test_calls_that_come_late_are_loaded_where_the_columns_are_named(zipfit, mixed):
    datasets = pytest.importorskip("datasets", minversion="4.7")
    select(zipfit, "--convert", "messages", "--no-fields", "--order", "source")
    records = sorted(read_jsonl(mixed / "out.jsonl"), key=lambda record: "tool_calls" in str(record))
    write_jsonl(mixed / "late.jsonl", records)
    columns = {"messages": datasets.List(datasets.Json()), "tools": datasets.Value("string")}
    loaded = datasets.load_dataset(
        "json",
        data_files="late.jsonl",
        split="train",
        cache_dir="cache",
        features=datasets.Features(columns),
        chunksize=300,
    )
    assert list(loaded) == [{"tools": None, **record} for record in records]


def test_a_manifest_names_the_form_only_where_it_is_given(zipfit, mixed):
    assert select(zipfit).status == 0
    manifest = json.loads((mixed / "out.manifest.json").read_text())
    assert "convert" not in manifest["parameters"].keys() | manifest["output"].keys()


PLAIN = [{"prompt": f"q{i}", "completion": f"def f{i}(x): return x", "n": i} for i in range(6)]


def test_every_source_and_every_output_format(zipfit, folder):
    table = pa.Table.from_pylist(PLAIN)
    write_jsonl(folder / "pool.jsonl", PLAIN)
    (folder / "pool.csv").write_text(
        "prompt,completion\n" + "".join(f"{r['prompt']},{r['completion']}\n" for r in PLAIN)
    )
    pyarrow.parquet.write_table(table, folder / "pool.parquet")
    pyarrow.feather.write_feather(table, folder / "pool.arrow")
    options = ("--convert", "messages", "--top", 6)
    outputs = []
    for pool in ("pool.jsonl", "pool.csv", "pool.parquet", "pool.arrow"):
        assert select(zipfit, *options, pool=pool, output=f"{pool}.out.jsonl").status == 0
        outputs.append((folder / f"{pool}.out.jsonl").read_bytes())
    library.select(PLAIN, "target.jsonl", top=6, convert="messages").save("objects.jsonl")
    assert {*outputs, (folder / "objects.jsonl").read_bytes()} == {outputs[0]}
    rows = [json.loads(line) for line in outputs[0].splitlines()]
    for output in ("lines.jsonl.gz", "array.json", "rows.parquet", "file.arrow"):
        assert select(zipfit, *options, output=output).status == 0
    assert gzip.decompress((folder / "lines.jsonl.gz").read_bytes()) == outputs[0]
    assert json.loads((folder / "array.json").read_text()) == rows
    assert pyarrow.parquet.read_table(folder / "rows.parquet").to_pylist() == rows
    assert pyarrow.feather.read_table(folder / "file.arrow").to_pylist() == rows
    assert select(zipfit, "--convert", "text", "--top", 6, output="text.csv").status == 0


def test_what_cannot_be_converted_is_an_error_before_scoring(zipfit, folder, monkeypatch):
    write_jsonl(folder / "pool.jsonl", [*PLAIN, "plain text", {"messages": [A, Q]}])

    def scores(*_):
        raise AssertionError("scored")

    with monkeypatch.context() as patched:
        patched.setattr(library.ZipFit, "score", scores)
        ran = select(zipfit, "--convert", "messages", "--min-bytes", 1)
        assert ran.status == 2
        assert "pool.jsonl, line 7: no turns found, as it holds no chat and no pair; the record has 'text'" in ran.err
        for form, output, reason in (
            ("messages", "out.csv", "out.csv: CSV has no lists, which messages needs: write .jsonl instead"),
            ("prompt-completion", "out.tsv.gz", "out.tsv.gz: TSV has no lists"),
            ("chatml", "-", "unknown form 'chatml' to convert to: choose from messages, prompt-completion, text"),
        ):
            ran = select(zipfit, "--convert", form, output=output)
            assert (ran.status, reason in ran.err) == (2, True), ran.err
    assert not list(folder.glob("out*"))
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--fraction", 1, "-o", "out.jsonl", "-q",
                 "--convert", "prompt-completion", "--skip-bad")  # fmt: skip
    assert (ran.status, ran.err) == (0, "")
    assert len(read_jsonl(folder / "out.jsonl")) == 6
    assert [record["place"] for record in read_jsonl(folder / "out.jsonl.rejected.jsonl")] == ["line 7", "line 8"]
    skipped = json.loads((folder / "out.manifest.json").read_text())["source"]["inputs"][0]["skipped"]
    assert sum(skipped.values()) == 2
    assert zipfit("rerun", "out.manifest.json", "-o", "again.jsonl").out == "identical, bit for bit\n"


def test_records_passed_over_stay_so_in_later_passes(folder):
    chats = [
        {"prompt": f"q {i}", "completion": "def add(a, b)"} if i % 3 else {"text": f"plain {i}"} for i in range(30)
    ]
    selection = library.select(chats, "target.jsonl", fraction=1, convert="messages", skip_bad=True, method="cover")
    assert sorted(selection.indices.tolist()) == [i for i in range(30) if i % 3]
    corpus = selection.ranking.sources.pool.corpus
    assert sum(len(batch.texts) for batch in corpus.read()) == 20


def test_a_selection_is_saved_in_another_form_than_it_was_selected_for(folder):
    selection = library.select(PLAIN, "target.jsonl", top=2)
    manifest = selection.save("chats.jsonl", convert="messages")
    assert "convert" not in manifest["parameters"]
    assert manifest["output"]["convert"] == "messages"
    assert read_jsonl(folder / "chats.jsonl")[0].keys() == {"messages", "zipfit_score", "zipfit_rank"}
    texts = library.select(["one", "two"], "target.jsonl", top=2)
    with pytest.raises(ZipfitError, match=r"source, document [01]: no turns found"):
        texts.save("texts.jsonl", convert="messages")
    with pytest.raises(ZipfitError, match="unknown form 'chatml'"):
        texts.save("texts.jsonl", convert="chatml")
    with pytest.raises(ZipfitError, match="unknown form 'chatml'"):
        library.select(PLAIN, "target.jsonl", top=2, convert="chatml")
    assert not (folder / "texts.jsonl").exists()


def test_calls_fit_no_table(zipfit, mixed, monkeypatch):
    monkeypatch.setattr("zipfit.selection.ranking.walk", None)  # it is refused while the pool is read
    refused = "tool calls in 'messages' fit no column: write .jsonl instead"
    sharded = ("--shard-records", "5", "--shard-format", "parquet")
    for output, *options in [("out.parquet",), ("out.jsonl", "--cut", "out2.arrow=top=1"), ("out/", *sharded)]:
        ran = select(zipfit, "--convert", "messages", *options, output=output)
        assert ran.status == 2
        assert refused in ran.err
        assert not list(mixed.glob("out*"))
    monkeypatch.undo()
    monkeypatch.chdir(mixed)
    selection = library.select("pool.jsonl", "target.jsonl", top=1, convert="messages", method="gain")
    with pytest.raises(ZipfitError, match=refused):
        selection.at(fraction=1).save("out.parquet")


def test_calls_that_fit_no_table_can_be_passed_over(zipfit, mixed):
    assert select(zipfit, "--convert", "messages", "--skip-bad", "--allow-fewer", output="out.parquet").status == 0
    rejected = read_jsonl(mixed / "out.parquet.rejected.jsonl")
    assert any("fit no column" in each["reason"] for each in rejected)
    assert zipfit("rerun", "out.manifest.json", "-o", "again.parquet").status == 0


def test_a_selection_whose_source_changed_is_not_explained(zipfit, mixed):
    select(zipfit, "--convert", "messages")
    write_jsonl(mixed / "pool.jsonl", PLAIN)
    with pytest.raises(ZipfitError, match="the source has no record that this one was converted from"):
        library.explain("out.jsonl", rank=1)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize("content", ["answer", "", None])
def test_reasoning_is_text_and_stays_apart_from_the_answer(key, content):
    record = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": content, key: "hm\nso"}]}
    assert Reading().text(record) == "user: q\n\nassistant: hm\nso" + ("\nanswer" if content else "")
    message = converted(record, Reading(), "messages", to_table=True)["messages"][1]
    assert message == {"role": "assistant", "content": content or "", "reasoning_content": "hm\nso"}


def test_an_exchange_in_one_turn_keeps_its_reasoning():
    record = {"conversation": [{"input": "q", "output": "a", "reasoning": "r"}, {"role": "user", "content": "more"}]}
    assert [turn.text for turn in chat_turns(record["conversation"], "conversation")] == ["q", "r\na", "more"]
    turns = converted({"conversation": record["conversation"][::-1]}, Reading(), "messages")["messages"]
    assert turns[2] == {"role": "assistant", "content": "a", "reasoning_content": "r"}


def test_an_exchange_in_one_turn_keeps_its_calls_and_refusal():
    call = {"name": "f", "arguments": {"x": 1}}
    chat = [
        {"input": "q", "output": "a", "tool_calls": [call], "refusal": "no"},
        {"user": "q", "tool_calls": [call]},
        {"input": "q", "output": [{"type": "thinking", "thinking": "r"}, "a"]},
    ]
    written = [(turn.role, turn.text) for turn in chat_turns(chat, "conversation")]
    assert written == [
        ("input", "q"), ("output", f"a\nno\n{json.dumps(call)}"),
        ("user", "q"), ("assistant", json.dumps(call)),
        ("input", "q"), ("output", "r\na"),
    ]  # fmt: skip


@pytest.mark.parametrize("content", [None, "", []])
def test_a_refusal_is_an_answer(content):
    record = {
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": content, "refusal": "no"}]
    }
    assert Reading().text(record) == "user: q\n\nassistant: no"
    assert converted(record, Reading(), "messages")["messages"][1] == {"role": "assistant", "content": "no"}


SPOKEN = [
    ({"content": "c", "reasoning_content": [{"type": "text", "text": "r"}, "s"]}, "r\ns\nc", "c", "r\ns"),
    ({"content": "c", "reasoning": {"summary": [{"type": "summary_text", "text": "r"}]}}, "r\nc", "c", "r"),
    ({"content": "c", "reasoning": "r s", "reasoning_details": [{"type": "reasoning.text", "text": "r s"}]}, "r s\nc", "c", "r s"),
    ({"content": "c", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}, "c", "c", None),
    ({"content": "c", "reasoning": "r", "thinking": "other"}, "r\nother\nc", "c", "r\nother"),
    ({"content": "c", "reasoning": True, "refusal": False}, "c", "c", None),
    ({"content": [{"type": "thinking", "thinking": "r", "signature": "x"}, {"type": "text", "text": "c"}]}, "r\nc", "c", "r"),
    ({"content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "c"}]}, "c", "c", None),
    ({"content": "c", "refusal": "no"}, "c\nno", "c\nno", None),
    ({"content": [{"type": "refusal", "refusal": "no"}]}, "no", "no", None),
    ({"refusal": "no"}, "no", "no", None),
    ({"content": None, "audio": {"id": "a", "transcript": "said"}}, "said", "said", None),
    ({"content": "said", "audio": {"id": "a", "transcript": "said"}}, "said", "said", None),
    ({"content": [{"type": "audio", "transcript": "said"}]}, "said", "said", None),
    ({"content": [{"type": "input_audio", "input_audio": {"data": "x", "transcript": "said"}}]}, "said", "said", None),
    ({"content": "", "text": "c"}, "c", "c", None),
    ({"content": [{"type": "text", "text": "", "content": "c"}]}, "c", "c", None),
    ({"content": "c", "tool_calls": "[]", "function_call": "null"}, "c", "c", None),
    ({"parts": [{"text": "c"}, "d"]}, "c\nd", "c\nd", None),
    ({"content": {"content_type": "text", "parts": ["c", ""]}}, "c\n", "c\n", None),
    ({"role": "", "from": "gpt", "content": "c"}, "c", "c", None),
]  # fmt: skip


@pytest.mark.parametrize(("turn", "text", "content", "reasoning"), SPOKEN, ids=[str(each[0]) for each in SPOKEN])
def test_all_that_a_turn_says_is_read_and_written(turn, text, content, reasoning):
    record = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", **turn}]}
    assert [turn.text for turn in chat_turns(record["messages"], "messages")] == ["q", text]
    message = converted(record, Reading(), "messages")["messages"][1]
    assert message == {"role": "assistant", "content": content} | (
        {"reasoning_content": reasoning} if reasoning else {}
    )


def test_reasoning_without_text_is_a_bad_record():
    chat = [{"role": "assistant", "content": "c", "reasoning": [{"effort": "low"}]}]
    with pytest.raises(
        BadRecordError, match=r"field 'messages\.reasoning' has reasoning without text; it has 'effort'"
    ):
        chat_turns(chat, "messages")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"content": "ok", "status": 200}, '{"content": "ok", "status": 200}'),
        ([{"title": "a", "text": "b"}], '[{"title": "a", "text": "b"}]'),
        ([{"degrees": 3}, {"degrees": 4}], '[{"degrees": 3}, {"degrees": 4}]'),
        ({"text": "plain"}, "plain"),
        ({"type": "weather", "text": "sunny", "temp": 3}, '{"type": "weather", "text": "sunny", "temp": 3}'),
        ({"value": 3}, '{"value": 3}'),
        ({"content": {"temp": 3}}, '{"content": {"temp": 3}}'),
        ([1, 2], "[1, 2]"),
        (True, "true"),
        (3, "3"),
        ([{"type": "tool_result", "tool_use_id": "x"}, {"type": "text", "text": "plain"}], "plain"),
        ([{"type": "text", "text": "plain", "annotations": []}], "plain"),
        ([{"type": "image_url", "image_url": {"url": "data:"}}, {"type": "text", "text": "plain"}], "plain"),
    ],
)
def test_results_that_are_data_are_read_whole(result, text):
    assert [turn.text for turn in chat_turns([{"role": "tool", "content": result}], "messages")] == [text]


FUNCTION = {"name": "f", "parameters": {"type": "object"}}


@pytest.mark.parametrize("stored", [[FUNCTION], json.dumps([FUNCTION]), [FUNCTION | {"description": None}]])
def test_functions_are_tools(stored):
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    record = {"messages": [{"role": "user", "content": "q"}, call], "functions": stored}
    assert Reading().text(record).startswith(f"tools: {json.dumps(FUNCTION)}\n\nuser: q")
    made = converted(record, Reading(), "messages")
    assert json.loads(made["tools"]) == [{"type": "function", "function": FUNCTION}]
    both = converted(record | {"tools": [{"function": {"name": "g"}}]}, Reading(), "messages")
    assert [tool["function"]["name"] for tool in json.loads(both["tools"])] == ["g", "f"]


@pytest.mark.parametrize("stored", [["main", "helper"], "main", {"main": 3}, [{"name": "f"}, "g"], [], None, 2])
def test_other_functions_are_no_tools(stored):
    record = {"prompt": "a", "completion": "b", "functions": stored}
    assert Reading().text(record) == "a\nb"
    assert "tools" not in converted(record, Reading(), "messages")


GET = '{"name": "get", "arguments": {"city": "Oslo"}}'


@pytest.mark.parametrize(
    "calls",
    [
        [{"name": "get", "args": {"city": "Oslo"}, "id": "1", "type": "tool_call"}],
        [{"name": "get", "kwargs": {"city": "Oslo"}}],
        json.dumps([{"type": "function", "function": {"name": "get", "arguments": {"city": "Oslo"}}}]),
        [{"type": "custom", "id": "1", "custom": {"name": "get", "input": '{"city": "Oslo"}'}}],
    ],
)
def test_calls_of_many_makers(calls):
    record = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": calls}]}
    assert Reading().text(record) == f"user: q\n\nassistant: {GET}"
    (call,) = converted(record, Reading(), "messages")["messages"][1]["tool_calls"]
    assert call["function"] == json.loads(GET)


def test_a_call_among_the_parts_is_not_hidden_by_an_empty_text():
    part = {"type": "tool_use", "text": "", "id": "1", "name": "get", "input": {"city": "Oslo"}}
    assert [turn.text for turn in chat_turns([{"role": "assistant", "content": [part]}], "messages")] == [GET]


def test_a_call_with_fields_of_another_kind_is_no_call_without_arguments():
    chat = [{"role": "assistant", "content": "", "tool_calls": [{"name": "f", "options": {"x": 1}}]}]
    with pytest.raises(BadRecordError, match="has a tool call without arguments; it has 'name', 'options'"):
        chat_turns(chat, "messages")
    said = '{"name": "f", "arguments": {}, "thought": "I think"}'
    record = {"conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": said}]}
    assert converted(record, Reading(), "messages")["messages"][1] == {"role": "assistant", "content": said}


def test_tools_as_later_interfaces_have_them():
    chat = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    tool = {"type": "function", "name": "f", "parameters": {}}
    made = converted(chat | {"tools": [tool]}, Reading(), "messages")
    assert json.loads(made["tools"]) == [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assert "tools" not in converted(chat | {"tools": "null"}, Reading(), "messages")
    assert Reading().text(chat | {"tools": "null"}) == "user: q\n\nassistant: a"


@pytest.mark.parametrize("system", ["sys", [{"type": "text", "text": "sys"}], [{"text": "sys"}], {"text": "sys"}])
def test_a_system_prompt_may_be_parts(system):
    record = {"system": system, "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    assert Reading().text(record) == "system: sys\n\nuser: q\n\nassistant: a"


@pytest.mark.parametrize("name", ["chosen", "completion", "response"])
def test_the_answer_may_stand_beside_the_chat(name):
    asked = {"messages": [{"role": "user", "content": "q"}]}
    assert Reading().text(asked | {name: "a", "rejected": "bad"}) == "user: q\n\nassistant: a"
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    assert converted(asked | {name: "a"}, Reading(), "messages") == {"messages": turns}
    assert Reading().text({"messages": turns, name: "other"}) == "user: q\n\nassistant: a"
