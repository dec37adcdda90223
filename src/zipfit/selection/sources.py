"""The source and the target of a selection, opened: the pool as methods and the walk see it, and the examples."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from array import array
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from zipfit.corpus.corpus import Corpus, Rejected
from zipfit.corpus.inputs import ObjectInput, as_files, open_documents
from zipfit.corpus.plain import text_digests
from zipfit.corpus.reading import Reading
from zipfit.corpus.records import CHUNK_BYTES, CHUNK_RECORDS
from zipfit.corpus.streams import close_after
from zipfit.errors import BadRecordError, ZipfitError, need
from zipfit.system.ahead import in_order
from zipfit.system.progress import TerminalProgress
from zipfit.system.runtime import available_cores
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.corpus.inputs import Documents
    from zipfit.corpus.outputs import Writing

T = TypeVar("T")

# Labels are told apart up to this many; a field with a value of its own for every document must not fill the memory.
_LABEL_LIMIT = 65_536
_OTHER_LABELS = "(other)"

# Texts that take up no more than this are kept from the first pass, so that methods of many passes over a small pool
# don't parse it each time. A larger pool is read anew by every pass.
KEPT_BYTES = 1 << 26


_TARGET_ADVICE = (
    "; the target has its own options, --target-field and --target-template "
    "(target_field and target_template in Python)"
)


class RejectedRecords:
    """The records that were passed over, as JSON lines in a temporary file."""

    def __init__(self) -> None:
        self.count = 0
        self._file = tempfile.TemporaryFile(prefix="zipfit-rejected-")
        close_after(self, self._file)

    def __getstate__(self) -> list[bytes]:
        self._file.seek(0)
        return list(self._file)

    def __setstate__(self, lines: list[bytes]) -> None:
        self._file = tempfile.TemporaryFile(prefix="zipfit-rejected-")
        close_after(self, self._file)
        self._file.writelines(lines)
        self.count = len(lines)

    def __call__(self, rejected: Rejected) -> None:
        self.count += 1
        self._file.write(rejected.to_json() + b"\n")

    def of_source(self, examples: Corpus) -> Iterator[Rejected]:
        """Those of the source; the target's, which was read before, come first."""
        before = sum(sum(item.skipped.values()) for item in examples.inputs)
        self._file.seek(0)
        for line in itertools.islice(self._file, before, None):
            yield Rejected.from_json(line)

    def save(self, files: Writing, path: str | None) -> None:
        """Write them, if there are any, to one of an output's files; None to write nothing."""
        if self.count and path is not None:
            with files.open(path) as written:
                self._file.seek(0)
                shutil.copyfileobj(self._file, written.file)


class UnreadableFiles:
    """The files that cannot be read and were passed over.

    Args:
        share: the largest share of a source's or target's files, in [0, 1], that may be passed over.

    Raises:
        ZipfitError: the share is out of range.
    """

    def __init__(self, share: float) -> None:
        need(0 <= share <= 1, f"max-bad-files must be from 0 to 1, not {share}")
        self._share = share
        self._reasons: dict[str, str] = {}

    def __call__(self, name: str, reason: str) -> None:
        self._reasons[name] = reason

    def taken(self, readable: int) -> list[dict[str, str]]:
        """Name and reason of each file since the last call.

        Raises:
            ZipfitError: they are more than the share, of them and this many readable ones.
        """
        found = [{"name": name, "reason": reason} for name, reason in self._reasons.items()]
        self._reasons.clear()
        if len(found) > self._share * (len(found) + readable):
            raise ZipfitError(
                f"{len(found)} of {len(found) + readable} files cannot be read, which is more than a share of "
                f"{self._share:g} (--max-bad-files, or max_bad_files in Python); the first: {found[0]['reason']}"
            )
        return found


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
class Facts:
    """What is kept of each of N documents: 8 bytes for its length, 8 for its hash, 4 for its label.

    Attributes:
        lengths: bytes of UTF-8, shape (N,).
        hashes: 64 bits of BLAKE2b of the text, shape (N,); equal texts have equal hashes, others all but surely not.
        labels: index into `label_names`, shape (N,).
        label_names: the labels in order of first appearance.
    """

    lengths: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    labels: NDArray[np.int32]
    label_names: list[str]

    def label(self, position: int) -> str:
        """The document's label."""
        return self.label_names[int(self.labels[position])]

    @property
    def duplicates(self) -> int:
        """Number of documents that equal an earlier one."""
        ordered = np.sort(self.hashes)  # np.unique would import numpy.ma, in 20 ms
        return int(np.count_nonzero(ordered[1:] == ordered[:-1]))

    @property
    def empty(self) -> int:
        """Number of documents without a single character."""
        return int(np.count_nonzero(self.lengths == 0))


def codes_of(labels: Sequence[str], known: dict[str, int]) -> NDArray[np.int32]:
    """The number of each label, shape (n,), in order of first appearance; `known` is added to, up to a limit."""
    codes = np.empty(len(labels), dtype=np.int32)
    for index, label in enumerate(labels):
        told_apart = label if len(known) < _LABEL_LIMIT or label in known else _OTHER_LABELS
        codes[index] = known.setdefault(told_apart, len(known))
    return codes


