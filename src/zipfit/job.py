"""One selection from end to end: read, score, cut, fetch, write."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.corpus.corpus import NO_LABEL, Corpus, Rejected
from zipfit.corpus.inputs import open_documents
from zipfit.corpus.records import dump_record
from zipfit.corpus.streams import close_after
from zipfit.corpus.text import TextOf
from zipfit.corpus.write import RANK_FIELD, SCORE_FIELD, check_not_input, replacing, write_records
from zipfit.dedup import deduplicator
from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.manifest import build_manifest, check_outputs, manifest_path, write_manifest
from zipfit.methods.base import Scorer
from zipfit.methods.racing import Racing
from zipfit.methods.registry import build_method, check_method, has_option
from zipfit.methods.zipfit import ZipFit
from zipfit.pool import CorpusPool
from zipfit.progress import Silent, TerminalProgress
from zipfit.selection import Budget, LazyRanking, Rules, ScoredRanking, walk
from zipfit.tokens import token_counter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Literal

    import pandas as pd
    from numpy.typing import NDArray

    from zipfit.corpus.inputs import Documents
    from zipfit.dedup import Deduplicator
    from zipfit.methods.base import Method
    from zipfit.selection import Cut, Ranking


class RejectedRecords:
    """The records that were passed over, as JSON lines in a temporary file."""

    def __init__(self) -> None:
        self.count = 0
        self._file = tempfile.TemporaryFile(prefix="zipfit-rejected-")
        close_after(self, self._file)

    def __call__(self, rejected: Rejected) -> None:
        self.count += 1
        self._file.write(rejected.to_json() + b"\n")

    def save(self, output: str) -> None:
        """Write them, if there are any, to `<output>.rejected.jsonl`."""
        if self.count and output != "-":
            with replacing(f"{output}.rejected.jsonl") as written:
                self._file.seek(0)
                shutil.copyfileobj(self._file, written.file)


class Stopwatch:
    """Seconds spent in each named stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as part of the stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


class Job:
    """The part of a selection that does not depend on the budget: target, pool, the fitted method and its ranking.

    Attributes:
        parameters: the arguments of `select`.
        method: fitted.
        target: the target corpus, read.
        target_texts: the n target examples.
        pool: the source.
        ranking: its documents, best first.
        rejected: the records passed over, or None if the first bad one is an error.
        passed_over: files of folders whose names tell no format.
        input_names: of all inputs of source and target.
        stopwatch: seconds for each stage so far.
    """

    def __init__(self, source: Documents, target: Documents, method: Method, parameters: dict[str, Any]) -> None:
        self.source_documents, self.target_documents = source, target
        self.method = method
        self.parameters = parameters
        self.stopwatch = Stopwatch()
        self.rejected = RejectedRecords() if parameters["skip_bad"] else None
        self._rules = Rules(
            parameters["min_bytes"], parameters["max_bytes"], _deduplicators(parameters), parameters["max_share"]
        )
        self._counter = None if parameters["tokenizer"] is None else token_counter(parameters["tokenizer"])
        source_inputs, source_passed_over = open_documents("source", source)
        target_inputs, target_passed_over = open_documents("target", target)
        self.passed_over = source_passed_over + target_passed_over
        self.input_names = [item.name for item in source_inputs + target_inputs]
        if self.input_names.count("-") > 1:
            raise ZipfitError("standard input can be read only once")
        self.target = Corpus(
            target_inputs,
            TextOf(parameters["target_field"], parameters["target_template"]),
            allow_empty=False,
            on_rejected=self.rejected,
        )
        corpus = Corpus(
            source_inputs,
            TextOf(parameters["text_field"], parameters["template"]),
            label_field=parameters["by"],
            on_rejected=self.rejected,
        )
        with self.stopwatch.stage("read target"):
            self.target_texts = [text for batch in self.target.read() for text in batch.texts]
        if not self.target_texts:
            raise ZipfitError("the target is empty: it holds no example")
        progress = (
            TerminalProgress(len(self.target_texts) if isinstance(method, ZipFit) else 0)
            if parameters["progress"]
            else Silent()
        )
        self.pool = CorpusPool(corpus, parameters["threads"] or available_cores(), progress)
        self.ranking = self._rank()
        if parameters["by"] is not None and self.pool.facts.label_names == [NO_LABEL]:
            raise ZipfitError(f"no document has the field {parameters['by']!r} that is to label it")

    def _rank(self) -> Ranking:
        with self.stopwatch.stage("fit"):
            self.method.fit(self.target_texts, self.pool)
        with self.stopwatch.stage("score"):
            if isinstance(self.method, Scorer):
                scores = list(self.pool.map(self._checked_scores))
                return ScoredRanking(np.concatenate(scores))
            if isinstance(self.method, Racing) and self._rules != Rules():
                raise ZipfitError("racing finds the top K alone, so it goes with no rule that passes documents over")
            return LazyRanking(iter(self.method.rank(self.pool)))

    def _checked_scores(self, texts: list[str]) -> NDArray[np.float64]:
        scores = np.asarray(self.method.score(texts), dtype=np.float64)  # type: ignore[union-attr]
        if scores.shape != (len(texts),):
            raise ZipfitError(f"the method gave scores of shape {scores.shape} for {len(texts)} texts")
        return scores

    def cut(self, budget: Budget, allow_fewer: bool) -> Cut:
        """Walk the ranking until the budget is spent; raises as `selection.walk`."""
        if budget.tokens is not None and self._counter is None:
            raise ZipfitError("a budget of tokens needs a tokenizer")
        with self.stopwatch.stage("cut"):
            facts = self.pool.facts
            return walk(self.ranking, budget, self._rules, facts, self.pool.texts, self._counter, allow_fewer)


