"""`embedding`: nearness to the target in an encoder's space, as in RDS+ (Ivison et al. 2025, arXiv 2503.01807).

With e(.) the encoder's unit vectors, a document x is compared with each target example t_j by the cosine
s_j(x) = e(x) . e(t_j), and the n cosines are reduced to a ranking:

- `round-robin` (RDS+): in round r = 1, 2, ... each target example in turn names its r-th best document, which joins the
  ranking unless it is there already. So every example gets its share, however far from the pool it lies. A document's
  score is its cosine with the example that named it; scores need not descend.
- `mean`: (1/n) sum_j s_j(x).
- `max`: max_j s_j(x).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zipfit.errors import need
from zipfit.methods.encoder import DEFAULT_MODEL, Encoder
from zipfit.methods.vectors import cosines
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool

REDUCTIONS = ("round-robin", "mean", "max")

EXAMPLES = 16
"""Target examples whose rankings of the pool are held at once by round-robin: 128 bytes a document."""


@dataclass
class Embedding:
    """Rank documents by the cosine of their embeddings with the target's.

    RDS+ itself is `encoder="meta-llama/Llama-2-7b-hf", pooling="weighted", max_length=2048, reduce="round-robin"`.

    Args:
        encoder: A model on the Hugging Face hub, or a local folder.
        pooling: `mean`, `weighted` or `last`; see `zipfit.methods.encoder.Encoder`.
        max_length: tokens of each document that the encoder reads.
        reduce: `round-robin`, `mean` or `max`.
        cache: whether to keep embeddings on disk for later runs.
    """

    encoder: str = DEFAULT_MODEL
    pooling: str = "mean"
    max_length: int = 256
    reduce: str = "round-robin"
    cache: bool = True
    notes: dict[str, object] = field(default_factory=dict, init=False, repr=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002
        """Embed the target.

        Raises:
            MissingExtraError: the extra `encoders` is not installed.
            ZipfitError: an option is wrong, no encoder can be loaded, or the target is empty or holds a lone surrogate.
        """
        need(self.reduce in REDUCTIONS, f"reduce must be one of {', '.join(REDUCTIONS)}, got {self.reduce!r}")
        texts = Texts.of(target)
        need(len(texts) > 0, "the embedding method needs at least one target example")
        self._encoder = Encoder(self.encoder, self.pooling, self.max_length, self.cache)
        self._target, truncated, _ = self._encoder.encode(texts)
        self.notes = {"dimension": self._encoder.dimension, "target_truncated": truncated}
        return self

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, cosine as reduced), best first. The whole pool is embedded before the first comes."""
        vectors, self.notes["truncated"], self.notes["cached_vectors"] = self._encoder.encode_pool(pool)
        order, scores = (_round_robin if self.reduce == "round-robin" else self._reduced)(vectors, self._target)
        for position in order:
            yield int(position), float(scores[position])

    def _reduced(
        self, vectors: NDArray[np.float32], target: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        scores = np.empty(len(vectors))
        for block, near in cosines(vectors, np.arange(len(vectors)), target):
            scores[block] = near.max(axis=1) if self.reduce == "max" else _mean(near)
        return np.argsort(-scores, kind="stable"), scores


def _mean(near: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the target of cosines of shape (m, n), summed example by example (`sum` goes by the array's shape)."""
    mean = np.zeros(len(near))
    for column in near.T:
        mean += column
    mean /= near.shape[1]
    return mean


def _round_robin(
    vectors: NDArray[np.float32], target: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The order of positions and each position's score.

    A document joins in the earliest round in which an example names it, so its round is the least of its n ranks, and
    within a round documents stand in the order of the examples. That needs the ranks of a few examples at a time.
    """
    documents = len(vectors)
    rounds = np.full(documents, documents)
    turns = np.zeros(documents, np.int64)
    scores = np.zeros(documents)
    rank = np.empty(documents, np.int64)
    for first in range(0, len(target), EXAMPLES):
        some = target[first : first + EXAMPLES]
        near = np.empty((len(some), documents))
        for block, values in cosines(vectors, np.arange(documents), some):
            near[:, block] = values.T
        for turn, column in enumerate(near, start=first):
            rank[np.argsort(-column, kind="stable")] = np.arange(documents)
            earlier = rank < rounds
            rounds[earlier] = rank[earlier]
            turns[earlier] = turn
            scores[earlier] = column[earlier]
    return np.lexsort((turns, rounds)), scores
