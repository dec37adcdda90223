"""The n-gram check: the model against a brute-force count, its probabilities, and the comparison of methods."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zipfit.errors import ZipfitError
from zipfit.methods.cover import Cover
from zipfit.methods.dsir import Dsir
from zipfit.methods.racing import Racing
from zipfit.methods.zipfit import ZipFit
from zipfit.selection import preview as preview_module
from zipfit.selection.preview import bits_per_byte, preview
from zipfit.selection.preview_reference import WittenBell
from zipfit.selection.sources import open_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.methods.base import Pool

few_bytes = st.lists(st.sampled_from([b"a", b"b", b"ab", b"\x00", b"\xff", b"\xc3\xa9"]), max_size=12).map(b"".join)
documents = st.lists(few_bytes, max_size=4)
texts = st.lists(st.text(max_size=30), max_size=4)


@given(documents, few_bytes, st.integers(1, 7))
def test_probabilities_sum_to_one(train: list[bytes], context: bytes, order: int) -> None:
    model = WittenBell(train, order)
    probabilities = [model.probability(context, byte) for byte in range(256)]
    assert math.fsum(probabilities) == pytest.approx(1, abs=1e-12)
    assert min(probabilities) > 0


def brute_force(train: Sequence[bytes], context: bytes, byte: int, order: int) -> float:
    """The recursion of the module's docstring, counting by looking at every place of the training text."""

    def p(h: bytes | None) -> float:
        if h is None:
            return 1 / 256
        after = [d[at + len(h)] for d in train for at in range(len(d) - len(h)) if d[at : at + len(h)] == h]
        shorter = p(h[1:] if h else None)
        return (after.count(byte) + len(set(after)) * shorter) / (len(after) + len(set(after))) if after else shorter

    return p(context[max(0, len(context) - order + 1) :])


@settings(deadline=None)
@given(documents, few_bytes.filter(len), st.integers(1, 7))
def test_equals_brute_force(train: list[bytes], test: bytes, order: int) -> None:
    expected = -math.fsum(math.log2(brute_force(train, test[:at], test[at], order)) for at in range(len(test)))
    assert WittenBell(train, order).bits([test]) == pytest.approx(expected, rel=1e-12)
    assert preview_module._bits_per_byte(train, [test], order) * len(test) == pytest.approx(expected, rel=1e-12)


def test_known_values() -> None:
    assert bits_per_byte([], ["anything"]) == 8
    # Order 1, training "aab": p(a) = (2 + 2/256) / 5, p(z) = (2/256) / 5.
    assert bits_per_byte(["aab"], ["a"], order=1) == pytest.approx(-math.log2((2 + 2 / 256) / 5), rel=1e-15)
    assert bits_per_byte(["aab"], ["z"], order=1) == pytest.approx(-math.log2(2 / 256 / 5), rel=1e-15)
    # Contexts don't reach across documents: "b" never follows "a" here.
    assert bits_per_byte(["xa", "bx"], ["ab"], order=2) > bits_per_byte(["xabx"], ["ab"], order=2)


def test_text_like_the_test_text_predicts_it_better() -> None:
    lean, sql = ["theorem two_dvd (n : ℕ) : 2 ∣ n * (n + 1) := by"], ["SELECT name FROM singer WHERE age > 20"]
    test = ["SELECT age FROM singer"]
    assert bits_per_byte(sql, test) < bits_per_byte(lean, test) < 8.5
    assert bits_per_byte(test, test) < bits_per_byte(sql, test)


