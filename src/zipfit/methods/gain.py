"""`gain`: how much shorter a document compresses once the target is known.

    gain(x) = 1 - C(x | T) / C(x),

where T is all target examples joined, C(x) is the size of x compressed by zstd, and C(x | T) its size when the
compressor has read T before (T as a raw-content prepared dictionary). It is a compressor's estimate of the share of
x's information that the target already holds: K(x) - K(x | T) over K(x), the pooled reading of compression alignment,
one compression a document instead of one for each pair (compare the normalised information distance of Li et al. 2004,
"The similarity metric", section V). `docs/methods/gain.md` has the measurements behind the defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zipfit.compression.compressors import LEVELS, zstd_compress, zstd_version
from zipfit.errors import need
from zipfit.methods.estimator import Estimator
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool

Sizer = Callable[[bytes], int]
"""The compressed size of a document in bytes; safe to call from several threads."""


@dataclass
class Gain(Estimator):
    """Scores documents by the share of their compressed size that knowing the target saves.

    A score is below 1, and about 0 for a document that the target says nothing about (slightly under it where the
    dictionary costs more than it saves). An empty document scores 0. Scores may differ between versions of zstd, which
    is why `notes` says which one ran.

    Args:
        level: of zstd, 1 to 22. Higher levels search T more thoroughly, in a document's every place and farther back:
            level 3 finds about the last megabyte of T, 9 ten megabytes, 19 all of it.
        leave_one_out: score a document that is itself a target example against the other examples only. For targets
            that were drawn from the pool: by default, such a document scores near 1.

    Example:
        >>> method = Gain().fit(["def add(a, b): return a + b"])
        >>> scores = method.score(["To be or not to be", "def add(a, b): return b + a"])
        >>> bool(scores[0] < 0.2 < 0.4 < scores[1] < 1)
        True
    """

    prepared = ("_alone", "_given_target")

    level: int = 3
    leave_one_out: bool = False
    notes: dict[str, object] = field(default_factory=dict, init=False, compare=False, repr=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002
        """Prepare the dictionary; the pool is not read.

        Raises:
            ZipfitError: if the level is out of range, or the target holds no text or a lone surrogate.
        """
        check_level("gain", self.level)
        examples = list(Texts.of(target).encoded())
        need(any(examples), "the target holds no text")
        self._examples = examples
        self._in_target = frozenset(examples)
        self.notes = {"zstd": zstd_version()}
        self._prepare()
        return self

    def _prepare(self) -> None:
        self._alone = sizer(self.level)
        self._given_target = sizer(self.level, join(self._examples))

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the gain of each text, shape (len(texts),); ZipfitError if one holds a lone surrogate."""
        alone, given = self.sizes(texts)
        return 1.0 - given / alone

    def sizes(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return C(x) and C(x | T) of each text in bytes, shape (len(texts),) each."""
        batch = Texts.of(texts)
        alone, given = np.empty(len(batch), np.int64), np.empty(len(batch), np.int64)
        for i, x in enumerate(batch.encoded()):
            alone[i], given[i] = self._alone(x), self._given_target_for(x)(x)
        return alone, given

    def _given_target_for(self, x: bytes) -> Sizer:
        if self.leave_one_out and x in self._in_target:
            return sizer(self.level, join(example for example in self._examples if example != x))
        return self._given_target


def sizer(level: int, dictionary: bytes = b"") -> Sizer:
    """Return C(. | dictionary): zstd frames' sizes at a level."""
    compress = zstd_compress(level, dictionary)
    return lambda x: len(compress(x))


def join(examples: Iterable[bytes]) -> bytes:
    """Return the dictionary that a list of documents makes."""
    return b"\n\n".join(examples)


def check_level(method: str, level: int) -> None:
    """Raise ZipfitError unless `level` is one of zstd's, naming the method whose option it is."""
    lowest, highest, _ = LEVELS["zstd"]
    need(lowest <= level <= highest, f"{method}'s level must be between {lowest} and {highest}, not {level}")
