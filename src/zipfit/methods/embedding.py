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
from zipfit.methods.embedded import Embedded
from zipfit.methods.encoder import DEFAULT_MODEL
from zipfit.methods.reduce import EXAMPLES, check_reduction, reduced, round_robin
from zipfit.methods.terms import as_text, from_text
from zipfit.methods.vectors import cosines
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool
    from zipfit.methods.encoder import Encoded


@dataclass
class Embedding(Embedded):
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
        vectors, truncated, _ = self._encoder.encode(texts)
        self.notes = {"dimension": self._encoder.dimension, "target_truncated": truncated}
        self.terms = {"dimension": self._encoder.dimension, "target": as_text(vectors)}
        return self

    def _ranked(self, encoded: Encoded) -> Iterator[tuple[int, float]]:
        vectors, self.notes["truncated"], _ = encoded
        target = from_text(self.terms["target"], np.float32).reshape(-1, vectors.shape[1])
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
