"""`cover`: choose a *set* of documents that covers the target, where other methods score each document by itself.

With c_g(S) the number of times that feature g (an n-gram of the target) occurs in the set S,

    f(S) = sum_g w_g phi(c_g(S)),     phi concave, phi(0) = 0.

f is monotone and submodular (feature-based: Kirchhoff and Bilmes 2014, "Submodularity for data selection in machine
translation", eq. 7), so choosing greedily by gain per byte (Lin and Bilmes 2010, "Multi-document summarization via
budgeted maximization of submodular functions"), lazily (Minoux 1978), has a guarantee at every budget.
`docs/methods/cover.md` has the guarantee with its proof, the reading as compression, and the comparisons behind the
defaults.
"""

from __future__ import annotations

import math
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError, need
from zipfit.methods import cover_reference
from zipfit.methods.base import ADDED
from zipfit.methods.estimator import Estimator
from zipfit.methods.surprise import byte_surprise, ngram_surprise
from zipfit.methods.terms import as_text, from_text
from zipfit.system.runtime import engine
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool

UNITS = ("word", "byte")
PHIS = ("log", "sqrt", "saturating")
WEIGHTS = ("share", "contrast", "surprise")

_FIRST_STEPS, _MOST_STEPS = 16, 4096
"""Documents that the greedy chooses at a time: doubling, so it works ahead of the walk by as much again at most."""


