from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("matplotlib")
pytest.importorskip("yaml")
from support import run_shell, write_jsonl
from tiny import TEXTS, save_model

if TYPE_CHECKING:
    from collections.abc import Callable

STUDY = """
name: small
source: pool.jsonl
target: {files: target.jsonl, sample: 10}
test: test.jsonl
methods: {random: {}, zipfit: {}}
budgets: [256]
models: [./tiny]
training: {block_size: 64, batch_size: 2, learning_rate: 3e-3}
"""


@pytest.fixture
def data(folder: Path) -> Path:
    write_jsonl(folder / "pool.jsonl", TEXTS[:60])
    write_jsonl(folder / "target.jsonl", TEXTS[60:70] * 2)
    write_jsonl(folder / "test.jsonl", TEXTS[70:])
    save_model(folder / "tiny")
    (folder / "study.yaml").write_text(STUDY)
    return folder


def test_a_study_runs_goes_on_and_reports(data: Path, zipfit: Callable[..., Any]):
    ran = zipfit("study", "run", "study.yaml")
    assert ran.status == 0
    assert "2 runs, 0 finished" in ran.err
    assert "[1/2] random, 256 tokens, tiny, seed 0\n" in ran.err  # nothing to tell its time by
    assert re.search(r"\[2/2\] zipfit, 256 tokens, tiny, seed 0 \(about [\d.]+ m?s left\)", ran.err)
    assert "the report is study-results/report.html" in ran.out
    assert "zipfit" in (data / "study-results" / "report.html").read_text()
    (data / "study.yaml").write_text(STUDY.replace("zipfit: {}", "zipfit: {}, dsir: {options: {min_length: 1}}"))
    again = zipfit("study", "run", "study.yaml", "--no-report", "--no-excerpts")
    assert again.status == 0
    assert "3 runs, 2 finished" in again.err
    assert "[1/1] dsir" in again.err
    kept = [json.loads(path.read_text()) for path in (data / "study-results" / "selections").glob("*.json")]
    assert {kept["arm"]["name"]: "text" in kept["top"][0] for kept in kept} == {
        "random": True,
        "zipfit": True,
        "dsir": False,
    }
    report = (data / "study-results" / "report.html").read_bytes()
    assert zipfit("study", "report", "study-results").status == 0
    assert (data / "study-results" / "report.html").read_bytes() != report


def test_a_part_of_a_study_runs_alone(data: Path, zipfit: Callable[..., Any]):
    (data / "study.yaml").write_text(STUDY.replace("[256]", "[256, null]") + "seeds: [0, 1]\n")
    ran = zipfit("study", "run", "study.yaml", "--arm", "zipfit", "--seed", "1", "--budget", "256", "--model", "tiny")
    assert ran.status == 0
    assert "1 runs, 0 finished" in ran.err
    assert "[1/1] zipfit, 256 tokens, tiny, seed 1" in ran.err
    assert "1 of 8 cells finished" in (data / "study-results" / "report.html").read_text()
    ran = zipfit("study", "run", "study.yaml", "--arm", "zipfit", "--budget", "all", "--no-report")
    assert ran.status == 0
    assert "[2/2] zipfit, all tokens, tiny, seed 1" in ran.err
    assert "the study has no seed 5: it has 0, 1" in zipfit("study", "run", "study.yaml", "--seed", "5").err
    assert (
        "--budget 2k: must be a number of tokens, or all" in zipfit("study", "run", "study.yaml", "--budget", "2k").err
    )


def test_the_documented_command_runs_the_seeds_side_by_side(data: Path):
    (data / "study.yaml").write_text(STUDY + "seeds: [0, 1]\n")
    page = (Path(__file__).parents[2] / "docs" / "study.md").read_text()
    code = next(block for block in re.findall(r"^```console\n(.*?)^```$", page, re.M | re.S) if "--seed" in block)
    ran = run_shell(code, data)
    assert ran.stderr.count("2 runs, 0 finished") == 2
    assert "4 runs, 4 finished" in ran.stderr
    assert "the report is results/report.html" in ran.stdout


def test_a_failed_cell_is_told_and_is_the_exit_status(data: Path, zipfit: Callable[..., Any]):
    (data / "study.yaml").write_text(STUDY.replace("zipfit: {}", "lost: {label: nowhere}"))
    ran = zipfit("study", "run", "study.yaml", "-o", "results")
    assert ran.status == 1
    assert "failed: arm lost: no document of the source has the label 'nowhere'" in ran.err
    assert "1 of 2 runs failed; the same command tries them again" in ran.err
    cells = [json.loads(path.read_text()) for path in (data / "results" / "cells").glob("*.json")]
    assert sorted(cell["status"] for cell in cells) == ["done", "failed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("budgets: [256]", "budgets: [10]"), "study.yaml"),
        (("zipfit: {}", "zipfit: {options: {levl: 1}}"), "levl"),
        (("sample: 10", "sample: 100"), "a sample of 100 was asked for out of 20 documents"),
        (("name: small", "name: small\nhumaneval: {samples: 1}"), "--allow-code-execution"),
    ],
)
def test_what_is_wrong_with_a_study_is_said_before_anything_runs(
    data: Path, zipfit: Callable[..., Any], change: tuple[str, str], message: str
):
    (data / "study.yaml").write_text(STUDY.replace(*change))
    ran = zipfit("study", "run", "study.yaml", "-o", "results")
    assert ran.status == 2
    assert message in ran.err
    assert not list((data / "results").glob("cells/*"))


def test_a_folder_without_results_has_no_report(data: Path, zipfit: Callable[..., Any]):
    ran = zipfit("study", "report", "tiny")
    assert ran.status == 2
    assert "study.json" in ran.err


def test_the_time_left_goes_by_the_runs_that_are_done(monkeypatch, capsys):
    from types import SimpleNamespace

    from zipfit.cli.study import TerminalStudy

    now = [0.0]
    monkeypatch.setattr("zipfit.cli.study.time.perf_counter", lambda: now[0])
    budgets = [100, 100, 200, None, 200, None]
    cells = [SimpleNamespace(model=SimpleNamespace(label="tiny"), budget=budget) for budget in budgets]
    outcomes = [{"is_done": True}, {"is_done": False}, {"is_done": True, "same_as": "other"}, {"is_done": True}]
    with TerminalStudy(bar=False, quiet=False) as terminal:
        terminal.planned(cells, 0)
        for cell, outcome, spent in zip(cells, [*outcomes, *outcomes], [60, 7, 1, 1200, 300, 1], strict=False):
            terminal.began(cell)
            now[0] += spent
            terminal.ended(cell, SimpleNamespace(**{"same_as": None, "error": "none", "loss": 1.0, **outcome}))
    said = re.findall(r"^\[(\d)/6\].*?(?:\((\w+ \w+ .*) left\))?$", capsys.readouterr().err, re.MULTILINE)
    assert said == [
        ("1", ""),
        ("2", "more than 5 min"),  # 60 + 120 + 120 seconds, and two runs of nobody knows how many tokens
        ("3", "more than 4 min"),
        ("4", "more than 2 min"),
        ("5", "about 22 min"),  # 120 and 1,200 seconds
        ("6", "about 20 min"),
    ]
