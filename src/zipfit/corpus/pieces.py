"""A pool cut into pieces for several machines: whole files, ranges of plain lines, row groups of Parquet.

The cut goes by bytes, so it needs no pass over the pool, and every machine makes the same one. A file that can only be
read from its beginning (compressed, CSV, a JSON array) is one piece.
"""

from __future__ import annotations

import io
import os
import re
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from zipfit.corpus.formats import is_splittable, read_lines
from zipfit.corpus.inputs import FileInput
from zipfit.corpus.remote import file_system, is_remote
from zipfit.corpus.streams import is_compressed, naming, open_ahead, open_raw
from zipfit.corpus.tables import RowGroups, read_tables, row_groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zipfit.corpus.formats import Layout
    from zipfit.corpus.inputs import Input
    from zipfit.corpus.records import Chunk
    from zipfit.corpus.streams import HashedFile, OnRead

_BLOCK = 1 << 16

_LATER = re.compile(r"line (\d+) after byte (\d+)")


@dataclass(frozen=True)
class Piece:
    """A run of one input's records that one machine reads.

    Attributes:
        input: index of the input.
        start: where it begins: a byte of plain lines (a line belongs to the piece that its first byte lies in), a row
            group of Parquet; else 0.
        stop: where it ends; None for the input's end, which with `start` 0 makes a whole input.
    """

    input: int
    start: int = 0
    stop: int | None = None

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.stop is None


def stamp(item: Input) -> str | None:
    """What changes when a file does, told without reading it: its size and time, or a store's tag; None of no file."""
    if not isinstance(item, FileInput) or item.name != item.file.local_path:
        return None
    with naming(item.name):
        if is_remote(item.name):
            fs, inner = file_system(item.name)
            info = fs.info(inner)
            known = (info.get(key) for key in ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime"))
            return f"{info.get('size')} {next((value for value in known if value is not None), '')}"
        found = os.stat(item.name)
        return f"{found.st_size} {found.st_mtime_ns}"


def pieces_of(inputs: Sequence[Input], part: int, parts: int) -> list[Piece]:
    """The pieces of one part.

    Args:
        inputs: the pool, whose order is that of the pieces.
        part: from 0.
        parts: how many parts there are; all of them together hold every record once, in order.

    Raises:
        ZipfitError: a file cannot be read.
    """
    if parts == 1:
        return [Piece(index) for index in range(len(inputs))]
    sizes = [item.size() for item in inputs]
    known = [1 if None in sizes else max(size or 0, 1) for size in sizes]
    total = sum(known)
    low, high = total * part // parts, total * (part + 1) // parts
    found: list[Piece] = []
    begin = 0
    for index, (item, size) in enumerate(zip(inputs, known, strict=True)):
        end = begin + size
        if low <= begin and end <= high:
            found.append(Piece(index))
        elif begin < high and low < end:
            found += _cut(index, item, max(low - begin, 0), min(high - begin, size), size)
        begin = end
    return found


def _cut(index: int, item: Input, low: int, high: int, size: int) -> Iterator[Piece]:
    """What lies in bytes `low` to `high` of an input of `size` bytes that they do not hold as a whole."""
    if isinstance(item, FileInput) and is_splittable(item.file, item.layout):
        yield Piece(index, low, high)
        return
    if isinstance(item, FileInput) and item.layout.format == "parquet" and not is_compressed(item.file.local_path):
        groups = row_groups(item.file)
        total = max(sum(rows for rows, _ in groups), 1)
        begins = [size * sum(rows for rows, _ in groups[:number]) // total for number in range(len(groups))]
        inside = [number for number, begin in enumerate(begins) if low <= begin < high]
        if inside or (low == 0 and not groups):
            yield Piece(index, inside[0], inside[-1] + 1) if groups else Piece(index)
        return
    if low == 0:
        yield Piece(index)


def place_in_file(path: str, place: str) -> str:
    """A record's place in its file, of one in a later piece: `line 5 after byte 70` becomes `line 10`.

    Raises:
        ZipfitError: the file cannot be read.
    """
    found = _LATER.fullmatch(place)
    if found is None:
        return place
    line, left = map(int, found.groups())
    with naming(path), closing(open_raw(path)) as raw:
        while left and (block := raw.read(min(left, 1 << 20))):
            line += block.count(b"\n")
            left -= len(block)
    return f"line {line}"


class PieceInput:
    """A piece as an input of its own: what an input has, of its records alone.

    Args:
        item: the input that it is of.
        piece: where in it.
    """

    def __init__(self, item: Input, piece: Piece) -> None:
        self.name = item.name
        self.documents = 0
        self.skipped: dict[str, int] = {}
        self._item = item
        self._piece = piece

    def chunks(self, columns: Sequence[str] | None = None, progress: OnRead | None = None) -> Iterator[Chunk]:
        """The records in order."""
        item, piece = self._item, self._piece
        if piece.is_whole:
            yield from item.chunks(columns, progress)
            return
        assert isinstance(item, FileInput)
        assert piece.stop is not None
        if item.layout.format == "parquet":
            first = sum(rows for rows, _ in row_groups(item.file)[: piece.start])
            groups = RowGroups(piece.start, piece.stop, first)
            yield from read_tables(item.file, "parquet", columns, progress, groups)
        else:
            yield from _lines(item.file, item.layout, piece.start, piece.stop, progress)


def _lines(file: HashedFile, layout: Layout, start: int, stop: int, progress: OnRead | None) -> Iterator[Chunk]:
    with naming(file.path), closing(open_raw(file.local_path)) as raw:
        first, last = _line_at(raw, start), _line_at(raw, stop)
    with naming(file.path), closing(open_ahead(file.local_path, first)) as raw:
        window: io.BufferedReader = io.BufferedReader(_Window(raw, last - first, progress), 1 << 20)
        yield from read_lines(file.path, window, layout, first)


def _line_at(raw: BinaryIO, position: int) -> int:
    """Where the first line begins that begins at this byte or after it."""
    if position == 0:
        return 0
    place = position - 1
    raw.seek(place)
    while block := raw.read(_BLOCK):
        found = block.find(b"\n")
        if found >= 0:
            return place + found + 1
        place += len(block)
    return place


class _Window(io.RawIOBase):
    """The next so many bytes of a file."""

    def __init__(self, raw: BinaryIO, size: int, progress: OnRead | None) -> None:
        self._raw = raw
        self._left = max(size, 0)
        self._progress = progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        if self._progress is not None:
            self._progress(len(data))
        return len(data)
