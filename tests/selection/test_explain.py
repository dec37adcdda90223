from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import plain_alignment, pool_records, target_texts, write_jsonl

import zipfit
from zipfit.compression.compressors import get_compressor
from zipfit.methods.zipfit import ZipFit
from zipfit.selection.explain import explain_text, shared_substrings
from zipfit.system.texts import Texts

letters = st.text(st.sampled_from("ab é"), max_size=40)


def brute_force(document, example):
    """Substrings of 6 characters or more of both, that no other contains, stripped; in order of length."""
    common = {
        document[i:j].strip()
        for i in range(len(document))
        for j in range(i + 6, len(document) + 1)
        if document[i:j] in example
    }
    return {text for text in common if len(text) >= 6 and not any(text != other and text in other for other in common)}


@given(letters, letters)
def test_shared_substrings_are_those_of_a_search_through_all(document, example):
    found = shared_substrings(document, example, limit=1000)
    assert set(found) == brute_force(document, example)
    assert len(found) == len(set(found))
    assert [len(text) for text in found] == sorted(map(len, found), reverse=True)
    assert shared_substrings(document, example, limit=2) == found[:2]


def test_shared_substrings_of_long_texts_take_linear_time():
    assert shared_substrings("ab" * 20_000, "ab" * 10_000)[0] == "ab" * 10_000


def test_neighbours_are_the_nearest_examples():
    target = [f"example {i} " + "xyz " * i for i in range(8)]
    found = explain_text("example 3 xyz xyz xyz", target, ZipFit())
    distances = get_compressor("gzip").pairs(Texts.of(target))
    alone, joined = distances.sizes(b"example 3 xyz xyz xyz")
    ncd = [
        (j - min(alone, c)) / max(alone, c)
        for j, c in zip(joined.tolist(), distances.target_sizes.tolist(), strict=True)
    ]
    nearest = sorted(range(8), key=lambda i: (ncd[i], i))[:5]
    assert [neighbour.index for neighbour in found.neighbours] == nearest
    assert [neighbour.distance for neighbour in found.neighbours] == [ncd[i] for i in nearest]
    assert found.alignment == plain_alignment("example 3 xyz xyz xyz", target)


@pytest.fixture
def selected(tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", pool_records())
    write_jsonl(tmp_path / "target.jsonl", target_texts())
    chosen = zipfit.select(tmp_path / "pool.jsonl", tmp_path / "target.jsonl", top=8, options={"compressor": "lz4"})
    return tmp_path, chosen


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out.csv", "out.json.gz"])
def test_by_rank_and_by_position(selected, name):
    folder, chosen = selected
    path = str(folder / name)
    chosen.save(path)
    for rank in (1, 5, 8):
        found = zipfit.explain(path, rank=rank)
        assert found.text == chosen.texts[rank - 1]
        assert found.alignment == chosen.scores[rank - 1]
        assert float(found.fields["zipfit_score"]) == found.alignment
        assert int(found.fields["zipfit_rank"]) == rank
        assert found.compressor.startswith("lz4")
        by_position = zipfit.explain(path, position=int(chosen.indices[rank - 1]))
        assert (by_position.text, by_position.neighbours) == (found.text, found.neighbours)
        assert by_position.fields == {}


def test_a_selection_without_fields(selected):
    folder, chosen = selected
    chosen.save(folder / "rank.jsonl", add_fields=False)
    assert zipfit.explain(str(folder / "rank.jsonl"), rank=3).text == chosen.texts[2]
    chosen.save(folder / "source.jsonl", add_fields=False, order="source")
    with pytest.raises(zipfit.ZipfitError, match="does not tell the rank of its records"):
        zipfit.explain(str(folder / "source.jsonl"), rank=3)


def test_mistakes(selected):
    folder, chosen = selected
    path = folder / "out.jsonl"
    chosen.save(path)
    for arguments, reason in [
        ({}, "give either a rank or a position"),
        ({"rank": 1, "position": 1}, "give either a rank or a position"),
        ({"rank": 0}, "has ranks 1 to 8, not 0"),
        ({"rank": 9}, "has ranks 1 to 8, not 9"),
        ({"position": 40}, "the source has positions 0 to 39, not 40"),
        ({"position": -1}, "the source has positions 0 to 39, not -1"),
    ]:
        with pytest.raises(zipfit.ZipfitError, match=reason):
            zipfit.explain(str(path), **arguments)
    whole = path.read_text()
    for damage, reason in [
        ("nonsense\n", r"out.jsonl, line 1: broken JSON"),
        ('{"text": "a"}\n', r"does not tell the rank of its records"),
        ('{"body": "a", "zipfit_rank": 1, "zipfit_score": 1}\n', "no text found; the record has 'body'"),
    ]:
        path.write_text(damage)
        with pytest.raises(zipfit.ZipfitError, match=reason):
            zipfit.explain(str(path), rank=1)
    path.write_text(whole)
    (folder / "target.jsonl").unlink()
    with pytest.raises(zipfit.ZipfitError, match=r"target.jsonl: no such file"):
        zipfit.explain(str(path), rank=1)


def test_a_record_that_was_skipped_counts_in_positions(tmp_path):
    lines = ['{"text": "first one"}', "bad", '{"text": "second one"}']
    (tmp_path / "pool.jsonl").write_text("\n".join(lines))
    write_jsonl(tmp_path / "target.jsonl", target_texts())
    chosen = zipfit.select(tmp_path / "pool.jsonl", tmp_path / "target.jsonl", top=2, skip_bad=True)
    chosen.save(tmp_path / "out.jsonl")
    assert zipfit.explain(str(tmp_path / "out.jsonl"), position=2).text == "second one"
    with pytest.raises(zipfit.ZipfitError, match="positions 0 to 2 less those passed over, not 1"):
        zipfit.explain(str(tmp_path / "out.jsonl"), position=1)


def test_the_manifest_must_be_whole(selected):
    folder, chosen = selected
    chosen.save(folder / "out.jsonl")
    manifest = json.loads((folder / "out.manifest.json").read_text())
    manifest["manifest_version"] = 99
    (folder / "out.manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(zipfit.ZipfitError, match="was written by a later zipfit"):
        zipfit.explain(str(folder / "out.jsonl"), rank=1)
