"""Chats in a model's own template, and the loss on the assistant's tokens: token by token, trained and measured."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("accelerate")
import torch
from support import read_jsonl, write_jsonl
from tiny import CHAT_TEMPLATE, TEXTS, save_chat_model, save_model, save_tokenizer

import zipfit
from zipfit.errors import ZipfitError
from zipfit.training.blocks import make_blocks
from zipfit.training.chats import Chat, read_chats
from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import load_model
from zipfit.training.settings import Settings

BODY = (
    "{{ message.content }}{% for call in message.tool_calls or [] %}"
    "{{ call.function.name }}({{ call.function.arguments | tojson }}){% endfor %}<|end|>"
)
MARKED = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for message in messages %}<{{ message.role }}>"
    f"{{% if message.role == 'assistant' %}}{{% generation %}}{BODY}{{% endgeneration %}}{{% else %}}{BODY}{{% endif %}}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""What CHAT_TEMPLATE writes, with marks."""

FORGETFUL = (  # as Qwen3 leaves the thoughts of earlier turns out
    "{% for message in messages %}<{{ message.role }}>{{ 'hm ' if loop.last and message.role == 'assistant' }}{{ message.content }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
STRICT = (
    "{% for message in messages %}{{ raise_exception('No system, please.') if message.role == 'system' }}{% endfor %}"
)

ASK, ANSWER = {"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "two"}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"n": [1, 1]}}}]}
RESULT = {"role": "tool", "content": "2"}
TOOL = {"name": "add", "parameters": {"type": "object"}}
CHATS: list[dict[str, Any]] = [
    {"messages": [ASK, ANSWER]},
    {"messages": [{"role": "system", "content": "Be brief."}, ASK, ANSWER, ASK, {**ANSWER, "content": "naïve 🎲 数"}]},
    {"tools": [TOOL], "messages": [ASK, CALL, RESULT, ANSWER]},
    {"conversations": [{"from": "gpt", "value": "Hello"}, {"from": "human", "value": "Hi"}]},
    {"question": "1 + 1?", "answer": "two"},
    {"messages": [ASK]},
]
LONG = [
    {"messages": [{"role": "user", "content": a}, {"role": "assistant", "content": b}]}
    for a, b in zip(TEXTS, TEXTS[40:], strict=False)
]
SETTINGS = Settings(block_size=64, batch_size=2, learning_rate=3e-3)


def tokenizer_with(template: str | None, folder: Path) -> Any:
    tokenizer = save_tokenizer(folder)
    tokenizer.chat_template = template
    return tokenizer


def read(documents: Any, tokenizer: Any, loss: str) -> list[Chat]:
    return read_chats("documents", documents, None, tokenizer, loss)


def pieces(chat: Chat, tokenizer: Any) -> list[tuple[str, bool]]:
    """Runs of tokens that are scored, or are not, as text."""
    runs: list[tuple[list[int], bool]] = []
    for token, scored in zip(chat.tokens.tolist(), chat.scored.tolist(), strict=True):
        if not runs or runs[-1][1] != scored:
            runs.append(([], scored))
        runs[-1][0].append(token)
    return [(tokenizer.decode(tokens), scored) for tokens, scored in runs]


@pytest.mark.parametrize("template", [MARKED, CHAT_TEMPLATE], ids=["marked", "unmarked"])
def test_the_assistants_tokens_are_what_it_said_and_called_to_the_end_of_its_turns(template: str, tmp_path: Path):
    tokenizer = tokenizer_with(template, tmp_path)
    asked = '[{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]<user>1 + 1?<|end|><assistant>'
    assert [pieces(chat, tokenizer) for chat in read(CHATS, tokenizer, "assistant")] == [
        [("<user>1 + 1?<|end|><assistant>", False), ("two<|end|>", True)],
        [
            ("<system>Be brief.<|end|><user>1 + 1?<|end|><assistant>", False),
            ("two<|end|>", True),
            ("<user>1 + 1?<|end|><assistant>", False),
            ("naïve 🎲 数<|end|>", True),
        ],
        [
            (asked, False),
            ('add({"n": [1, 1]})<|end|>', True),
            ("<tool>2<|end|><assistant>", False),
            ("two<|end|>", True),
        ],
        [("<assistant>", False), ("Hello<|end|>", True), ("<user>Hi<|end|>", False)],
        [("<user>1 + 1?<|end|><assistant>", False), ("two<|end|>", True)],
        [("<user>1 + 1?<|end|>", False)],
    ]


def test_the_tokens_are_those_of_transformers_whatever_the_loss(tmp_path: Path):
    tokenizer = tokenizer_with(CHAT_TEMPLATE, tmp_path)
    expected = tokenizer.apply_chat_template([ASK, ANSWER], return_dict=True)["input_ids"]
    everything, assistant = (read(CHATS[:1], tokenizer, loss)[0] for loss in ("all", "assistant"))
    assert everything.tokens.tolist() == assistant.tokens.tolist() == expected
    assert everything.scored.all()
    assert everything.text == assistant.text == "user: 1 + 1?\n\nassistant: two"


def test_a_token_that_is_partly_the_assistants_is_its_own(tmp_path: Path):
    template = "{% for message in messages %}{{ message.role + ' : ' + message.content }}{% endfor %}"
    template += "{% if add_generation_prompt %}{{ 'assistant :' }}{% endif %}"
    (chat,) = read(
        [{"messages": [ASK, {**ANSWER, "content": " returns"}]}], tokenizer_with(template, tmp_path), "assistant"
    )
    tokenizer = tokenizer_with(template, tmp_path)
    (before, off), (said, on) = pieces(chat, tokenizer)
    assert (off, on) == (False, True)
    assert before + said == "user : 1 + 1?assistant :  returns"
    assert said.lstrip() == "returns"


@pytest.mark.parametrize(
    ("template", "documents", "loss", "message"),
    [
        (None, CHATS, "all", "the model has no chat template, so chats are plain text to it: leave chat_template out"),
        (STRICT, CHATS, "all", r"documents, document 2: the chat template refuses it \(No system, please\)"),
        (FORGETFUL, CHATS, "assistant", r"documents, document 2: the chat template writes turn 3 .* otherwise"),
        (CHAT_TEMPLATE, [*CHATS, "text"], "all", r"documents, .*: no turns found, as it holds no chat and no pair"),
        (
            CHAT_TEMPLATE,
            [{"messages": [{"role": "narrator", "content": "x"}]}],
            "all",
            "a turn has the role 'narrator'",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(
    template: str | None, documents: Any, loss: str, message: str, tmp_path: Path
):
    with pytest.raises(ZipfitError, match=message):
        read(documents, tokenizer_with(template, tmp_path), loss)


def test_a_template_that_forgets_serves_for_all_tokens_and_for_a_last_answer(tmp_path: Path):
    tokenizer = tokenizer_with(FORGETFUL, tmp_path)
    assert len(read(CHATS, tokenizer, "all")) == len(CHATS)
    assert pieces(read(CHATS[:1], tokenizer, "assistant")[0], tokenizer) == [
        ("<user>1 + 1?<|end|><assistant>", False),
        ("hm two<|end|>", True),
    ]


def test_blocks_keep_each_token_with_its_mark_and_leave_out_those_without_any(tmp_path: Path):
    tokenizer = tokenizer_with(CHAT_TEMPLATE, tmp_path)
    chats = read(LONG, tokenizer, "assistant")
    blocks = make_blocks(chats, tokenizer, 8)
    assert blocks.tokens.shape == blocks.scored.shape
    assert blocks.scored[:, 1:].any(axis=1).all()
    total = sum(len(chat.tokens) for chat in chats) // 8
    assert len(blocks.tokens) < total
    whole = make_blocks(read(LONG, tokenizer, "all"), tokenizer, 8)
    assert len(whole.tokens) == total
    assert whole.scored.all()
    rows = {row.tobytes() for row in whole.tokens}
    assert all(row.tobytes() in rows for row in blocks.tokens)
    with pytest.raises(ZipfitError, match="no block holds a token of the assistant's, which alone the loss is on"):
        make_blocks(read(CHATS[5:], tokenizer, "assistant"), tokenizer, 4)


def test_a_chat_costs_what_transformers_says_of_its_scored_tokens(tmp_path: Path):
    model = load_model(str(save_chat_model(tmp_path)))
    for loss in ("all", "assistant"):
        chats = read(CHATS[:5], model.tokenizer, loss)
        evaluation = cross_entropy(model, chats)
        for chat, document in zip(chats, evaluation.documents, strict=True):
            ids = torch.tensor([[model.tokenizer.eos_token_id, *chat.tokens.tolist()]])
            labels = torch.where(torch.tensor([[False, *chat.scored.tolist()]]), ids, -100)
            with torch.no_grad():
                mean = model.network(input_ids=ids, labels=labels).loss.item()
            assert document.tokens == chat.scored.sum()
            assert document.nats == pytest.approx(mean * document.tokens, rel=1e-5)
            said = "".join(text for text, scored in pieces(chat, model.tokenizer) if scored).replace("<|end|>", "")
            assert document.bytes == len(said.encode())


def test_a_begin_of_text_token_that_the_template_writes_is_where_a_chat_starts(tmp_path: Path):
    model = load_model(str(save_model(tmp_path, begin="<|begin|>")))
    model.tokenizer.chat_template = "{{ bos_token }}" + CHAT_TEMPLATE
    for loss, tokens in (("all", -1), ("assistant", 0)):
        (chat,) = read(CHATS[:1], model.tokenizer, loss)
        assert chat.tokens.tolist().count(model.tokenizer.bos_token_id) == 1
        (document,) = cross_entropy(model, [chat]).documents
        ids = torch.tensor([chat.tokens.tolist()])
        labels = torch.where(torch.from_numpy(chat.scored)[None], ids, -100)
        with torch.no_grad():
            mean = model.network(input_ids=ids, labels=labels).loss.item()
        assert document.tokens == chat.scored.sum() + tokens
        assert document.nats == pytest.approx(mean * document.tokens, rel=1e-5)


def test_of_a_long_chat_the_scored_tokens_within_the_limit_count(tmp_path: Path):
    model = load_model(str(save_chat_model(tmp_path)))
    (chat,) = read(CHATS[1:2], model.tokenizer, "assistant")
    limit = int(np.flatnonzero(chat.scored)[1]) + 1
    (document,) = cross_entropy(model, [chat], limit).documents
    assert (document.tokens, document.truncated) == (2, True)
    with pytest.raises(ZipfitError, match="nothing of the assistant's in the first 3 tokens of a chat"):
        cross_entropy(model, [chat], 3)


@pytest.mark.parametrize("loss", ["all", "assistant"])
def test_a_run_measures_as_the_saved_model_does_and_learns_what_the_loss_is_on(loss: str, tmp_path: Path):
    model = str(save_chat_model(tmp_path / "model"))
    run = zipfit.finetune(LONG[:32], model, tmp_path / "run", test=LONG[32:], settings=SETTINGS, chat_template=loss)
    start = read_jsonl(tmp_path / "run" / "results.jsonl")[0]
    assert start["chat_template"] == loss
    assert run.untemplated is None
    assert (run.scored == run.tokens) == (loss == "all")
    assert run.test[-1].loss < run.test[0].loss - 0.3
    saved = zipfit.evaluate(str(tmp_path / "run" / "model"), LONG[32:], chat_template=loss)
    assert run.test[-1].loss == pytest.approx(saved.loss, abs=1e-6)
    assert run.test[-1].bits_per_byte == pytest.approx(saved.bits_per_byte, abs=1e-6)
    before = zipfit.evaluate(model, LONG[32:], chat_template=loss)
    assert run.test[0].loss == pytest.approx(before.loss, abs=1e-6)


def test_the_loss_of_training_is_on_the_scored_tokens_alone(tmp_path: Path):
    """The first step's loss, before anything is learnt, is the mean over the labels of its two blocks."""
    model = str(save_chat_model(tmp_path / "model"))
    settings = Settings(block_size=64, batch_size=1000, precision="fp32")
    run = zipfit.finetune(LONG, model, tmp_path / "run", settings=settings, chat_template="assistant", save_model=False)
    loaded = load_model(model)
    blocks = make_blocks(read(LONG, loaded.tokenizer, "assistant"), loaded.tokenizer, 64)
    assert blocks.tokens.size == run.tokens
    assert blocks.scored.sum() == run.scored
    ids = torch.from_numpy(blocks.tokens.astype("int64"))
    with torch.no_grad():
        costs = -loaded.network(input_ids=ids).logits.log_softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    nats = float(costs[torch.from_numpy(blocks.scored[:, 1:])].sum())
    # Older releases of Transformers divide by the first tokens of blocks too.
    counts = [int(blocks.scored[:, 1:].sum()), run.scored]
    assert any(run.train[0].loss == pytest.approx(nats / count, rel=1e-4) for count in counts)


def test_a_run_in_a_template_is_not_resumed_without_it(tmp_path: Path):
    model = str(save_chat_model(tmp_path / "model"))
    zipfit.finetune(LONG, model, tmp_path / "run", settings=SETTINGS, chat_template="all", save_model=False)
    with pytest.raises(ZipfitError, match=r"started with other chat_template and documents"):
        zipfit.finetune(LONG, model, tmp_path / "run", settings=SETTINGS, resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chat_template": "user"}, "chat_template must be one of all, assistant, not 'user'"),
        (
            {"chat_template": "all", "template": "{q}"},
            "a template makes plain text of records, and a chat template needs",
        ),
        ({"chat_template": "all", "test_template": "{q}"}, "a template makes plain text of records"),
    ],
)
def test_wrong_options_are_errors_before_anything_is_read(options: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(ZipfitError, match=message):
        zipfit.finetune(tmp_path / "nowhere.jsonl", "./nowhere", tmp_path / "run", **options)
    options.pop("test_template", None)
    if len(options) > 1 or options["chat_template"] == "user":
        with pytest.raises(ZipfitError, match=message):
            zipfit.evaluate("./nowhere", tmp_path / "nowhere.jsonl", **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--humaneval", "--chat-template", "all"], "--chat-template is for the documents of --test"),
        (["--test", "x.jsonl", "--chat-template", "user"], "chat_template must be one of all, assistant, not 'user'"),
        (
            ["--test", "x.jsonl", "--chat-template", "all", "--template", "{q}"],
            "a template makes plain text of records",
        ),
    ],
)
def test_the_command_line_refuses_before_a_model_is_loaded(zipfit: Any, arguments: list[str], message: str):
    refused = zipfit("evaluate", "--model", "./nowhere", *arguments)
    assert refused.status == 2
    assert message in refused.err


def test_the_command_line_trains_and_evaluates_in_the_template(zipfit: Any, tmp_path: Path):
    model = save_chat_model(tmp_path / "model")
    files = [write_jsonl(tmp_path / f"{name}.jsonl", some) for name, some in (("a", LONG[:32]), ("b", LONG[32:]))]
    common = ["--chat-template", "assistant", "--test", files[1], "--json", "--model"]
    run = zipfit("finetune", files[0], "-o", tmp_path / "run", "--block-size", "64", *common, model)
    assert run.status == 0, run.err
    assert "of the assistant's)" in run.err
    trained = json.loads(run.out)
    assert 0 < trained["scored"] < trained["tokens"]
    assert math.isfinite(trained["train"][-1]["loss"])
    found = zipfit("evaluate", *common, tmp_path / "run" / "model")
    assert json.loads(found.out)["loss"] == pytest.approx(trained["test"][-1]["loss"], abs=1e-6)
    write_jsonl(tmp_path / "b.jsonl", ["plain text"])
    refused = zipfit("evaluate", *common, model)
    assert refused.status == 2
    assert "b.jsonl, line 1: no turns found" in refused.err
