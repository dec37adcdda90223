"""The page that sets ZIP-FIT's claims beside ours says what the kept results say, and takes new ones."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def paper():
    spec = importlib.util.spec_from_file_location("paper", ROOT / "benchmarks" / "paper.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["paper"] = module  # its dataclasses look their types up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["paper"]


def test_the_tables_are_those_of_the_kept_results(paper):
    page = paper.PAGE.read_text("utf-8")
    assert page.count("<!-- end -->") == len(paper.TABLES)
    assert paper.written(page) == page, "run python benchmarks/paper.py"


def test_every_figure_of_the_paper_has_its_row(paper):
    shown = " ".join(claim.figure for claim in paper.CLAIMS)
    assert all(figure in shown for figure in ("2", "3", "4", "5", "6", "7", "8", "Table 1"))


def test_without_results_all_is_open(paper):
    assert {claim.ours([]).agrees for claim in paper.CLAIMS} == {"open"}


def test_the_verdict_follows_the_losses(paper):
    study = next(study for study in paper.studies() if study.name == "autoformalization")
    assert paper.against_rivals("ProofNet")([study]).agrees == "in part"
    lower = [dataclasses.replace(study, results=with_losses(study.results, 1.0))]
    assert paper.against_rivals("ProofNet")(lower).agrees == "yes"
    higher = [dataclasses.replace(study, results=with_losses(study.results, 9.0))]
    assert paper.against_rivals("ProofNet")(higher).agrees == "no"
    assert paper.against_rivals("Spider")([study]) == paper.NOTHING


def with_losses(results, loss):
    """The results with this final loss in every cell of ZIP-FIT's."""
    import msgspec

    cells = [
        msgspec.structs.replace(cell, losses=[*cell.losses[:-1], msgspec.structs.replace(cell.losses[-1], loss=loss)])
        if cell.arm == "zipfit"
        else cell
        for cell in results.cells
    ]
    return dataclasses.replace(results, cells=tuple(cells))