@dataclass
class Cover(Estimator):
    """Greedy choice of the set that covers the target's n-grams.

    The score of a document is its gain f(S + x) - f(S) over its bytes ** cost_exponent at the time it was chosen; but
    for rounding, scores don't rise down the ranking. Documents that would add nothing come last, in source order, with
    score 0.

    Args:
        unit: what n-grams are made of. `word`: runs of letters and digits, and single other signs (in scripts without
            spaces each character); `byte`: bytes of UTF-8, which serves any language and code.
        orders: the lengths of n-grams that count as features, ascending, as in `1,2,3`.
        phi: the reward of c occurrences. `log`: log(1 + c); `sqrt`: the square root of c; `saturating`: c / (1 + c).
        weights: `share`: n-gram g weighs its share of the target's n-grams; `contrast`: its share times
            r / (r + s), where r and s are its occurrences per byte in the target and in the pool, so that what is
            common everywhere weighs less; `surprise`: what a language model finds surprising in it: the mean of its
            bytes' nats in the target, summed over its occurrences there (`zipfit.methods.surprise`).
        cost_exponent: gains are compared after division by (bytes of the document) ** cost_exponent. 1 is gain per
            byte, for budgets in bytes or tokens; 0 is gain per document, for budgets in documents.
        model: of `surprise`, which reads the target once: a causal language model, as `zipfit finetune` takes it.

    Example:
        The second document would add little to the first, so the third goes before it.

        >>> from zipfit import select
        >>> pool = ["def f(): return 1", "def f(): return 2", "import os"]
        >>> select(pool, ["def f(): return 0", "import sys"], top=2, method="cover").indices.tolist()
        [0, 2]
    """

    prepared = ("_features",)

    unit: str = "byte"
    orders: str = "3,5,7"
    phi: str = "saturating"
    weights: str = "share"
    cost_exponent: float = 1.0
    model: str = field(default="smollm2", metadata=ADDED)
    notes: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)
    terms: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002
        """Number the target's features; the pool is not read.

        Raises:
            MissingExtraError: for `surprise`, the extra `train` is not installed.
            ZipfitError: if an option is not one of those above, or the target has no n-gram of the orders asked for or
                holds a lone surrogate, or the model cannot be loaded.
        """
        for name, allowed in (("unit", UNITS), ("phi", PHIS), ("weights", WEIGHTS)):
            value = getattr(self, name)
            need(value in allowed, f"cover's {name} must be one of {', '.join(allowed)}, not {value!r}")
        need(0 <= self.cost_exponent <= 4, f"cover's cost_exponent must lie in 0..4, not {self.cost_exponent!r}")
        texts = Texts.of(target)
        orders = _orders(self.orders)
        self._target = texts
        self._prepare()
        counts = self._features.counts()
        need(len(counts) > 0, f"the target has no {self.unit} n-gram of order {self.orders}, so nothing can be covered")
        self.notes = {"features": len(counts)}
        self.terms = {"counts": as_text(counts), "target_bytes": int(texts.lengths.sum())}
        if self.weights == "surprise":
            nats = byte_surprise(texts, self.model)
            self.terms["surprise"] = as_text(ngram_surprise(texts, nats, self.unit, orders))
            total = float(sum(map(np.add.reduce, nats)))
            self.notes |= {"model": self.model, "bits_per_byte": total / math.log(2) / self.terms["target_bytes"]}
        return self

    def _prepare(self) -> None:
        self._features = engine(cover_reference).CoverFeatures(self._target, self.unit, _orders(self.orders))

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, gain per cost), the greedy choice first; the pool is read once, before the first.

        Raises:
            ZipfitError: what was found in the documents cannot be written to the temporary folder.
        """
        features = self._features
        yield from self._ranked(pool.map(lambda batch: features.matches(Texts.of(batch))))

    def measure(self, texts: Sequence[str]) -> NDArray[np.object_]:
        """Return the target's features found in each text, as bytes, shape (n,)."""
        return np.array(self._features.matches(Texts.of(texts)).kept(), dtype=object)

    def rank_measured(self, measures: Iterable[NDArray[np.object_]], pool: Pool) -> Iterator[tuple[int, float]]:  # noqa: ARG002
        """The ranking of documents in which this was found, batches of shape (n,), as of `rank`.

        Raises:
            ZipfitError: as `rank`, or what was found, or a term, is damaged.
        """
        matches_of = engine(cover_reference).CoverMatches
        features = len(self._counts())

        def batches() -> Iterator[Any]:
            for batch in measures:
                try:
                    yield matches_of(features, batch.tolist())
                except ValueError as error:
                    raise ZipfitError(f"cover: {error}") from error

        return self._ranked(batches())

    def _ranked(self, found: Iterable[Any]) -> Iterator[tuple[int, float]]:
        """The ranking of documents with these matches, which come in batches."""
        greedy = engine(cover_reference).CoverGreedy(self.cost_exponent, tempfile.gettempdir())
        for matches in found:
            with _on_disk():
                greedy.append(matches)
        with _on_disk():
            greedy.start(self._weigh(greedy), _table(self.phi))
        steps = _FIRST_STEPS
        while True:
            with _on_disk():
                positions, scores = greedy.take(steps)
            yield from zip(positions.tolist(), scores.tolist(), strict=True)
            if len(positions) < steps:
                return
            steps = min(2 * steps, _MOST_STEPS)

    def _counts(self) -> NDArray[np.int64]:
        """Occurrences of each feature in the target, shape (features,)."""
        return from_text(self.terms["counts"], np.int64)

    def _weigh(self, greedy: Any) -> NDArray[np.float64]:
        if self.weights == "surprise":
            surprise = from_text(self.terms["surprise"], np.float64)
            total = surprise.sum()
            return surprise / (total if total > 0 else 1.0)
        counts = self._counts().astype(np.float64)
        share: NDArray[np.float64] = counts / counts.sum()
        if self.weights == "share":
            return share
        in_target = counts / self.terms["target_bytes"]
        in_pool = greedy.totals(len(counts)) / max(greedy.pool_bytes(), 1)
        contrasted: NDArray[np.float64] = share * in_target / (in_target + in_pool)
        return contrasted


@contextmanager
def _on_disk() -> Iterator[None]:
    """Say what it means when the engine's file cannot be written or read."""
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir()
        raise ZipfitError(
            f"cover keeps what it found in the documents in {folder}, and that failed ({error.strerror}): "
            "point TMPDIR to a folder with more room"
        ) from error


def _orders(text: str) -> list[int]:
    try:
        orders = [int(order) for order in text.split(",")]
    except ValueError:
        orders = []
    if not orders or orders != sorted(set(orders)) or not 1 <= orders[0] <= orders[-1] <= 64:
        raise ZipfitError(f"cover's orders must be ascending lengths from 1 to 64, as in 1,2,3, not {text!r}")
    return orders


@lru_cache
def _table(phi: str) -> NDArray[np.float64]:
    """The values of phi at the counts that the engines ask for: the same numbers on every platform."""
    counts = cover_reference.tabled_counts()
    if phi == "log":  # math.log1p differs in its last bit from platform to platform; Decimal.ln is correctly rounded
        with localcontext() as context:
            context.prec = 25
            return np.array([float(Decimal(1 + count).ln()) for count in counts])
    c = np.array(counts, dtype=np.float64)
    return np.sqrt(c) if phi == "sqrt" else c / (1 + c)
