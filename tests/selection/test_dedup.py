from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.selection.dedup import MISSES, ExactDeduplicator, NearDeduplicator, bands, escape, jaccard, shingles

WORDS = [
    "the",
    "sum",
    "of",
    "two",
    "even",
    "numbers",
    "is",
    "=",
    "+",
    "2",
    "x",
    "λ",
    "和",
    "偶",
    "数",
    "是",
    "\n",
    "  ",
]


def walk(deduplicator, texts):
    return [deduplicator.keep(position, text) for position, text in enumerate(texts)]


def token_runs(tokens):
    """The shingles of a document of one-word tokens, by plain Python."""
    return {tuple(tokens[i : i + 5]) for i in range(max(1, len(tokens) - 4))}


def plain_jaccard(one, other):
    return len(one & other) / len(one | other)


def versions(documents=60, copies=4, length=(1, 120), seed=0):
    """Documents of words and, of each, copies with more and more words replaced; shuffled."""
    generator = random.Random(seed)
    result = []
    for _ in range(documents):
        words = [f"w{generator.randrange(5000)}" for _ in range(generator.randint(*length))]
        result.append(words)
        for changes in range(copies):
            copy = list(words)
            for _ in range(changes):
                copy[generator.randrange(len(copy))] = f"w{generator.randrange(5000)}"
            result.append(copy)
    generator.shuffle(result)
    return result


@given(st.lists(st.text(max_size=3)))
@example(["", "", "a", "\ud800", "\ud800", "a "])
def test_exact_points_at_the_first_of_the_same_text(texts):
    assert walk(ExactDeduplicator(), texts) == [
        None if texts.index(text) == position else texts.index(text) for position, text in enumerate(texts)
    ]


@given(st.lists(st.sampled_from(["a", "b"]), max_size=30))
def test_positions_need_not_ascend(texts):
    """A ranking visits positions in any order; the document kept is the first asked about."""
    deduplicator = ExactDeduplicator()
    positions = list(range(len(texts)))[::-1]
    answers = {position: deduplicator.keep(position, texts[position]) for position in positions}
    for position, answer in answers.items():
        kept = max(other for other in positions if texts[other] == texts[position])
        assert answer == (None if kept == position else kept)


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_near_against_all_pairs(threshold):
    """Every drop is a true near duplicate of a kept document, and hardly any true pair is missed."""
    pytest.importorskip("datasketch")
    documents = versions()
    runs = [token_runs(words) for words in documents]
    answers = walk(NearDeduplicator(threshold), [" ".join(words) for words in documents])
    missed = pairs = 0
    for position, answer in enumerate(answers):
        earlier = [i for i in range(position) if answers[i] is None]
        near = [i for i in earlier if plain_jaccard(runs[i], runs[position]) >= threshold]
        if answer is not None:
            assert answer in near
        pairs += bool(near)
        missed += near[:1] != [answer][: len(near)]
    assert pairs > 50
    assert missed <= 0.01 * pairs


@given(st.lists(st.sampled_from(WORDS), max_size=40), st.lists(st.sampled_from(WORDS), max_size=40))
@example([], [])
@example([], ["\n", "  "])
@example(["x"], ["x", "x"])
def test_similarity_is_that_of_the_sets_of_token_runs(one, other):
    def visible(words):
        return [word for word in words if word.strip()]

    expected = plain_jaccard(token_runs(visible(one)), token_runs(visible(other)))
    assert jaccard(shingles(" ".join(one)), shingles(" ".join(other))) == expected


@given(st.text(max_size=200))
def test_shingles_are_a_sorted_set_and_near_keeps_no_copy(text):
    pytest.importorskip("datasketch")
    found = shingles(text)
    assert found.dtype == np.uint32
    assert len(found) >= 1
    assert (found[1:] > found[:-1]).all()
    assert walk(NearDeduplicator(), [text, text + " ", "\n\t" + text]) == [None, 0, 0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("def f(x):\n    return x", "def f(x):\n\treturn x", True),
        ("theorem t : 2 + 2 = 4", "theorem t : 2 + 3 = 5", False),
        (
            "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏",
            "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏閏",
            True,
        ),
        ("天地玄黃宇宙洪荒日月盈昃辰宿列張", "天地玄黃宇宙洪荒秋收冬藏閏餘成歲", False),
        ("", " \n ", True),
        ("", "a", False),
        ("αβγ", "αβδ", False),
    ],
)
def test_what_is_near(one, other, same):
    pytest.importorskip("datasketch")
    assert walk(NearDeduplicator(), [one, other]) == [None, 0 if same else None]


@given(st.integers(5, 100))
def test_bands_miss_few_at_the_threshold_and_fewer_above(percent):
    threshold = percent / 100
    count, rows = bands(threshold)
    assert count >= 2  # datasketch wants two
    assert count * rows <= 128
    assert escape(threshold, rows) <= MISSES
    assert escape(min(1.0, threshold + 0.05), rows) <= escape(threshold, rows)


def test_hashes_are_those_of_every_process():
    expected = shingles("sum of two even numbers is even 和").tolist()
    program = (
        "from zipfit.selection.dedup import shingles; print(shingles('sum of two even numbers is even 和').tolist())"
    )
    for seed in ("0", "123"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
        output = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)
        assert output.stdout.decode().strip() == str(expected)
    assert expected == sorted(expected)
    assert len(expected) == 4


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, float("nan")])
def test_threshold_out_of_range(threshold):
    with pytest.raises(ZipfitError, match="threshold of near duplicates must be above 0 and at most 1"):
        NearDeduplicator(threshold)


def test_without_datasketch(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zipfit\[near\]'"):
        NearDeduplicator()
