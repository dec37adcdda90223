"""Steps in real pipelines of datatrove, its own readers and writers around them."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("datatrove")
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from support import pool_records, target_texts, write_jsonl

import zipfit
from zipfit.selection.datatrove_steps import ScoreStep, SelectedFilter

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def pool(tmp_path):
    (tmp_path / "pool").mkdir()
    for number in range(3):
        records = [record for record in pool_records(700, seed=number) if record["text"]]  # datatrove skips empty ones
        write_jsonl(tmp_path / "pool" / f"{number}.jsonl", records)
    write_jsonl(tmp_path / "target.jsonl", target_texts(10))
    return tmp_path


def run(folder, *steps, tasks=2):
    writer = JsonlWriter(str(folder / "out"), compression=None)
    pipeline = [JsonlReader(str(folder / "pool")), *steps, writer]
    LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=str(folder / "logs")).run()
    return [json.loads(line) for path in sorted((folder / "out").iterdir()) for line in path.read_text().splitlines()]


def test_scores_in_the_metadata_are_those_of_zipfit(pool):
    written = run(pool, ScoreStep(str(pool / "target.jsonl"), "gain"))
    selection = zipfit.select(str(pool / "pool"), str(pool / "target.jsonl"), fraction=1.0, method="gain")
    expected = dict(zip(selection.texts, selection.scores.tolist(), strict=True))
    assert {item["text"]: item["metadata"]["zipfit_score"] for item in written} == expected
    assert len(written) == len(selection)


@pytest.mark.parametrize("output", ["selected.jsonl", "selected.parquet"])
def test_what_was_selected_is_kept(pool, output):
    selection = zipfit.select(str(pool / "pool"), str(pool / "target.jsonl"), top=100, method="cover")
    selection.save(pool / output)
    written = run(pool, SelectedFilter(str(pool / output)))
    assert {item["text"] for item in written} == set(selection.texts)


def test_a_method_that_ranks_a_pool_is_refused(pool):
    step = ScoreStep(str(pool / "target.jsonl"), "cover")
    with pytest.raises(zipfit.ZipfitError, match="ranks a pool, so it cannot score documents as they pass"):
        list(step.run([]))
