from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pools import MemoryPool

from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.methods import d4 as module
from zipfit.methods.base import Selector
from zipfit.methods.d4 import D4, nearest_before, train
from zipfit.methods.encoder import Encoder
from zipfit.methods.vectors import unit

faiss = pytest.importorskip("faiss")

with_numbers = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
numbers = st.lists(st.integers(-3, 3), min_size=1, max_size=4).map(lambda row: " ".join(map(str, row)))


def vectors_of(texts):
    rows = np.zeros((len(texts), 8))
    for row, text in zip(rows, texts, strict=True):
        row[: len(text.split())] = [float(word) for word in text.split()]
    return unit(rows)


def blobs(count, copies, seed=0):
    """Texts of points around five centres, `copies` of them slightly moved copies of others."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((5, 8))
    points = centres[generator.integers(0, 5, count - copies)] + 0.4 * generator.standard_normal((count - copies, 8))
    moved = points[generator.integers(0, len(points), copies)] + 0.01 * generator.standard_normal((copies, 8))
    everything = generator.permutation(np.concatenate((points, moved)))
    return [" ".join(f"{value:.6f}" for value in row) for row in everything]


def plain_d4(texts, r_dedup=0.75, epsilon=None, clusters=0, seed=0):
    """D4 word by word, one pair at a time, given only the k-means centroids; returns (ranking, kept positions)."""
    vectors = vectors_of(texts)
    rows = [[float(value) for value in row] for row in vectors]

    def dot(one, other):
        return sum(a * b for a, b in zip(one, other, strict=True))

    def assign(positions):
        count = min(clusters or max(1, round(math.sqrt(len(positions)))), len(positions))
        centroids = train(vectors, np.array(positions), count, 20, seed).tolist()
        near = [[dot(rows[i], centroid) for centroid in centroids] for i in positions]
        return [row.index(max(row)) for row in near], [max(row) for row in near]

    cluster, near = assign(range(len(texts)))
    most = {}
    for i in range(len(texts)):
        before = [j for j in range(len(texts)) if cluster[j] == cluster[i] and (near[j], j) < (near[i], i)]
        most[i] = max((dot(rows[i], rows[j]) for j in before), default=-math.inf)
    if epsilon is None:
        # Every threshold that separates documents, from the most generous down, until few enough are left.
        thresholds = [*sorted(set(most.values()), reverse=True), -math.inf]
        limit = next(
            t for t in thresholds if sum(m <= t for m in most.values()) <= r_dedup * len(texts) or t == -math.inf
        )
    else:
        limit = 1 - epsilon
    kept = [i for i in most if most[i] <= limit]
    distance = dict(zip(kept, (1 - value for value in assign(kept)[1]), strict=True))
    return [(i, distance[i]) for i in sorted(kept, key=lambda i: (-distance[i], i))]


@pytest.mark.usefixtures("_numbers")
@pytest.mark.parametrize(
    "options", [{}, {"r_dedup": 0.4, "seed": 3}, {"epsilon": 0.05}, {"epsilon": 0.01, "clusters": 7}]
)
def test_500_documents_against_brute_force(options):
    texts = blobs(500, 150)
    ranking = list(D4(**options).fit([]).rank(MemoryPool(texts, 33)))
    assert ranking == plain_d4(texts, **options)
    assert 10 < len(ranking) < 500


@pytest.mark.usefixtures("_numbers")
@given(st.lists(numbers, min_size=1, max_size=25), st.floats(0.01, 1), st.integers(0, 30), st.integers(1, 4))
@with_numbers
def test_small_pools_against_brute_force(texts, r_dedup, clusters, panel):
    """Ties, zero vectors, more clusters than documents, clusters larger than a panel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PANEL", panel)
        ranking = list(D4(r_dedup=r_dedup, clusters=clusters).fit([]).rank(MemoryPool(texts)))
    assert ranking == plain_d4(texts, r_dedup, clusters=clusters)


@pytest.mark.usefixtures("_numbers")
@given(st.integers(0, 99), st.floats(0.05, 1))
@with_numbers
def test_r_dedup_is_reached(seed, share):
    """Without ties exactly the share is left, unless every cluster is down to one; its epsilon gives the same again."""
    texts = blobs(80, 20, seed)
    method = D4(r_dedup=share, seed=seed).fit([])
    ranking = list(method.rank(MemoryPool(texts)))
    assert len(ranking) == max(math.floor(share * 80), 9 if len(ranking) == 9 else 0)
    assert method.notes["semantic_duplicates"] == 80 - len(ranking)
    if method.notes["epsilon"] is not None:
        assert list(D4(epsilon=method.notes["epsilon"], seed=seed).fit([]).rank(MemoryPool(texts))) == ranking


