from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import plain_alignment, pool_records, random_texts, read_jsonl, target_texts, write_jsonl

import zipfit
from zipfit.corpus import formats, json_lines
from zipfit.corpus.corpus import Corpus
from zipfit.selection import sources

texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "a", "🎲", "\x00\x00", "naïve", "\u2028", "same", "same"]),
    st.sampled_from(["long " * 20_000, "\x00" * 100_000]),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(texts, min_size=1, max_size=12),
    st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=3),
    st.integers(1, 5),
    st.integers(1, 200),
    st.integers(1, 5),
    st.data(),
)
def test_same_bytes_whatever_the_batches_and_threads(tmp_path_factory, pool, target, records, size, threads, data):
    folder = tmp_path_factory.mktemp("any")
    top = data.draw(st.integers(1, len(pool)))
    source = write_jsonl(folder / "pool.jsonl", pool)
    manifests = []
    for name, record_limit, byte_limit, workers in (("a", 512, 1 << 18, 1), ("b", records, size, threads)):
        with pytest.MonkeyPatch.context() as patch:
            for module in (formats, sources):
                patch.setattr(module, "CHUNK_RECORDS", record_limit)
                patch.setattr(module, "CHUNK_BYTES", byte_limit)
            patch.setattr(json_lines, "BLOCK", byte_limit)
            chosen = zipfit.select(source, target, top=top, threads=workers)
            manifests.append(chosen.save(folder / f"{name}.jsonl"))
    assert (folder / "a.jsonl").read_bytes() == (folder / "b.jsonl").read_bytes()
    assert manifests[0]["selection"] == manifests[1]["selection"]
    assert manifests[0]["pool"] == manifests[1]["pool"]
    short = [i for i, text in enumerate(pool) if len(text) < 1000]
    assert [chosen.pool_scores[i] for i in short] == [plain_alignment(pool[i], target) for i in short]


@pytest.mark.parametrize("compressor", ["gzip", "lz4", "zstd", "brotli", "lzma"])
def test_same_scores_whatever_the_threads(compressor):
    pool, target = random_texts(60, 1), target_texts()
    found = [
        zipfit.select(pool, target, top=9, threads=n, options={"compressor": compressor}).pool_scores.tobytes()
        for n in (1, 2, 5)
    ]
    assert len(set(found)) == 1


@pytest.fixture
def chosen():
    return zipfit.select(pool_records(), target_texts(), top=10)


def test_a_selection_has_scores_indices_and_records(chosen):
    pool = pool_records()
    assert len(chosen) == 10
    assert chosen.indices.dtype == np.int64
    assert chosen.scores.tolist() == [plain_alignment(pool[i]["text"], target_texts()) for i in chosen.indices]
    assert chosen.pool_scores.shape == (40,)
    assert chosen.records == [pool[i] for i in chosen.indices]
    assert chosen.texts == [pool[i]["text"] for i in chosen.indices]
    assert repr(chosen) == "<Selection of 10 out of 40 documents>"
    expected = sorted(range(40), key=lambda i: (-chosen.pool_scores[i], i))[:10]
    assert chosen.indices.tolist() == expected


def test_cutting_again_does_not_score_again(chosen, monkeypatch):
    monkeypatch.setattr("zipfit.methods.zipfit.ZipFit.score", None)
    assert chosen.at(top=3).indices.tolist() == chosen.indices[:3].tolist()
    assert len(chosen.at(fraction=0.29)) == 11
    assert len(chosen.at(top=50, allow_fewer=True)) == 40
    with pytest.raises(zipfit.ZipfitError, match=r"\(--allow-fewer, or allow_fewer=True in Python\)$"):
        chosen.at(top=50)
    assert chosen.at(min_score=chosen.scores[4]).indices.tolist() == chosen.indices[:5].tolist()
    assert chosen.at(top=3).manifest["parameters"]["top"] == 3
    with pytest.raises(zipfit.ZipfitError, match="a budget of tokens needs a tokenizer"):
        chosen.at(tokens=10)
    with pytest.raises(zipfit.ZipfitError, match="give a budget"):
        chosen.at()


def test_frames_and_data_sets(chosen):
    frame, data = chosen.to_pandas(), chosen.to_dataset()
    assert list(frame.columns) == ["id", "text", "source", "zipfit_score", "zipfit_rank"]
    assert frame["zipfit_rank"].tolist() == list(range(1, 11))
    assert data["text"][:] == frame["text"].tolist() == chosen.texts
    assert data["zipfit_score"][:] == chosen.scores.tolist()


