"""What a compressor must answer, and the distance that its answers make.

ZIP-FIT (arXiv 2410.18194, Algorithm 1) needs, for a source document x and the target examples t_1..t_n,

    NCD(x, t_j) = (C(x + t_j) - min(C(x), C(t_j))) / max(C(x), C(t_j))
    alignment(x) = 1 - (1/n) sum_j NCD(x, t_j)

where C is the size in bytes of the compressor's whole output and + is concatenation, source first: the order
changes the size of most pairs, so it is part of the contract. The sum runs over j = 1..n, one addition after
another in float64, so that every engine gives the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zipfit.system.arguments import array, batch, instance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zipfit.system.texts import Texts


class Pairs(Protocol):
    """Compressed sizes of any source joined with each of n fixed target examples; safe from several threads.

    Attributes:
        target_sizes: C(t_j), shape (n,), bytes.
    """

    @property
    def target_sizes(self) -> NDArray[np.int64]: ...

    def sizes(self, text: bytes) -> tuple[int, NDArray[np.int64]]:
        """Return C(x) and C(x + t_j) for all j, shape (n,), bytes."""

    def alignments(self, texts: Texts) -> NDArray[np.float64]:
        """Return the alignment of each of m sources, shape (m,)."""

    def distances(self, texts: Texts, columns: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return C(x) of each of m sources, shape (m,), and NCD(x, t_j) for the k targets j in `columns`, (m, k)."""


@dataclass(frozen=True)
class Compressor:
    """A compressor at a level.

    Attributes:
        name: as `--compressor` takes it.
        level: the level in force.
        engine: what computes the sizes: `native`, or the library and its version.
        size: returns C(text) in bytes.
        pairs: prepares for pairs with the n target examples, n at least 1.
    """

    name: str
    level: int
    engine: str
    size: Callable[[bytes], int]
    pairs: Callable[[Texts], Pairs]


def distance(source_size: int, target_sizes: NDArray[np.int64], pair_sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the normalized compression distances of one source with n targets, shape (n,)."""
    smaller = np.minimum(source_size, target_sizes)
    larger = np.maximum(source_size, target_sizes)
    return (pair_sizes - smaller) / larger


class CalledPairs:
    """Pairs whose every size is asked of a compression library: all that most compressors have; see `Pairs`.

    Raises:
        ValueError: there is no target.
        IndexError: a column is not the number of a target.
    """

    def __init__(self, size: Callable[[bytes], int], targets: Texts) -> None:
        self._size = size
        self._targets = list(batch(targets, "targets").encoded())
        if not self._targets:
            raise ValueError("targets must not be empty")
        self.target_sizes = np.array([size(target) for target in self._targets], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._targets)

    def sizes(self, text: bytes) -> tuple[int, NDArray[np.int64]]:
        return self._size(instance(text, "text", bytes)), self._joined(text, range(len(self)))

    def alignments(self, texts: Texts) -> NDArray[np.float64]:
        scores = np.empty(len(batch(texts, "texts")))
        for i, text in enumerate(texts.encoded()):
            source_size, pair_sizes = self.sizes(text)
            distances = distance(source_size, self.target_sizes, pair_sizes)
            total = np.add.accumulate(distances)[-1]  # one after another, unlike np.sum's pairwise order
            scores[i] = 1.0 - total / len(self)
        return scores

    def distances(self, texts: Texts, columns: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        batch(texts, "texts")
        chosen = array(columns, "columns", np.int32, 1).tolist()
        for column in chosen:
            if not 0 <= column < len(self):
                raise IndexError(f"columns must lie in 0..{len(self) - 1}, not {column}")
        sizes = np.array([self._size(text) for text in texts.encoded()], dtype=np.int64)
        rows = [
            distance(int(size), self.target_sizes[columns], self._joined(text, chosen))
            for size, text in zip(sizes, texts.encoded(), strict=True)
        ]
        return sizes, np.array(rows, dtype=np.float64).reshape(len(texts), len(chosen))

    def _joined(self, text: bytes, columns: Sequence[int]) -> NDArray[np.int64]:
        return np.array([self._size(text + self._targets[j]) for j in columns], dtype=np.int64)
