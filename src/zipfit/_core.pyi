"""The native core. Everything that takes texts releases the GIL while it computes.

Each class and function but the first two has a plain-Python twin in a reference module (see `zipfit.system.runtime`),
which gives the same values and raises the same exceptions. TypeError is for an argument of a wrong type: texts that are
not `Texts`, arrays of another dtype, dimension or layout than said.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

class _Texts(Protocol):
    """A `zipfit.system.texts.Texts`."""

    data: bytes
    offsets: NDArray[np.int64]

def isa() -> str:
    """Return the instruction set in use: 'portable', 'avx2' or 'avx512'.

    The environment variable ZIPFIT_ISA forces one; ValueError if this machine or build does not have it.
    """

def available_isas() -> list[str]:
    """Return the instruction sets that this build and processor have, the plainest first."""

# Compressed sizes: core/deflate, core/lz4.

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

    def alignments(self, texts: _Texts) -> NDArray[np.float64]:
        """Return 1 - (sum over targets, in order, of NCD(x, t)) / n for each text x, shape (len(texts),).

        NCD(x, t) = (C(x + t) - min(C(x), C(t))) / max(C(x), C(t)); see arXiv 2410.18194, section 3.
        """

    def distances(self, texts: _Texts, columns: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return C(x) of each text, shape (m,), and NCD(x, targets[column]) with each chosen column, shape (m, k).

        IndexError if a column is not the number of a target.
        """

class GzipPairs(_Pairs):
    """Targets prepared for gzip sizes of pairs. Safe to use from several threads at once."""

    def __init__(self, targets: _Texts, level: int) -> None:
        """Copy and prepare the targets; ValueError if there are none, or for a level outside 1..9."""

class Lz4Pairs(_Pairs):
    """Targets prepared for LZ4 frame sizes of pairs. Safe to use from several threads at once."""

    def __init__(self, targets: _Texts) -> None:
        """Copy and prepare the targets; ValueError if there are none."""

# The greedy cover: core/cover.

class CoverMatches:
    """The target's features found in a batch of documents."""

    def __init__(self, features: int, documents: Iterable[bytes]) -> None:
        """Take up documents that were kept, of a target of so many features; ValueError if one is damaged."""

    def kept(self) -> list[bytes]:
        """Return the bytes of each document; ValueError if the batch was appended to a greedy choice."""

class CoverFeatures:
    """The n-grams of a target, numbered by first occurrence. Safe to use from several threads at once."""

    def __init__(self, target: _Texts, unit: str, orders: Iterable[int]) -> None:
        """Number the n-grams of words or of bytes.

        ValueError unless the unit is word or byte, and the orders (lengths that count) ascend from 1 to 64.
        """

    def counts(self) -> NDArray[np.int64]:
        """Return the occurrences of each feature in the target, shape (features,)."""

    def matches(self, batch: _Texts) -> CoverMatches:
        """Find the features of each document."""

class CoverGreedy:
    """Lazy greedy maximisation of a weighted concave cover, by gain per cost."""

    def __init__(self, cost_exponent: float, folder: str = "", held: int = 67108864) -> None:
        """Begin without documents; one's cost is max(bytes, 1) ** cost_exponent, ValueError if that is not in 0..4.

        Matches go to an unnamed file in the folder (empty: the system's own for such files), and about so many bytes
        of them are held in memory besides. Every method raises OSError where the file cannot be made or is full.
        """

    def append(self, batch: CoverMatches) -> None:
        """Take over the next documents; ValueError if the batch was taken over before."""

    def pool_bytes(self) -> int:
        """Return the size of all documents together."""

    def totals(self, features: int) -> NDArray[np.int64]:
        """Return the occurrences of each feature in all documents, shape (features,); ValueError if there are more."""

    def start(self, weights: NDArray[np.float64], phi: NDArray[np.float64]) -> None:
        """Begin anew with the empty set.

        ValueError unless there is a weight for each feature, and phi is given at the counts that
        `zipfit.methods.cover_reference.tabled_counts` lists.
        """

    def take(self, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Choose up to `most` further documents; return their positions and their gains per cost."""

# Hashed n-grams: core/features.

class HashedNgrams:
    """Word 1- to n-grams in SHA-256 buckets. Safe to use from several threads at once."""

    def __init__(self, classes: bytes, order: int, buckets: int, portable: bool = False) -> None:
        """Take the class of each code point: 0 parts tokens, and runs of 1 and runs of 2 are tokens.

        ValueError unless there are 0x110000 classes, order (n) is 1 or more, and buckets lie in 1..2**28. `portable`
        leaves the processor's SHA instructions alone, as tests want it.
        """

    def buckets(self, texts: _Texts) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the bucket of each n-gram, text after text, and the number of n-grams of each text, shape (n,).

        Buckets are uint16 or, where there are more than 65,536, uint32.
        """

    def count(self, buckets: NDArray[Any]) -> NDArray[np.int64]:
        """Return how often each bucket is among those that `buckets` returned; ValueError for one out of range."""

    def dot(self, buckets: NDArray[Any], totals: NDArray[np.int64], tables: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each text's counts times each row of tables, shape (n, t), out of what `buckets` returned.

        ValueError unless tables has the shape (t, buckets), the totals add up to the buckets, and these are in range.
        """

# The n-gram model: core/ngram.

def witten_bell_bits(train: _Texts, test: _Texts, order: int) -> float:
    """Return the bits that the test texts take under an interpolated byte n-gram model of the training texts.

    ValueError for an order (the longest n-gram) outside 1..32.
    """

# Reading: core/json, core/text.

def json_lines(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
    """Return where the lines that are not blank begin and end, their numbers from 0, shape (n,) each, and all lines."""

def plain_records(
    data: bytes, begin: NDArray[np.int64], end: NDArray[np.int64], text_field: bytes, label_field: bytes
) -> tuple[bytes, NDArray[np.int64], NDArray[np.int32], list[bytes]]:
    """Return the texts of plain records, their offsets, shape (n + 1,), the numbers of labels, shape (n,), and these.

    See `zipfit.corpus.plain_reference`. ValueError unless the records lie one after another within the data.
    """

def text_digests(texts: _Texts, way: int = 3) -> NDArray[np.uint64]:
    """Return the first 64 bits of each text's BLAKE2b with digests of 8 bytes, shape (n,).

    `way` takes 0 one text, 1 four, 2 eight at a time, as far as the processor can, 3 as many as it can.
    """
