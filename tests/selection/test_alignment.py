from __future__ import annotations

import functools
import operator

import numpy as np
import pyarrow.parquet as pq
import pytest
from support import plain_alignment, pool_records, random_texts, target_texts, write_jsonl

import zipfit


def test_the_alignment_of_two_data_sets_is_the_mean_over_documents():
    texts, target = random_texts(30, 1), target_texts()
    result = zipfit.alignment(texts, target)
    expected = [plain_alignment(text, target) for text in texts]
    assert result.scores.tolist() == expected
    total = functools.reduce(operator.add, expected)  # `sum` corrects its rounding since Python 3.12
    assert result.mean == float(result) == total / len(expected)
    assert result.std == pytest.approx(np.std(expected))
    assert result.quantiles[0.0] == min(expected)
    assert result.quantiles[0.5] == pytest.approx(np.median(expected))
    assert result.quantiles[1.0] == max(expected)
    assert result.target_documents == 4
    assert result.to_json()["documents"] == 30
    assert f"{result.mean:.4f}" in repr(result)


def test_a_data_set_is_better_aligned_with_itself_than_with_another():
    lean = [f"theorem t{i} (a b : nat) : a * {i} = b" for i in range(20)]
    prose = [f"On day {i} of the winter the river froze over" for i in range(20)]
    assert zipfit.alignment(lean, lean).mean > zipfit.alignment(prose, lean).mean


def test_scores_are_written_with_their_places(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", pool_records(3, 1))
    (tmp_path / "b.jsonl").write_text('{"text": "x"}\nbad\n{"text": "y"}\n')
    out = tmp_path / "scores.parquet"
    result = zipfit.alignment(tmp_path, target_texts(), output=str(out), skip_bad=True)
    assert result.skipped == 1
    rows = pq.read_table(out).to_pylist()
    assert [row["position"] for row in rows] == [0, 1, 2, 3, 5]
    assert [row["file"].rsplit("/")[-1] for row in rows] == ["a.jsonl"] * 3 + ["b.jsonl"] * 2
    assert [row["row"] for row in rows] == [0, 1, 2, 0, 2]
    assert [row["zipfit_score"] for row in rows] == result.scores.tolist()


def test_compressors_and_mistakes(tmp_path):
    found = zipfit.alignment(["a b c"], ["a b d"], compressor="zstd", level=7)
    assert found.engine.startswith("zstd level 7")
    with pytest.raises(zipfit.ZipfitError, match="unknown compressor"):
        zipfit.alignment(["a"], ["b"], compressor="zip")
    with pytest.raises(zipfit.ZipfitError, match="its extension names no output format"):
        zipfit.alignment(["a"], ["b"], output=str(tmp_path / "x"))