class ByLetter:
    """A scorer: the share of a letter."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def fit(self, target: Sequence[str], pool: object = None) -> ByLetter:
        return self

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([text.count(self.letter) / max(len(text), 1) for text in texts])


class Backwards:
    """A selector: last document first."""

    def fit(self, target: Sequence[str], pool: object = None) -> Backwards:
        return self

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        n = sum(map(len, pool))
        return ((position, 0.0) for position in reversed(range(n)))


POOL = [
    f"SELECT c{i} FROM table{i % 7} WHERE age > {i}" if i % 3 == 0 else f"def f{i}(x): return x + {i}"
    for i in range(90)
]
TARGET = [f"SELECT name{i} FROM table{i % 5} WHERE age = {i}" for i in range(12)]


def test_preview_compares_methods() -> None:
    methods = {"cover": Cover(), "letter": ByLetter("S"), "last": Backwards()}
    results = preview(methods, open_sources(POOL, TARGET), budget_bytes=600)
    assert [result.method for result in results] == ["cover", "letter", "last", "random", "target"]
    by_name = {result.method: result for result in results}
    assert min(results, key=lambda result: result.bits_per_byte).method == "target"
    assert all(result.bytes == 600 for result in results[:4])
    assert by_name["target"].bytes == sum(map(len, sorted_halves(0)[0]))
    assert by_name["target"].bits_per_byte == bits_per_byte(*sorted_halves(0))
    # What `last` trained on, by hand: whole documents from the end, the last one cut to 600 bytes in all.
    assert by_name["last"].bits_per_byte == bits_per_byte(cut(POOL[::-1], 600), sorted_halves(0)[1])
    assert by_name["last"].documents == len(cut(POOL[::-1], 600))
    # Equal scores go to the earlier document.
    ranked = sorted(range(len(POOL)), key=lambda i: (-POOL[i].count("S") / len(POOL[i]), i))
    assert by_name["letter"].bits_per_byte == bits_per_byte(cut([POOL[i] for i in ranked], 600), sorted_halves(0)[1])


def sorted_halves(seed: int) -> tuple[list[str], list[str]]:
    shuffled = list(TARGET)
    random.Random(seed).shuffle(shuffled)
    return shuffled[:6], shuffled[6:]


def cut(texts: Sequence[str], budget: int) -> list[str]:
    out = []
    for text in texts:
        out.append(text[:budget])
        budget -= len(out[-1])
        if budget == 0:
            break
    return out


def test_preview_does_not_depend_on_batches_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(batch: int, threads: int) -> list[tuple[str, float, int]]:
        monkeypatch.setattr("zipfit.corpus.inputs.CHUNK_RECORDS", batch)
        sources = open_sources(POOL, TARGET, threads=threads)
        results = preview({"cover": Cover(), "letter": ByLetter("S")}, sources, 500, seed=3)
        return [(result.method, result.bits_per_byte, result.documents) for result in results]

    assert run(512, 1) == run(1, 1) == run(7, 3)


def test_a_method_named_random_takes_the_yardstick_s_place() -> None:
    results = preview({"random": Backwards()}, open_sources(POOL, TARGET), 300)
    assert [result.method for result in results] == ["random", "target"]
    assert results[0].bits_per_byte == bits_per_byte(cut(POOL[::-1], 300), sorted_halves(0)[1])


def test_short_pools() -> None:
    results = preview({"cover": Cover()}, open_sources(["SELECT", ""], TARGET), budget_bytes=1000)
    assert [result.bytes for result in results[:2]] == [6, 6]


def test_a_method_that_rules_everything_out_is_worth_nothing() -> None:
    results = preview({"dsir": Dsir()}, open_sources(["short", "texts"], TARGET), budget_bytes=1000)
    assert (results[0].documents, results[0].bits_per_byte) == (0, 8)


def test_a_budget_may_end_within_a_character() -> None:
    results = preview({"last": Backwards()}, open_sources(["é" * 10], ["éa", "éb"]), budget_bytes=5)
    assert results[0].bytes == 5


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        (lambda texts: np.full(len(texts), math.nan), "score of document 0 is not a number"),
        (lambda texts: np.zeros(len(texts) + 1), "the method gave scores of shape"),
    ],
)
def test_a_method_that_misbehaves_is_refused_as_by_select(scores: object, says: str) -> None:
    method = ByLetter("S")
    method.score = scores  # type: ignore[method-assign, assignment]
    with pytest.raises(ZipfitError, match=says):
        preview({"letter": method}, open_sources(POOL, TARGET), 300)


def test_racing_previews_as_the_exact_method() -> None:
    raced, exact, *_ = preview({"racing": Racing(), "zipfit": ZipFit()}, open_sources(POOL, TARGET), 300)
    assert (raced.bits_per_byte, raced.documents) == (exact.bits_per_byte, exact.documents)


@pytest.mark.parametrize(
    ("target", "budget", "order", "says"),
    [
        (["one"], 10, 6, "two examples at least, not 1"),
        (["a", "b"], 0, 6, "must be positive, not 0"),
        (["a", "b"], 10, 0, "must lie in 1..32, not 0"),
    ],
)
def test_errors_are_sentences(target: list[str], budget: int, order: int, says: str) -> None:
    with pytest.raises(ZipfitError, match=says):
        preview({"last": Backwards()}, open_sources(POOL, target), budget, order=order)
