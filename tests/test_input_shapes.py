"""Pools of the shapes that the field publishes, from a file to the texts that are scored."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support import write_jsonl

import zipfit as library
from zipfit.corpus import reading
from zipfit.corpus.corpus import read_documents
from zipfit.corpus.inputs import Files
from zipfit.corpus.reading import Reading

PAGE = Path(__file__).resolve().parent.parent / "docs" / "inputs.md"


def turns(role, content, first="user", second="assistant"):
    return [{role: first, content: "hi harbor"}, {role: second, content: "violin melon"}]


TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"town": "Oslo"}'}}
TOOL = '{"name": "get_weather", "parameters": {"type": "object"}}'
CALLED = '{"name": "get_weather", "arguments": {"town": "Oslo"}}'
SHAPES = {
    "tools": (
        [
            {"tools": TOOLS, "messages": [
                {"role": "user", "content": "weather in Oslo?"},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": "3 C"},
            ]},
            {"messages": [{"role": "user", "content": "again"}, {"role": "assistant", "tool_calls": [CALL]}]},
        ],
        [
            f"tools: {TOOL}\n\nuser: weather in Oslo?\n\nassistant: {CALLED}\n\ntool: 3 C",
            f"user: again\n\nassistant: {CALLED}",
        ],
    ),
    "sharegpt": (
        [{"conversations": turns("from", "value", "human", "function_call"), "system": "be brief", "tools": "[]"}],
        ["system: be brief\n\nhuman: hi harbor\n\nfunction_call: violin melon"],
    ),
    "conversations of roles": (
        [{"conversations": turns("role", "content")}], ["user: hi harbor\n\nassistant: violin melon"]
    ),
    "conversation": ([{"conversation": turns("role", "content")}], ["user: hi harbor\n\nassistant: violin melon"]),
    "messages from": (
        [{"messages": turns("from", "value", "human", "gpt")}], ["human: hi harbor\n\ngpt: violin melon"]
    ),
    "preferences": (
        [{"prompt": "bridge", "chosen": turns("role", "content"), "rejected": turns("role", "content")}],
        ["user: bridge\n\nuser: hi harbor\n\nassistant: violin melon"],
    ),
    "prompt and completion": (
        [{"prompt": turns("role", "content")[:1], "completion": turns("role", "content")[1:]}],
        ["user: hi harbor\n\nassistant: violin melon"],
    ),
    "union": (
        [
            {"text": "melon paper", "messages": None},
            {"text": None, "messages": turns("role", "content")},
            {"text": "", "messages": turns("role", "content")},
        ],
        ["melon paper", "user: hi harbor\n\nassistant: violin melon", "user: hi harbor\n\nassistant: violin melon"],
    ),
}  # fmt: skip


def read(path):
    return [text for text, _ in read_documents("source", Files([str(path)]), Reading())]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_of_each_shape_is_read_without_options(tmp_path, shape):
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    records, texts = SHAPES[shape]
    table = pa.Table.from_pylist(records, pa.Table.from_pylist(sorted(records, key=len, reverse=True)).schema)
    write_jsonl(tmp_path / "pool.jsonl", records)
    (tmp_path / "pool.json").write_text(json.dumps(records, indent=1))
    pyarrow.parquet.write_table(table, tmp_path / "pool.parquet")
    pyarrow.feather.write_feather(table, tmp_path / "pool.arrow")
    for name in ("pool.jsonl", "pool.json", "pool.parquet", "pool.arrow"):
        assert read(tmp_path / name) == texts, name


def test_chats_without_text_do_not_tie_as_empty(zipfit, folder):
    records = [{"messages": [{"role": "user", "content": [{"type": "text", "body": str(i)}]}]} for i in range(500)]
    write_jsonl(folder / "pool.jsonl", records)
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--top", 5, "-o", "out.jsonl")
    assert ran.status == 2
    assert ran.err == (
        "zipfit: error: pool.jsonl, line 1: field 'messages.content' has a part without text; it has 'type', 'body'\n"
    )
    assert not (folder / "out.jsonl").exists()


@pytest.fixture
def chats(folder):
    """A pool whose documents differ only in what the user says, and a target that is like the last of them."""
    said = ["aaaa bbbb cccc", "melon paper anchor", "def add(a, b): return a + b"]
    answer = {"role": "assistant", "content": "The very same answer as everybody gets."}
    write_jsonl(folder / "pool.jsonl", [{"messages": [{"role": "user", "content": text}, answer]} for text in said])
    write_jsonl(folder / "target.jsonl", ["def sub(a, b): return a - b"])
    return folder


def test_roles_choose_what_is_scored_and_a_rerun_knows_them(zipfit, chats):
    options = ("--roles", "user", "--no-role-labels", "-q")
    ran = zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--top", 3, "-o", "out.jsonl", *options)
    assert (ran.status, ran.err) == (0, "")
    bare = library.select(["aaaa bbbb cccc", "melon paper anchor", "def add(a, b): return a + b"],
                          ["def sub(a, b): return a - b"], top=3)  # fmt: skip
    same = library.select("pool.jsonl", "target.jsonl", top=3, roles="user", role_labels=False)
    whole = library.select("pool.jsonl", "target.jsonl", top=3)
    written = [json.loads(line)["zipfit_score"] for line in (chats / "out.jsonl").read_text().splitlines()]
    assert written == bare.scores.tolist() == same.scores.tolist() != whole.scores.tolist()
    manifest = json.loads((chats / "out.manifest.json").read_text())
    assert (manifest["parameters"]["roles"], manifest["parameters"]["role_labels"]) == ("user", False)
    assert zipfit("rerun", "out.manifest.json", "-o", "again.jsonl").out == "identical, bit for bit\n"
    assert library.explain("out.jsonl", rank=1).text == "def add(a, b): return a + b"


def test_a_manifest_names_roles_only_where_they_are_given(zipfit, chats):
    zipfit("select", "pool.jsonl", "-t", "target.jsonl", "--top", 2, "-o", "out.jsonl", "-q")
    manifest = json.loads((chats / "out.manifest.json").read_text())
    assert manifest["parameters"].keys().isdisjoint({"roles", "role_labels"})
    assert zipfit("rerun", "out.manifest.json", "-o", "again.jsonl").out == "identical, bit for bit\n"
    assert library.explain("out.jsonl", rank=1).text.startswith("user: def add")


def test_score_and_preview_take_roles(zipfit, chats):
    scored = zipfit("score", "pool.jsonl", "-t", "target.jsonl", "--roles", "user", "--no-role-labels", "--json")
    means = [
        float(library.alignment("pool.jsonl", "target.jsonl", **options))
        for options in ({"roles": "user", "role_labels": False}, {"roles": "user"}, {})
    ]
    assert json.loads(scored.out)["alignment"] == means[0]
    assert len(set(means)) == 3
    write_jsonl(chats / "target.jsonl", ["def sub(a, b): return a - b", "def mul(a, b): return a * b"])
    for command in (
        ("select", "pool.jsonl", "-t", "target.jsonl", "--top", 1, "-o", "out.jsonl"),
        ("score", "pool.jsonl", "-t", "target.jsonl"),
        ("preview", "pool.jsonl", "-t", "target.jsonl", "-m", "cover", "--bytes", 60),
    ):
        ran = zipfit(*command, "--roles", "judge")
        assert ran.status == 2
        assert "no turn has the role 'judge'; there are 'user', 'assistant'" in ran.err
        assert "name no role" in zipfit(*command, "--roles", "").err
    assert (
        zipfit("preview", "pool.jsonl", "-t", "target.jsonl", "-m", "cover", "--bytes", 60, "--roles", "user").status
        == 0
    )


def test_the_page_lists_every_shape_in_its_order():
    section = PAGE.read_text(encoding="utf-8").split("## The text of a record")[1].split("###")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    shapes = [shape for cell in cells for shape in cell.split(";")]
    assert [tuple(re.findall(r"\w+", shape)) for shape in shapes] == list(reading._SHAPES)
    assert all(re.fullmatch(r" *`\w+`( \(`\w+`\))*( `\w+`)? *", shape) for shape in shapes)
