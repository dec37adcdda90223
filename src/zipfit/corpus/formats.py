"""The formats that documents come in: from an input's bytes to chunks of records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from zipfit.corpus.csv_text import csv_records
from zipfit.corpus.encodings import encoding_without_mark, has_mark, is_encoding, utf8
from zipfit.corpus.json_lines import BLOCK, line_chunks
from zipfit.corpus.json_text import is_lines, json_values
from zipfit.corpus.lines import ends_by_returns, invalid_utf8, lines, max_record_bytes, too_large
from zipfit.corpus.records import CHUNK_BYTES, CHUNK_RECORDS, JsonChunk, as_object, dump_record
from zipfit.corpus.remote import is_remote
from zipfit.corpus.streams import COMPRESSION_SUFFIXES, is_compressed
from zipfit.corpus.tables import read_tables
from zipfit.errors import ZipfitError, need

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    from zipfit.corpus.records import Chunk
    from zipfit.corpus.streams import HashedFile, OnRead

    Item: TypeAlias = tuple[str, bytes, str | None]  # place, JSON text (or raw bytes), reason why it is bad

_SUFFIXES = {
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "csv": (".csv",),
    "tsv": (".tsv",),
    "text": (".txt", ".text", ".md"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather", ".ipc"),
}
FORMATS = tuple(_SUFFIXES)
SAMPLE_BY = ("line", "paragraph", "document")

TABLES = ("parquet", "arrow")


def format_of_name(path: str) -> str | None:
    """The format that a file's name tells, a compression suffix aside; None if it tells none."""
    name = path.lower().split("?", 1)[0] if is_remote(path) else path.lower()
    for suffix in COMPRESSION_SUFFIXES:
        name = name.removesuffix(suffix)
    return next((kind for kind, suffixes in _SUFFIXES.items() if name.endswith(suffixes)), None)


@dataclass(frozen=True)
class Layout:
    r"""How a file holds its documents.

    Attributes:
        format: one of `FORMATS`; None to tell by name and content.
        sample_by: of text, what one document is: a `line`, a blank-line `paragraph`, or the whole `document`.
        encoding: of row formats and text, as Python names it; None for UTF-8, or UTF-16 or UTF-32 with their mark.
        delimiter: of CSV and TSV, the character between fields (`\t` is understood); None for a comma, or a tab.
        header: of CSV and TSV, whether the first row names the fields; if not, their names are 0, 1 and so on.

    Raises:
        ZipfitError: a value is none of these.
    """

    format: str | None = None
    sample_by: str = "line"
    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        kind, unit, delimiter = self.format, self.sample_by, self.delimiter
        need(kind is None or kind in FORMATS, f"unknown format {kind!r}: choose from {', '.join(FORMATS)}")
        need(unit in SAMPLE_BY, f"unknown sample-by {unit!r}: choose from {', '.join(SAMPLE_BY)}")
        need(self.encoding is None or is_encoding(self.encoding), f"unknown encoding {self.encoding!r}")
        need(
            delimiter in (None, "\\t") or (len(delimiter) == 1 and delimiter not in '\r\n"'),
            f"a delimiter must be one character and no quote or end of a line, not {delimiter!r}",
        )

    def of(self, file: HashedFile) -> Layout:
        """The layout of a file, with its format.

        Raises:
            ZipfitError: its format cannot be told, or has no encoding or delimiter where one is given.
        """
        kind = self.format or _detect_format(file, self.encoding)
        need(self.encoding is None or kind not in TABLES, f"{file.path}: {kind} files have no encoding to be given")
        return replace(self, format=kind)


def _detect_format(file: HashedFile, encoding: str | None) -> str:
    """Tell a file's format by its name or, where that says nothing (or just `.json`), by its first bytes."""
    named = format_of_name(file.path)
    if named is not None and named != "json":
        return named
    with file.open() as stream:
        head = utf8(stream, encoding).peek(1)[:4096]
    if head.startswith((b"PAR1", b"PARE")):  # the latter with an encrypted footer
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):  # a file, or a stream
        return "arrow"
    first = head.lstrip()[:1]
    if first == b"[" or (first == b"{" and named == "json"):
        return "json"
    if first in (b"{", b'"'):
        return "jsonl"
    if not head:
        return named or "jsonl"
    if named == "json":
        raise ZipfitError(f"{file.path}: is neither a JSON array nor JSON Lines")
    raise ZipfitError(
        f"{file.path}: neither its name nor its content tells its format "
        "(give --format, or format of zipfit.Files in Python)"
    )