@pytest.mark.parametrize("kind", ["dicts", "generator", "pandas", "polars", "arrow", "dataset", "path"])
def test_every_kind_of_source_gives_the_same_selection(tmp_path, chosen, kind):
    import datasets
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    records = pool_records()
    source = {
        "dicts": lambda: records,
        "generator": lambda: iter(records),
        "pandas": lambda: pd.DataFrame(records),
        "polars": lambda: pl.DataFrame(records),
        "arrow": lambda: pa.Table.from_pylist(records),
        "dataset": lambda: datasets.Dataset.from_list(records),
        "path": lambda: write_jsonl(tmp_path / "pool.jsonl", records),
    }[kind]()
    found = zipfit.select(source, iter(target_texts()), top=10)
    assert found.records == chosen.records
    found.save(tmp_path / "out.jsonl")
    chosen.save(tmp_path / "expected.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "expected.jsonl").read_bytes()


def test_saving(tmp_path, chosen):
    manifest = chosen.save(tmp_path / "a.jsonl")
    found = read_jsonl(tmp_path / "a.jsonl")
    assert [record["zipfit_rank"] for record in found] == list(range(1, 11))
    assert [record["zipfit_score"] for record in found] == chosen.scores.tolist()
    assert manifest["output"]["bytes"] == (tmp_path / "a.jsonl").stat().st_size
    chosen.save(str(tmp_path / "b.jsonl"), order="source", add_fields=False)
    assert read_jsonl(tmp_path / "b.jsonl") == [pool_records()[i] for i in sorted(chosen.indices)]
    chosen.save(tmp_path / "c.jsonl", order="source")
    ranks = [record["zipfit_rank"] for record in read_jsonl(tmp_path / "c.jsonl")]
    assert ranks == (np.argsort(chosen.indices) + 1).tolist()
    with pytest.raises(zipfit.ZipfitError, match="exists already"):
        chosen.save(tmp_path / "a.jsonl")
    chosen.save(tmp_path / "a.jsonl", overwrite=True)


def test_an_input_that_goes_or_changes_before_saving_is_an_error(tmp_path):
    path = write_jsonl(tmp_path / "pool.jsonl", pool_records())
    chosen = zipfit.select(path, target_texts(), top=5)
    write_jsonl(path, pool_records(seed=5))
    with pytest.raises(zipfit.ZipfitError, match=r"pool.jsonl: the (file|documents) changed"):
        chosen.save(tmp_path / "out.jsonl")
    path.unlink()
    with pytest.raises(zipfit.ZipfitError, match=r"pool.jsonl: no such file"):
        chosen.save(tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"text": "another"}, {"text": 5}, {}])
def test_records_in_memory_that_change_before_saving_are_an_error(tmp_path, change):
    records = pool_records()
    chosen = zipfit.select(records, target_texts(), top=5)
    chosen.save(tmp_path / "before.jsonl")
    records[chosen.indices[3]].clear()
    records[chosen.indices[3]].update(change)
    with pytest.raises(zipfit.ZipfitError, match="the source's documents changed after they were ranked"):
        chosen.save(tmp_path / "after.jsonl")
    assert {path.name for path in tmp_path.iterdir()} == {"before.jsonl", "before.manifest.json"}


def test_indices_are_those_of_the_source_whatever_is_passed_over(tmp_path):
    records = [record if i % 4 else {"no": "text"} for i, record in enumerate(pool_records(60))]
    chosen = zipfit.select(records, target_texts(), top=20, skip_bad=True, dedup="exact")
    assert [records[i] for i in chosen.indices] == chosen.records
    write_jsonl(tmp_path / "a.jsonl", records[:25])
    write_jsonl(tmp_path / "b.jsonl", records[25:])
    in_files = zipfit.select(tmp_path, target_texts(), top=20, skip_bad=True, dedup="exact")
    assert in_files.indices.tolist() == chosen.indices.tolist()
    doubled = zipfit.select(records + records, target_texts(), top=20, skip_bad=True, dedup="exact")
    doubled.save(tmp_path / "out.jsonl")
    pairs = read_jsonl(tmp_path / "out.jsonl.duplicates.jsonl")
    assert pairs
    for pair in pairs:
        one, other = ((records + records)[pair[name]]["text"] for name in ("position", "duplicate_of"))
        assert one == other
    position = int(chosen.indices[0])
    target = write_jsonl(tmp_path / "target.txt", [])
    target.write_text("\n".join(target_texts()))
    in_files = zipfit.select([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], target, top=20, skip_bad=True)
    in_files.save(tmp_path / "saved.jsonl")
    assert zipfit.explain(str(tmp_path / "saved.jsonl"), position=position).text == records[position]["text"]
    with pytest.raises(zipfit.ZipfitError, match="positions 0 to 59 less those passed over, not 4"):
        zipfit.explain(str(tmp_path / "saved.jsonl"), position=4)


