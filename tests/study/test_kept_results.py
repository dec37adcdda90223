"""The results in docs/results are whole, and what stands beside the cells is made of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from zipfit.report.study import write_report
from zipfit.study.results import load_results

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "docs" / "results").glob("*/study.json"))


@pytest.mark.parametrize("kept", FOLDERS, ids=lambda folder: folder.name)
def test_tables_and_figures_are_those_of_the_cells(kept, tmp_path):
    folder = tmp_path / kept.name
    made = shutil.ignore_patterns("figures", "report.html", "*.jsonl", "*.md")
    shutil.copytree(kept, folder, ignore=made)
    write_report(folder)
    for name in ("tables.md", "cells.jsonl", "losses.jsonl", "selections.jsonl"):
        assert (folder / name).read_text("utf-8") == (kept / name).read_text("utf-8")
    names = {path.name for path in (folder / "figures").iterdir()}
    assert names == {path.name for path in (kept / "figures").iterdir()}


@pytest.mark.parametrize("kept", FOLDERS, ids=lambda folder: folder.name)
def test_no_cell_is_damaged_foreign_or_without_its_selection(kept):
    results = load_results(kept)
    assert results.left_out == 0
    assert not results.failed
    assert {cell.selection for cell in results.cells} <= set(results.selections)


def test_there_are_results():
    assert FOLDERS
