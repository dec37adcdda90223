"""`d4`: document de-duplication and diversification (Tirumala et al. 2023, arXiv 2308.12284). It ignores the target.

Three steps in the space of an encoder's unit vectors e(.), cosine similarity throughout (section 3.4 of the paper):

1. **SemDeDup** (Abbas et al. 2023, arXiv 2303.09540). Cluster the pool by spherical k-means. Within a cluster, order
   documents from the farthest from the centroid to the nearest, and let
   M(x) = max { e(x) . e(y) : y before x in that order }. Drop x where M(x) > 1 - epsilon. So of a group of near copies
   the one farthest from the centroid stays. As in the authors' code, y need not itself have been kept: a chain of near
   copies is one group. M does not depend on epsilon, so the epsilon that keeps a share R_dedup is a quantile of M.
2. **Cluster again** what is left: the first clusters' centres had been drawn to the groups of copies.
3. **SSL prototypes** (Sorscher et al. 2022, arXiv 2206.14486). Drop the most prototypical documents, those nearest to
   their centroid, until a share R_proto is left.

R = R_dedup * R_proto is the share of the pool that is selected. The ranking here is step 3 read backwards: descending
distance 1 - e(x) . c(x) to the own centroid c(x). Its first K documents are what remains after dropping the most
prototypical ones until K are left, so the budget that cuts the ranking sets R_proto, and the method need not know it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import need, needing
from zipfit.methods.embedded import Embedded
from zipfit.methods.encoder import DEFAULT_MODEL
from zipfit.methods.vectors import cosines, unit
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from zipfit.methods.base import Pool
    from zipfit.methods.encoder import Encoded

POINTS = 256
"""Most documents for each centroid that k-means is trained on (faiss's own default): more hardly move a centroid."""

PANEL = 1024
"""Documents of a cluster compared with as many others at once: 8 MB of cosines. Results do not depend on it."""


@dataclass
class D4(Embedded):
    """Remove semantic duplicates, then rank the least prototypical documents first.

    The paper's setting is `encoder="facebook/opt-125m", pooling="last", max_length=2048, r_dedup=0.75`.

    Args:
        encoder: A model on the Hugging Face hub, or a local folder.
        pooling: `mean`, `weighted` or `last`; see `zipfit.methods.encoder.Encoder`.
        max_length: tokens of each document that the encoder reads.
        r_dedup: the share of the pool that SemDeDup leaves, 0 < r_dedup <= 1, unless `epsilon` is given. Where copies
            tie, fewer are left; where clusters have fewer copies than that, more.
        epsilon: the least cosine distance that SemDeDup leaves between a document and those before it, in [0, 2].
        clusters: number of clusters; 0 for the square root of the number of documents clustered.
        iterations: iterations of k-means.
        seed: seed of k-means.
        cache: whether to keep embeddings on disk for later runs.
    """

    encoder: str = DEFAULT_MODEL
    pooling: str = "mean"
    max_length: int = 256
    r_dedup: float = 0.75
    epsilon: float | None = None
    clusters: int = 0
    iterations: int = 20
    seed: int = 0
    cache: bool = True
    notes: dict[str, object] = field(default_factory=dict, init=False, repr=False)
    terms: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def fit(self, target: Sequence[str], pool: Pool | None = None) -> Self:  # noqa: ARG002
        """Check the options and load the encoder; the target counts for nothing.

        Raises:
            MissingExtraError: the extra `d4` is not installed.
            ZipfitError: an option is wrong, the encoder cannot be loaded, or the target is none that a method takes.
        """
        Texts.of(target)
        need(self.seed >= 0, f"the seed must be at least 0, not {self.seed}")
        need(0 < self.r_dedup <= 1, f"r_dedup must be above 0 and at most 1, got {self.r_dedup}")
        need(0 <= (self.epsilon or 0) <= 2, f"epsilon must lie between 0 and 2, got {self.epsilon}")
        need(self.clusters >= 0, f"clusters must not be negative, got {self.clusters}")
        need(self.iterations >= 1, f"iterations must be at least 1, got {self.iterations}")
        with needing("the method d4", "d4"):
            import faiss  # noqa: F401
        self._prepare()
        self.terms = {"dimension": self._encoder.dimension}
        return self

    def _ranked(self, encoded: Encoded) -> Iterator[tuple[int, float]]:
        """Yield (position, distance to the own centroid), farthest first; what SemDeDup dropped is left out."""
        vectors = encoded.vectors
        everything = np.arange(len(vectors))
        nearest = nearest_before(vectors, *self._cluster(vectors, everything))
        epsilon = self._found(nearest) if self.epsilon is None else self.epsilon
        kept = everything[nearest <= 1 - epsilon]
        self.notes |= {
            "target": "ignored",
            "dimension": vectors.shape[1],
            "truncated": encoded.truncated,
            "epsilon": epsilon if math.isfinite(epsilon) else None,
            "semantic_duplicates": len(vectors) - len(kept),
        }
        distance = 1 - self._cluster(vectors, kept)[1]
        for index in np.argsort(-distance, kind="stable"):
            yield int(kept[index]), float(distance[index])

    def _cluster(
        self, vectors: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The cluster of each row of `rows` and its cosine with that cluster's centroid."""
        cluster = np.zeros(len(rows), np.int64)
        near = np.zeros(len(rows))
        if len(rows):
            count = min(self.clusters or max(1, round(math.sqrt(len(rows)))), len(rows))
            centroids = train(vectors, rows, count, self.iterations, self.seed)
            for block, values in cosines(vectors, rows, centroids):
                cluster[block] = values.argmax(axis=1)
                near[block] = values.max(axis=1)
        return cluster, near

    def _found(self, nearest: NDArray[np.float64]) -> float:
        """The epsilon that leaves a share r_dedup; infinite where one document of each cluster is too many already."""
        ascending = np.sort(nearest)
        left = np.searchsorted(ascending, ascending, side="right")  # left[i] documents stay if ascending[i] is it
        possible = ascending[left <= math.floor(self.r_dedup * len(nearest))]
        # M is a multiple of 2**-48 (see vectors.py), so 1 - epsilon gives it back exactly.
        return 1 - float(possible[-1]) if len(possible) else math.inf


def train(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], count: int, iterations: int, seed: int
) -> NDArray[np.float32]:
    """Centroids of `vectors[rows]` by faiss's spherical k-means, shape (count, d), as `vectors.unit` makes them.

    Trained on at most POINTS documents for each centroid, drawn with the seed. faiss sums in float32 through BLAS and
    OpenMP, whose order of summing may follow the number of threads: it gets one.
    """
    import faiss

    if len(rows) > POINTS * count:
        rows = np.sort(np.random.default_rng(seed).choice(rows, POINTS * count, replace=False))
    means = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=iterations,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=POINTS,
    )
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        means.train(np.ascontiguousarray(vectors[rows]))
    finally:
        faiss.omp_set_num_threads(threads)
    return unit(np.asarray(means.centroids))


def nearest_before(
    vectors: NDArray[np.float32], cluster: NDArray[np.int64], near: NDArray[np.float64]
) -> NDArray[np.float64]:
    """M(x) for each row: its greatest cosine with a row of its cluster that is farther from the centroid.

    Args:
        vectors: shape (N, d), as `vectors.unit` makes them.
        cluster: the cluster of each row, shape (N,).
        near: the cosine of each row with its centroid, shape (N,). Equally far rows stand in source order.

    Returns:
        Shape (N,); minus infinity for the farthest row of each cluster.
    """
    nearest = np.full(len(vectors), -np.inf)
    order = np.lexsort((near, cluster))
    for rows in np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1):
        for start in range(0, len(rows), PANEL):
            panel = rows[start : start + PANEL]
            late = vectors[panel].astype(np.float64)
            for first in range(0, start + 1, PANEL):
                early = rows[first : first + PANEL]
                similar = late @ vectors[early].astype(np.float64).T
                if first == start:
                    similar[np.triu_indices(len(panel))] = -np.inf
                nearest[panel] = np.maximum(nearest[panel], similar.max(axis=1))
    return nearest
