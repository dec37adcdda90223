from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("accelerate")
from support import write_jsonl
from tiny import TEXTS, save_chat_model, save_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = ["--block-size", "64", "--batch-size", "2", "--learning-rate", "3e-3"]


@pytest.fixture
def data(folder: Path) -> Path:
    write_jsonl(folder / "train.jsonl", TEXTS[:60])
    write_jsonl(folder / "test.jsonl", TEXTS[60:])
    save_model(folder / "tiny")
    return folder


def test_fine_tuning_lowers_the_loss_that_evaluate_then_finds(data: Path, zipfit: Callable[..., Any]):
    ran = zipfit("finetune", "train.jsonl", "--model", "./tiny", "--test", "test.jsonl", "-o", "run", *SMALL)
    assert ran.status == 0
    assert "after         0 tokens: test loss 5." in ran.err
    assert "results in run/results.jsonl" in ran.out
    before = json.loads(zipfit("evaluate", "--model", "./tiny", "--test", "test.jsonl", "--json").out)
    after = json.loads(zipfit("evaluate", "--model", "run/model", "--test", "test.jsonl", "--json").out)
    assert after["bits_per_byte"] < before["bits_per_byte"] - 0.1
    assert f"test loss {before['loss']:.4f} -> {after['loss']:.4f} nats a token" in ran.out
    assert (after["documents"], after["truncated"]) == (20, 0)


def test_an_overlap_is_warned_of(data: Path, zipfit: Callable[..., Any]):
    arguments = ["finetune", "train.jsonl", "--model", "./tiny", "--test", "train.jsonl", "-o", "run", *SMALL]
    assert "warning: of 60 test documents, 60 equal a training document" in zipfit(*arguments, "--no-save-model").err


def test_chats_trained_as_plain_text_are_said(data: Path, zipfit: Callable[..., Any]):
    save_chat_model(data / "chat")
    turns = [{"role": "user", "content": TEXTS[0]}, {"role": "assistant", "content": TEXTS[1]}]
    write_jsonl(data / "chats.jsonl", [{"messages": turns}] * 9)
    ran = zipfit("finetune", "chats.jsonl", "--model", "./chat", "-o", "run", *SMALL, "--no-save-model")
    assert "read as messages (user, assistant) were trained as plain text, not in the model's chat template" in ran.out


def test_every_document_is_written_on_request(data: Path, zipfit: Callable[..., Any]):
    ran = zipfit("evaluate", "-m", "./tiny", "--test", "test.jsonl", "-o", "losses.jsonl", "--test-tokens", "5")
    assert ran.status == 0
    assert "of 20 documents only the first 5 tokens were scored" in ran.out
    written = [json.loads(line) for line in (data / "losses.jsonl").read_text().splitlines()]
    assert [document["tokens"] for document in written] == [5] * 20
    again = zipfit("evaluate", "-m", "./tiny", "--test", "test.jsonl", "-o", "losses.jsonl")
    assert again.status == 2
    assert "losses.jsonl: exists already" in again.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--block-size", "1"], "block_size must be at least 2"),
        (["--adapter", "prefix"], "adapter must be one of full, lora, qlora, not prefix"),
        (["--preset", "best"], "there is no preset 'best'"),
        (["--tokens", "10"], "a budget of 10 tokens is less than one block"),
        (["--model", "./nowhere"], "model ./nowhere: there is no such folder"),
        (["--test", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--test-field", "body"], "body"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    data: Path, zipfit: Callable[..., Any], arguments: list[str], message: str
):
    given = ["finetune", "train.jsonl", "--model", "./tiny", "--test", "test.jsonl", "-o", "run", *SMALL, *arguments]
    ran = zipfit(*given)
    assert ran.status == 2
    assert ran.err.startswith("zipfit: error: ")
    assert message in ran.err
    assert ran.err.count("\n") == 1
    assert not (data / "run" / "model").exists()


def test_ready_completions_are_judged_without_a_model(data: Path, zipfit: Callable[..., Any]):
    from zipfit.humaneval import read_problems

    problems = read_problems()[:3]
    completions = [{"task_id": problem.task_id, "completion": problem.canonical_solution} for problem in problems]
    completions[1]["completion"] = "    return None\n"
    write_jsonl(data / "samples.jsonl", completions)
    arguments = ["evaluate", "--completions", "samples.jsonl", "--rows", "0:3"]
    refused = zipfit(*arguments)
    assert refused.status == 2
    assert "agree with --allow-code-execution" in refused.err
    ran = zipfit(*arguments, "--allow-code-execution")
    assert ran.status == 0
    assert "HumanEval: pass@1 66.7% (3 problems)" in ran.out
    whole = json.loads(zipfit(*arguments, "--allow-code-execution", "--json").out)["humaneval"]
    assert [result["outcomes"][0]["reason"] == "passed" for result in whole["results"]] == [True, False, True]


def test_a_model_solves_humaneval_as_far_as_it_can(data: Path, zipfit: Callable[..., Any]):
    ran = zipfit("evaluate", "-m", "./tiny", "--humaneval", "--rows", "23:25", "--allow-code-execution")
    assert ran.status == 0
    assert "HumanEval: pass@1 0.0% (2 problems)" in ran.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is nothing to evaluate on"),
        (["--humaneval"], "there is no model to evaluate: give --model"),
        (["--model", "./tiny", "--humaneval"], "agree with --allow-code-execution"),
        (["--model", "./tiny", "--humaneval", "--completions", "x"], "give one"),
        (["--completions", "x", "-o", "x.jsonl"], "--output is for the documents of --test"),
        (["--completions", "x", "--rows", "a"], "--rows takes FROM:TO"),
        (["--completions", "x", "--k", "a"], "--k takes whole numbers"),
    ],
)
def test_what_cannot_be_evaluated_is_said(data: Path, zipfit: Callable[..., Any], arguments: list[str], message: str):
    ran = zipfit("evaluate", *arguments)
    assert ran.status == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1