class Selection:
    """The documents chosen from a pool, best first.

    Attributes:
        indices: their positions in the source, shape (k,).
        scores: their scores, shape (k,).
        pool_scores: the scores of all N documents in source order, shape (N,); None for a method that ranks the pool
            without scoring each document.
        job: what the selection was cut from.
        parameters: the arguments of `select` that give this selection.
    """

    def __init__(self, job: Job, budget: Budget, allow_fewer: bool) -> None:
        self.job = job
        self.parameters = job.parameters | asdict(budget) | {"allow_fewer": allow_fewer}
        self.cut = job.cut(budget, allow_fewer)

    def __len__(self) -> int:
        return len(self.cut.indices)

    def __repr__(self) -> str:
        return f"<Selection of {len(self)} out of {len(self.job.pool.facts.lengths)} documents>"

    @property
    def indices(self) -> NDArray[np.int64]:
        return self.cut.indices

    @property
    def scores(self) -> NDArray[np.float64]:
        return self.cut.scores

    @property
    def pool_scores(self) -> NDArray[np.float64] | None:
        return self.job.ranking.pool_scores

    @property
    def records(self) -> list[dict[str, Any]]:
        """The chosen records as they are in the source, in rank order; read again at every access."""
        order = np.argsort(self.indices, kind="stable")
        records: list[dict[str, Any]] = [{}] * len(self)
        for rank, record in zip(order.tolist(), self.job.pool.corpus.dicts(self.indices[order]), strict=True):
            records[rank] = record
        return records

    @property
    def texts(self) -> list[str]:
        """The chosen documents' texts in rank order; read again at every access."""
        return self.job.pool.texts(self.indices.tolist())

    @property
    def manifest(self) -> dict[str, Any]:
        """How the selection was made, as `save` writes it (the output aside)."""
        return build_manifest(self)

    def at(
        self,
        *,
        top: int | None = None,
        fraction: float | None = None,
        tokens: int | None = None,
        min_score: float | None = None,
        allow_fewer: bool = False,
    ) -> Selection:
        """Cut the same ranking at another budget, without scoring again.

        Raises:
            ZipfitError: as `select` for the same budget.
        """
        return Selection(self.job, Budget(top, fraction, tokens, min_score), allow_fewer)

    def _fields(self, add_fields: bool) -> Iterator[dict[str, Any]]:
        for rank, (record, score) in enumerate(zip(self.records, self.scores.tolist(), strict=True), 1):
            yield record | {SCORE_FIELD: score, RANK_FIELD: rank} if add_fields else record

    def to_pandas(self) -> pd.DataFrame:
        """The chosen records with `zipfit_score` and `zipfit_rank`, one row each, best first."""
        import pandas as pd

        return pd.DataFrame(list(self._fields(True)))

    def to_dataset(self) -> Any:
        """The same as a `datasets.Dataset` (needs the extra `hub`).

        Raises:
            MissingExtraError: `datasets` is not installed.
        """
        try:
            import datasets
        except ImportError as error:
            raise MissingExtraError("to_dataset", "hub") from error
        return datasets.Dataset.from_list(list(self._fields(True)))

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        order: Literal["rank", "source"] = "rank",
        add_fields: bool = True,
        overwrite: bool = False,
    ) -> dict[str, Any]:
        """Write the chosen records, whole, and beside them the manifest.

        The output appears under its name only when it is complete. Records passed over are written to
        `<path>.rejected.jsonl`, duplicates dropped to `<path>.duplicates.jsonl`.

        Args:
            path: its extension is the format; `-` writes JSON Lines to standard output, without a manifest.
            order: best first, or as in the source.
            add_fields: add `zipfit_score` and `zipfit_rank` to each record.
            overwrite: replace what is there.

        Returns:
            The manifest.

        Raises:
            ZipfitError: the output cannot be written, or exists.
        """
        path = os.fspath(path)
        if order not in ("rank", "source"):
            raise ZipfitError(f"order must be 'rank' or 'source', not {order!r}")
        check_outputs(path, overwrite)
        check_not_input(path, self.job.input_names)
        output = {"path": path, "order": order, "add_fields": add_fields}
        with self.job.stopwatch.stage("write"):
            output |= self._write(path, order, add_fields)
        self._write_beside(path)
        manifest = build_manifest(self, output)
        if path != "-":
            write_manifest(manifest, manifest_path(path))
        return manifest

    def _write(self, path: str, order: str, add_fields: bool) -> dict[str, Any]:
        by_source = np.argsort(self.indices, kind="stable")  # the ranks (from 0) in source order
        place = np.empty(len(self), dtype=np.int64)
        place[by_source] = np.arange(len(self))
        ranks = by_source if order == "source" else np.arange(len(self))
        added = [(float(self.scores[rank]), rank + 1) for rank in ranks.tolist()] if add_fields else None
        with replacing(path) as written:
            write_records(
                written.file, path, self.job.pool.corpus.records(self.indices[by_source]), place[ranks].tolist(), added
            )
        return {"documents": len(self), "bytes": written.bytes, "sha256": written.sha256}

    def _write_beside(self, path: str) -> None:
        if path == "-":
            return
        if self.job.rejected is not None:
            self.job.rejected.save(path)
        duplicates = [item for item in self.cut.dropped if item.duplicate_of is not None]
        if duplicates:
            with replacing(f"{path}.duplicates.jsonl") as written:
                written.file.writelines(
                    dump_record({"position": item.position, "duplicate_of": item.duplicate_of}) + b"\n"
                    for item in duplicates
                )


