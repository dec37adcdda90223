from __future__ import annotations

import pickle
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipfit.errors import ZipfitError
from zipfit.system.texts import Texts

strings = st.lists(st.text(max_size=5), max_size=6)


@given(strings)
def test_a_sequence_of_the_same_strings(plain):
    texts = Texts.of(plain)
    assert isinstance(texts, Sequence)
    assert list(texts) == plain
    assert [texts[i] for i in range(-len(plain), len(plain))] == plain + plain
    assert list(texts.encoded()) == [text.encode() for text in plain]
    assert texts.lengths.tolist() == [len(text.encode()) for text in plain]
    assert texts.lengths.dtype == np.int64
    assert Texts.of(texts) is texts
    assert texts == Texts.join([text.encode() for text in plain])
    assert bool(texts) == bool(plain)


@given(strings, st.slices(6))
def test_slices(plain, where):
    texts = Texts.of(plain)
    part = texts[where]
    assert list(part) == plain[where]
    assert part == Texts.of(plain[where])
    assert list(part[1:]) == plain[where][1:]
    if where.step in (None, 1):
        assert part.data is texts.data


@given(st.lists(st.text(max_size=5), min_size=1, max_size=6), st.data())
def test_take(plain, data):
    indices = data.draw(st.lists(st.integers(0, len(plain) - 1), max_size=8))
    assert list(Texts.of(plain).take(np.array(indices, np.int64))) == [plain[i] for i in indices]
    assert list(Texts.of(plain)[1:].take(range(len(plain) - 1))) == plain[1:]
    with pytest.raises(IndexError):
        Texts.of(plain).take([len(plain)])
    with pytest.raises(IndexError):
        Texts.of(plain)[len(plain)]


@given(strings)
def test_a_pickle_holds_no_more_than_the_texts(plain):
    part = Texts.of(["x" * 10_000, *plain, "y" * 10_000])[1:-1]
    pickled = pickle.dumps(part)
    assert len(pickled) < 1000
    assert pickle.loads(pickled) == part


def test_equal_texts_have_equal_parts():
    assert Texts.of(["ab", "c"]) != Texts.of(["a", "bc"])
    assert Texts.of(["a"]) != ["a"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(Texts.of(["a"]))
    assert repr(Texts.of(["a", "數"])[1:]) == "<1 texts, 3 bytes>"


def test_a_lone_surrogate_is_told_with_its_place():
    with pytest.raises(ZipfitError, match="text 3: lone surrogate at character 5 of the text"):
        Texts.of(["a", "", "é", "數數數數數\udfff"])


@pytest.mark.parametrize(("value", "kind"), [(b"bytes", "bytes"), (1.5, "float"), (None, "NoneType")])
def test_what_is_no_string_is_told_with_its_type(value, kind):
    with pytest.raises(ZipfitError, match=f"text 1 is a {kind}, not a string"):
        Texts.of(["a", value])


@pytest.mark.parametrize("offsets", [[], [-1, 2], [0, 4], [2, 1, 3], [0, 3, 2], [[0, 1]]])
def test_offsets_must_ascend_within_the_data(offsets):
    with pytest.raises(ValueError, match="the offsets of texts must ascend and lie within their data"):
        Texts(b"abc", np.array(offsets, np.int64))


def test_offsets_of_int64_are_shared_and_cannot_be_written():
    offsets = np.array([0, 1, 3])
    texts = Texts(b"abc", offsets)
    assert np.shares_memory(texts.offsets, offsets)
    assert offsets.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        texts.offsets[0] = 1
    assert list(Texts(b"abc", offsets.astype(np.int32))) == ["a", "bc"]
