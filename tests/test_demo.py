"""The demo is what the README says: real input, no network, a selection that makes the point."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zipfit.demo import run_demo
from zipfit.errors import ZipfitError
from zipfit.manifest import verify


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def test_demo_finds_functions_with_docstrings(folder: Path) -> None:
    demo = run_demo(folder, top=200)
    labels = [record["source"] for record in map(json.loads, (folder / "selected.jsonl").read_text().splitlines())]
    pool = demo.selection.job.task.pool.label_counts()
    documents = sum(pool.values())
    assert documents > 2000
    assert len(labels) == 200
    share = labels.count("function with docstring") / len(labels)
    assert share > 2 * pool["function with docstring"] / documents
    assert verify(str(folder / "selected.manifest.json")) == []


def test_demo_holds_out_the_second_half_of_human_eval(folder: Path) -> None:
    demo = run_demo(folder, top=10)
    target = {json.loads(line)["text"] for line in (folder / "target.jsonl").read_text().splitlines()}
    assert len(target) == len(demo.held_out) == 82
    assert not target & set(demo.held_out)


def test_demo_says_when_its_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ZipfitError, match="cannot be written"):
        run_demo(tmp_path / "file" / "folder")
