"""Studies of chats in the model's own template: the same chats as `zipfit finetune` trains, and the same losses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("matplotlib")
pytest.importorskip("yaml")
from support import write_jsonl
from tiny import TEXTS, save_chat_model, save_model

import zipfit
from zipfit.errors import ZipfitError
from zipfit.report.figures.style import settings_line
from zipfit.study.check import check_study
from zipfit.study.plan import plan
from zipfit.study.results import load_results
from zipfit.study.runner import run_study
from zipfit.study.spec import load_study
from zipfit.training.chats import read_chats
from zipfit.training.models import load_tokenizer

STUDY = """
name: chats
source: pool.jsonl
target: target.jsonl
test: test.jsonl
methods: {all: {train_on: source}, zipfit: {}, target: {train_on: target}}
budgets: [384]
models: [./tiny]
training: {block_size: 64, batch_size: 2, learning_rate: 3e-3, chat_template: assistant}
"""


def chat(question: str, answer: str, **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": turns, **more}


POOL = [
    chat(question, answer, source="code" if question.startswith("def") else "prose")
    for question, answer in zip(TEXTS, [*TEXTS[40:], *TEXTS[:40]], strict=True)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chats")
    save_chat_model(folder / "tiny")
    save_model(folder / "plain")
    write_jsonl(folder / "pool.jsonl", POOL)
    write_jsonl(folder / "target.jsonl", [chat(f"Subtract {name}.", f"left - {name}\n") for name in "abcdefghijkl"])
    write_jsonl(folder / "test.jsonl", [chat(f"Multiply {name}.", f"left * {name}\n") for name in "abcd"])
    return folder


def study_of(folder: Path, text: str = STUDY) -> Any:
    (folder / "study.yaml").write_text(text)
    return load_study(folder / "study.yaml")


@pytest.mark.parametrize("loss", ["all", "assistant"])
def test_an_arm_trains_and_is_measured_as_by_finetune(folder, tmp_path, loss):
    cells = run_study(study_of(folder, STUDY.replace("assistant}", f"{loss}}}")), tmp_path / "results")
    assert [cell.error for cell in cells] == [None] * 3
    assert {cell.tokens for cell in cells} == {384}
    whole = cells[0]
    lines = [json.dumps(POOL[position]) for position in selected(tmp_path / "results", whole)]
    (tmp_path / "chosen.jsonl").write_text("\n".join(lines) + "\n")
    run = zipfit.finetune(
        tmp_path / "chosen.jsonl",
        str(folder / "tiny"),
        tmp_path / "run",
        test=folder / "test.jsonl",
        settings=study_of(folder).settings,
        budget=384,
        chat_template=loss,
    )
    assert [measured.loss for measured in run.test] == [loss.loss for loss in whole.losses]
    assert run.documents == whole.documents
    plain = zipfit.evaluate(str(folder / "tiny"), folder / "test.jsonl")
    assert plain.loss != whole.losses[0].loss
    assert zipfit.evaluate(str(folder / "tiny"), folder / "test.jsonl", chat_template=loss).loss == run.test[0].loss


def selected(results: Path, cell: Any) -> list[int]:
    return json.loads((results / "selections" / f"{cell.selection}.json").read_text())["position"][: cell.documents]


def test_a_budget_counts_the_tokens_of_the_template(folder, tmp_path):
    tokenizer = load_tokenizer(str(folder / "tiny"))
    lengths = {
        role: [len(chat.tokens) for chat in read_chats(role, folder / f"{role}.jsonl", None, tokenizer, "assistant")]
        for role in ("pool", "target")
    }
    cells = run_study(study_of(folder), tmp_path / "results")
    for cell in cells:
        record = json.loads((tmp_path / "results" / "selections" / f"{cell.selection}.json").read_text())
        assert sum(record["tokens"]) >= 384 > sum(record["tokens"][:-1])
        if cell.arm == "target":
            assert set(record["tokens"]) == set(lengths["target"])
        else:
            assert record["tokens"] == [lengths["pool"][position] for position in record["position"]]


def test_keys_change_with_the_template_alone(folder):
    plain = plan(study_of(folder, STUDY.replace(", chat_template: assistant", "")))
    null = plan(study_of(folder, STUDY.replace("chat_template: assistant", "chat_template: null")))
    assert [cell.key for cell in null] == [cell.key for cell in plain]
    assert "chat_template" not in study_of(folder, STUDY.replace("chat_template: assistant", "")).to_json()
    every = plan(study_of(folder, STUDY.replace("assistant", "all")))
    assistant = plan(study_of(folder))
    assert len({cell.key for cells in (plain, every, assistant) for cell in cells}) == 9


def test_what_ran_is_finished_and_one_results_folder_takes_both(folder, tmp_path):
    first = run_study(study_of(folder), tmp_path / "results")
    kept = load_results(tmp_path / "results")
    assert (kept.study.chat_template, kept.study) == ("assistant", replace(study_of(folder), folder=""))
    assert "chat template (assistant)" in settings_line(kept, "tiny", [384])
    assert run_study(study_of(folder), tmp_path / "results") == first
    plain = run_study(study_of(folder, STUDY.replace(", chat_template: assistant", "")), tmp_path / "results")
    assert all(a.losses != b.losses for a, b in zip(first, plain, strict=True))


def test_parts_and_samples_are_those_of_the_texts(folder, tmp_path):
    source = "source: [{files: pool.jsonl, rows: [4, 60], sample: 30}, {files: pool.jsonl, rows: [60, null]}]"
    text = STUDY.replace("source: pool.jsonl", source).replace("384", "1024").replace("all: {train_on: source}, ", "")
    cells = run_study(study_of(folder, text), tmp_path / "results")
    assert [cell.error for cell in cells] == [None] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("assistant}", "system}"), "chat_template: must be one of all, assistant, not 'system'"),
        (("test: test.jsonl", "test: {files: test.jsonl, template: '{messages}'}"),
         r"test: a template makes plain text of records, and a chat template needs their turns: give one"),
    ],
)  # fmt: skip
def test_what_the_file_tells_is_known_at_once(folder, change, message):
    with pytest.raises(ZipfitError, match=message):
        study_of(folder, STUDY.replace(*change))


@pytest.mark.parametrize("role", ["source", "target", "test"])
def test_a_document_without_turns_is_an_error_before_training(folder, tmp_path, role):
    name = {"source": "pool", "target": "target", "test": "test"}[role]
    records = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    write_jsonl(folder / "mixed.jsonl", [records[0], {"text": "Just a sentence."}, *records[1:]])
    study = study_of(folder, STUDY.replace(f"{role}: {name}.jsonl", f"{role}: mixed.jsonl"))
    for step in (check_study, lambda study: run_study(study, tmp_path / "results")):
        with pytest.raises(ZipfitError, match=r"mixed\.jsonl, line 2: .*"):
            step(study)
    assert not list((tmp_path / "results").glob("cells/*"))


def test_a_model_without_a_template_is_an_error_before_any_is_trained(folder, tmp_path):
    study = study_of(folder, STUDY.replace("[./tiny]", "[./tiny, ./plain]"))
    for step in (check_study, lambda study: run_study(study, tmp_path / "results")):
        with pytest.raises(ZipfitError, match="model plain: the model has no chat template, so chats are plain text"):
            step(study)
    assert not list((tmp_path / "results").glob("cells/*"))


def test_a_chat_that_the_template_refuses_is_an_error_before_training(folder, tmp_path):
    save_chat_model(folder / "strict")
    template = folder / "strict" / "chat_template.jinja"
    if not template.exists():
        pytest.skip("this Transformers keeps the template elsewhere")
    template.write_text(
        "{{ raise_exception('No numbers, please.') if 'number 7 ' in messages[0].content }}" + template.read_text()
    )
    study = study_of(folder, STUDY.replace("./tiny", "./strict"))
    for step in (check_study, lambda study: run_study(study, tmp_path / "results")):
        with pytest.raises(
            ZipfitError, match=r"source, document 48: the chat template refuses it \(No numbers, please\)"
        ):
            step(study)
    assert not list((tmp_path / "results").glob("cells/*"))


@pytest.mark.parametrize("role", ["source", "target", "test"])
def test_chats_that_the_loss_is_not_on_are_an_error_before_training(folder, tmp_path, role):
    name = {"source": "pool", "target": "target", "test": "test"}[role]
    write_jsonl(folder / "mute.jsonl", [{"messages": [{"role": "user", "content": f"Only asked {i}."}]} for i in "abc"])
    study = study_of(folder, STUDY.replace(f"{role}: {name}.jsonl", f"{role}: mute.jsonl"))
    for step in (check_study, lambda study: run_study(study, tmp_path / "results")):
        with pytest.raises(
            ZipfitError, match=rf"the study's {role}: .* nothing that the loss is on \(chat_template: a"
        ):
            step(study)
    assert not list((tmp_path / "results").glob("cells/*"))


def test_check_is_content_with_chats(folder):
    assert check_study(study_of(folder)).documents == {"source": 80, "target": 12, "test": 4}
