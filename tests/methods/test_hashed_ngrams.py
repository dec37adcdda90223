from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zipfit.methods import hashed_ngrams_reference
from zipfit.methods.hashed_ngrams import HashedNgrams, character_classes, lowered
from zipfit.system.texts import Texts

_core = pytest.importorskip("zipfit._core", reason="built without the native core")

# Mostly few, repeating words, sometimes anything UTF-8 can hold.
words = st.sampled_from(
    ["the", "The", "cat", "x1", "+", "::=", "λx", "ß", "İ", "Σ", "ΟΔΟΣ", "日本語", "क्षि", "a" * 70, "🙂"]
)
spaces = st.sampled_from([" ", "", "\n", "\u00a0", "\u2003", "\x1c", "\0"])
worded = st.lists(st.tuples(words, spaces), max_size=40).map(lambda pairs: "".join(w + s for w, s in pairs))
anything = st.text(max_size=60)
texts = st.lists(worded | anything, max_size=6)


def test_classes_are_those_of_re_for_every_code_point():
    classes = character_classes()
    word, space = re.compile(r"\w"), re.compile(r"\s")
    for code_point in range(0x110000):
        c = chr(code_point)
        assert classes[code_point] == (1 if word.match(c) else 0 if space.match(c) else 2), hex(code_point)


def python(order, buckets):
    return hashed_ngrams_reference.HashedNgrams(character_classes(), order, buckets)


@given(anything | worded)
def test_tokens_are_those_of_the_expression(text):
    assert hashed_ngrams_reference._tokens_of(character_classes()).findall(text) == re.findall(r"\w+|[^\w\s]+", text)


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(1, 4), st.sampled_from([1, 2, 7, 64, 10_000, 65_537]))
def test_native_equals_python_to_the_bit(texts, order, buckets):
    native, plain = HashedNgrams(order, buckets), python(order, buckets)
    ours, theirs = native.hashed(texts), plain.buckets(lowered(texts))
    for array, expected in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(array, expected, strict=True)
    np.testing.assert_array_equal(native.count(ours), plain.count(theirs[0]), strict=True)
    tables = np.random.default_rng(0).normal(size=(2, buckets))
    np.testing.assert_array_equal(native.dot(ours, tables), plain.dot(*theirs, tables), strict=True)


@given(texts)
def test_lower_case_is_that_of_each_text(texts):
    assert list(lowered(texts)) == [text.lower() for text in texts]


@pytest.mark.parametrize("portable", [False, True])
def test_hash_at_every_length_around_its_block_boundaries(portable):
    tokens = ["é" * (n // 2) + "z" * (n % 2) for n in range(1, 400)]
    native = _core.HashedNgrams(character_classes(), 1, 1 << 14, portable)
    plain = python(1, 1 << 14)
    together = [" ".join(tokens), " ".join(reversed(tokens))]
    for some in map(Texts.of, [*([token] for token in tokens), together]):
        np.testing.assert_array_equal(native.buckets(some)[0], plain.buckets(some)[0])


def test_head():
    features = HashedNgrams(2, 100)
    texts = ["a b c", "", "d", "e f"]
    for n in range(5):
        for ours, theirs in zip(features.hashed(texts).head(n), features.hashed(texts[:n]), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_memo_is_exact_when_it_overflows():
    # Three times two hundred thousand distinct n-grams, twice over, through memos of a hundred and two hundred thousand.
    text = " ".join(str(i) for i in range(200_000))
    native, plain = HashedNgrams(3, 1000), python(3, 1000)
    expected = plain.buckets(Texts.of([text]))[0]
    for _ in range(2):
        np.testing.assert_array_equal(native.hashed([text]).buckets, expected)


def test_equal_counts_give_equal_bits_whatever_the_order_of_words():
    table = np.random.default_rng(1).normal(size=(1, 10_000))
    features = HashedNgrams(1, 10_000)
    dots = features.dot(features.hashed(["a b c d e f g", "g f e d c b a", "G\tF e d   b c a"]), table)
    assert len(set(dots[:, 0].tolist())) == 1


def test_bytes_that_are_not_utf8_are_words_of_their_own_kind():
    native = _core.HashedNgrams(character_classes(), 1, 100)
    _, totals = native.buckets(Texts.join([b"ab\xffcd", b"\xe3\x81", b"\xf7\xbf\xbf\xbf x", b"\xc3"]))
    assert totals.tolist() == [3, 1, 2, 1]


def test_python_takes_over_without_the_native_core(monkeypatch):
    assert isinstance(HashedNgrams(2, 100)._core, _core.HashedNgrams)
    monkeypatch.setattr("zipfit.system.runtime.native_core", lambda: None)
    assert isinstance(HashedNgrams(2, 100)._core, hashed_ngrams_reference.HashedNgrams)
