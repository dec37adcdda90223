"""What the methods share that rank documents by the vectors which an encoder gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from zipfit.methods.encoder import Encoder, measured_vectors
from zipfit.methods.estimator import Estimator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from zipfit.methods.base import Pool
    from zipfit.methods.encoder import Encoded


class Embedded(Estimator):
    """An estimator with the options of an `Encoder`, which loads it, and `_ranked`, which ranks vectors."""

    prepared: ClassVar[tuple[str, ...]] = ("_encoder",)

    encoder: str
    pooling: str
    max_length: int
    cache: bool
    notes: dict[str, object]
    terms: dict[str, Any]

    def _prepare(self) -> None:
        self._encoder = Encoder(self.encoder, self.pooling, self.max_length, self.cache)

    def rank(self, pool: Pool) -> Iterator[tuple[int, float]]:
        """Yield (position, score), best first. The whole pool is embedded before the first comes."""
        encoded = self._encoder.encode_pool(pool)
        self.notes["cached_vectors"] = encoded.cached
        yield from self._ranked(encoded)

    def measure(self, texts: Sequence[str]) -> NDArray[np.object_]:
        """Return the vector of each text as bytes, shape (n,)."""
        return self._encoder.measure(texts)

    def rank_measured(
        self,
        measures: Iterable[NDArray[np.object_]],
        pool: Pool,  # noqa: ARG002
    ) -> Iterator[tuple[int, float]]:
        """The ranking of documents with these vectors, batches of shape (n,), as of `rank`."""
        return self._ranked(measured_vectors(measures, self.terms["dimension"]))

    def _ranked(self, encoded: Encoded) -> Iterator[tuple[int, float]]:
        raise NotImplementedError