def job_parameters(
    *,
    tokenizer: str | None = None,
    text_field: str | None = None,
    template: str | None = None,
    target_field: str | None = None,
    target_template: str | None = None,
    by: str | None = None,
    min_bytes: int = 0,
    max_bytes: int | None = None,
    dedup: str | None = None,
    dedup_threshold: float = 0.8,
    max_share: float | None = None,
    skip_bad: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Check the parameters of a job, whatever its budget; see `select`.

    Raises:
        ZipfitError: there is not at least one thread.
    """
    if threads is not None and threads < 1:
        raise ZipfitError(f"threads must be at least 1, not {threads}")
    return dict(locals())


def _deduplicators(parameters: dict[str, Any]) -> Callable[[], Deduplicator] | None:
    if parameters["dedup"] is None:
        return None
    make = partial(deduplicator, parameters["dedup"], parameters["dedup_threshold"])
    make()  # a wrong kind or a missing extra is an error now, not after the scoring
    return make


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def select(
    source: Documents,
    target: Documents,
    *,
    top: int | None = None,
    fraction: float | None = None,
    tokens: int | None = None,
    min_score: float | None = None,
    allow_fewer: bool = False,
    method: str | Method = "zipfit",
    options: Mapping[str, Any] | None = None,
    tokenizer: str | None = None,
    text_field: str | None = None,
    template: str | None = None,
    target_field: str | None = None,
    target_template: str | None = None,
    by: str | None = None,
    min_bytes: int = 0,
    max_bytes: int | None = None,
    dedup: str | None = None,
    dedup_threshold: float = 0.8,
    max_share: float | None = None,
    skip_bad: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> Selection:
    """Choose the documents of `source` that best fit `target`.

    The same input gives the same selection, bit for bit, whatever the number of threads; equal scores rank by source
    order.

    Args:
        source: the pool: a path (a file, glob, folder, remote path or `hub:NAME@SPLIT`), `Files(...)` for several or
            with a format, or documents that Python holds: strings, dicts, a `datasets.Dataset`, a pandas or polars
            frame, an Arrow table, any iterable (read into memory).
        target: the task's examples, likewise; they are held in memory.
        top: budget: number of documents.
        fraction: budget: share of the pool's documents, in (0, 1].
        tokens: budget: number of tokens of `tokenizer`.
        min_score: budget: lowest score to take. Exactly one budget is given.
        allow_fewer: take what there is where the pool gives fewer documents than asked for.
        tokenizer: see `token_counter`; without a budget in tokens, tokens are counted for the summary alone.
        method: a name (see `zipfit.methods.registry.METHODS`), `module:Class`, or an object with a method's protocol.
        options: arguments of the method's constructor, for a method given by name.
        text_field: field that holds a record's text; dots reach into nested records. See `TextOf` for the default.
        template: text made of fields in braces, instead of a field.
        target_field: the same for the target.
        target_template: the same for the target.
        by: field whose value labels a document in the summary and in `max_share`; by default its `source` field or, if
            it has none, the input's name.
        min_bytes: shortest text to take, in bytes of UTF-8.
        max_bytes: longest text to take.
        dedup: `exact` to take one of the documents that are the same text, `near` to take one of those that nearly are
            (see `zipfit.dedup`; needs the extra `near`): the best ranked. None to keep duplicates.
        dedup_threshold: for `near`, the least Jaccard similarity.
        max_share: largest share of the budget, in (0, 1], that documents of one label may take.
        skip_bad: pass over records that give no text instead of stopping at the first; they are counted and kept.
        threads: how many to compute with; None for one a core.
        progress: show a progress bar on standard error.

    Raises:
        ZipfitError: one sentence that says what is wrong with the input or the arguments.
    """
    parameters = job_parameters(
        tokenizer=tokenizer,
        text_field=text_field,
        template=template,
        target_field=target_field,
        target_template=target_template,
        by=by,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        dedup=dedup,
        dedup_threshold=dedup_threshold,
        max_share=max_share,
        skip_bad=skip_bad,
        threads=threads,
        progress=progress,
    )
    budget = Budget(top, fraction, tokens, min_score)
    if tokens is not None and tokenizer is None:
        raise ZipfitError("a budget of tokens needs a tokenizer")
    if isinstance(method, str):
        options = dict(options or {})
        if top is not None and has_option(method, "top"):  # racing must know the budget beforehand
            options.setdefault("top", top)
        chosen = build_method(method, options)
    elif options:
        raise ZipfitError("options are for a method given by name; this one is built already")
    else:
        check_method(method)
        chosen = method
    return Selection(Job(source, target, chosen, parameters), budget, allow_fewer)
