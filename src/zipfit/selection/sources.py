"""The task of a job: its source and its target examples, opened and ready to be read."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zipfit.corpus.corpus import Corpus, Rejected
from zipfit.corpus.inputs import open_documents
from zipfit.corpus.streams import close_after
from zipfit.corpus.text import TextOf
from zipfit.corpus.write import replacing
from zipfit.errors import ZipfitError
from zipfit.selection.pool import CorpusPool
from zipfit.system.cores import available_cores
from zipfit.system.progress import Silent, TerminalProgress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zipfit.corpus.inputs import Documents


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


class Task:
    """Source and target of a job, and how it reads them.

    Args:
        source: as in `zipfit.select`.
        target: likewise.
        parameters: as `task_parameters` returns them.

    Attributes:
        source: as given.
        target: as given.
        parameters: as given.
        pool: the source's documents.
        examples: the target corpus, read.
        texts: the n target examples.
        groups: for each of them, the value of the parameter `target_by`'s field.
        rejected: the records passed over, or None if the first bad one is an error.
        passed_over: files of folders whose names tell no format.
        input_names: of all inputs of source and target.
        stopwatch: seconds for each stage so far.
    """

    def __init__(self, source: Documents, target: Documents, parameters: dict[str, Any]) -> None:
        self.source, self.target, self.parameters = source, target, parameters
        self.stopwatch = Stopwatch()
        self.rejected = RejectedRecords() if parameters["skip_bad"] else None
        source_inputs, source_passed_over = open_documents("source", source)
        target_inputs, target_passed_over = open_documents("target", target)
        self.passed_over = source_passed_over + target_passed_over
        self.input_names = [item.name for item in source_inputs + target_inputs]
        if self.input_names.count("-") > 1:
            raise ZipfitError("standard input can be read only once")
        self.examples = Corpus(
            target_inputs,
            TextOf(parameters["target_field"], parameters["target_template"]),
            label_field=parameters["target_by"],
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
            batches = list(self.examples.read())
            self.texts = [text for batch in batches for text in batch.texts]
            self.groups = [label for batch in batches for label in batch.labels]
        if not self.texts:
            raise ZipfitError("the target is empty: it holds no example")
        progress = TerminalProgress() if parameters["progress"] else Silent()
        self.pool = CorpusPool(corpus, parameters["threads"] or available_cores(), progress)


def task_parameters(
    *,
    tokenizer: str | None = None,
    text_field: str | None = None,
    template: str | None = None,
    target_field: str | None = None,
    target_template: str | None = None,
    by: str | None = None,
    target_by: str | None = None,
    min_bytes: int = 0,
    max_bytes: int | None = None,
    dedup: str | None = None,
    dedup_threshold: float = 0.8,
    max_share: float | None = None,
    skip_bad: bool = False,
    threads: int | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Check the parameters of a job, whatever its method and budget; see `zipfit.select`.

    Raises:
        ZipfitError: there is not at least one thread.
    """
    if threads is not None and threads < 1:
        raise ZipfitError(f"threads must be at least 1, not {threads}")
    return dict(locals())
