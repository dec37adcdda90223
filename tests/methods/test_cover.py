"""`cover` against exhaustive greedy, against its own mathematics, and native against plain Python."""

from __future__ import annotations

import math
from collections import Counter
from itertools import islice, pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import MemoryPool

from zipfit.errors import ZipfitError
from zipfit.methods import cover as cover_module
from zipfit.methods import cover_reference
from zipfit.methods.base import Selector
from zipfit.methods.cover import PHIS, UNITS, Cover
from zipfit.system.runtime import native_core
from zipfit.system.texts import Texts

ENGINES = [cover_reference] if native_core() is None else [cover_reference, native_core()]
native = pytest.mark.skipif(native_core() is None, reason="built without the native core")

WORDS: dict[str, Any] = {"unit": "word", "orders": "1,2,3", "phi": "log"}

# Few distinct words, so that documents share features, repeat them, and tie.
small_texts = st.lists(st.sampled_from(["a", "b", "c", "d e", "..", "é", "水", " "]), max_size=8).map("".join)
pools = st.lists(small_texts, min_size=1, max_size=9)
targets = st.lists(small_texts, min_size=1, max_size=4).map(lambda texts: [*texts, "a b c d e"])
any_text = st.text(st.characters(codec=None), max_size=40)
options = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(UNITS),
        "orders": st.sampled_from(["1,2,3", "1", "2,3", "1,4", "4,6,8", "1,9"]),
        "phi": st.sampled_from(PHIS),
        "weights": st.sampled_from(["share", "contrast"]),
        "cost_exponent": st.sampled_from([0.0, 0.5, 1.0, 1.3]),
    }
)


def ranking(method: Cover, target: list[str], texts: list[str], **pool_options: int) -> list[tuple[int, float]]:
    return list(method.fit(target).rank(MemoryPool(texts, **pool_options)))


class Objective:
    """f, written down from its definition, for texts of any engine's features."""

    PHI: ClassVar = {"log": lambda c: math.log(1 + c), "sqrt": math.sqrt, "saturating": lambda c: c / (1 + c)}

    def __init__(self, method: Cover, target: list[str], texts: list[str]) -> None:
        self.phi = self.PHI[method.phi]
        self.orders = [int(order) for order in method.orders.split(",")]
        self.unit = method.unit
        in_target = Counter(gram for text in target for gram in self.grams(text))
        self.documents = [Counter(gram for gram in self.grams(text) if gram in in_target) for text in texts]
        self.costs = [max(len(text.encode()), 1) ** method.cost_exponent for text in texts]
        total = sum(in_target.values())
        self.weight = {gram: count / total for gram, count in in_target.items()}
        if method.weights == "contrast":
            target_bytes = sum(len(text.encode()) for text in target)
            pool_bytes = max(sum(len(text.encode()) for text in texts), 1)
            in_pool = sum(self.documents, Counter())
            for gram, count in in_target.items():
                r, s = count / target_bytes, in_pool[gram] / pool_bytes
                self.weight[gram] *= r / (r + s)

    def grams(self, text: str) -> list[Any]:
        units: Any = text.encode() if self.unit == "byte" else cover_reference.words(text.encode())
        return [tuple(units[i : i + n]) for n in self.orders for i in range(len(units) - n + 1)]

    def __call__(self, chosen: set[int] | list[int]) -> float:
        counts = sum((self.documents[i] for i in chosen), Counter())
        return math.fsum(self.weight[gram] * self.phi(count) for gram, count in counts.items())

    def worth(self, position: int, chosen: list[int]) -> float:
        return (self([*chosen, position]) - self(chosen)) / self.costs[position]


