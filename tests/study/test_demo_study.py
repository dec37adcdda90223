"""The docs' first study, as `zipfit demo` leaves it, with a tiny model in the place of SmolLM2."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("matplotlib")
pytest.importorskip("yaml")
from tiny import save_model

from zipfit.cli.demo import run_demo
from zipfit.report.study import write_report
from zipfit.study.runner import run_study
from zipfit.study.spec import load_study


def test_the_demos_study_runs_and_reports(tmp_path: Path):
    run_demo(tmp_path, top=10)
    save_model(tmp_path / "tiny", max_position_embeddings=512)
    path = tmp_path / "study.yaml"
    path.write_text(path.read_text().replace("[smollm2]", "[./tiny]"))
    results = run_study(load_study(path), tmp_path / "results")
    assert [result.status for result in results] == ["done"] * 3
    assert {result.arm for result in results} == {"random", "zipfit", "cover"}
    assert {result.tokens for result in results} == {10_000 // 256 * 256}
    page = write_report(tmp_path / "results").read_text()
    assert "Demo" in page
    assert "cover" in page
