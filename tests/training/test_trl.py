"""What zipfit converts, TRL trains on: for every form two steps, and the very tokens that the records stand for."""

from __future__ import annotations

import json

import pytest
from support import read_jsonl, write_jsonl
from tiny import save_chat_model

import zipfit

pytest.importorskip("trl")
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
    pytest.mark.slow,
]

TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"town": {"type": "string"}}}}
WRAPPED = {"type": "function", "function": TOOL}


def call(arguments):
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "weather", "arguments": arguments}}],
    }


ASK, ANSWER = {"role": "user", "content": "Weather in Oslo?"}, {"role": "assistant", "content": "Cold."}
RECORDS = [
    {"instruction": "Add.", "input": "1 2", "output": "3"},
    {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
    {"tools": [TOOL], "messages": [ASK, call('{"town": "Oslo"}'), {"role": "tool", "content": "3 C"}, ANSWER]},
    {"messages": [ASK, call({"town": 3, "days": [1]}), {"role": "tool", "content": "3 C"}, ANSWER]},
]
CALLED = "<user>Weather in Oslo?<|end|><assistant>weather({})<|end|><tool>3 C<|end|>"
PROMPTS = [
    "<user>Add.\n1 2<|end|>",
    "<user>Hi<|end|>",
    json.dumps([WRAPPED]) + CALLED.format('{"town": "Oslo"}'),
    CALLED.format('{"town": 3, "days": [1]}'),
]
ANSWERS = [f"{answer}<|end|>" for answer in ("3", "Hello", "Cold.", "Cold.")]


@pytest.mark.parametrize("form", ["messages", "prompt-completion", "text"])
def test_trl_trains_on_every_form(tmp_path, form):
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    write_jsonl(tmp_path / "pool.jsonl", RECORDS)
    selection = zipfit.select(tmp_path / "pool.jsonl", ["a b", "c d"], top=len(RECORDS), convert=form)
    selection.save(tmp_path / "out.jsonl", order="source")
    trainer = SFTTrainer(
        model=str(save_chat_model(tmp_path / "model")),
        args=SFTConfig(str(tmp_path / "trained"), max_length=1024, max_steps=2, use_cpu=True, report_to=[]),
        train_dataset=load_dataset(
            "json", data_files=str(tmp_path / "out.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
        ),
    )
    rows = trainer.train_dataset
    decode = trainer.processing_class.decode
    read = [decode(row["input_ids"]) for row in rows]
    if form == "text":
        assert read == [f"{record['text']}<|end|>" for record in read_jsonl(tmp_path / "out.jsonl")]
    else:
        assert read == [f"{prompt}<assistant>{answer}" for prompt, answer in zip(PROMPTS, ANSWERS, strict=True)]
    if form == "prompt-completion":
        assert [decode([token for token in row["labels"] if token != -100]) for row in rows] == ANSWERS
    assert trainer.train().global_step == 2