@settings(deadline=None)
@given(targets, pools, options)
def test_every_choice_is_the_exhaustive_greedy_choice(
    target: list[str], texts: list[str], opts: dict[str, Any]
) -> None:
    method = Cover(**opts)
    try:
        ranked = ranking(method, target, texts)
    except ZipfitError:  # no n-gram that long
        return
    f = Objective(method, target, texts)
    assert sorted(position for position, _ in ranked) == list(range(len(texts)))
    chosen: list[int] = []
    for position, score in ranked:
        best = max(f.worth(i, chosen) for i in range(len(texts)) if i not in chosen)
        assert score == pytest.approx(f.worth(position, chosen), rel=1e-9, abs=1e-12)
        assert score == pytest.approx(best, rel=1e-9, abs=1e-12)
        chosen.append(position)


@settings(deadline=None)
@given(targets, pools, options)
def test_lazy_equals_eager_to_the_bit_and_ties_go_to_the_earlier(
    target: list[str], texts: list[str], opts: dict[str, Any]
) -> None:
    try:
        method = Cover(**opts).fit(target)
    except ZipfitError:
        return
    pool = MemoryPool(texts)
    for engine in ENGINES:
        features = engine.CoverFeatures(Texts.of(target), method.unit, [int(o) for o in method.orders.split(",")])
        greedy = engine.CoverGreedy(method.cost_exponent)
        greedy.append(features.matches(Texts.of(texts)))
        greedy.start(method._weigh(greedy), cover_module._table(method.phi))
        lazy = [(int(p), float(s)) for p, s in zip(*greedy.take(len(texts)), strict=True)]

        plain = cover_reference.CoverGreedy(method.cost_exponent)
        plain_features = cover_reference.CoverFeatures(
            Texts.of(target), method.unit, [int(o) for o in method.orders.split(",")]
        )
        plain.append(plain_features.matches(Texts.of(texts)))
        plain.start(method._weigh(plain), cover_module._table(method.phi))
        eager = []
        left = list(range(len(texts)))
        while left:
            worth, position = max((plain._worth(p), -p) for p in left)
            eager.append((-position, worth))
            left.remove(-position)
            for feature, count in plain._documents[-position]:
                plain._chosen[feature] += count
        assert lazy == eager
    assert list(method.rank(pool)) == lazy


@settings(deadline=None)
@given(targets, st.lists(small_texts, min_size=3, max_size=7), options, st.data())
def test_f_is_monotone_and_submodular(
    target: list[str], texts: list[str], opts: dict[str, Any], data: st.DataObject
) -> None:
    f = Objective(Cover(**opts), target, texts)
    *inner, extra = data.draw(st.permutations(range(len(texts))))
    small = inner[: data.draw(st.integers(0, len(inner)))]
    assert f([]) == 0
    assert f([*small, extra]) >= f(small) - 1e-12
    assert f([*small, extra]) - f(small) >= f([*inner, extra]) - f(inner) - 1e-12


