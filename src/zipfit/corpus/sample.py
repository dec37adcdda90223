"""A few of a corpus's documents, evenly spread, kept from the first pass: what they look like without another one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from zipfit.corpus.reading import ReadAs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SIZE = 256
"""Documents kept, at least, of a corpus that has them, and less than twice as many."""

CHARACTERS = 2000
"""Of each text."""


class Sampled(NamedTuple):
    """A document: how it was read, the beginning of its text, and the bytes of all of it."""

    read_as: ReadAs
    text: str
    bytes: int


class Sample:
    """Every first, second, fourth, ... of the documents, as their number asks, so the same ones every time.

    Attributes:
        documents: those kept, in order.
    """

    def __init__(self) -> None:
        self.documents: list[Sampled] = []
        self._step = 1
        self._seen = 0

    def takes_next(self) -> bool:
        """Count a document, and tell whether it is to be added."""
        self._seen += 1
        return (self._seen - 1) % self._step == 0

    def taken_of(self, count: int) -> Iterator[int]:
        """Count so many documents, and tell which of them, from 0, are to be added, each before the next is asked."""
        start, end = self._seen, self._seen + count
        while (following := -(-self._seen // self._step) * self._step) < end:
            self._seen = following + 1
            yield following - start
        self._seen = end

    def add(self, read_as: ReadAs, text: str, size: int) -> None:
        """Keep a document of so many bytes."""
        self.documents.append(Sampled(read_as, text[:CHARACTERS], size))
        if len(self.documents) == 2 * SIZE:
            del self.documents[1::2]
            self._step *= 2

    def to_json(self) -> list[list[Any]]:
        """The documents as JSON values."""
        return [[*document.read_as, document.text, document.bytes] for document in self.documents]

    def extend(self, documents: Iterable[Sequence[Any]]) -> None:
        """Count those that another sample's `to_json` gave as if they came next."""
        for what, speakers, text, size in documents:
            if self.takes_next():
                self.add(ReadAs(what, tuple(speakers)), text, size)

    def mostly(self) -> Sampled:
        """The first document of those that are read as most are; there must be one."""
        common = Counter(document.read_as for document in self.documents).most_common(1)[0][0]
        return next(document for document in self.documents if document.read_as == common)
