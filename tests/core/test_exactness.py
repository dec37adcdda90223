"""The kernel's sizes are those of reference zlib and of the lz4 package, on every instruction set this machine has."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import lz4.frame
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zipfit.system.texts import Texts

from .strategies import KINDS, made, pairs, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

core = pytest.importorskip("zipfit._core", reason="the native kernel is not built")

LEVELS = range(1, 10)
RECORDED = [27858, 27451, 27141, 25743, 25159, 25180, 25139, 25013, 24962]
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
FAST = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))

reference_zlib = pytest.mark.skipif(
    "ng" in zlib.ZLIB_RUNTIME_VERSION,
    reason=f"this Python links zlib-ng ({zlib.ZLIB_RUNTIME_VERSION}), whose sizes are not reference zlib's",
)


def gzip_size(text: bytes, level: int) -> int:
    """The oracle: what gzip.compress returns, less the need to make it (header and trailer are 18 bytes)."""
    stream = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)
    return 18 + len(stream.compress(text)) + len(stream.flush())


def lz4_size(text: bytes) -> int:
    return len(lz4.frame.compress(text))


@pytest.fixture(scope="module", params=core.available_isas(), autouse=True)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run everything here once for each instruction set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZIPFIT_ISA", request.param)
        assert core.isa() == request.param
        yield request.param


@reference_zlib
@FAST
@given(text=texts(20_000), level=st.sampled_from(LEVELS))
def test_gzip_size(text: bytes, level: int) -> None:
    assert core.gzip_size(text, level) == gzip_size(text, level)


@reference_zlib
@SLOW
@given(text=texts(140_000), level=st.sampled_from(LEVELS))
def test_gzip_size_of_long_texts(text: bytes, level: int) -> None:
    assert core.gzip_size(text, level) == gzip_size(text, level)


@reference_zlib
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("length", [0, 1, 2, 3, 16_382, 16_383, 16_384, 65_273, 65_274, 65_275, 65_535, 65_536])
def test_gzip_size_at_the_edges(length: int, level: int) -> None:
    for kind in ("incompressible", "words", "one byte", "fibonacci"):
        text = made(kind, length, length)
        assert core.gzip_size(text, level) == gzip_size(text, level), kind


@reference_zlib
@pytest.mark.parametrize("kind", KINDS)
def test_gzip_size_of_300_kb(kind: str) -> None:
    text = made(kind, 300_000, 7)
    for level in (1, 3, 4, 6, 9):
        assert core.gzip_size(text, level) == gzip_size(text, level)


@reference_zlib
@FAST
@given(pair=pairs(3_000), level=st.sampled_from(LEVELS))
def test_gzip_pairs(pair: tuple[bytes, list[bytes]], level: int) -> None:
    source, targets = pair
    prepared = core.GzipPairs(Texts.join(targets), level)
    assert list(prepared.target_sizes) == [gzip_size(target, level) for target in targets]
    own, sizes = prepared.sizes(source)
    assert own == gzip_size(source, level)
    assert list(sizes) == [gzip_size(source + target, level) for target in targets]


@reference_zlib
@SLOW
@given(pair=pairs(70_000), level=st.sampled_from(LEVELS))
def test_gzip_pairs_with_long_sources(pair: tuple[bytes, list[bytes]], level: int) -> None:
    source, targets = pair
    own, sizes = core.GzipPairs(Texts.join(targets), level).sizes(source)
    assert own == gzip_size(source, level)
    assert list(sizes) == [gzip_size(source + target, level) for target in targets]


@reference_zlib
@pytest.mark.parametrize("level", LEVELS)
def test_one_sizer_for_sources_of_all_kinds(level: int) -> None:
    """What one source left in the tables must not show in the next."""
    sources = [made(kind, length, 3) for length in (0, 1, 2, 3, 700, 17_000, 5, 2_000) for kind in KINDS]
    targets = [b"", b"a", b"ab", b"abc", made("words", 300, 1), made("copies", 17_000, 2)]
    values = core.GzipPairs(Texts.join(targets), level).distances(
        Texts.join(sources), np.arange(len(targets), dtype=np.int32)
    )[1]
    for row, source in zip(values, sources, strict=True):
        own = gzip_size(source, level)
        for value, target in zip(row, targets, strict=True):
            alone, both = gzip_size(target, level), gzip_size(source + target, level)
            assert value == (both - min(own, alone)) / max(own, alone)


def test_recorded_sizes() -> None:
    """Sizes that zlib 1.2.13 gave, for machines whose Python links something else."""
    text = b"".join(b"%d bottles of beer on the wall, %x. " % (n, n * n * 7919) for n in range(3000))
    assert [core.gzip_size(text, level) for level in LEVELS] == RECORDED


@FAST
@given(text=texts(20_000))
def test_lz4_size(text: bytes) -> None:
    assert core.lz4_size(text) == lz4_size(text)


@SLOW
@given(text=texts(300_000))
def test_lz4_size_of_several_blocks(text: bytes) -> None:
    assert core.lz4_size(text) == lz4_size(text)


@FAST
@given(pair=pairs(3_000))
def test_lz4_pairs(pair: tuple[bytes, list[bytes]]) -> None:
    source, targets = pair
    prepared = core.Lz4Pairs(Texts.join(targets))
    assert list(prepared.target_sizes) == [lz4_size(target) for target in targets]
    own, sizes = prepared.sizes(source)
    assert own == lz4_size(source)
    assert list(sizes) == [lz4_size(source + target) for target in targets]


@SLOW
@given(pair=pairs(70_000))
def test_lz4_pairs_with_long_sources(pair: tuple[bytes, list[bytes]]) -> None:
    source, targets = pair
    own, sizes = core.Lz4Pairs(Texts.join(targets)).sizes(source)
    assert own == lz4_size(source)
    assert list(sizes) == [lz4_size(source + target) for target in targets]


def corpus(count: int, seed: int) -> list[bytes]:
    generator = random.Random(seed)
    return [made(generator.choice(KINDS), generator.randint(0, 900), generator.randrange(2**32)) for _ in range(count)]


def prepared(method: str, targets: list[bytes]) -> core.GzipPairs | core.Lz4Pairs:
    return core.Lz4Pairs(Texts.join(targets)) if method == "lz4" else core.GzipPairs(Texts.join(targets), int(method))


@pytest.mark.parametrize("method", ["1", "6", "lz4"])
def test_alignments_equal_a_plain_loop(method: str) -> None:
    sources, targets = corpus(40, 1), corpus(137, 2)
    pairs = prepared(method, targets)
    expected = []
    for source in sources:
        own, sizes = pairs.sizes(source)
        total = 0.0
        for size, target in zip(sizes.tolist(), pairs.target_sizes.tolist(), strict=True):
            total += (size - min(own, target)) / max(own, target)
        expected.append(1.0 - total / len(targets))
    assert pairs.alignments(Texts.join(sources)).tolist() == expected


@pytest.mark.parametrize("method", ["1", "6", "lz4"])
def test_distances_of_some_columns(method: str) -> None:
    sources, targets = corpus(20, 3), corpus(50, 4)
    pairs = prepared(method, targets)
    sizes, everything = pairs.distances(Texts.join(sources), np.arange(50, dtype=np.int32))
    assert sizes.tolist() == [pairs.sizes(source)[0] for source in sources]
    columns = np.array([49, 0, 7, 7], dtype=np.int32)
    assert np.array_equal(pairs.distances(Texts.join(sources), columns)[1], everything[:, columns])
    assert pairs.distances(Texts.join(sources), columns[:0])[1].shape == (20, 0)
    assert pairs.distances(Texts.join([]), columns)[1].shape == (0, 4)


@pytest.mark.parametrize("method", ["2", "9", "lz4"])
def test_threads_share_the_targets(method: str) -> None:
    sources, targets = corpus(64, 5), corpus(60, 6)
    pairs = prepared(method, targets)
    expected = pairs.alignments(Texts.join(sources)).tolist()
    with ThreadPoolExecutor(8) as pool:
        together = Texts.join(sources)
        parts = list(pool.map(lambda i: pairs.alignments(together[i : i + 4]).tolist(), range(0, 64, 4)))
    assert [value for part in parts for value in part] == expected


@pytest.mark.parametrize("offsets", [[0, 4, 3], [0, -1, 3], [0, 2, 1 << 40], [1, 0, 3], [3, 2, 3], [-1, 2, 3]])
def test_offsets_are_checked_where_they_are_read(offsets: list[int]) -> None:
    """Whoever keeps the array that `Texts` was made of can still write to it."""
    behind = np.array([0, 2, 3])
    texts = Texts(b"abc", behind)
    core.Lz4Pairs(texts)
    behind[:] = offsets
    with pytest.raises(ValueError, match="the offsets of texts must ascend and lie within their data"):
        core.Lz4Pairs(texts)


def run_python(code: str, isa: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ZIPFIT_ISA": isa}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_the_environment_forces_an_instruction_set(isa: str) -> None:
    assert run_python("from zipfit import _core; print(_core.isa())", isa).stdout.strip() == isa


def test_an_unknown_instruction_set_is_an_error() -> None:
    outcome = run_python("from zipfit import _core; _core.gzip_size(b'', 6)", "mmx")
    assert outcome.returncode != 0
    assert "ZIPFIT_ISA is 'mmx', but this machine and build have only: portable" in outcome.stderr
