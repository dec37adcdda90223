"""The native core: exact compressed sizes of texts and of pairs. Everything here releases the GIL while it computes."""

import numpy as np
from numpy.typing import NDArray

from zipfit.system.texts import Texts

def isa() -> str:
    """Return the instruction set in use: 'portable', 'avx2' or 'avx512'.

    The environment variable ZIPFIT_ISA forces one; ValueError if this machine or build does not have it.
    """

def available_isas() -> list[str]:
    """Return the instruction sets that this build and processor have, the plainest first."""

def gzip_size(text: bytes, level: int) -> int:
    """Return len(gzip.compress(text, level)) of reference zlib, for a level in 1..9 (ValueError otherwise)."""

def lz4_size(text: bytes) -> int:
    """Return len(lz4.frame.compress(text))."""

class _Pairs:
    def __len__(self) -> int:
        """Return n, the number of targets."""

    @property
    def target_sizes(self) -> NDArray[np.int64]:
        """C(t) of each target, shape (n,)."""

    def sizes(self, text: bytes) -> tuple[int, NDArray[np.int64]]:
        """Return C(x), and C(x followed by t) for each target t, shape (n,)."""

    def alignments(self, texts: Texts) -> NDArray[np.float64]:
        """Return 1 - (sum over targets, in order, of NCD(x, t)) / n for each text x, shape (len(texts),).

        NCD(x, t) = (C(x + t) - min(C(x), C(t))) / max(C(x), C(t)); see arXiv 2410.18194, section 3.
        """

    def distances(self, texts: Texts, columns: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return C(x) of each text, shape (m,), and NCD(x, targets[column]) with each chosen column, shape (m, k).

        IndexError if a column is not the number of a target.
        """

class GzipPairs(_Pairs):
    """Targets prepared for gzip sizes of pairs. Safe to use from several threads at once."""

    def __init__(self, targets: Texts, level: int) -> None:
        """Copy and prepare the targets; ValueError if there are none, or for a level outside 1..9."""

class Lz4Pairs(_Pairs):
    """Targets prepared for LZ4 frame sizes of pairs. Safe to use from several threads at once."""

    def __init__(self, targets: Texts) -> None:
        """Copy and prepare the targets; ValueError if there are none."""