class CorpusPool:
    """A corpus as a `methods.base.Pool`; the first pass over it also gathers the facts, and keeps a small pool's texts.

    Args:
        corpus: what to read.
        threads: how many threads `map` computes with, at least 1.
        progress: told of what is read in each pass; None to tell nobody.
        facts: those of the documents, where an earlier job has gathered them.

    Attributes:
        pairs_per_document: pairs that a document stands for in what is told; 0 to tell of documents alone.
    """

    def __init__(
        self, corpus: Corpus, threads: int, progress: TerminalProgress | None, facts: Facts | None = None
    ) -> None:
        self.corpus = corpus
        self.pairs_per_document = 0
        self._threads = threads
        self._progress = progress
        self._facts = facts
        self._kept: list[Texts] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_kept": None}  # which is read again

    def __iter__(self) -> Iterator[Texts]:
        return self._computed(None, None)

    def map(self, function: Callable[[Texts], T], only: NDArray[np.bool_] | None = None) -> Iterator[T]:
        """Yield `function(batch)` for each batch in source order, computed by the threads; see `methods.base.Pool`."""
        return self._computed(function, only)

    def _computed(self, function: Callable[[Texts], T] | None, only: NDArray[np.bool_] | None) -> Iterator[Any]:
        """Yield each batch, or what `function` makes of it, and tell of the documents that are done."""
        told = self._progress and self._progress.begin(self.corpus.size(), self.pairs_per_document)
        with told or nullcontext() as advance:

            def done(count: int) -> None:
                if advance is not None:
                    advance.documents(count)

            batches = self._batches(None if advance is None else advance.raw)
            if only is not None:
                batches = _marked(batches, only)
            if function is None or self._threads == 1:
                for batch in batches:
                    yield batch if function is None else function(batch)
                    done(len(batch))
                return
            for count, made in in_order(lambda batch: (len(batch), function(batch)), batches, self._threads):
                yield made
                done(count)

    def _batches(self, read: Callable[[int], None] | None) -> Iterator[Texts]:
        """The texts in batches: those kept, or read anew; the first pass gathers the facts."""
        if self._kept is not None:
            for texts in self._kept:
                yield from _shared_out(texts)
            return
        kept: list[Texts] = []
        kept_bytes = 0
        lengths, hashes, labels = array("q"), array("Q"), array("i")
        label_codes: dict[str, int] = {}
        for batch in self.corpus.read(read):
            if self._facts is None:
                lengths.frombytes(batch.texts.lengths.tobytes())
                assert batch.hashes is not None
                hashes.frombytes(batch.hashes.tobytes())
                labels.frombytes(codes_of(batch.label_names, label_codes)[batch.label_numbers].tobytes())
            if kept_bytes <= KEPT_BYTES:
                kept_bytes += len(batch.texts.data) + batch.texts.offsets.nbytes
                kept.append(batch.texts)
            else:
                kept.clear()
            yield from _shared_out(batch.texts)
        if kept_bytes <= KEPT_BYTES:
            self._kept = kept
        if self._facts is None:
            if not lengths:
                raise ZipfitError(f"the source is empty: {self.corpus.why_empty}")
            self._facts = Facts(
                np.frombuffer(lengths, dtype=np.int64),
                np.frombuffer(hashes, dtype=np.uint64),
                np.frombuffer(labels, dtype=np.int32),
                list(label_codes),
            )

    @property
    def facts(self) -> Facts:
        """What is kept of each document; reads the pool if no method has yet."""
        if self._facts is None:
            for _ in self:
                pass
        assert self._facts is not None
        return self._facts

    def texts(self, positions: Sequence[int] | NDArray[np.int64]) -> Texts:
        """The texts at `positions` (distinct), in that order: out of memory, or read again."""
        wanted = np.asarray(positions, dtype=np.int64)
        order = np.argsort(wanted, kind="stable")
        found = self._kept_at(wanted[order]) if self._kept is not None else self.corpus.texts(wanted[order])
        texts = [b""] * len(wanted)
        for index, text in zip(order.tolist(), found, strict=True):
            texts[index] = text
        return Texts.join(texts)

    def _kept_at(self, positions: NDArray[np.int64]) -> Iterator[bytes]:
        """The texts at `positions` (ascending) out of those kept."""
        start = 0
        for batch in self._kept or []:
            low, high = np.searchsorted(positions, [start, start + len(batch)])
            if low < high:
                yield from batch.take((positions[low:high] - start).tolist()).encoded()
            start += len(batch)

    def check_unchanged(self, positions: NDArray[np.int64]) -> None:
        """Check that documents which Python holds are still those that were ranked; files are, as they are read.

        Raises:
            ZipfitError: one is another text, or none.
        """
        if not any(isinstance(item, ObjectInput) for item in self.corpus.inputs):
            return
        ordered = np.sort(positions)
        try:
            found = text_digests(Texts.join(list(self.corpus.texts(ordered))))
            if not np.array_equal(found, self.facts.hashes[ordered]):
                raise BadRecordError
        except BadRecordError as error:
            raise ZipfitError("the source's documents changed after they were ranked") from error

    def label_counts(self) -> Counter[str]:
        """Number of documents of each label, in order of first appearance."""
        counts = np.bincount(self.facts.labels, minlength=len(self.facts.label_names))
        return Counter(dict(zip(self.facts.label_names, counts.tolist(), strict=True)))


