from __future__ import annotations

import json
import random
import re
import warnings
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import MemoryPool

from zipfit.errors import ZipfitError
from zipfit.methods.base import Scorer, Selector
from zipfit.methods.dsir import Dsir, _gumbel, _take_turns

if TYPE_CHECKING:
    from pathlib import Path

MATHS = """theorem lemma proof let be a group ring field ideal kernel of the is such that for all x y in G H
    ∀ ∃ → λ := ( ) .""".split()  # fmt: skip  # noqa: SIM905
PROSE = """once upon the river old house said she he was and to of in it that café naïve Straße ΟΔΟΣ Ljubljana
    — , . ; ”""".split()  # fmt: skip  # noqa: SIM905
SCRIPTS = """数学 の 群 は 環 теорема группа кольцо поле مبرهنة زمرة क्षेत्र समूह İstanbul 🙂 ＡＢ ǅ ² ½ \u1c80 _x_
    3.14 \u2028""".split()  # fmt: skip  # noqa: SIM905


def documents(words: list[str], n: int, seed: int, longest: int = 300) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(words, k=rng.randrange(longest))) for _ in range(n)]


def pool_of(kind: str) -> tuple[list[str], list[str]]:
    """Return (pool, target)."""
    if kind == "latin":
        return documents(PROSE, 60, 1) + documents(MATHS, 30, 2), documents(MATHS, 12, 3, 60)
    if kind == "scripts":
        return documents(SCRIPTS + PROSE, 60, 4) + documents(SCRIPTS + MATHS, 40, 5), documents(SCRIPTS + MATHS, 8, 6)
    # Ties: each document thrice, once in capitals; and many too short, at, or next to the least length.
    rng = random.Random(7)
    short = [" ".join(rng.choices(MATHS + PROSE, k=k)) for k in [*range(95, 106), 0, 0, 1, 2]]
    twice = documents(MATHS + PROSE, 30, 8)
    return short + twice + [text.upper() for text in twice] + twice, documents(MATHS, 5, 9)


