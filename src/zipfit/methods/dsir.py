r"""`dsir`: importance resampling on hashed n-grams (Xie et al. 2023, arXiv 2302.03169).

With p the target's and q the pool's distribution over hashed word n-grams (section 4 of the paper), a document with
counts c_b has the log-importance weight

    log w(x) = sum over buckets b of c_b (log(p_b + 1e-8) - log(q_b + 1e-8)),

and documents are drawn without replacement in proportion to w, by the Gumbel top-k trick (section 3). Everything that
decides a number follows `data-selection` 1.0.3, run in one process: the tokens, the hash and the buckets
(`hashed_ngrams`), the smoothing, the least length in tokens, how much of the pool q is estimated on, and how several
targets share the selection. Beyond it: seeded draws, no budget to be named in advance, and any budget up to the pool.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError, need
from zipfit.methods.estimator import Estimator
from zipfit.methods.hashed_ngrams import MAX_BUCKETS, Hashed, HashedNgrams
from zipfit.system.logarithm import natural_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool

_SMOOTHING = 1e-8
_FIT_NGRAMS_PER_BUCKET = 100_000  # data-selection's "auto"
_KEPT_BYTES = 1 << 26  # of n-grams that are kept from the first pass over the pool for the second


@dataclass
class Dsir(Estimator):
    """Ranks documents by hashed n-gram importance weights.

    `notes` holds, after `rank` is under way, `too_short` (documents ruled out by `min_length`), and with several
    targets `targets` (each label's share).

    Args:
        ngrams: n; features are word 1- to n-grams.
        buckets: hash buckets, at most 2^28.
        min_length: documents of fewer tokens than this are ruled out (the weights of short ones are noise).
        resample: draw documents in proportion to their weights, as the paper does and as `data-selection` does unless
            told otherwise; False takes the heaviest. The default is the published method. On whole documents the two
            differ little: log-weights lie tens to hundreds apart, the noise has a standard deviation of 1.28.
        per_ngram: divide log-weights by the document's number of n-grams. Nearly all log-weights are negative, so
            without it longer documents rank lower. Best with `resample=False`: beside weights this close, the noise is
            loud.
        fit_ngrams: estimate q on the pool's first documents, until they hold more than this many n-grams; 0 means
            100,000 for each bucket, as in `data-selection`.
        proportions: with several targets, each one's share as `label=share`; without it, shares follow their numbers
            of n-grams.
        seed: of the draw.

    Example:
        >>> from zipfit import select
        >>> pool = ["the cat sat", "a stock rose", "the cat ran"]
        >>> heaviest = {"min_length": 1, "resample": False}
        >>> select(pool, ["the cat slept"], top=2, method="dsir", options=heaviest).indices.tolist()
        [2, 0]
    """

    prepared = ("_features", "_kept")

    ngrams: int = 2
    buckets: int = 10_000
    min_length: int = 100
    resample: bool = True
    per_ngram: bool = False
    fit_ngrams: int = 0
    proportions: tuple[str, ...] = ()
    seed: int = 0
    notes: dict[str, object] = field(default_factory=dict, init=False, compare=False, repr=False)
    terms: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:
        """Estimate the target's and the pool's n-gram distributions.

        Args:
            target: the target examples.
            pool: the pool to be ranked; needed.

        Raises:
            ZipfitError: an option is out of range, the pool is missing, or the target has no words.
        """
        need(not self.proportions, "dsir's proportions share a selection among several targets; there is one")
        return self.fit_groups(target, pool, [""] * len(target))

    def fit_groups(self, target: Sequence[str], pool: Pool | None, groups: Sequence[str]) -> Self:
        """The same of several targets at once: each has weights of its own, and its share of every prefix.

        Args:
            target: the examples of all targets.
            pool: the pool to be ranked; needed.
            groups: the label of each example's target, len(target) of them.

        Raises:
            ZipfitError: as `fit`, or a target has no words.
        """
        need(self.seed >= 0, f"the seed must be at least 0, not {self.seed}")
        need(self.ngrams >= 1, f"dsir's ngrams must be at least 1, not {self.ngrams}")
        buckets = self.buckets
        need(1 <= buckets <= MAX_BUCKETS, f"dsir's buckets must be between 1 and {MAX_BUCKETS}, not {buckets}")
        need(self.fit_ngrams >= 0, f"dsir's fit_ngrams must be 0 (automatic) or more, not {self.fit_ngrams}")
        if pool is None:
            raise ZipfitError("dsir compares the target with the pool, so fit needs the pool")
        need(len(groups) == len(target), f"dsir got {len(groups)} group labels for {len(target)} target examples")
        self.notes.clear()
        self._prepare()
        by_label: dict[str, list[str]] = {}
        for text, label in zip(target, groups, strict=True):
            by_label.setdefault(label, []).append(text)
        features = self._features
        counts = {label: features.count(features.hashed(texts)) for label, texts in by_label.items()}
        for label, of_target in counts.items():
            words = f"dsir found no words in the target {label!r}" if label else "the target has no words"
            need(bool(of_target.any()), words)
        need(bool(counts), "the target has no examples")
        shares = self._proportions({label: int(of_target.sum()) for label, of_target in counts.items()}).tolist()
        self.terms = {"shares": shares}
        if len(counts) > 1:
            self.notes["targets"] = dict(zip(counts, shares, strict=True))
        source = _log_distribution(self._count_pool(pool))
        self._log_ratios = np.stack([_log_distribution(of_target) - source for of_target in counts.values()])
        return self

    def _prepare(self) -> None:
        self._features = HashedNgrams(self.ngrams, self.buckets)
        self._kept: _Kept | None = None

    def log_weights(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the log-importance weights of texts, shape (n, number of targets), and their lengths in tokens."""
        return self._log_weights(self._features.hashed(texts))

    def _log_weights(self, hashed: Hashed) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        weights, totals = self._features.dot(hashed, self._log_ratios), hashed.totals
        if self.per_ngram:
            weights = weights / np.maximum(totals, 1)[:, None]
        return weights, (totals + self.ngrams * (self.ngrams - 1) // 2) // self.ngrams

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, log-importance weight) of every document that is long enough, in the order drawn.

        With several targets, the next document always goes to the target that is furthest behind its share (ties: the
        target named first), which takes its own best among those left: any prefix holds the shares to within one
        document each.
        """
        yield from self.rank_measured(self._measures(pool), pool)

    def measure(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-importance weights of texts and their lengths in tokens, shape (n, number of targets + 1)."""
        return np.column_stack(self.log_weights(texts))

    def _measures(self, pool: Pool) -> Iterator[NDArray[np.float64]]:
        """The measures of the pool's documents, in batches: of those whose n-grams `fit` kept, and of the others."""
        kept, self._kept = self._kept, None
        if kept is None or kept.pool is not pool:
            yield from pool.map(self.measure)
            return
        for hashed in kept.hashed:
            yield np.column_stack(self._log_weights(hashed))
        if kept.documents < kept.of:
            yield from pool.map(self.measure, np.arange(kept.of) >= kept.documents)

    def rank_measured(self, measures: Iterable[NDArray[np.float64]], pool: Pool) -> Iterator[tuple[int, float]]:  # noqa: ARG002
        """The ranking of documents with these measures, batches of shape (n, number of targets + 1), as of `rank`."""
        shares = np.array(self.terms["shares"])
        measured = np.concatenate([np.empty((0, len(shares) + 1)), *measures])
        weights, lengths = measured[:, :-1], measured[:, -1]
        eligible = np.flatnonzero(lengths >= self.min_length)
        self.notes["too_short"] = len(lengths) - len(eligible)
        keys = weights
        if self.resample:
            # One stream for each target, one draw for each position: the same whatever the batches and the filter.
            streams = np.random.SeedSequence(self.seed).spawn(len(shares))
            noise = [_gumbel(np.random.Generator(np.random.PCG64(stream)), len(weights)) for stream in streams]
            keys = weights + np.stack(noise, axis=1)
        orders = [eligible[np.argsort(-keys[eligible, t], kind="stable")] for t in range(len(shares))]
        for t, position in _take_turns(orders, shares):
            yield position, float(weights[position, t])

    def _proportions(self, ngrams: dict[str, int]) -> NDArray[np.float64]:
        """Return each target's share, in the order of `ngrams`, which gives each label's number of n-grams."""
        shares = {label: float(n) for label, n in ngrams.items()}
        if self.proportions:
            try:
                shares = {label: float(share) for label, _, share in (p.rpartition("=") for p in self.proportions)}
            except ValueError:
                raise ZipfitError(f"dsir's proportions are each label=share, not {self.proportions}") from None
            once = shares.keys() == ngrams.keys() and len(shares) == len(self.proportions)
            need(once, f"dsir's proportions must name each target once: {', '.join(map(repr, ngrams))}")
        ordered = np.array([shares[label] for label in ngrams])
        sound = np.isfinite(ordered).all() and (ordered >= 0).all() and ordered.sum() > 0
        need(bool(sound), f"dsir's proportions must be at least 0 and not all 0, not {self.proportions}")
        normalised: NDArray[np.float64] = ordered / ordered.sum()
        return normalised

    def _count_pool(self, pool: Pool) -> NDArray[np.int64]:
        """Return the n-gram counts of the pool's first documents, up to and with the one that passes the limit."""
        limit = self.fit_ngrams or _FIT_NGRAMS_PER_BUCKET * self.buckets
        features = self._features

        def look(batch: Sequence[str]) -> tuple[Hashed, NDArray[np.int64]]:
            hashed = features.hashed(batch)
            return hashed, features.count(hashed)

        counts = np.zeros(self.buckets, np.int64)
        total = 0
        kept = _Kept(pool)
        for hashed, batch_counts in pool.map(look):
            if total + hashed.totals.sum() > limit:
                last = int(np.searchsorted(total + np.cumsum(hashed.totals), limit, side="right"))
                return counts + features.count(hashed.head(last + 1))
            counts += batch_counts
            total += int(hashed.totals.sum())
            kept.add(hashed)
        self._kept = kept
        return counts


class _Kept:
    """The n-grams of a pool's first documents, as many as there is room for, so that they are hashed once.

    Attributes:
        pool: whose they are.
        hashed: in batches.
        documents: how many documents they are of.
        of: how many documents the pool has.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.hashed: list[Hashed] = []
        self.documents = self.of = 0
        self._bytes = 0

    def add(self, hashed: Hashed) -> None:
        """Take in the pool's next documents."""
        is_next = self.documents == self.of
        self.of += len(hashed.totals)
        self._bytes += hashed.buckets.nbytes + hashed.totals.nbytes
        if is_next and self._bytes <= _KEPT_BYTES:
            self.hashed.append(hashed)
            self.documents = self.of


def _log_distribution(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    # A pool of empty documents has no n-grams: then every weight is 0 whatever stands here.
    return natural_log(counts / max(int(counts.sum()), 1) + _SMOOTHING)


def _gumbel(generator: np.random.Generator, n: int) -> NDArray[np.float64]:
    """The draws of `generator.gumbel(size=n)`, by a logarithm that is everywhere the same."""
    drawn = generator.random(n)
    while not (above := drawn > 0).all():  # a 0 is drawn again
        drawn = np.append(drawn[above], generator.random(n - int(above.sum())))
    return -natural_log(-natural_log(1 - drawn))


def _take_turns(orders: Sequence[NDArray[np.int64]], shares: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Yield (index into orders, position): each order gives its best untaken, the furthest behind first."""
    taken = np.zeros(max((int(order.max()) + 1 for order in orders if len(order)), default=0), bool)
    held = np.zeros(len(shares))
    heads = [0] * len(orders)
    for k in range(len(orders[0])):  # all orders hold the same positions
        t = int(np.argmax(shares * (k + 1) - held))
        while taken[orders[t][heads[t]]]:
            heads[t] += 1
        position = int(orders[t][heads[t]])
        taken[position] = True
        held[t] += 1
        yield t, position
