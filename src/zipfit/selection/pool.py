"""The pool of a job: a corpus as methods see it, with threads, progress and the few numbers kept of each document."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from zipfit.corpus.formats import CHUNK_RECORDS
from zipfit.errors import ZipfitError
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from zipfit.corpus.corpus import Corpus
    from zipfit.system.progress import Advance, Progress

T = TypeVar("T")

# Labels are told apart up to this many; a field with a value of its own for every document must not fill the memory.
LABEL_LIMIT = 65_536
OTHER_LABELS = "(other)"

# Texts that take up no more than this are kept from the first pass, so that methods of many passes over a small pool
# don't parse it each time. A larger pool is read anew by every pass.
KEPT_BYTES = 1 << 26


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
        return len(self.hashes) - len(np.unique(self.hashes))

    @property
    def empty(self) -> int:
        """Number of documents without a single character."""
        return int(np.count_nonzero(self.lengths == 0))


class CorpusPool:
    """A corpus as a `methods.base.Pool`; the first pass over it also gathers the facts, and keeps a small pool's texts.

    Args:
        corpus: what to read.
        threads: how many threads `map` computes with, at least 1.
        progress: told of what is read in each pass.

    Attributes:
        pairs_per_document: pairs that a document stands for in what is told; 0 to tell of documents alone.
    """

    def __init__(self, corpus: Corpus, threads: int, progress: Progress) -> None:
        self.corpus = corpus
        self.pairs_per_document = 0
        self._threads = threads
        self._progress = progress
        self._facts: Facts | None = None
        self._kept: list[Texts] | None = None

    def __iter__(self) -> Iterator[Texts]:
        return self._computed(None, None)

    def map(self, function: Callable[[Texts], T], only: NDArray[np.bool_] | None = None) -> Iterator[T]:
        """Yield `function(batch)` for each batch in source order, computed by the threads; see `methods.base.Pool`."""
        return self._computed(function, only)

    def _computed(self, function: Callable[[Texts], T] | None, only: NDArray[np.bool_] | None) -> Iterator[Any]:
        """Yield each batch, or what `function` makes of it, and tell of the documents that are done."""
        with self._progress.begin(self.corpus.size(), self.pairs_per_document) as advance:
            batches = self._batches(advance)
            if only is not None:
                batches = _marked(batches, only)
            if function is None or self._threads == 1:
                for batch in batches:
                    yield batch if function is None else function(batch)
                    advance.documents(len(batch))
                return
            # The window bounds memory: reading waits while this many batches are unfinished.
            window = 3 * self._threads
            with ThreadPoolExecutor(self._threads, thread_name_prefix="zipfit") as executor:
                pending: deque[tuple[int, Future[T]]] = deque()

                def first() -> Iterator[T]:
                    count, future = pending.popleft()
                    yield future.result()
                    advance.documents(count)

                try:
                    for batch in batches:
                        pending.append((len(batch), executor.submit(function, batch)))
                        if len(pending) >= window:
                            yield from first()
                    while pending:
                        yield from first()
                finally:
                    executor.shutdown(wait=True, cancel_futures=True)

    def _batches(self, advance: Advance) -> Iterator[Texts]:
        """The texts in batches: those kept, or read anew; the first pass gathers the facts."""
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[Texts] = []
        kept_bytes = 0
        lengths, hashes, labels = array("q"), array("Q"), array("i")
        label_codes: dict[str, int] = {}
        for batch in self.corpus.read(advance.raw):
            if self._facts is None:
                lengths.frombytes(batch.texts.lengths.tobytes())
                encoded = batch.texts.encoded()
                hashes.extend(int.from_bytes(blake2b(text, digest_size=8).digest(), "little") for text in encoded)
                for label in batch.labels:
                    if len(label_codes) >= LABEL_LIMIT and label not in label_codes:
                        label = OTHER_LABELS
                    labels.append(label_codes.setdefault(label, len(label_codes)))
            if kept_bytes <= KEPT_BYTES:
                kept_bytes += len(batch.texts.data) + batch.texts.offsets.nbytes
                kept.append(batch.texts)
            else:
                kept.clear()
            yield batch.texts
        if kept_bytes <= KEPT_BYTES:
            self._kept = kept
        if self._facts is None:
            if not lengths:
                raise ZipfitError("the source is empty: it holds no document")
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

    def label_counts(self) -> Counter[str]:
        """Number of documents of each label, in order of first appearance."""
        counts = np.bincount(self.facts.labels, minlength=len(self.facts.label_names))
        return Counter(dict(zip(self.facts.label_names, counts.tolist(), strict=True)))


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
