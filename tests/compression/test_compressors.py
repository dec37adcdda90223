from __future__ import annotations

import bz2
import gzip
import lzma
import threading

import brotli
import lz4.frame
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from zipfit.compression import linked_zlib
from zipfit.compression.base import CalledPairs, distance
from zipfit.compression.compressors import LEVELS, get_compressor
from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.system.texts import Texts

PLAIN = {
    "gzip": lambda text, level: gzip.compress(text, level),
    "lz4": lambda text, level: lz4.frame.compress(text, compression_level=level),
    "zstd": lambda text, level: zstandard.ZstdCompressor(level=level).compress(text),
    "brotli": lambda text, level: brotli.compress(text, quality=level),
    "lzma": lambda text, level: lzma.compress(text, preset=level),
}
TEXTS = [
    b"",
    b"a",
    b"abc" * 500,
    bytes(range(256)),
    "naïve 🎲 数".encode(),
    b"\x00" * 1000,
    b"the quick brown fox " * 40,
]

CASES = [(name, level) for name, (low, high, default) in LEVELS.items() for level in sorted({low, default, high})]
CASES += [("lz4", 1), ("lz4", 2), ("lz4", 3)]
CASES.remove(("lzma", 9))  # 674 MB and half a second for every single size


@pytest.mark.parametrize(("name", "level"), CASES)
def test_a_size_is_that_of_the_whole_output(name, level):
    compressor = get_compressor(name, level)
    assert (compressor.name, compressor.level) == (name, level)
    assert [compressor.size(text) for text in TEXTS] == [len(PLAIN[name](text, level)) for text in TEXTS]


@pytest.mark.parametrize(("name", "level"), CASES)
def test_pairs_join_the_source_before_the_target(name, level):
    targets = TEXTS[:5]
    pairs = get_compressor(name, level).pairs(Texts.join(targets))
    assert list(pairs.target_sizes) == [len(PLAIN[name](target, level)) for target in targets]
    for text in TEXTS:
        alone, joined = pairs.sizes(text)
        assert alone == len(PLAIN[name](text, level))
        assert list(joined) == [len(PLAIN[name](text + target, level)) for target in targets]


@pytest.mark.parametrize("name", LEVELS)
def test_the_default_level(name):
    assert get_compressor(name).level == LEVELS[name][2]
    assert get_compressor(name).engine


@pytest.mark.parametrize("name", LEVELS)
def test_levels_out_of_range(name):
    lowest, highest, _ = LEVELS[name]
    for level in (lowest - 1, highest + 1, -5, 99):
        with pytest.raises(ZipfitError, match=rf"{name} (has levels {lowest} to {highest}|level 0 stores)"):
            get_compressor(name, level)


def test_an_unknown_compressor():
    with pytest.raises(ZipfitError, match="unknown compressor 'zip': choose from gzip, lz4, zstd, brotli, lzma"):
        get_compressor("zip")


def test_a_compressor_whose_package_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "brotli", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zipfit\[brotli\]'"):
        get_compressor("brotli")


@pytest.mark.parametrize("name", LEVELS)
def test_pairs_serve_several_threads_at_once(name):
    pairs = get_compressor(name).pairs(Texts.join(TEXTS[:3]))
    expected = pairs.alignments(Texts.join(TEXTS)).tobytes()
    found: list[bytes] = []

    def work():
        found.extend(pairs.alignments(Texts.join(TEXTS)).tobytes() for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 20


def test_the_distance_is_the_normalized_compression_distance():
    sizes = distance(10, np.array([8, 10, 20]), np.array([12, 11, 25]))
    assert sizes.tolist() == [(12 - 8) / 10, (11 - 10) / 10, (25 - 10) / 20]


@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=6), st.lists(st.binary(max_size=60), min_size=1, max_size=6)
)
def test_called_pairs_follow_the_formula(targets, texts):
    def size(text):
        return len(bz2.compress(text))

    pairs = CalledPairs(size, Texts.join(targets))
    expected = []
    for text in texts:
        total = 0.0
        for target in targets:
            total += (size(text + target) - min(size(text), size(target))) / max(size(text), size(target))
        expected.append(1 - total / len(targets))
    assert pairs.alignments(Texts.join(texts)).tolist() == expected
    columns = np.arange(0, len(targets), 2, dtype=np.int32)
    sizes, rows = pairs.distances(Texts.join(texts), columns)
    assert sizes.tolist() == [size(text) for text in texts]
    assert rows.shape == (len(texts), len(columns))
    assert rows[0, 0] == (size(texts[0] + targets[0]) - min(size(texts[0]), size(targets[0]))) / max(
        size(texts[0]), size(targets[0])
    )


@pytest.mark.parametrize(("level", "engine"), [(1, "native"), (2, "native"), (3, "lz4")])
def test_the_kernel_serves_all_levels_of_lz4_that_are_one(level, engine):
    assert get_compressor("lz4", level).engine.split()[0] == engine


@pytest.mark.parametrize(
    ("sizes", "says"), [(None, r"several times slower; "), ((1, 2), r"ranks otherwise than the p")]
)
def test_without_the_kernel_a_zlib_that_ranks_otherwise_is_told(sizes, says, monkeypatch):
    if sizes:
        monkeypatch.setattr(linked_zlib, "_PROBE_SIZES", sizes)
    monkeypatch.setattr("zipfit.system.runtime.native_core", lambda: None)
    for _ in range(2):  # every time, not once a process
        with pytest.warns(RuntimeWarning, match=says):
            get_compressor("gzip", 6)


def test_without_the_native_kernel_the_libraries_answer_and_a_warning_says_so(monkeypatch):
    native = get_compressor("gzip", 6), get_compressor("lz4")
    monkeypatch.setattr("zipfit.system.runtime.native_core", lambda: None)
    with pytest.warns(RuntimeWarning, match="built without its native kernel, so compressed sizes come from Python's"):
        called = get_compressor("gzip", 6), get_compressor("lz4")
    assert [compressor.engine.split()[0] for compressor in (*native, *called)] == ["native", "native", "zlib", "lz4"]
    targets, texts = Texts.join(TEXTS[:4]), Texts.join(TEXTS)
    for fast, slow in zip(native, called, strict=True):
        assert [fast.size(text) for text in TEXTS] == [slow.size(text) for text in TEXTS]
        assert fast.pairs(targets).alignments(texts).tobytes() == slow.pairs(targets).alignments(texts).tobytes()


@pytest.mark.parametrize("name", LEVELS)
def test_all_compressors_refuse_alike(name):
    pairs = get_compressor(name).pairs(Texts.join([b"t", b"u"]))
    assert len(pairs) == 2
    with pytest.raises(ValueError, match="targets must not be empty"):
        get_compressor(name).pairs(Texts.join([]))
    with pytest.raises(IndexError, match=r"columns must lie in 0\.\.1, not 2"):
        pairs.distances(Texts.join([b"x"]), np.array([0, 2], np.int32))
    with pytest.raises(TypeError, match="texts must be Texts, not list"):
        pairs.alignments([b"x"])
