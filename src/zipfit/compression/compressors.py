"""The compressors by name: gzip and lz4 on the native kernel, the rest through their usual Python packages."""

from __future__ import annotations

import lzma
import threading
import warnings
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

from zipfit.compression import reference
from zipfit.compression.base import CalledPairs, Compressor
from zipfit.compression.linked_zlib import is_reference
from zipfit.errors import need, needing
from zipfit.system.runtime import engine

if TYPE_CHECKING:
    from collections.abc import Callable


# Name to (lowest level, highest level, default level).
#
# gzip starts at 1: level 0, the default of the published zip-fit package, stores without compressing, so C(x) is |x|
# plus a constant, the NCD of a pair depends on the two lengths alone, and the ranking is one by length. Its default is
# 6, zlib's own: what 'the gzip size' means wherever no level is named.
LEVELS = {
    "gzip": (1, 9, 6),
    "lz4": (0, 16, 0),
    "zstd": (1, 22, 3),
    "brotli": (0, 11, 11),
    "lzma": (0, 9, 6),
}


_LZ4_FAST = range(3)
"""LZ4's levels below its search for better matches: in liblz4 1.9.4 three names of one."""


def get_compressor(name: str, level: int | None = None) -> Compressor:
    """Return a compressor by name and level (None for its default).

    Raises:
        ZipfitError: the name is unknown, or the level outside the compressor's range.
        MissingExtraError: the compressor's package is not installed.
    """
    need(name in LEVELS, f"unknown compressor {name!r}: choose from {', '.join(LEVELS)}")
    lowest, highest, default = LEVELS[name]
    level = default if level is None else level
    stores = name == "gzip" and level == 0
    need(not stores, "gzip level 0 stores without compressing, so it would rank by length alone: use 1 to 9")
    need(lowest <= level <= highest, f"level {level} is out of range: {name} has levels {lowest} to {highest}")
    if name == "gzip":
        core, told = _native_or_twins(name)
        return Compressor(name, level, told, partial(core.gzip_size, level=level), partial(core.GzipPairs, level=level))
    if name == "lz4" and level in _LZ4_FAST:
        core, told = _native_or_twins(name)
        return Compressor(name, level, told, core.lz4_size, core.Lz4Pairs)
    told, compress = {"lz4": _lz4, "zstd": _zstd, "brotli": _brotli, "lzma": _lzma}[name](level)

    def size(text: bytes) -> int:
        return len(compress(text))

    return Compressor(name, level, told, size, partial(CalledPairs, size))


def _native_or_twins(name: str) -> tuple[Any, str]:
    """What computes the sizes of gzip or of LZ4 at its fast levels, and how a manifest calls it."""
    core = engine(reference)
    if core is not reference:
        return core, "native"
    _tell_of_fallback()
    return reference, f"zlib {zlib.ZLIB_RUNTIME_VERSION}" if name == "gzip" else _lz4(0)[0]


def _tell_of_fallback() -> None:
    version = zlib.ZLIB_RUNTIME_VERSION
    ranking = "" if is_reference() else f", and Python's zlib ({version}) ranks otherwise than the paper's"
    warnings.warn(
        "zipfit was built without its native kernel, so compressed sizes come from Python's own libraries, several "
        f"times slower{ranking}; `zipfit doctor` tells more",
        RuntimeWarning,
        stacklevel=4,
    )


def _lz4(level: int) -> tuple[str, Callable[[bytes], bytes]]:
    import lz4.frame

    return f"lz4 {lz4.library_version_string()}", partial(lz4.frame.compress, compression_level=level)


def _zstd(level: int) -> tuple[str, Callable[[bytes], bytes]]:
    return f"zstd {zstd_version()}", zstd_compress(level)


def _brotli(level: int) -> tuple[str, Callable[[bytes], bytes]]:
    with needing("the brotli compressor", "brotli"):
        import brotli
    return f"brotli {brotli.__version__}", partial(brotli.compress, quality=level)


def _lzma(level: int) -> tuple[str, Callable[[bytes], bytes]]:
    return "lzma (Python's standard library)", partial(lzma.compress, preset=level)


def zstd_compress(level: int, dictionary: bytes = b"") -> Callable[[bytes], bytes]:
    """What makes a text a zstd frame, knowing the dictionary's bytes; safe to call from several threads."""
    import zstandard

    prepared = None
    if dictionary:
        prepared = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        prepared.precompute_compress(level=level)
    local = threading.local()  # a compressor object serves one thread at a time

    def compress(text: bytes) -> bytes:
        if not hasattr(local, "compressor"):
            local.compressor = zstandard.ZstdCompressor(level=level, dict_data=prepared)
        return local.compressor.compress(text)  # type: ignore[no-any-return]

    return compress


def zstd_version() -> str:
    """The version of the zstd library in use."""
    import zstandard

    return ".".join(map(str, zstandard.ZSTD_VERSION))
