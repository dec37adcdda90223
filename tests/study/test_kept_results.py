"""The results in docs/results are whole and small, and what a page shows of them is made of them."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import struct
import subprocess
from pathlib import Path

import pytest
import zstandard

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from zipfit.report.study import write_report
from zipfit.study.results import load_results
from zipfit.study.store import PACKED

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
FOLDERS = sorted(path.parent for path in RESULTS.glob("*/study.json"))
HEADING = re.compile(r"(?:Sweeps and controls: )?[Tt]he arms at (all|[\d,]+) tokens")


@pytest.fixture(scope="module")
def remade(tmp_path_factory):
    """A kept study's folder as a checkout has it, after its report was made again."""
    made = {}

    def _remade(kept):
        if kept not in made:
            made[kept] = tmp_path_factory.mktemp("kept") / kept.name
            made[kept].mkdir()
            for name in ("study.json", PACKED):
                shutil.copy(kept / name, made[kept])
            write_report(made[kept])
        return made[kept]

    return _remade


def shown():
    """The figures of kept results that a page shows."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    links = [
        (page.parent / link).resolve() for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    ]
    return {link for link in links if link.parent.name == "figures"}


def tables(text):
    """Budget, and head to value for each row, of every table of arms in a Markdown text."""
    for part in text.split("\n## ")[1:]:
        title, *lines = part.splitlines()
        heads, _, *rows = [line.strip("| ").replace("\\", "").split(" | ") for line in lines if line.startswith("|")]
        if heads[:2] == ["Arm", "Test loss"]:
            at = HEADING.fullmatch(title)[1]
            for row in rows:
                yield None if at == "all" else int(at.replace(",", "")), dict(zip(heads, row, strict=True))


@pytest.mark.parametrize("kept", FOLDERS, ids=lambda folder: folder.name)
def test_the_tables_are_made_again_byte_for_byte(kept, remade):
    assert (remade(kept) / "tables.md").read_bytes() == (kept / "tables.md").read_bytes()


@pytest.mark.parametrize("kept", FOLDERS, ids=lambda folder: folder.name)
def test_the_figures_that_are_kept_are_drawn_again(kept, remade):
    for path in (kept / "figures").glob("*") if (kept / "figures").is_dir() else []:
        again = remade(kept) / "figures" / path.name
        # Letters are drawn otherwise by another version of the library: the size is the same, the file about as large.
        old, new = (struct.unpack(">8x8xII", png.read_bytes()[:24]) for png in (path, again))
        assert old == new
        assert 0.8 < path.stat().st_size / again.stat().st_size < 1.25
        svg = again.with_suffix(".svg").read_text()
        assert svg.count("<path") > 5


@pytest.mark.parametrize("kept", FOLDERS, ids=lambda folder: folder.name)
def test_the_numbers_in_the_tables_are_those_of_the_records(kept):
    """Worked out anew, from the lines of the packed file alone."""
    lines = zstandard.ZstdDecompressor().decompress((kept / PACKED).read_bytes()).splitlines()
    losses, tokens = {}, {}
    for record in map(json.loads, lines):
        if record["kind"] == "cells":
            place = record["arm"], record["budget"]
            losses.setdefault(place, {})[record["seed"]] = record["losses"][-1]["loss"]
            tokens.setdefault(place, []).append(record["tokens"])
    rows = list(tables((kept / "tables.md").read_text("utf-8")))
    assert rows or kept.name == "sources"  # a sweep of labels has no arms that are compared first
    for budget, row in rows:
        # An arm with budgets of its own stands beside the others with its largest.
        place = row["Arm"], budget
        if place not in losses:
            place = max((key for key in losses if key[0] == row["Arm"]), key=lambda key: key[1] or float("inf"))
        found = list(losses[place].values())
        spread = f" (± {statistics.stdev(found):.3f})" if len(found) > 1 else ""
        assert row["Test loss"] == f"{statistics.fmean(found):.3f}{spread}"
        assert int(row["Seeds"]) == len(found)
        assert row["Tokens"] == f"{statistics.fmean(tokens[place]):,.0f}"
        if row.get("Against random", "–") != "–":
            random = losses["random", budget]
            apart = statistics.fmean(loss - random[seed] for seed, loss in losses[place].items() if seed in random)
            assert row["Against random"].split(" ")[0] == f"{apart:+.3f}".replace("-", "−")


@pytest.mark.parametrize("kept", FOLDERS, ids=lambda folder: folder.name)
def test_no_cell_is_damaged_foreign_or_without_its_selection(kept):
    results = load_results(kept)
    assert results.left_out == 0
    assert not results.failed
    assert {cell.selection for cell in results.cells} <= set(results.selections)


def test_all_that_was_run_is_there():
    results = [load_results(kept) for kept in FOLDERS]
    assert len(results) >= 11
    assert sum(len(found.cells) for found in results) >= 237
    assert sum(len(found.selections) for found in results) >= 165


def test_they_are_few_files_and_small():
    """At most 60 files and 4 MB: records, tables, and the figures that a page shows."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "docs/results"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout, which tells the files that are kept from those that a report made")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert 0 < len(files) <= 60
    assert sum(path.stat().st_size for path in files) <= 4_000_000
    assert {path for path in files if path.parent.name == "figures"} == shown()