@pytest.mark.usefixtures("_numbers")
def test_of_each_group_of_copies_the_farthest_from_the_centroid_stays():
    texts = blobs(300, 0)
    copies = texts + texts[::-1]
    method = D4(epsilon=1e-6, clusters=6).fit([])
    ranking = list(method.rank(MemoryPool(copies)))
    assert sorted(position for position, _ in ranking) == list(range(300))  # equally far: the earlier one
    assert method.notes["semantic_duplicates"] == 300
    scores = [score for _, score in ranking]
    assert scores == sorted(scores, reverse=True)
    # One cluster about (1, 0): of the two near copies the one farther out stays, though it comes later.
    ranking = D4(epsilon=0.01, clusters=1).fit([]).rank(MemoryPool(["10 1", "10 2", "10 -3", "10 0"]))
    assert sorted(position for position, _ in ranking) == [1, 2]


def test_a_chain_of_copies_is_one_group():
    """As in SemDeDup's code: the third is dropped for the second, though that one has been dropped for the first."""
    angles = np.array([0.3, 0.2, 0.1])
    chain = unit(np.stack((np.cos(angles), np.sin(angles)), axis=1))
    nearest = nearest_before(chain, np.zeros(3, np.int64), chain[:, 0].astype(float))
    assert nearest[0] == -np.inf
    assert np.allclose(nearest[1:], math.cos(0.1))


@pytest.mark.usefixtures("_numbers")
@pytest.mark.parametrize("clusters", [0, 1, 50])
@pytest.mark.parametrize("texts", [[], ["1"], ["1 2"] * 6, [""], ["", ""], ["1", "-1"]])
def test_edge_pools(texts, clusters):
    method = D4(clusters=clusters).fit(["not a number, not looked at"])
    assert isinstance(method, Selector)
    ranking = list(method.rank(MemoryPool(texts)))
    assert ranking == list(method.rank(MemoryPool(texts)))
    assert len(ranking) == (len(texts) if len(set(texts)) == len(texts) == 1 else len(ranking))
    if len(texts) > 1 and texts[0]:
        assert len(ranking) == len(set(texts)) if len(set(texts)) == 1 else 1 <= len(ranking) <= len(texts)


def test_with_a_model(tiny_bert):
    texts = ["", *(f"text {n * n}" for n in range(60)), "和偶数", "жи жи", "text 4", "text 9"]
    results = [
        list(D4(tiny_bert, max_length=64, cache=cache).fit([]).rank(MemoryPool(texts, batch_size, threads)))
        for batch_size, threads, cache in [(100, 1, True), (1, 3, True), (7, 2, False)]
    ]
    assert results[0] == results[1] == results[2]
    assert len(results[0]) == math.floor(0.75 * len(texts))
    vectors = Encoder(tiny_bert, max_length=64).encode(texts).vectors
    kept = np.array(sorted(position for position, _ in results[0]))
    centroids = train(vectors, kept, round(math.sqrt(len(kept))), 20, 0)
    distances = 1 - (vectors[kept].astype(float) @ centroids.T.astype(float)).max(axis=1)
    assert dict(results[0]) == dict(zip(kept.tolist(), distances.tolist(), strict=True))


@pytest.mark.slow
def test_no_bit_depends_on_the_number_of_cores():
    program = (
        "import hashlib, numpy; from zipfit.methods.d4 import train; from zipfit.methods.vectors import unit;"
        "vectors = unit(numpy.random.default_rng(0).standard_normal((30000, 96)));"
        "print(hashlib.sha256(train(vectors, numpy.arange(30000), 60, 20, 0).tobytes()).hexdigest())"
    )
    results = set()
    for threads in ("1", "2", "5"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        results.add(
            subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True).stdout
        )
    assert len(results) == 1


def test_faiss_gets_its_threads_back_and_says_nothing(capfd):
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        train(vectors_of(["1", "2", "0 1"]), np.arange(3), 3, 5, 0)
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"r_dedup": 0.0}, "r_dedup must be above 0 and at most 1, got 0.0"),
        ({"r_dedup": math.nan}, "r_dedup must be above 0"),
        ({"epsilon": -0.1}, "epsilon must lie between 0 and 2, got -0.1"),
        ({"epsilon": 2.5}, "epsilon must lie between 0 and 2"),
        ({"clusters": -1}, "clusters must not be negative, got -1"),
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ZipfitError, match=message):
        D4(**options).fit([])


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zipfit\[d4\]'"):
        D4().fit([])
