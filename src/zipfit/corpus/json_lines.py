"""JSON Lines in blocks of whole lines, of which a line is looked at when somebody wants its record."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from zipfit.corpus import plain_reference
from zipfit.corpus.encodings import blocks
from zipfit.corpus.lines import max_record_bytes, too_large
from zipfit.corpus.plain import plain_lines
from zipfit.corpus.records import as_object, parse_record
from zipfit.system.runtime import engine

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from zipfit.corpus.plain import PlainFields, PlainTexts

BLOCK = 1 << 20
"""Bytes read at a time; a block of lines is as long, but for a line that is longer."""


class LinesChunk:
    """The records of a block of lines; see `zipfit.corpus.records`.

    Args:
        first_row: row of the first record.
        first_line: number of the first line, from 1.
        data: the lines.
        spans: where the records begin and end, and their lines' numbers; see `plain_reference.json_lines`.
    """

    def __init__(
        self,
        first_row: int,
        first_line: int,
        data: bytes,
        spans: Sequence[NDArray[np.int64]],
    ) -> None:
        self.first_row = first_row
        self._first_line = first_line
        self._data = data
        self._begin, self._end, self._numbers = spans

    def __len__(self) -> int:
        return len(self._begin)

    def record(self, index: int) -> dict[str, Any]:
        return parse_record(self.raw(index))

    def place(self, index: int) -> str:
        return f"line {self._first_line + int(self._numbers[index])}"

    def raw(self, index: int) -> bytes:
        return as_object(self._data[self._begin[index] : self._end[index]])

    def take(self, indices: Sequence[int]) -> list[bytes]:
        return [self.raw(index) for index in indices]

    def plain(self, fields: PlainFields) -> PlainTexts:
        return plain_lines(self._data, self._begin, self._end, fields)


def line_chunks(path: str, stream: io.BufferedReader) -> Iterator[LinesChunk]:
    """The records of lines that end at line feeds; `lines.lines` has the same, one by one.

    Args:
        path: the file's name, for messages.
        stream: UTF-8.

    Raises:
        ZipfitError: a line is longer than a record may be, which must be at least a block.
    """
    json_lines, limit = engine(plain_reference).json_lines, max_record_bytes()
    row, line = 0, 1
    begun: list[bytes] = []  # of the line whose end is not in sight
    size = 0
    for piece in chain(blocks(stream, BLOCK), [b""]):
        end = piece.rfind(b"\n") + 1
        if size + (piece.find(b"\n") + 1 or len(piece)) > limit:
            raise too_large(f"{path}, line {line}", limit)
        if end or not piece:
            block = b"".join((*begun, memoryview(piece)[:end]))
            *spans, count = json_lines(block)
            if len(spans[0]):
                yield LinesChunk(row, line, block, spans)
            row += len(spans[0])
            line += count
            begun, size = [], 0
        begun.append(piece[end:])
        size += len(piece) - end