def read_chunks(
    file: HashedFile, layout: Layout, columns: Sequence[str] | None = None, progress: OnRead | None = None
) -> Iterator[Chunk]:
    """Read a file's records in order.

    Args:
        file: the input.
        layout: with the file's format.
        columns: for columnar formats, the top-level columns to read, as far as they exist; None for all.
        progress: called with numbers of raw bytes read.

    Raises:
        ZipfitError: the file cannot be read, or is not of its format as a whole.
    """
    kind = layout.format
    if kind in TABLES:
        yield from read_tables(file, kind, columns, progress)
        return
    with file.open(progress) as raw:
        stream = utf8(raw, layout.encoding)
        if kind in ("jsonl", "json"):
            yield from _json_chunks(file.path, stream, kind == "jsonl")
        elif kind == "text":
            yield from _chunked(_text_units(file.path, stream, layout.sample_by))
        else:
            mark = (layout.delimiter or ("\t" if kind == "tsv" else ",")).replace("\\t", "\t")
            rows = csv_records(file.path, stream, mark, sure=layout.delimiter is not None, header=layout.header)
            yield from _chunked(rows)


def is_splittable(file: HashedFile, layout: Layout) -> bool:
    """Whether each line of a file is a record of its own wherever one begins to read: plain UTF-8 and line feeds.

    A byte order mark would be removed from the first piece alone, so a file that has one is read as a whole.

    Raises:
        ZipfitError: the file cannot be read.
    """
    if layout.format not in ("jsonl", "text") or layout.sample_by != "line" or layout.encoding is not None:
        return False
    if file.path != file.local_path or is_compressed(file.local_path):
        return False
    with file.open() as stream:
        head = stream.peek(1)
    if has_mark(head) or encoding_without_mark(head) or b"\n" not in head:
        return False
    return layout.format == "text" or is_lines(head, named=True)


def read_lines(path: str, stream: io.BufferedReader, layout: Layout, first_byte: int) -> Iterator[JsonChunk]:
    """Read the records of some lines of a file that is splittable; errors as of `read_chunks`.

    Args:
        path: the file.
        stream: the lines.
        layout: the file's.
        first_byte: where in the file they begin, for the places of the records.
    """
    numbered = lines(path, stream, by_returns=False)  # though a piece may hold a return and no line feed
    units = _text_lines(numbered) if layout.format == "text" else _json_lines(numbered)
    if first_byte:
        units = ((f"{place} after byte {first_byte}", text, reason) for place, text, reason in units)
    return _chunked(units)


def _json_chunks(path: str, stream: io.BufferedReader, named_lines: bool) -> Iterator[Chunk]:
    head = stream.peek(1)
    if is_lines(head, named_lines) and not ends_by_returns(head) and max_record_bytes() >= BLOCK:
        yield from line_chunks(path, stream)
    else:
        yield from _chunked(_json_records(path, stream, named_lines))


def _json_records(path: str, stream: io.BufferedReader, named_lines: bool) -> Iterator[Item]:
    if is_lines(stream.peek(1), named_lines):
        yield from _json_lines(lines(path, stream))
    else:
        for place, value in json_values(path, stream, max_record_bytes()):
            yield place, as_object(value), None


def _json_lines(numbered: Iterable[tuple[int, bytes]]) -> Iterator[Item]:
    for number, line in numbered:
        if line.strip():
            yield f"line {number}", as_object(line), None


def _chunked(items: Iterable[Item]) -> Iterator[JsonChunk]:
    first_row, size = 0, 0
    places: list[str] = []
    texts: list[bytes] = []
    errors: dict[int, str] = {}
    for place, text, error in items:
        if error is not None:
            errors[len(texts)] = error
        places.append(place)
        texts.append(text)
        size += len(text)
        if len(texts) >= CHUNK_RECORDS or size >= CHUNK_BYTES:
            yield JsonChunk(first_row, places, texts, errors)
            first_row += len(texts)
            size, places, texts, errors = 0, [], [], {}
    if texts:
        yield JsonChunk(first_row, places, texts, errors)


def _text_lines(numbered: Iterable[tuple[int, bytes]]) -> Iterator[Item]:
    return _as_items(((f"line {number}", line) for number, line in numbered if line.strip()), "line")


def _text_units(path: str, stream: io.BufferedReader, sample_by: str) -> Iterator[Item]:
    if sample_by == "line":
        return _text_lines(lines(path, stream))
    return _as_items(_raw_text_units(path, stream, sample_by), sample_by)


def _as_items(units: Iterable[tuple[str, bytes]], sample_by: str) -> Iterator[Item]:
    for place, raw in units:
        error = invalid_utf8(raw, sample_by)
        yield place, raw if error is not None else dump_record({"text": raw.decode("utf-8")}), error


def _raw_text_units(path: str, stream: io.BufferedReader, sample_by: str) -> Iterator[tuple[str, bytes]]:
    limit = max_record_bytes()
    if sample_by == "document":
        text = stream.read(limit + 1)
        if len(text) > limit:
            raise too_large(path, limit)
        yield "line 1", text
        return
    for blank, group in groupby(lines(path, stream), lambda numbered: not numbered[1].strip()):
        if not blank:
            yield _paragraph(path, group, limit)


def _paragraph(path: str, group: Iterable[tuple[int, bytes]], limit: int) -> tuple[str, bytes]:
    place, texts, size = "", [], 0
    for number, line in group:
        place = place or f"line {number}"
        texts.append(line)
        size += len(line)
        if size > limit:
            raise too_large(f"{path}, {place}", limit)
    return place, b"\n".join(texts)