def _shared_out(texts: Texts) -> Iterator[Texts]:
    """Texts in batches that are small enough to share out evenly among threads."""
    start = 0
    while start < len(texts):
        by_size = int(np.searchsorted(texts.offsets, texts.offsets[start] + CHUNK_BYTES, side="right")) - 1
        end = max(start + 1, min(start + CHUNK_RECORDS, by_size))
        yield texts[start:end]
        start = end


def _marked(batches: Iterable[Texts], only: NDArray[np.bool_]) -> Iterator[Texts]:
    """Batches of the marked documents alone, filled up again to a size worth handing over."""
    kept: list[bytes] = []
    start = 0
    for batch in batches:
        marked = np.flatnonzero(only[start : start + len(batch)])
        if len(marked):
            kept += batch.take(marked.tolist()).encoded()
        start += len(batch)
        if len(kept) >= CHUNK_RECORDS // 4:
            yield Texts.join(kept)
            kept = []
    if kept:
        yield Texts.join(kept)


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
        passed_over: files of folders that are not read; see `folders.expand`.
        unreadable: files that cannot be read and were passed over, each with `name` and `reason`; None if the first is
            an error.
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
    unreadable: list[dict[str, str]] | None
    seconds: dict[str, float]

    @property
    def input_names(self) -> list[str]:
        """The names of all inputs of source and target."""
        return [item.name for item in [*self.pool.corpus.inputs, *self.examples.inputs]]

    def with_target(self, texts: Sequence[str]) -> Sources:
        """The same source with other target examples, n at least 1, of one target."""
        return replace(self, target=texts, target_reading=Reading(), texts=Texts.of(texts), groups=[""] * len(texts))


def need_one_standard_input(*documents: Documents | None) -> None:
    """Check that no two of the inputs are standard input.

    Raises:
        ZipfitError: they are.
    """
    given = [files for each in documents if each is not None and (files := as_files(each)) is not None]
    if sum(list(files.paths).count("-") for files in given) > 1:
        raise ZipfitError("standard input can be read only once")


def open_sources(
    source: Documents,
    target: Documents,
    reading: Reading | None = None,
    target_reading: Reading | None = None,
    *,
    threads: int | None = None,
    progress: bool = False,
    max_bad_files: float | None = None,
    find_bad_files: bool = True,
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
        max_bad_files: pass over files that cannot be read, up to this share of the source's, and of the target's; None
            to pass over none. To find them, all files are read once more.
        find_bad_files: whether the source's are; if not, only those are found that cannot even be opened.

    Raises:
        ZipfitError: there is not at least one thread; an input cannot be opened; the target cannot be read, or is
            empty.
    """
    reading, target_reading = reading or Reading(), target_reading or Reading()
    if threads is not None and threads < 1:
        raise ZipfitError(f"threads must be at least 1, not {threads}")
    stopwatch = Stopwatch()
    rejected = RejectedRecords() if reading.skip_bad else None
    need_one_standard_input(source, target)
    terminal = TerminalProgress() if progress else None
    unreadable = None if max_bad_files is None else UnreadableFiles(max_bad_files)
    bad_files: list[dict[str, str]] = []
    with terminal.begin(None, 0) if terminal and unreadable else nullcontext() as advance:
        read = None if advance is None else advance.raw
        inputs, passed_over = open_documents("source", source, unreadable, read, to_the_end=find_bad_files)
        bad_files += unreadable.taken(len(inputs)) if unreadable else []
        target_inputs, target_passed_over = open_documents("target", target, unreadable, read)
        bad_files += unreadable.taken(len(target_inputs)) if unreadable else []
    advice = "" if reading.is_recognising or not target_reading.is_recognising else _TARGET_ADVICE
    examples = Corpus(target_inputs, target_reading, allow_empty=False, on_rejected=rejected, advice=advice)
    corpus = Corpus(inputs, reading, on_rejected=rejected, threads=threads or available_cores())
    with stopwatch.stage("read target"):
        batches = list(examples.read())
    if not batches:
        raise ZipfitError(f"the target is empty: {examples.why_empty}")
    return Sources(
        source,
        target,
        reading,
        target_reading,
        threads,
        progress,
        CorpusPool(corpus, threads or available_cores(), terminal),
        examples,
        Texts.join([text for batch in batches for text in batch.texts.encoded()]),
        [label for batch in batches for label in batch.labels],
        rejected,
        passed_over + target_passed_over,
        bad_files if unreadable else None,
        stopwatch.seconds,
    )
