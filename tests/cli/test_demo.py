"""The demo is what the README says: real input, no network, a selection that makes the point."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zipfit.cli.demo import Demo, run_demo
from zipfit.errors import ZipfitError
from zipfit.selection.manifest import verify
from zipfit.study.check import check_study
from zipfit.study.spec import load_study


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Demo]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_demo(folder, top=200)


def test_demo_finds_functions_with_docstrings(demo: tuple[Path, Demo]) -> None:
    folder, made = demo
    labels = [record["source"] for record in map(json.loads, (folder / "selected.jsonl").read_text().splitlines())]
    pool = made.selection.ranking.sources.pool.label_counts()
    documents = sum(pool.values())
    assert documents > 2000
    assert len(labels) == 200
    share = labels.count("function with docstring") / len(labels)
    assert share > 2 * pool["function with docstring"] / documents
    assert verify(str(folder / "selected.manifest.json")) == []


def test_demo_holds_out_the_second_half_of_human_eval(demo: tuple[Path, Demo]) -> None:
    folder, made = demo
    target = {json.loads(line)["text"] for line in (folder / "target.jsonl").read_text().splitlines()}
    assert len(target) == len(made.held_out) == 82
    assert not target & set(made.held_out)
    assert [json.loads(line)["text"] for line in (folder / "test.jsonl").read_text().splitlines()] == made.held_out


def test_demo_leaves_a_study_of_three_methods(demo: tuple[Path, Demo]) -> None:
    pytest.importorskip("yaml")
    checked = check_study(load_study(demo[0] / "study.yaml"))
    assert (checked.arms, checked.cells) == (3, 3)
    assert (checked.documents["target"], checked.documents["test"]) == (82, 24)


def test_demo_says_when_its_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ZipfitError, match="cannot be written"):
        run_demo(tmp_path / "file" / "folder")
