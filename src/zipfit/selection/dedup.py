"""Duplicates among ranked documents: which to leave out, and which kept document each of them repeats.

A deduplicator is asked about documents one by one, best first, so of each group of duplicates the best-ranked one stays
and nothing is compared that the budget never reaches.

`exact` takes two documents for duplicates if they are the same text. `near` takes them for duplicates if the sets of
their shingles, A and B, all runs of five consecutive tokens, have a Jaccard similarity |A & B| / |A | B| of at least a
threshold. Why tokens, and five: runs of words are what the literature compares (Lee et al. 2022, arXiv 2107.06499,
5-grams at 0.8). Runs of characters would call short formulas that differ in one digit the same, since few of their runs
hold the digit. White space is not a token, so a document indented otherwise is a duplicate. Letters of scripts that put
no spaces between words are one token each; a document of fewer than five tokens is one shingle.

Near duplicates are found by MinHash and locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and Ullman, Mining
of Massive Datasets, chapter 3), whose candidates are then *compared by their shingles*, so that nothing is dropped on
an estimate. What stays statistical is only what it misses: a pair right at the threshold with probability MISSES at
most, a nearer pair with far less.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zipfit.corpus.overlap import SPACELESS
from zipfit.errors import MissingExtraError, ZipfitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHINGLE = 5
"""Tokens in a shingle."""

PERMUTATIONS = 128
"""Numbers in a MinHash signature: enough for 21 bands of 6 at threshold 0.8."""

MISSES = 0.005
"""How likely a pair right at the threshold may escape; the bands are chosen by it."""

TOKEN = re.compile(rf"[{SPACELESS}]|[^\W{SPACELESS}]+|[^\w\s]")
"""A letter of such a script, a run of letters, digits and underscores, or any other visible character."""

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, from the golden ratio: base of the polynomial that turns five token hashes into one, modulo 2**64."""


class Deduplicator(Protocol):
    """Asked about documents in rank order, remembers those it kept."""

    def keep(self, position: int, text: str) -> int | None:
        """Return None to keep this document, or else the position of the kept one that it duplicates.

        Of several, that is the best ranked. Each position is asked about once.
        """
        ...


class ExactDeduplicator:
    """Keeps one of the documents that are the same text; about 130 bytes for each document kept."""

    def __init__(self) -> None:
        self._kept: dict[bytes, int] = {}

    def keep(self, position: int, text: str) -> int | None:
        """See `Deduplicator.keep`."""
        first = self._kept.setdefault(_hash(text), position)
        return None if first == position else first


class NearDeduplicator:
    """Keeps one of the documents whose shingles overlap by the threshold or more; docs/dedup.md has the costs.

    Args:
        threshold: the least Jaccard similarity of near duplicates, in (0, 1].

    Raises:
        MissingExtraError: datasketch (the extra `near`) is not installed.
        ZipfitError: the threshold is out of range.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        if not 0 < threshold <= 1:
            raise ZipfitError(
                f"the similarity threshold of near duplicates must be above 0 and at most 1, got {threshold}"
            )
        try:
            from datasketch import MinHash, MinHashLSH
        except ImportError as error:
            raise MissingExtraError("removal of near duplicates", "near") from error
        self._threshold = threshold
        # The input is hashed already, 32 bits a shingle. The scheme is named so that a release with another default
        # does not change which pairs are missed.
        self._blank = MinHash(PERMUTATIONS, hashfunc=int, scheme="affine32")
        self._index = MinHashLSH(num_perm=PERMUTATIONS, params=bands(threshold))
        self._kept: list[tuple[int, NDArray[np.uint32]]] = []

    def keep(self, position: int, text: str) -> int | None:
        """See `Deduplicator.keep`."""
        own = shingles(text)
        signature = self._blank.copy()
        signature.update_batch(own.tolist())
        candidates: list[int] = sorted(self._index.query(signature))
        for candidate in candidates:
            earlier, kept = self._kept[candidate]
            if jaccard(own, kept) >= self._threshold:
                return earlier
        self._index.insert(len(self._kept), signature, check_duplication=False)
        self._kept.append((position, own))
        return None


def deduplicator(kind: str, threshold: float = 0.8) -> Deduplicator:
    """Return a fresh deduplicator.

    Args:
        kind: `exact` or `near`.
        threshold: for `near`, the least Jaccard similarity.

    Raises:
        ZipfitError: the kind is unknown, or as `NearDeduplicator`.
    """
    if kind == "exact":
        return ExactDeduplicator()
    if kind == "near":
        return NearDeduplicator(threshold)
    raise ZipfitError(f"unknown dedup {kind!r}: choose exact or near")


def bands(threshold: float) -> tuple[int, int]:
    """How many bands of how many rows to cut a signature into.

    A pair of similarity s agrees in some band of r rows with probability 1 - (1 - s^r)^b. More rows mean fewer
    candidates to compare for nothing, so take the most with which a pair at the threshold escapes by MISSES at most.
    """
    possible = [rows for rows in range(1, PERMUTATIONS // 2 + 1) if escape(threshold, rows) <= MISSES]
    # Below a similarity of 0.04 even single rows let more escape; nobody means such a threshold by `near`.
    rows = max(possible, default=1)
    return PERMUTATIONS // rows, rows


def escape(similarity: float, rows: int) -> float:
    """The probability that a pair of that Jaccard similarity agrees in no band of that many rows."""
    return float((1 - similarity**rows) ** (PERMUTATIONS // rows))


def shingles(text: str) -> NDArray[np.uint32]:
    """The set of a text's shingles as sorted 32-bit hashes, shape (m,), m >= 1.

    Two different shingles fall together once in 2**32 pairs, which moves no similarity by an amount that matters. The
    hashes are the same in every process and on every machine.
    """
    tokens = np.fromiter(map(_token_hash, TOKEN.findall(text)), np.uint64)
    count = max(1, len(tokens) - SHINGLE + 1)
    mixed = np.zeros(count, np.uint64)
    for offset in range(min(SHINGLE, len(tokens))):
        mixed = mixed * MULTIPLIER + tokens[offset : offset + count]
    # The high half: in the low one a multiplier's low bits would be all that mixes.
    return np.unique((mixed >> np.uint64(32)).astype(np.uint32))


def jaccard(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """|A & B| / |A | B| of two sets given as sorted arrays without repeats, at least one of them not empty.

    Example:
        >>> jaccard(shingles("one two three four five six seven"), shingles("one two three four five six eight"))
        0.5
    """
    both = np.concatenate((one, other))
    both.sort(kind="stable")  # Timsort merges two sorted runs in one pass.
    common = int(np.count_nonzero(both[1:] == both[:-1]))
    return common / (len(both) - common)


@lru_cache(maxsize=1 << 16)
def _token_hash(token: str) -> int:
    return int.from_bytes(_hash(token)[:8], "little")


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