class Reference:
    """data-selection's own DSIR, in one process.

    NLTK's tokenizer asked `re` for word characters up to 3.10.2 and asks the `regex` package since, so its pattern is
    handed over as `re` reads it, except where `nltk_as_installed` asks for what is there.
    """

    def __init__(self, folder: Path, pool: list[str], targets: list[list[str]], *, nltk_as_installed=False, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources
            from data_selection import HashedNgramDSIR

        def write(name: str, texts: list[str]) -> str:
            (folder / name).write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
            return str(folder / name)

        self.folder = folder
        self.pool = pool
        fit_tokens = options.pop("num_tokens_to_fit", "auto")
        self.dsir = HashedNgramDSIR(
            [write("pool.jsonl", pool)],
            [write(f"target{i}.jsonl", texts) for i, texts in enumerate(targets)],
            cache_dir=str(folder / "cache"),
            num_proc=1,
            **options,
        )
        if not nltk_as_installed:
            self.dsir.tokenizer = re.compile(r"\w+|[^\w\s]+").findall
        self.dsir.fit_importance_estimator(num_tokens_to_fit=fit_tokens)
        self.dsir.compute_importance_weights()

    def weights(self) -> np.ndarray:
        return np.load(self.folder / "cache" / "log_importance_weights" / "0.npy")

    def top(self, k: int) -> list[str]:
        out = self.folder / f"top{k}"
        self.dsir.resample(str(out), k, cache_dir=str(self.folder / f"resampled{k}"), top_k=True)
        return sorted(json.loads(line)["text"] for line in (out / "0.jsonl").read_text().splitlines())


def ranking(method: Dsir, target: list[str], pool: MemoryPool, groups=None) -> list[tuple[int, float]]:
    fitted = method.fit(target, pool) if groups is None else method.fit_groups(target, pool, groups)
    return list(fitted.rank(pool))


@pytest.mark.parametrize(
    ("kind", "options", "theirs"),
    [
        ("latin", {}, {"nltk_as_installed": True}),
        ("latin", {"ngrams": 1, "buckets": 500}, {"ngrams": 1, "num_buckets": 500}),
        ("latin", {"min_length": 10}, {"min_example_length": 10}),
        ("latin", {"fit_ngrams": 3000}, {"num_tokens_to_fit": 3000}),
        ("scripts", {}, {}),
        ("scripts", {"ngrams": 3, "buckets": 777}, {"ngrams": 3, "num_buckets": 777}),
        ("ties", {}, {}),
        ("ties", {"ngrams": 3}, {"ngrams": 3}),
    ],
)
def test_parity_with_data_selection(tmp_path, kind, options, theirs):
    pool, target = pool_of(kind)
    reference = Reference(tmp_path, pool, [target], **theirs)
    method = Dsir(resample=False, **options)
    ranked = ranking(method, target, MemoryPool(pool))

    weights, _ = method.log_weights(pool)
    np.testing.assert_allclose(weights[:, 0], reference.weights(), rtol=1e-9, atol=0)

    scores = np.array([score for _, score in ranked])
    assert (np.diff(scores) <= 0).all()
    assert 0 < method.notes["too_short"] == len(pool) - len(ranked)
    # The reference breaks ties as numpy's partition happens to, so sets are compared where a cut parts no equals.
    cuts = [k for k in range(1, len(ranked)) if scores[k - 1] - scores[k] > 1e-9 * abs(scores[k])]
    assert len(cuts) > 5
    for k in cuts:
        assert sorted(pool[position] for position, _ in ranked[:k]) == reference.top(k)


def test_parity_with_several_targets(tmp_path):
    pool, maths = pool_of("latin")
    prose = documents(PROSE, 6, 10)
    reference = Reference(tmp_path, pool, [maths, prose], separate_targets=True)
    groups = ["maths"] * len(maths) + ["prose"] * len(prose)
    method = Dsir(resample=False)
    ranked = ranking(method, maths + prose, MemoryPool(pool), groups)
    np.testing.assert_allclose(method.log_weights(pool)[0], reference.weights(), rtol=1e-9)
    np.testing.assert_allclose(np.array(method.terms["shares"]), reference.dsir.target_proportions, rtol=1e-12)
    assert list(method.notes["targets"]) == ["maths", "prose"]
    k = 20
    assert sorted(pool[position] for position, _ in ranked[:k]) == reference.top(k)


def test_ties_go_to_the_earlier_document():
    pool, target = pool_of("ties")
    ranked = ranking(Dsir(resample=False), target, MemoryPool(pool))
    for (a, score_a), (b, score_b) in pairwise(ranked):
        assert score_a > score_b or a < b


@pytest.mark.parametrize("options", [{}, {"resample": False}, {"per_ngram": True}, {"fit_ngrams": 2500}, {"seed": 3}])
def test_batches_and_threads_change_nothing(options):
    pool, target = pool_of("ties")
    groups = ["a", "b", "a", "b", "a"]
    runs = [ranking(Dsir(**options), target, MemoryPool(pool, b, t), groups) for b, t in [(1, 1), (7, 4), (1000, 2)]]
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize("room", [0, 2_000, 20_000])
def test_what_is_kept_changes_nothing(monkeypatch, room):
    pool, target = pool_of("latin")
    expected = ranking(Dsir(), target, MemoryPool(pool, 7))
    monkeypatch.setattr("zipfit.methods.dsir._KEPT_BYTES", room)
    method = Dsir()
    assert ranking(method, target, MemoryPool(pool, 7)) == expected
    source = MemoryPool(pool, 7)
    method.fit(target, source)
    assert method._kept.documents < method._kept.of == len(pool)
    assert list(method.rank(MemoryPool(pool[::-1]))) == list(method.rank(MemoryPool(pool[::-1]))) != expected
    assert list(method.rank(source)) == expected


def test_python_features_give_the_same_bits(monkeypatch):
    pool, target = pool_of("scripts")
    native = ranking(Dsir(), target, MemoryPool(pool))
    monkeypatch.setattr("zipfit.system.runtime.native_core", lambda: None)
    assert ranking(Dsir(), target, MemoryPool(pool)) == native


def test_resampling_draws_in_proportion_to_the_weights():
    # The Gumbel trick: the first document drawn is x with probability w(x) / (sum of all w).
    pool = ["a a a b", "a b b b", "a a b b"]
    target = ["a a b"]
    method = Dsir(min_length=0, ngrams=1, buckets=97).fit(target, MemoryPool(pool))
    weights = np.exp(method.log_weights(pool)[0][:, 0])
    expected = weights / weights.sum()
    first = np.zeros(3)
    n = 3000
    for seed in range(n):
        method.seed = seed
        first[next(method.rank(MemoryPool(pool)))[0]] += 1
    np.testing.assert_allclose(first / n, expected, atol=4 * np.sqrt(0.25 / n))


def test_a_draw_belongs_to_its_position():
    # What the filter rules out does not shift the noise of the others.
    pool, target = pool_of("latin")
    strict, lax = Dsir(seed=5), Dsir(seed=5, min_length=0)
    kept = [position for position, _ in ranking(strict, target, MemoryPool(pool))]
    everything = [position for position, _ in ranking(lax, target, MemoryPool(pool))]
    assert [position for position in everything if position in set(kept)] == kept
    assert sorted(everything) == list(range(len(pool)))
    assert lax.notes["too_short"] == 0


def test_per_ngram_divides_by_the_number_of_ngrams():
    pool, target = pool_of("latin")
    plain, divided = (Dsir(per_ngram=p).fit(target, MemoryPool(pool)) for p in (False, True))
    text = "let G be a group"  # 5 words, 4 pairs
    assert divided.log_weights([text])[0][0, 0] == plain.log_weights([text])[0][0, 0] / 9
    assert divided.log_weights([""])[0][0, 0] == 0.0


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_every_prefix_holds_the_proportions(share):
    pool, maths = pool_of("latin")
    prose = documents(PROSE, 6, 10)
    groups = ["m"] * len(maths) + ["p=q"] * len(prose)
    method = Dsir(resample=False, min_length=0, proportions=(f"p=q={1 - share}", f"m={share}"))
    method.fit_groups(maths + prose, MemoryPool(pool), groups)
    weights, _ = method.log_weights(pool)
    orders = [np.argsort(-weights[:, t], kind="stable") for t in range(2)]
    held = 0
    for k, (t, _) in enumerate(_take_turns(orders, np.array(method.terms["shares"])), start=1):
        held += t == 0
        assert abs(held - share * k) <= 1


@given(
    st.integers(1, 30), st.lists(st.floats(0, 1), min_size=1, max_size=5).filter(lambda s: sum(s) > 1e-6), st.randoms()
)
def test_turns_take_every_position_once_and_each_its_best(n, shares, rng):
    orders = [np.array(rng.sample(range(n), n)) for _ in shares]
    taken: set[int] = set()
    for t, position in _take_turns(orders, np.array(shares) / sum(shares)):
        assert position == next(p for p in orders[t] if p not in taken)
        taken.add(position)
    assert taken == set(range(n))


@pytest.mark.parametrize(
    "pool", [[], [""], ["", "", ""], ["one two"], ["same words here"] * 9, ["群 は 環", "теорема"]]
)
@pytest.mark.parametrize("resample", [False, True])
def test_edge_pools_are_ranked_in_full(pool, resample):
    method = Dsir(min_length=0, resample=resample)
    ranked = ranking(method, ["a target sharing nothing"], MemoryPool(pool))
    assert sorted(position for position, _ in ranked) == list(range(len(pool)))
    assert np.isfinite([score for _, score in ranked]).all()
    if not resample and len(set(pool)) == 1:
        assert [position for position, _ in ranked] == list(range(len(pool)))


def test_a_budget_beyond_the_pool_takes_what_there_is():
    pool, target = pool_of("latin")
    ranked = list(islice(Dsir(min_length=0).fit(target, MemoryPool(pool)).rank(MemoryPool(pool)), 10_000))
    assert len(ranked) == len(pool)


def test_everything_too_short_is_said():
    method = Dsir()
    assert ranking(method, ["target"], MemoryPool(["short"] * 4)) == []
    assert method.notes == {"too_short": 4}


@pytest.mark.parametrize(
    ("options", "target", "groups", "message"),
    [
        ({"ngrams": 0}, ["a"], None, "ngrams must be at least 1, not 0"),
        ({"buckets": 0}, ["a"], None, "buckets must be between"),
        ({"buckets": 2**28 + 1}, ["a"], None, "buckets must be between"),
        ({"fit_ngrams": -1}, ["a"], None, "fit_ngrams"),
        ({}, [], None, "no examples"),
        ({}, ["", " \n"], None, "no words"),
        ({}, ["a", ""], ["x", "y"], "no words in the target 'y'"),
        ({}, ["a"], ["x", "y"], "2 group labels for 1 target"),
        ({"proportions": ("x=1",)}, ["a"], None, "several targets"),
        ({"proportions": ("x=1",)}, ["a", "b"], ["x", "y"], "name each target once: 'x', 'y'"),
        ({"proportions": ("x=1", "y=z")}, ["a", "b"], ["x", "y"], "label=share"),
        ({"proportions": ("x=-1", "y=2")}, ["a", "b"], ["x", "y"], "at least 0"),
        ({"proportions": ("x=nan", "y=2")}, ["a", "b"], ["x", "y"], "at least 0"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(options, target, groups, message):
    with pytest.raises(ZipfitError, match=message):
        ranking(Dsir(**options), target, MemoryPool(["some words"]), groups)


def test_fit_without_a_pool_says_so():
    with pytest.raises(ZipfitError, match="needs the pool"):
        Dsir().fit(["a"])


def test_is_a_selector_and_no_scorer():
    assert isinstance(Dsir(), Selector)
    assert not isinstance(Dsir(), Scorer)


class Draws:
    """A generator whose draws are given."""

    def __init__(self, *draws):
        self.draws = list(draws)

    def random(self, n):
        taken, self.draws = self.draws[:n], self.draws[n:]
        return np.array(taken)


def test_the_noise_is_numpys():
    mine, numpys = (np.random.Generator(np.random.PCG64(5)) for _ in range(2))
    np.testing.assert_allclose(_gumbel(mine, 10_000), numpys.gumbel(size=10_000), rtol=1e-12, atol=1e-15)
    redrawn = _gumbel(Draws(0.25, 0.0, 0.5, 0.0, 0.75), 3)
    assert redrawn.tolist() == _gumbel(Draws(0.25, 0.5, 0.75), 3).tolist()
    assert _gumbel(mine, 0).shape == (0,)
