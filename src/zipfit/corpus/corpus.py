"""A corpus: the documents of an ordered list of inputs, read in batches, and fetched again by position."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from zipfit.corpus.convert import converted
from zipfit.corpus.inputs import FileInput, open_documents
from zipfit.corpus.plain import plain_fields, text_digests
from zipfit.corpus.plain_reference import NO_LABEL, NOT_PLAIN
from zipfit.corpus.records import TableChunk
from zipfit.corpus.sample import Sample
from zipfit.errors import BadRecordError, ZipfitError
from zipfit.system.ahead import read_ahead
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from zipfit.corpus.inputs import Documents, Input
    from zipfit.corpus.plain import PlainTexts
    from zipfit.corpus.reading import Reading
    from zipfit.corpus.records import Chunk, Records

R = TypeVar("R")

_PLACES = 1 << 16

_FEW_FILES = 4
"""Files for each thread, up to which large ones are read in parts."""

_UNDECODED = re.compile(r"invalid UTF-8 at byte \d+ of the ")
"""How a reason begins that another encoding might mend; tables, whose strings are always UTF-8, have it of a field."""


@dataclass(frozen=True)
class Rejected:
    """A record that was passed over: where it lies, why, and its bytes."""

    file: str
    place: str
    reason: str
    raw: bytes

    def to_json(self) -> bytes:
        """One JSON line; bytes that are not UTF-8 are written with backslash escapes."""
        record = {"file": self.file, "place": self.place, "reason": self.reason}
        return json.dumps(record | {"raw": self.raw.decode("utf-8", "backslashreplace")}, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, line: bytes) -> Rejected:
        """What `to_json` wrote, its bytes as they are written there."""
        record = json.loads(line)
        return cls(record["file"], record["place"], record["reason"], record["raw"].encode())


@dataclass(frozen=True)
class Batch:
    """Consecutive documents of one input.

    Attributes:
        texts: n documents' texts, encoded here once for all who read them.
        label_names: their labels, in order of first appearance, a name perhaps twice.
        label_numbers: the label of each as an index of these, int32, shape (n,).
        hashes: 64 bits of BLAKE2b of each text, uint64, shape (n,); None after the first pass.
    """

    texts: Texts
    label_names: list[str]
    label_numbers: NDArray[np.int32]
    hashes: NDArray[np.uint64] | None

    @property
    def labels(self) -> list[str]:
        """The label of each document."""
        return [self.label_names[number] for number in self.label_numbers.tolist()]


class _Prepared(NamedTuple):
    """A chunk and, if all of its records are plain, or some, their texts."""

    chunk: Chunk
    plain: PlainTexts | None
    hashes: NDArray[np.uint64] | None


class Corpus:
    """The documents of some inputs, one after another; a document's position is its 0-based place among all of them.

    Args:
        inputs: what to read, in order.
        reading: how records become texts and labels. Its `skip_bad` is the caller's, who gives `on_rejected` for it.
        allow_empty: whether a record may have an empty text; if not, it is one that gives no text.
        on_rejected: called with each record that gives no text or cannot be converted as the reading asks, on the first
            pass only; None to raise for the first.
        advice: what the message of that error ends with.
        threads: how many read at a time, at least 1.

    Attributes:
        sample: some of the documents, taken on the first pass.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        reading: Reading,
        *,
        allow_empty: bool = True,
        on_rejected: Callable[[Rejected], None] | None = None,
        advice: str = "",
        threads: int = 1,
    ) -> None:
        self.inputs = list(inputs)
        self._reading = reading
        self._allow_empty = allow_empty
        self._on_rejected = on_rejected
        self._advice = advice
        # Files are ours to read from any thread; what Python holds may be bound to the caller's.
        self._threads = threads if all(isinstance(item, FileInput) for item in self.inputs) else 1
        self._bad_rows: list[set[int]] = [set() for _ in self.inputs]
        self._passes = 0
        self._first_rejected: Rejected | None = None
        self.sample = Sample()

    @property
    def bad_rows(self) -> list[set[int]]:
        """Of each input, the rows that were passed over."""
        return self._bad_rows

    def restore(self, documents: Sequence[int], skipped: Sequence[dict[str, int]], bad_rows: list[set[int]]) -> None:
        """Take over what an earlier job's first pass found of each input, so that the next is not the first."""
        for item, count, reasons in zip(self.inputs, documents, skipped, strict=True):
            item.documents, item.skipped = count, reasons
        self._bad_rows = bad_rows
        self._passes = 1

    @property
    def why_empty(self) -> str:
        """What to say after 'is empty: ' of a corpus without documents: that there were none, or that all were bad."""
        first = self._first_rejected
        if first is None:
            return "it holds no document"
        records = sum(map(len, self._bad_rows))
        return f"all of its {records} records are bad, the first {first.file}, {first.place}: {first.reason}"

    def size(self) -> int | None:
        """Total of what `read` reports to `progress`, if known beforehand."""
        sizes = [item.size() for item in self.inputs]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def read(self, progress: Callable[[int], None] | None = None) -> Iterator[Batch]:
        """Yield all documents in order; batches may be of any length from one.

        Raises:
            ZipfitError: an input cannot be read, changed since it was read first, or holds a record that gives no text
                or cannot be converted (unless those are passed over); the message names file, line and reason.
        """
        first_pass = self._passes == 0
        fields, columns = plain_fields(self._reading), self._reading.columns

        def prepare(chunk: Chunk) -> _Prepared:
            plain = None if fields is None else chunk.plain(fields)
            is_whole = first_pass and plain is not None and (plain.numbers != NOT_PLAIN).all()
            return _Prepared(chunk, plain, text_digests(plain.texts) if is_whole and plain is not None else None)

        for index, prepared in enumerate(self._read_ahead(prepare, self.inputs, columns, progress)):
            item = self.inputs[index]
            documents = 0
            reasons: Counter[str] = Counter()
            for each in prepared:
                batch = self._batch(index, each, reasons, first_pass)
                documents += len(batch.texts)
                if len(batch.texts):
                    yield batch
            if first_pass:
                item.documents, item.skipped = documents, dict(reasons)
            elif item.documents != documents:
                raise ZipfitError(f"{item.name}: the documents changed while they were being read")
        self._passes += 1

    def _read_ahead(
        self,
        function: Callable[[Chunk], R] | None,
        inputs: Sequence[Input],
        columns: Sequence[str] | None,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Iterator[R]]:
        """Yield, for each input, an iterator of `function(chunk)`, or of its chunks, read by the threads in order."""
        # More files keep the threads busy whole, and what tells the parts of all would have to be held.
        split = self._threads > 1 and len(inputs) <= _FEW_FILES * self._threads
        parts = [
            item.parts(columns, progress) if split and isinstance(item, FileInput) else [item.chunks(columns, progress)]
            for item in inputs
        ]
        read = read_ahead(function, list(chain(*parts)), self._threads)
        for each in parts:
            yield chain.from_iterable(islice(read, len(each)))

    def _batch(self, index: int, prepared: _Prepared, reasons: Counter[str], first_pass: bool) -> Batch:
        chunk, plain, hashes = prepared
        if plain is None or (plain.numbers == NOT_PLAIN).any():
            return self._mixed_batch(index, chunk, plain, reasons, first_pass)
        if first_pass:
            for i in self.sample.taken_of(len(plain.texts)):
                text = plain.texts[i]
                self.sample.add(self._reading.read_as(self._plain_record(text)), text, int(plain.texts.lengths[i]))
        names, numbers = plain.names, plain.numbers
        without = np.flatnonzero(numbers == NO_LABEL)
        if len(without):  # they have the input's name, which goes where it appears first
            place = int(numbers[: without[0]].max(initial=-1)) + 1
            names = [*names[:place], self.inputs[index].name, *names[place:]]
            numbers = np.where(numbers == NO_LABEL, place, numbers + (numbers >= place)).astype(np.int32)
        return Batch(plain.texts, names, numbers, hashes)

    def _plain_record(self, text: str) -> dict[str, Any]:
        """What a plain record of this text is read as."""
        return {"text" if self._reading.text_field is None else self._reading.text_field: text}

    def _mixed_batch(
        self, index: int, chunk: Chunk, plain: PlainTexts | None, reasons: Counter[str], first_pass: bool
    ) -> Batch:
        """The batch record by record, those that are not plain as the reading says."""
        encoded: list[bytes] = []
        labels: list[str] = []
        name = self.inputs[index].name
        form = self._reading.convert if first_pass else None
        passed_over: set[int] = set() if first_pass else self._bad_rows[index]
        for i in range(len(chunk)):
            if chunk.first_row + i in passed_over:
                continue
            try:
                if plain is not None and (number := int(plain.numbers[i])) != NOT_PLAIN:
                    text = plain.texts[i]
                    record = self._plain_record(text)
                    label = name if number == NO_LABEL else plain.names[number]
                else:
                    record = chunk.record(i)
                    text = self._reading.text(record)
                    label = self._reading.label(record, name)
                if not text and not self._allow_empty:
                    raise BadRecordError("the text is empty")
                if form is not None:
                    converted(record, self._reading, form, to_table=self._reading.convert_to_table)
                encoded.append(_encode(text))
                if first_pass and self.sample.takes_next():
                    self.sample.add(self._reading.read_as(record), text, len(encoded[-1]))
            except BadRecordError as error:
                if first_pass:
                    self._reject(index, chunk, i, str(error))
                    reasons[_kind(str(error))] += 1
                continue
            labels.append(label)
        names: dict[str, int] = {}
        numbers = np.array([names.setdefault(label, len(names)) for label in labels], dtype=np.int32)
        texts = Texts.join(encoded)
        return Batch(texts, list(names), numbers, text_digests(texts) if first_pass else None)

    def _reject(self, index: int, chunk: Chunk, i: int, reason: str) -> None:
        name = self.inputs[index].name
        if self._on_rejected is None:
            encoding = " (give --encoding if it is another)" if _UNDECODED.match(reason) else ""
            raise ZipfitError(f"{name}, {chunk.place(i)}: {reason}{encoding}{self._advice}")
        self._bad_rows[index].add(chunk.first_row + i)
        rejected = Rejected(name, chunk.place(i), reason, chunk.raw(i))
        self._first_rejected = self._first_rejected or rejected
        self._on_rejected(rejected)

    def places(self) -> Iterator[tuple[NDArray[np.int64], str, NDArray[np.int64]]]:
        """Yield, once the corpus was read, runs of positions, their input's name and their rows in it."""
        start = 0
        for item, bad_rows in zip(self.inputs, self._bad_rows, strict=True):
            total = item.documents + len(bad_rows)
            for first in range(0, total, _PLACES):
                rows = np.arange(first, min(first + _PLACES, total))
                rows = rows[~np.isin(rows, list(bad_rows))] if bad_rows else rows
                yield np.arange(start, start + len(rows)), item.name, rows
                start += len(rows)

    def source_positions(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where documents lie among all records of all inputs, those passed over counted too; shape as given."""
        true = positions.copy()
        start = 0
        for item, bad_rows in zip(self.inputs, self._bad_rows, strict=True):
            bad = np.array(sorted(bad_rows), dtype=np.int64)
            good_before = start + bad - np.arange(len(bad))  # each bad record
            true += np.searchsorted(good_before, positions, side="right")
            start += item.documents
        return true

    def _fetch(
        self, positions: NDArray[np.int64], columns: Sequence[str] | None
    ) -> Iterator[tuple[str, Chunk, list[int]]]:
        """Yield each chunk that holds some of `positions` (ascending, distinct), its input's name and their indices."""
        starts = np.cumsum([0, *(item.documents for item in self.inputs)])
        borders = np.searchsorted(positions, starts)
        wanted = np.flatnonzero(np.diff(borders)).tolist()
        read: Iterator[Iterator[Chunk]] = self._read_ahead(None, [self.inputs[index] for index in wanted], columns)
        for index, chunks in zip(wanted, read, strict=True):
            item, start = self.inputs[index], int(starts[index])
            bad = np.array(sorted(self._bad_rows[index]), dtype=np.int64)
            for chunk in chunks:
                good = np.arange(len(chunk))
                if len(bad):
                    good = good[~np.isin(good + chunk.first_row, bad)]
                low, high = np.searchsorted(positions, [start, start + len(good)])
                if low < high:
                    yield item.name, chunk, good[positions[low:high] - start].tolist()
                start += len(good)
            if start != starts[index + 1]:
                raise ZipfitError(f"{item.name}: the documents changed while they were being read")

    def records(self, positions: NDArray[np.int64], see: Callable[[str], None] | None = None) -> Iterator[Records]:
        """Read again and yield the whole records at `positions` (ascending, distinct), in that order.

        Args:
            positions: where they lie.
            see: called with the text of each, in that order.

        Raises:
            ZipfitError: an input changed since it was read first.
        """
        for _, chunk, indices in self._fetch(positions, None):
            if see is not None:
                read = chunk.narrow(self._reading.columns) if isinstance(chunk, TableChunk) else chunk
                try:
                    for i in indices:
                        see(self._reading.text(read.record(i)))
                except BadRecordError as error:
                    raise ZipfitError("a document changed while it was being read") from error
            yield chunk.take(indices)

    def converted(
        self, positions: NDArray[np.int64], form: str, see: Callable[[str], None] | None = None, *, to_table: bool
    ) -> Iterator[list[dict[str, Any]]]:
        """As `records`, each record converted to a form.

        Args:
            positions: shape (k,), ascending, distinct.
            form: see `zipfit.corpus.convert`.
            see: as of `records`.
            to_table: whether they must fit the columns of a table.

        Raises:
            ZipfitError: as `records`, or a record cannot be converted; the message names file, line and reason.
        """
        for name, chunk, indices in self._fetch(positions, None):
            records = []
            for i in indices:
                try:
                    record = chunk.record(i)
                    if see is not None:
                        see(self._reading.text(record))
                    records.append(converted(record, self._reading, form, to_table=to_table))
                except BadRecordError as error:
                    raise ZipfitError(f"{name}, {chunk.place(i)}: {error}") from error
            yield records

    def dicts(self, positions: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
        """As `records`, each record as Python values.

        Raises:
            ZipfitError: as `records`, or a record has a string that is not UTF-8, where it was not read before.
        """
        for name, chunk, indices in self._fetch(positions, None):
            for i in indices:
                try:
                    yield chunk.record(i)
                except BadRecordError as error:
                    raise ZipfitError(f"{name}, {chunk.place(i)}: {error}") from error

    def texts(self, positions: NDArray[np.int64]) -> Iterator[bytes]:
        """Read again and yield the encoded texts at `positions` (ascending, distinct), in that order.

        Raises:
            ZipfitError: as `records`.
        """
        for _, chunk, indices in self._fetch(positions, self._reading.columns):
            for i in indices:
                yield _encode(self._reading.text(chunk.record(i)))


def read_documents(role: str, documents: Documents, reading: Reading) -> Iterator[tuple[str, str]]:
    """Yield text and label of each document, for those that are read once and to the end.

    Args:
        role: what messages call them: `target`, `test set`.
        documents: see `zipfit.select`.
        reading: how records become texts and labels.

    Raises:
        ZipfitError: as `Corpus.read`.
    """
    inputs, _ = open_documents(role, documents)
    for batch in Corpus(inputs, reading).read():
        yield from zip(batch.texts, batch.labels, strict=True)


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRecordError(f"lone surrogate at character {error.start} of the text") from error


def _kind(reason: str) -> str:
    """A reason without what differs from record to record, to count by."""
    for end in (":", ";", " at "):
        reason = reason.split(end)[0]
    return reason
