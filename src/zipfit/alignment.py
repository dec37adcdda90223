"""The data-set level number: how well one data set is aligned with another (section 4 of arXiv 2410.18194)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.job import Job, job_parameters
from zipfit.methods.zipfit import ZipFit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zipfit.corpus.inputs import Documents

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True)
class Alignment:
    """The alignment of every document of one data set with another, and its mean and spread.

    Attributes:
        scores: one for each document in source order, shape (N,).
        job: what they come from.
    """

    scores: NDArray[np.float64]
    job: Job

    @property
    def mean(self) -> float:
        """Mean alignment over the documents: the data sets' alignment."""
        return float(np.add.accumulate(self.scores)[-1] / len(self.scores))

    @property
    def std(self) -> float:
        """Standard deviation over the documents (of the population)."""
        return float(np.std(self.scores))

    @property
    def quantiles(self) -> dict[float, float]:
        """The scores' quantiles at `QUANTILES`."""
        return dict(zip(QUANTILES, np.quantile(self.scores, QUANTILES).tolist(), strict=True))

    def __float__(self) -> float:
        return self.mean

    def __repr__(self) -> str:
        return f"<Alignment {self.mean:.4f} ± {self.std:.4f} over {len(self.scores)} documents>"


def alignment(
    source: Documents,
    target: Documents,
    *,
    compressor: str = "gzip",
    level: int | None = None,
    **reading: Any,
) -> Alignment:
    """Measure how well all documents of `source` align with `target`.

    Args:
        source: the data set to measure, as in `zipfit.select`.
        target: the data set to measure it against, likewise.
        compressor: see `zipfit.methods.zipfit.ZipFit`.
        level: likewise.
        reading: `text_field`, `template`, `target_field`, `target_template`, `by`, `skip_bad`, `threads` and
            `progress`, as in `zipfit.select`.

    Raises:
        ZipfitError: as `zipfit.select`.
    """
    job = Job(source, target, ZipFit(compressor, level), job_parameters(**reading))
    assert job.ranking.pool_scores is not None
    return Alignment(job.ranking.pool_scores, job)