@native
@settings(max_examples=100, deadline=None)
@given(st.lists(any_text, min_size=1, max_size=5), st.lists(any_text, max_size=12), options, st.integers(1, 5))
def test_native_equals_python_to_the_bit(
    target: list[str], texts: list[str], opts: dict[str, Any], batch_size: int
) -> None:
    texts = [*texts, *target[:2]]  # so that something matches
    results = []
    for core in (None, native_core()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("zipfit.system.runtime.native_core", lambda core=core: core)
            try:
                results.append(ranking(Cover(**opts), target, texts, batch_size=batch_size))
            except ZipfitError as error:
                results.append(str(error))
    assert results[0] == results[1]


@native
def test_native_and_python_agree_on_phi_above_the_table() -> None:
    # One feature, whose count runs through the exact range and several octaves of chords.
    texts = ["a " * n for n in (3, 1000, 1023, 1024, 1025, 5000, 70_001, 1 << 18)] * 2
    for phi in PHIS:
        rankings = []
        for engine in ENGINES:
            greedy = engine.CoverGreedy(0.5)
            features = engine.CoverFeatures(Texts.of(["a"]), "word", [1])
            greedy.append(features.matches(Texts.of(texts)))
            greedy.start(np.ones(1), cover_module._table(phi))
            rankings.append([array.tolist() for array in greedy.take(len(texts))])
        assert rankings[0] == rankings[1]
        f, counts = Objective.PHI[phi], 0
        for position, score in zip(*rankings[0], strict=True):
            size = texts[position].count("a")
            gain = (f(counts + size) - f(counts)) / math.sqrt(2 * size)
            assert score == pytest.approx(gain, rel=1e-2, abs=3e-8 if phi == "log" else 1e-5)
            counts += size


@pytest.mark.parametrize("phi", PHIS)
def test_phi_table_is_concave_and_near_phi(phi: str) -> None:
    counts = np.array(cover_reference.tabled_counts(), dtype=np.float64)
    table = cover_module._table(phi)
    assert counts[-1] == 2**40
    assert table[0] == 0
    slopes = np.diff(table) / np.diff(counts)
    assert (slopes > 0).all() if phi != "saturating" else (slopes >= 0).all()
    rounding = 4 * np.spacing(table[1:]) / np.diff(counts)
    assert (np.diff(slopes) <= rounding[1:]).all()
    for c, value in zip(counts.tolist(), table.tolist(), strict=True):
        assert value == pytest.approx(Objective.PHI[phi](c), rel=1e-14)


@given(targets, pools, options)
@settings(max_examples=50, deadline=None)
def test_batches_and_threads_change_nothing(target: list[str], texts: list[str], opts: dict[str, Any]) -> None:
    try:
        expected = ranking(Cover(**opts), target, texts)
    except ZipfitError:
        return
    for batch_size, threads in ((1, 1), (2, 3), (7, 2)):
        assert ranking(Cover(**opts), target, texts, batch_size=batch_size, threads=threads) == expected


@pytest.mark.parametrize("phi", ["log", "saturating"])
def test_repeated_documents_get_no_second_reward(phi: str) -> None:
    distinct = ["the cat sat", "on the mat", "a dog ran by", "far away home", "nothing shared"]
    target = ["the cat sat on the mat", "a dog ran far away home"]
    once = [texts for texts, _ in ranking(Cover(**{**WORDS, "phi": phi}), target, distinct)]
    thrice = ranking(Cover(**{**WORDS, "phi": phi}), target, distinct * 3)
    # The first copies come first, in the order they had without the repeats; each further copy is worth less.
    first = [position for position, _ in thrice[:4]]
    assert first == once[:4]
    assert once[4] == 4
    scores = dict(thrice)
    for position in range(4):
        assert scores[position] > scores[position + 5] > scores[position + 10] > 0
    # Alone, each copy is worth what phi adds from one count to the next.
    alone = [score for _, score in ranking(Cover(**{**WORDS, "phi": phi}), ["x y"], ["x y"] * 3)]
    steps = [Objective.PHI[phi](c + 1) - Objective.PHI[phi](c) for c in range(3)]
    assert alone == pytest.approx([alone[0] * step / steps[0] for step in steps], rel=1e-12)


def test_ranking_by_resemblance_alone_would_take_the_copies() -> None:
    # Three copies of the best single match against two documents that complete it.
    texts = ["ab cd ef"] * 3 + ["gh", "lm"]
    target = ["ab cd ef", "gh", "lm"]
    assert {position for position, _ in ranking(Cover(unit="word", orders="1"), target, texts)[:3]} == {0, 3, 4}


def test_words() -> None:
    text = "def f(x_1): return 'naïve' ≠ ∀x, 東京 한국어 ไทย\u00a0Ω"
    expected = ["def", "f", "(", "x_1", ")", ":", "return", "'", "naïve", "'", "≠", "∀", "x", ",", "東", "京", "한국어"]
    assert cover_reference.words(text.encode()) == [*expected, "ไ", "ท", "ย", "Ω"]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("target", "best"),
    [
        (["наука о данных"], 1),  # Cyrillic
        (["東京都の天気予報"], 2),  # no spaces
        (["علم البيانات"], 3),  # right to left
        (["ข้อมูลการฝึก"], 4),  # no spaces, combining marks
    ],
)
def test_other_scripts(unit: str, target: list[str], best: int) -> None:
    texts = ["data science", "большие данных о мире", "大阪の天気予報です", "هذا علم البيانات", "ชุดข้อมูล", ""]
    ranked = ranking(Cover(unit=unit, orders="1,2"), target, texts)
    assert ranked[0][0] == best
    assert ranked[0][1] > 0


