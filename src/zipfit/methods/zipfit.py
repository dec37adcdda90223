"""ZIP-FIT: alignment of each document with the target by compression (Obbad et al. 2024, arXiv 2410.18194)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zipfit.compression.compressors import get_compressor
from zipfit.errors import ZipfitError, need
from zipfit.methods.base import ADDED
from zipfit.methods.estimator import Estimator
from zipfit.methods.reduce import Reduced, check_reduction
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.compression.base import Compressor, Pairs
    from zipfit.methods.base import Pool


@dataclass
class ZipFit(Reduced, Estimator):
    """Scores a document by its mean compression alignment with the target (Algorithm 1 of the paper).

        NCD(x, t_j) = (C(x + t_j) - min(C(x), C(t_j))) / max(C(x), C(t_j))
        alignment(x) = 1 - (1/n) sum_j NCD(x, t_j)

    With another `reduce` than `mean`, the n numbers 1 - NCD(x, t_j) are reduced by `zipfit.methods.reduce`.

    Attributes:
        compressor: what C is: `gzip`, `lz4`, `zstd`, `brotli` or `lzma`.
        level: its level; None for its default (6 for gzip).
        reduce: `mean`, `max` or `round-robin`.
        engine: compressor, level and what computes the sizes, known after `fit`.
        pairs_per_document: n, known after `fit`.

    Example:
        >>> method = ZipFit().fit(["def add(a, b): return a + b"])
        >>> method.score(["def sub(a, b): return a - b", "To be or not to be, that is the question"]).round(2)
        array([0.77, 0.41])
    """

    prepared = ("_compressor", "_pairs")

    compressor: str = "gzip"
    level: int | None = None
    reduce: str = field(default="mean", metadata=ADDED)
    engine: str = field(default="", init=False, compare=False)
    pairs_per_document: int = field(default=0, init=False, repr=False, compare=False)
    _target: Texts | None = field(default=None, init=False, repr=False, compare=False)
    _compressor: Compressor | None = field(default=None, init=False, repr=False, compare=False)
    _pairs: Pairs | None = field(default=None, init=False, repr=False, compare=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002 - the pool is not needed
        """Prepare the n target examples and return self.

        Raises:
            ZipfitError: no target example, a lone surrogate in one, or a wrong option.
        """
        check_reduction(self.reduce)
        need(len(target) > 0, "the target is empty: there is nothing to align with")
        self.pairs_per_document = len(target)
        self._target = Texts.of(target)
        self._prepare()
        return self

    def _prepare(self) -> None:
        compressor = get_compressor(self.compressor, self.level)
        self.engine = f"{compressor.name} level {compressor.level}, {compressor.engine}"
        assert self._target is not None
        self._compressor = compressor
        self._pairs = compressor.pairs(self._target)

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the alignment of each text, shape (len(texts),): 1 for a perfect fit, near 0 for none.

        Raises:
            ZipfitError: called before `fit`, a text with a lone surrogate, or `reduce` is `round-robin`.
        """
        return self.pairs.alignments(Texts.of(texts)) if self.reduce == "mean" else super().score(texts)

    def compare(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return 1 - NCD of each text and each example, shape (len(texts), n); raises as `score`."""
        every = np.arange(self.pairs_per_document, dtype=np.int32)
        return 1.0 - self.pairs.distances(Texts.of(texts), every)[1]

    @property
    def pairs(self) -> Pairs:
        """The compressed sizes of pairs with the target that `fit` prepared; raises as `score`."""
        if self._pairs is None:
            raise ZipfitError("call fit with the target examples first")
        return self._pairs

    def pairs_with(self, examples: NDArray[np.int32]) -> Pairs:
        """The same with some of the examples, by their numbers; for so few the pool is prepared more quickly."""
        if self._compressor is None or self._target is None:
            raise ZipfitError("call fit with the target examples first")
        return self._compressor.pairs(self._target.take(examples.tolist()))