class Length:
    """A method of a user's own: the longer the better."""

    def fit(self, target, pool=None):
        self.documents = sum(len(batch) for batch in pool)
        return self

    def score(self, texts):
        return np.array([len(text) for text in texts], dtype=np.float64)


class Backwards:
    """A selector: the last document first."""

    notes = {"order": "backwards"}  # noqa: RUF012

    def fit(self, target, pool=None):
        return self

    def rank(self, pool):
        count = sum(len(batch) for batch in pool)
        yield from ((count - 1 - i, float(-i)) for i in range(count))


def test_a_method_of_ones_own():
    pool = ["a", "ccc", "bb"]
    longest = zipfit.select(pool, ["x"], top=2, method=Length())
    assert longest.texts == ["ccc", "bb"]
    assert longest.ranking.method.documents == 3
    backwards = zipfit.select(pool, ["x"], top=2, method=Backwards())
    assert backwards.texts == ["bb", "ccc"]
    assert backwards.pool_scores is None
    assert backwards.manifest["method"]["notes"] == {"order": "backwards"}
    assert backwards.manifest["selection"]["ties_at_cut"] is None
    with pytest.raises(zipfit.ZipfitError, match="options are for a method given by name"):
        zipfit.select(pool, ["x"], top=1, method=Length(), options={"level": 1})
    with pytest.raises(zipfit.ZipfitError, match="object is no method"):
        zipfit.select(pool, ["x"], top=1, method=object())


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (lambda texts: np.zeros((len(texts), 2)), "the method gave scores of shape"),
        (lambda texts: np.full(len(texts), math.nan), "score of document 0 is not a number"),
    ],
)
def test_a_method_that_misbehaves(score, reason):
    method = Length()
    method.score = score
    with pytest.raises(zipfit.ZipfitError, match=reason):
        zipfit.select(["a", "b"], ["x"], top=1, method=method)


@pytest.mark.parametrize(
    ("ranked", "reason"),
    [
        ([(0, 1.0), (2, 0.5)], "the method ranked document 2, and the pool has 0 to 1"),
        ([(-1, 1.0)], "the method ranked document -1, and the pool has 0 to 1"),
        ([(1, 1.0), (1, 1.0)], "the method ranked document 1 twice"),
    ],
)
def test_a_ranking_that_is_none(ranked, reason):
    method = Backwards()
    method.rank = lambda pool: iter(ranked)
    with pytest.raises(zipfit.ZipfitError, match=reason):
        zipfit.select(["a", "b"], ["x"], top=2, method=method)


def test_an_error_in_a_thread_comes_out():
    def score(texts):
        raise RuntimeError("oops")

    method = Length()
    method.score = score
    with pytest.raises(zipfit.ZipfitError, match="failed in score: RuntimeError: oops") as caught:
        zipfit.select(["a"] * 5000, ["x"], top=1, method=method, threads=4)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_tokens_of_the_bytes(chosen):
    found = zipfit.select(pool_records(), target_texts(), tokens=500, tokenizer="bytes")
    lengths = [len(text.encode()) for text in found.texts]
    assert found.cut.tokens.tolist() == lengths
    assert sum(lengths) <= 500
    assert found.manifest["selection"]["tokens"] == sum(lengths)
    counted = zipfit.select(pool_records(), target_texts(), top=3, tokenizer="bytes")
    assert counted.manifest["selection"]["tokens"] == sum(len(text.encode()) for text in counted.texts)


@pytest.mark.parametrize("kept", [0, 1 << 26])
def test_keeping_a_small_pools_texts_changes_nothing(folder, monkeypatch, kept):
    monkeypatch.setattr("zipfit.selection.sources.KEPT_BYTES", kept)
    passes = []
    read = Corpus.read
    monkeypatch.setattr(Corpus, "read", lambda self, *a: (passes.append(self.inputs[0].name), read(self, *a))[1])
    found = zipfit.select("pool.jsonl", "target.jsonl", top=7, method="bm25")
    texts = [record["text"] for record in pool_records()]
    assert found.indices.tolist() == zipfit.select(texts, target_texts(), top=7, method="bm25").indices.tolist()
    assert passes.count("pool.jsonl") == (1 if kept else 2)