def test_edge_cases() -> None:
    assert ranking(Cover(**WORDS), ["a b"], []) == []
    assert ranking(Cover(**WORDS), ["a b"], [""]) == [(0, 0.0)]
    assert [position for position, _ in ranking(Cover(**WORDS), ["a b"], ["a"])] == [0]
    # Nothing shared: source order, scores of zero, every document.
    assert ranking(Cover(**WORDS), ["a b"], ["x", "", "y z", "w"], batch_size=2) == [(i, 0.0) for i in range(4)]
    # Zero gains come after all others, in source order.
    assert [position for position, _ in ranking(Cover(**WORDS), ["a b"], ["x", "", "a", "y", "b a b"])] == [
        2,
        4,
        0,
        1,
        3,
    ]
    # All equal: source order, falling scores.
    positions, scores = zip(*ranking(Cover(**WORDS), ["a b"], ["a b"] * 5000), strict=True)
    assert positions == tuple(range(5000))
    assert all(later <= score * (1 + 1e-9) for score, later in pairwise(scores))


def test_documents_longer_than_a_varint_digit() -> None:
    target = [" ".join(f"w{i}" for i in range(40_000))]
    texts = ["w39999 " * 700 + "w3 w3 w3", "w129 w127 w128 w16384", " ".join(["w5"] * 129), " ".join(["w7"] * 130)]
    results = []
    for core in {None, native_core()}:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("zipfit.system.runtime.native_core", lambda core=core: core)
            results.append(ranking(Cover(unit="word", orders="1,2"), target, texts))
    assert all(result == results[0] for result in results)
    assert len({score for _, score in results[0]}) == 4


def test_scores_fall_and_the_walk_is_lazy() -> None:
    texts = [f"w{i % 97} w{i % 89} w{i % 13}" for i in range(20_000)]
    method = Cover(**WORDS).fit([" ".join(f"w{i}" for i in range(97))])
    assert isinstance(method, Selector)
    rank = method.rank(MemoryPool(texts))
    scores = [score for _, score in islice(rank, 500)]
    assert scores == sorted(scores, reverse=True)
    assert len(list(rank)) == 19_500


def test_a_fitted_method_ranks_several_pools() -> None:
    method = Cover(**WORDS).fit(["a b c"])
    assert list(method.rank(MemoryPool(["a", "b c"]))) == list(method.rank(MemoryPool(["a", "b c"], batch_size=1)))
    assert [position for position, _ in method.rank(MemoryPool(["x", "b"]))] == [1, 0]
    assert method == Cover(**WORDS)  # options only
    assert method.notes["features"] == 6


@pytest.mark.parametrize(
    ("opts", "says"),
    [
        ({"unit": "syllable"}, "unit must be one of word, byte, not 'syllable'"),
        ({"phi": "exp"}, "phi must be one of"),
        ({"weights": "idf"}, "weights must be one of"),
        ({"cost_exponent": -1.0}, "cost_exponent must lie in"),
        ({"cost_exponent": math.nan}, "cost_exponent must lie in"),
        *(({"orders": orders}, "orders must be ascending") for orders in ("", "a", "2,1", "1,1", "0,1", "1,,2", "65")),
        ({"unit": "byte", "orders": "4"}, "the target has no byte n-gram of order 4"),
    ],
)
def test_errors_are_sentences(opts: dict[str, Any], says: str) -> None:
    with pytest.raises(ZipfitError, match=says):
        Cover(**opts).fit(["ab", ""])
