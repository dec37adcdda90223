from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from zipfit.errors import ZipfitError
from zipfit.methods.base import Scorer, Selector
from zipfit.methods.gain import Gain

TARGET = ["Let G be a finite group and H a subgroup of G.", "Show that the kernel of a homomorphism is normal."]


def reference(x: str, target: list[str], level: int) -> float:
    """The definition, by the streaming API and a dictionary prepared anew."""

    def size(data: bytes, dictionary: zstandard.ZstdCompressionDict | None) -> int:
        compressor = zstandard.ZstdCompressor(level=level, dict_data=dictionary).compressobj(size=len(data))
        return len(compressor.compress(data)) + len(compressor.flush())

    data = x.encode()
    joined = "\n\n".join(target).encode()
    dictionary = zstandard.ZstdCompressionDict(joined, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    dictionary.precompute_compress(level=level)
    return 1 - size(data, dictionary) / size(data, None)


def test_is_a_scorer():
    assert isinstance(Gain(), Scorer)
    assert not isinstance(Gain(), Selector)


@given(st.lists(st.text(max_size=300), max_size=4), st.sampled_from([1, 3, 19]))
def test_equals_its_definition(texts, level):
    scores = Gain(level=level).fit(TARGET).score(texts)
    assert scores.dtype == np.float64
    assert scores.tolist() == [reference(x, TARGET, level) for x in texts]


def test_the_target_s_kind_gains_most():
    scores = Gain().fit(TARGET).score(
        [TARGET[0], "Let H be a normal subgroup of G and let K be a subgroup of a finite group.", "0x7f3e9a zzqy ;; 8"]
    )  # fmt: skip
    assert scores[0] > 0.6 > scores[1] > 0.2 > scores[2]


def test_what_it_compresses_can_be_read_back_only_with_the_target():
    # A raw-content dictionary in both directions: C(x | T) is a real conditional code length, no mere estimate.
    joined = "\n\n".join(TARGET).encode()
    dictionary = zstandard.ZstdCompressionDict(joined, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    x = TARGET[1].encode()
    frame = zstandard.ZstdCompressor(level=3, dict_data=dictionary).compress(x)
    assert zstandard.ZstdDecompressor(dict_data=dictionary).decompress(frame) == x
    with pytest.raises(zstandard.ZstdError):
        zstandard.ZstdDecompressor().decompress(frame)


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""], ["x"], ["same"] * 7, ["群は環", "теорема"]])
def test_edge_texts(texts):
    scores = Gain().fit(["a target sharing nothing"]).score(texts)
    assert scores.shape == (len(texts),)
    assert np.isfinite(scores).all()
    assert (scores <= 1).all()
    assert all(score == 0.0 for score, text in zip(scores, texts, strict=True) if not text)
    assert len(set(scores.tolist())) <= len(set(texts))


def test_threads_and_batches_change_nothing():
    rng = random.Random(0)
    words = " ".join(TARGET).split()
    texts = [" ".join(rng.choices(words, k=rng.randrange(60))) for _ in range(300)]
    gain = Gain(level=9).fit(TARGET)
    whole = gain.score(texts)
    with ThreadPoolExecutor(8) as executor:
        batches = list(executor.map(gain.score, [texts[i : i + 7] for i in range(0, len(texts), 7)]))
    np.testing.assert_array_equal(np.concatenate(batches), whole)


def test_leave_one_out_leaves_out_every_copy_of_the_document_and_no_other():
    target = [*TARGET, TARGET[0]]
    gain = Gain(leave_one_out=True).fit(target)
    scores = gain.score([TARGET[0], TARGET[1], "another document"])
    assert scores[0] == reference(TARGET[0], [TARGET[1]], 3)
    assert scores[1] == reference(TARGET[1], [TARGET[0], TARGET[0]], 3)
    assert scores[2] == reference("another document", target, 3)


def test_leave_one_out_with_a_single_example_leaves_nothing():
    assert Gain(leave_one_out=True).fit(["alone"]).score(["alone"])[0] == 0.0


@pytest.mark.parametrize(("level", "reach"), [(3, 500_000), (9, 2_000_000), (19, 2_000_000)])
def test_levels_reach_as_far_back_in_the_target_as_documented(level, reach):
    rng = random.Random(3)
    early = "".join(rng.choices("abcdefghijklmnop ", k=400))
    filler = "".join(rng.choices("qrstuvwxyz0123456789 ", k=reach))
    assert Gain(level=level).fit([early, filler]).score([early])[0] > 0.5


def test_notes_name_the_compressor():
    assert Gain().fit(TARGET).notes == {"zstd": ".".join(map(str, zstandard.ZSTD_VERSION))}


@pytest.mark.parametrize(
    ("options", "target", "message"),
    [
        ({"level": 0}, TARGET, "level must be between 1 and 22, not 0"),
        ({"level": 23}, TARGET, "level must be between"),
        ({}, [], "no text"),
        ({}, ["", ""], "no text"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(options, target, message):
    with pytest.raises(ZipfitError, match=message):
        Gain(**options).fit(target)
