"""The data-set level number: how well one data set is aligned with another (section 4 of arXiv 2410.18194)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.inputs import names_of
from zipfit.corpus.outputs import Outputs
from zipfit.corpus.write import SCORE_FIELD, write_records
from zipfit.errors import need
from zipfit.methods.base import HasEngine, is_scorer
from zipfit.methods.registry import check_method, class_path, short_name
from zipfit.methods.zipfit import ZipFit
from zipfit.selection.ranking import rank
from zipfit.selection.reading_options import check_options, open_with
from zipfit.system.plain_types import check_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray
    from typing_extensions import Unpack

    from zipfit.corpus.corpus import Corpus
    from zipfit.corpus.inputs import Documents
    from zipfit.corpus.outputs import Writing
    from zipfit.methods.base import Method
    from zipfit.selection.reading_options import ReadingOptions

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True)
class Alignment:
    """The alignment of every document of one data set with another, and its mean and spread.

    Attributes:
        scores: one for each document in source order, shape (N,).
        target_documents: n, the number of target examples.
        engine: compressor, level and what computed the sizes.
        skipped: number of bad records passed over.
        unreadable: name and reason of each file passed over.
    """

    scores: NDArray[np.float64]
    target_documents: int
    engine: str
    skipped: int
    unreadable: Sequence[dict[str, str]] = ()

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

    def to_json(self) -> dict[str, Any]:
        """Everything but the single scores, as JSON values."""
        return {
            "alignment": self.mean,
            "std": self.std,
            "quantiles": {str(q): value for q, value in self.quantiles.items()},
            "documents": len(self.scores),
            "target_documents": self.target_documents,
            "engine": self.engine,
            "skipped": self.skipped,
            "files_unreadable": list(self.unreadable),
        }


def alignment(
    source: Documents,
    target: Documents,
    *,
    method: Method | None = None,
    compressor: str = "gzip",
    level: int | None = None,
    output: str | None = None,
    overwrite: bool = False,
    **reading: Unpack[ReadingOptions],
) -> Alignment:
    """Measure how well all documents of `source` align with `target`.

    Args:
        source: the data set to measure, as in `zipfit.select`.
        target: the data set to measure it against, likewise.
        method: what scores the documents; None for `zipfit.ZipFit(compressor, level)`.
        compressor: see `zipfit.methods.zipfit.ZipFit`.
        level: likewise.
        output: where to write each document's `position` in the source, the `file` that it comes from, its `row` there
            (both from 0, counting bad records) and its `zipfit_score`; the extension is the format. Records passed over
            are written to `<output>.rejected.jsonl`. None to write nothing.
        overwrite: replace an output that exists.
        reading: `text_field`, `template`, `target_field`, `target_template`, `roles`, `role_labels`, `skip_bad`,
            `by`, `target_by`, `skip_bad_files`, `max_bad_files`, `threads` and `progress`, as in `zipfit.select`.

    Raises:
        TypeError: a keyword is none of these.
        ZipfitError: as `zipfit.select`, or the output cannot be written.

    Example:
        >>> result = alignment(["def sub(a, b): return a - b", "To be or not to be"], ["def add(a, b): return a + b"])
        >>> round(result.mean, 2), result.target_documents
        (0.6, 1)
    """
    method = ZipFit(compressor, level) if method is None else method
    check_arguments(alignment, locals())
    check_options(reading)
    check_method(method)
    need(is_scorer(method), f"{class_path(method)} ranks the pool without a score for each document")
    outputs = None if output is None else Outputs.of_scores(output, overwrite)
    if outputs is not None:
        outputs.check([*names_of(source), *names_of(target)])
    sources = open_with(reading, source, target)
    scores = rank(sources, method).pool_scores
    assert scores is not None
    if outputs is not None:
        with outputs.writing() as files:
            _write_scores(files, outputs.path, sources.pool.corpus, scores)
            if sources.rejected is not None:
                sources.rejected.save(files, outputs.rejected)
    skipped = sum(sum(item.skipped.values()) for item in sources.pool.corpus.inputs)
    engine = method.engine if isinstance(method, HasEngine) else short_name(method)
    return Alignment(scores, len(sources.texts), engine, skipped, sources.unreadable or ())


def _write_scores(files: Writing, path: str, corpus: Corpus, scores: NDArray[np.float64]) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for positions, name, rows in corpus.places():
            yield pa.record_batch(
                {
                    "position": pa.array(corpus.source_positions(positions), pa.int64()),
                    "file": pa.array([name] * len(rows), pa.string()),
                    "row": pa.array(rows, pa.int64()),
                    SCORE_FIELD: pa.array(scores[positions], pa.float64()),
                }
            )

    import pyarrow as pa

    with files.open(path) as written:
        write_records(written.file, path, batches(), range(len(scores)), None)
