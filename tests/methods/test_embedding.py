from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pools import MemoryPool
from support import write_jsonl

from zipfit import merge_scores, open_scores, score_pool, select
from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.methods import embedding as module
from zipfit.methods.base import Selector
from zipfit.methods.embedding import Embedding
from zipfit.methods.encoder import Encoder
from zipfit.methods.vectors import unit

REDUCTIONS = ("round-robin", "mean", "max")

numbers = st.lists(st.integers(-2, 2), min_size=1, max_size=3).map(lambda row: " ".join(map(str, row)))
with_numbers = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def cosine_table(texts, target):
    """Cosines of each text with each example, by plain Python in float64 (exact: see vectors.py)."""

    def vector(text):
        values = [float(number) for number in text.split()]
        return unit(np.array(values + [0.0] * (8 - len(values)))).tolist()

    return [[sum(a * b for a, b in zip(vector(x), vector(t), strict=True)) for t in target] for x in texts]


def plain_ranking(texts, target, reduce):
    table = cosine_table(texts, target)
    if reduce == "round-robin":
        ranking = {}
        orders = [sorted(range(len(texts)), key=lambda i: (-table[i][j], i)) for j in range(len(target))]
        for turn in range(len(texts)):
            for j, order in enumerate(orders):
                ranking.setdefault(order[turn], table[order[turn]][j])
        return list(ranking.items())
    scores = [max(row) if reduce == "max" else sum(row) / len(row) for row in table]
    return [(i, scores[i]) for i in sorted(range(len(texts)), key=lambda i: (-scores[i], i))]


@pytest.mark.usefixtures("_numbers")
@pytest.mark.parametrize("reduce", REDUCTIONS)
@given(st.lists(numbers, max_size=12), st.lists(numbers, min_size=1, max_size=7), st.integers(1, 5), st.integers(1, 3))
@with_numbers
def test_against_brute_force(reduce, texts, target, batch_size, examples):
    """Few distinct vectors, so that ties abound; target examples taken a few at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EXAMPLES", examples)
        ranking = list(Embedding(reduce=reduce).fit(target).rank(MemoryPool(texts, batch_size)))
    assert ranking == plain_ranking(texts, target, reduce)


@pytest.mark.usefixtures("_numbers")
def test_round_robin_serves_every_example():
    """The max would give the whole budget to the example that lies nearer to the pool."""
    pool = ["10 1", "10 2", "10 3", "3 3 4", "4 3 3"]
    target = ["1", "0 0 0 1", "0 0 1"]
    order = [position for position, _ in Embedding(reduce="round-robin").fit(target).rank(MemoryPool(pool))]
    assert order[:2] == [0, 3]  # the second example, equally far from all, names the first again
    assert [position for position, _ in Embedding(reduce="max").fit(target).rank(MemoryPool(pool))][:3] == [0, 1, 2]


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_with_a_model(tiny_bert, reduce):
    """The whole way from texts, against the encoder's vectors; no bit depends on batches, threads or the cache."""
    target = ["a theorem", "和偶数", "zz"]
    texts = ["", "a theorem", "all equal", "all equal", *(f"text {n * n}" for n in range(30)), "жи жи"]
    encoder = Encoder(tiny_bert, max_length=64, cache=False)
    table = encoder.encode(texts).vectors.astype(float) @ encoder.encode(target).vectors.astype(float).T
    results = []
    for batch_size, threads, cache in [(100, 1, True), (1, 3, True), (7, 2, False)]:
        method = Embedding(tiny_bert, max_length=64, reduce=reduce, cache=cache).fit(target)
        results.append(list(method.rank(MemoryPool(texts, batch_size, threads))))
    assert results[0] == results[1] == results[2]
    order = [position for position, _ in results[0]]
    assert sorted(order) == list(range(len(texts)))
    assert order.index(2) < order.index(3)
    for position, score in results[0]:
        if reduce == "max":
            assert score == table[position].max()
        elif reduce == "mean":
            assert math.isclose(score, table[position].mean(), rel_tol=1e-12)
        else:
            assert score in table[position]
    if reduce != "mean":
        assert results[0][0][0] == 1  # the target's own text
    assert method.notes == {"dimension": 32, "target_truncated": 0, "truncated": 0, "cached_vectors": 0}


@pytest.mark.usefixtures("_numbers")
@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("texts", [[], ["1"], ["1 2"] * 5, ["0 0 1", "0 0 0 1"], [""]])
def test_edge_pools(texts, reduce):
    method = Embedding(reduce=reduce).fit(["1", "0 1"])
    assert isinstance(method, Selector)
    ranking = list(method.rank(MemoryPool(texts)))
    assert [position for position, _ in ranking] == list(range(len(texts)))
    assert list(method.rank(MemoryPool(texts))) == ranking


@pytest.mark.usefixtures("_numbers")
@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        ({"reduce": "median"}, ["1"], "reduce must be one of round-robin, mean, max, got 'median'"),
        ({}, [], "at least one target example"),
    ],
)
def test_what_fit_refuses(options, target, message):
    with pytest.raises(ZipfitError, match=message):
        Embedding(**options).fit(target)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zipfit\[encoders\]'"):
        Embedding().fit(["a"])


@pytest.mark.parametrize("method", ["embedding", "embedding by mean", "d4"])
def test_parts_keep_vectors_and_make_the_tables_of_one_machine(tiny_bert, tmp_path, method):
    pytest.importorskip("torch")
    if method == "d4":
        pytest.importorskip("faiss")
    documents = [{"text": f"{word} {number} " * (number % 7)} for number in range(40) for word in ("abc", "f(x)")]
    source = write_jsonl(tmp_path / "pool.jsonl", documents)
    target = write_jsonl(tmp_path / "target.jsonl", [{"text": "abc 1"}, {"text": "f(x) 7"}])
    options = {"encoder": tiny_bert, "max_length": 16} | ({"reduce": "mean"} if method.endswith("mean") else {})
    found = []
    for parts in (1, 3):
        folder = tmp_path / f"{parts}"
        for number in range(1, parts + 1):
            score_pool(source, target, folder, method=method.split()[0], options=options, part=(number, parts))
        manifest = merge_scores(folder)
        found.append([(folder / table["path"]).read_bytes() for table in manifest["tables"]])
    assert found[0] == found[1]
    direct = select(source, target, fraction=0.5, method=method.split()[0], options=options)
    kept = open_scores(tmp_path / "3").select(fraction=0.5)
    assert kept.indices.tolist() == direct.indices.tolist()
    assert kept.scores.tolist() == direct.scores.tolist()
    assert kept.manifest["method"]["notes"]["truncated"] == direct.manifest["method"]["notes"]["truncated"] > 0
