"""The source and the target of a selection, opened and ready to be read."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import open_documents
from zipfit.corpus.reading import Reading
from zipfit.corpus.streams import close_after
from zipfit.corpus.write import replacing
from zipfit.errors import ZipfitError
from zipfit.selection.pool import CorpusPool
from zipfit.system.cores import available_cores
from zipfit.system.progress import Silent, TerminalProgress
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zipfit.corpus.corpus import Rejected
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


@dataclass(frozen=True)
class Sources:
    """Source and target, opened: what any number of methods may be fitted to and rank.

    Attributes:
        source: as given to `open_sources`.
        target: likewise.
        reading: how the source is read.
        target_reading: how the target is read.
        threads: as given.
        progress: as given.
        pool: the source's documents.
        examples: the target's corpus, read.
        texts: the n target examples.
        groups: for each of them, the label that tells several targets apart.
        rejected: the records passed over, or None if the first bad one is an error.
        passed_over: files of folders whose names tell no format.
        seconds: by stage, spent so far.
    """

    source: Documents
    target: Documents
    reading: Reading
    target_reading: Reading
    threads: int | None
    progress: bool
    pool: CorpusPool
    examples: Corpus
    texts: Texts
    groups: list[str]
    rejected: RejectedRecords | None
    passed_over: list[str]
    seconds: dict[str, float]

    @property
    def input_names(self) -> list[str]:
        """The names of all inputs of source and target."""
        return [item.name for item in [*self.pool.corpus.inputs, *self.examples.inputs]]

    def with_target(self, texts: Sequence[str]) -> Sources:
        """The same source with other target examples, n at least 1, of one target."""
        return replace(self, target=texts, target_reading=Reading(), texts=Texts.of(texts), groups=[""] * len(texts))


def open_sources(
    source: Documents,
    target: Documents,
    reading: Reading | None = None,
    target_reading: Reading | None = None,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> Sources:
    """Open source and target, and read the target.

    Args:
        source: as in `zipfit.select`.
        target: likewise.
        reading: how the source's records become texts and labels; None for `Reading()`.
        target_reading: the same of the target; its labels tell several targets apart. It skips bad records if the
            source does.
        threads: how many methods compute with, at least 1; None for one a core.
        progress: show a progress bar on standard error.

    Raises:
        ZipfitError: there is not at least one thread; an input cannot be opened; the target cannot be read, or is
            empty.
    """
    reading, target_reading = reading or Reading(), target_reading or Reading()
    if threads is not None and threads < 1:
        raise ZipfitError(f"threads must be at least 1, not {threads}")
    stopwatch = Stopwatch()
    rejected = RejectedRecords() if reading.skip_bad else None
    inputs, passed_over = open_documents("source", source)
    target_inputs, target_passed_over = open_documents("target", target)
    if [item.name for item in inputs + target_inputs].count("-") > 1:
        raise ZipfitError("standard input can be read only once")
    examples = Corpus(target_inputs, target_reading, allow_empty=False, on_rejected=rejected)
    corpus = Corpus(inputs, reading, on_rejected=rejected)
    with stopwatch.stage("read target"):
        batches = list(examples.read())
    if not batches:
        raise ZipfitError("the target is empty: it holds no example")
    return Sources(
        source,
        target,
        reading,
        target_reading,
        threads,
        progress,
        CorpusPool(corpus, threads or available_cores(), TerminalProgress() if progress else Silent()),
        examples,
        Texts.join([text for batch in batches for text in batch.texts.encoded()]),
        [label for batch in batches for label in batch.labels],
        rejected,
        passed_over + target_passed_over,
        stopwatch.seconds,
    )
