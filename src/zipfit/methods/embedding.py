"""`embedding`: nearness to the target in an encoder's space, as in RDS+ (Ivison et al. 2025, arXiv 2503.01807).

With e(.) the encoder's unit vectors, a document x is compared with each target example t_j by the cosine
s_j(x) = e(x) . e(t_j), and the n cosines are reduced to a ranking by `zipfit.methods.reduce`; RDS+ by `round-robin`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import need
from zipfit.methods.base import ROUND_ROBIN
from zipfit.methods.encoder import DEFAULT_MODEL, Encoder, measured_vectors
from zipfit.methods.estimator import Estimator
from zipfit.methods.reduce import EXAMPLES, check_reduction, reduced, round_robin
from zipfit.methods.terms import as_text, from_text
from zipfit.methods.vectors import cosines
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool
    from zipfit.methods.encoder import Encoded


@dataclass
class Embedding(Estimator):
    """Rank documents by the cosine of their embeddings with the target's.

    RDS+ itself is `encoder="meta-llama/Llama-2-7b-hf", pooling="weighted", max_length=2048, reduce="round-robin"`.

    Args:
        encoder: A model on the Hugging Face hub, or a local folder.
        pooling: `mean`, `weighted` or `last`; see `zipfit.methods.encoder.Encoder`.
        max_length: tokens of each document that the encoder reads.
        reduce: `round-robin`, `mean` or `max`.
        cache: whether to keep embeddings on disk for later runs.
    """

    prepared = ("_encoder",)

    encoder: str = DEFAULT_MODEL
    pooling: str = "mean"
    max_length: int = 256
    reduce: str = "round-robin"
    cache: bool = True
    notes: dict[str, object] = field(default_factory=dict, init=False, repr=False)
    terms: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002
        """Embed the target.

        Raises:
            MissingExtraError: the extra `encoders` is not installed.
            ZipfitError: an option is wrong, no encoder can be loaded, or the target is empty or holds a lone surrogate.
        """
        check_reduction(self.reduce)
        texts = Texts.of(target)
        need(len(texts) > 0, "the embedding method needs at least one target example")
        self._prepare()
        self._target, truncated, _ = self._encoder.encode(texts)
        self.notes = {"dimension": self._encoder.dimension, "target_truncated": truncated}
        self.terms = {"dimension": self._encoder.dimension, "target": as_text(self._target)}
        return self

    def _prepare(self) -> None:
        self._encoder = Encoder(self.encoder, self.pooling, self.max_length, self.cache)

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, cosine as reduced), best first. The whole pool is embedded before the first comes."""
        encoded = self._encoder.encode_pool(pool)
        self.notes["cached_vectors"] = encoded.cached
        yield from self._ranked(encoded, self._target)

    def measure(self, texts: Sequence[str]) -> NDArray[np.object_]:
        """Return the vector of each text as bytes, shape (n,)."""
        return self._encoder.measure(texts)

    def rank_measured(
        self,
        measures: Iterable[NDArray[np.object_]],
        pool: Pool,  # noqa: ARG002
    ) -> Iterator[tuple[int, float]]:
        """The ranking of documents with these vectors, batches of shape (n,), as of `rank`."""
        dimension = self.terms["dimension"]
        target = from_text(self.terms["target"], np.float32).reshape(-1, dimension)
        yield from self._ranked(measured_vectors(measures, dimension), target)

    def _ranked(self, encoded: Encoded, target: NDArray[np.float32]) -> Iterator[tuple[int, float]]:
        vectors, self.notes["truncated"], _ = encoded
        if self.reduce == ROUND_ROBIN:
            order, scores = round_robin(_columns(vectors, target))
        else:
            scores = np.empty(len(vectors))
            for block, near in cosines(vectors, np.arange(len(vectors)), target):
                scores[block] = reduced(near, self.reduce)
            order = np.argsort(-scores, kind="stable")
        for position in order:
            yield int(position), float(scores[position])


def _columns(vectors: NDArray[np.float32], target: NDArray[np.float32]) -> Iterator[NDArray[np.float64]]:
    """The cosines of all documents with each example in turn, a few examples to a pass over the vectors."""
    for first in range(0, len(target), EXAMPLES):
        some = target[first : first + EXAMPLES]
        near = np.empty((len(some), len(vectors)))
        for block, values in cosines(vectors, np.arange(len(vectors)), some):
            near[:, block] = values.T
        yield from near
