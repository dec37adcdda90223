"""The table of the three-seeds studies says, on each page, what the kept cells say."""

from __future__ import annotations

import importlib.util
import json
import statistics
from pathlib import Path

import pytest
import zstandard

pytest.importorskip("scipy")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def table():
    spec = importlib.util.spec_from_file_location("three_seeds", ROOT / "benchmarks" / "three_seeds.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tasks(table):
    return table.found()


def test_the_pages_are_those_of_the_kept_results(table, tasks):
    for page, blocks in zip(table.PAGES, (1, 2), strict=True):
        text = page.read_text("utf-8")
        assert text.count("<!-- three-seeds ") == blocks
        assert table.written(text, tasks) == text, "run python benchmarks/three_seeds.py"


def test_no_cell_of_the_table_is_empty_and_all_are_of_three_seeds(table, tasks):
    for ranked in tasks.values():
        assert {len(ranked[arm].cells) for arm in table.arms(tasks)} == {3}


def test_its_numbers_are_those_of_the_records(table, tasks):
    """Worked out anew, from the lines of a packed file alone."""
    for task in table.TASKS:
        packed = ROOT / "docs" / "results" / f"three-seeds-{task}" / "records.jsonl.zst"
        losses: dict[str, dict[int, float]] = {}
        for line in zstandard.ZstdDecompressor().decompress(packed.read_bytes()).splitlines():
            record = json.loads(line)
            if record["kind"] == "cells" and record["budget"] == table.BUDGET:
                losses.setdefault(record["arm"], {})[record["seed"]] = record["losses"][-1]["loss"]
        ranked = tasks[task]
        random, target = losses["random"], losses["target"]
        for arm, own in losses.items():
            mean = statistics.fmean(own.values())
            assert str(ranked[arm].loss) == f"{mean:.3f} ± {statistics.stdev(own.values()):.3f}"
            if arm not in ("random", "target"):
                gap = statistics.fmean(random.values()) - statistics.fmean(target.values())
                assert ranked[arm].gap.share == pytest.approx((statistics.fmean(random.values()) - mean) / gap)
                ahead = sum(own[seed] < random[seed] for seed in own)
                assert table.ahead(ranked[arm]) == f"{ahead} of 3"
