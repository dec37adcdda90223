"""CSV and TSV as records.

In CSV a field that begins with a quote ends at the next one, lines further down if need be. TSV has no such rule that
its writers agree on: many write quotes as they stand in the text. So in TSV quotes are undone where the row then has as
many fields as the header; a row that is whole without them reaches over no line that is one; and else they are
characters of the text.
"""

from __future__ import annotations

import csv
import sys
from collections import deque
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from zipfit.corpus.lines import invalid_utf8, max_record_bytes, raw_lines, too_large
from zipfit.corpus.records import dump_record
from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

# How far a quote in TSV may reach, so that one that is never closed costs linear time.
_REACH = 10_000

_SHOWN = 60
"""Characters of a field that a message shows."""


class _Row(NamedTuple):
    line: int
    text: str
    fields: list[str]
    error: str | None = None


def csv_records(
    path: str, stream: io.BufferedReader, delimiter: str, *, sure: bool, header: bool
) -> Iterator[tuple[str, bytes, str | None]]:
    """Yield place, JSON text (or raw bytes) and reason why it is bad, if it is, of each row.

    Args:
        path: the file's name, for messages.
        stream: UTF-8; `peek` gives its beginning.
        delimiter: the character between fields.
        sure: whether it was given; if not, a header that another one parts is an error.
        header: whether the first row names the fields; if not, their names are 0, 1 and so on.

    Raises:
        ZipfitError: the header is bad, or a row has more bytes than a record may have.
    """
    csv.field_size_limit(sys.maxsize)  # the library's own limit of 128 KiB a field is too low for documents
    names: list[str] | None = None
    rows = _tab_rows(path, stream) if delimiter == "\t" else _rows(path, stream, delimiter)
    for line, text, fields, error in rows:
        raw = text.encode("utf-8", "surrogateescape")
        error = error or invalid_utf8(raw, "header" if names is None and header else "row")
        if names is None and header:
            names = _numbered(fields)
            if error := error or _bad_header(names, "" if sure else delimiter):
                raise ZipfitError(f"{path}, line {line}: {error}")
            continue
        if names is None:
            names = [str(index) for index in range(len(fields))]
        if error is None and len(fields) != len(names):
            error = f"{len(fields)} fields where the {'header' if header else 'first row'} has {len(names)}"
        yield f"line {line}", raw if error else dump_record(dict(zip(names, fields, strict=True))), error


def _rows(path: str, stream: io.BufferedReader, delimiter: str) -> Iterator[_Row]:
    limit = max_record_bytes()
    consumed: list[str] = []
    size, line = 0, 1

    def decoded() -> Iterator[str]:
        nonlocal size
        for part in raw_lines(path, stream):
            size += len(part)
            if size > limit:
                raise too_large(f"{path}, line {line}", limit)
            consumed.append(part.decode("utf-8", "surrogateescape"))
            yield consumed[-1]

    rows = csv.reader(decoded(), delimiter=delimiter, strict=True)
    while True:
        error = None
        try:
            fields = next(rows, None)
        except csv.Error as reason:
            fields, error = [], f"broken CSV: {reason}"
            if "unexpected end of data" in error:
                error += f"; a quote in this row is not closed, so all {len(consumed)} lines to the end are in it"
        if fields is None:
            return
        if fields or error:  # else a blank line
            yield _Row(line, "".join(consumed), fields, error)
        consumed.clear()
        size = 0
        line = rows.line_num + 1


def _tab_rows(path: str, stream: io.BufferedReader) -> Iterator[_Row]:
    read = enumerate((raw.decode("utf-8", "surrogateescape") for raw in raw_lines(path, stream)), 1)
    ahead: deque[tuple[int, str]] = deque()
    width = 0
    while (following := ahead.popleft() if ahead else next(read, None)) is not None:
        line, text = following
        if not text.strip("\r\n"):
            continue
        fields = _quoted(text)
        width = width or len(fields or _plain(text))
        if '"' in text and (fields is None or len(fields) != width):
            reach, fields = _reached(text, _following(read, ahead), width)
            text += "".join(ahead.popleft()[1] for _ in range(reach))
        yield _Row(line, text, fields if fields is not None and len(fields) == width else _plain(text))


def _reached(text: str, following: Iterator[str], width: int) -> tuple[int, list[str] | None]:
    """Over how many lines the quotes of a row reach, and its fields; 0 and None if they are characters of the text."""
    whole = len(_plain(text)) == width > 1
    for count, other in enumerate(following, 1):
        if whole and len(_plain(other)) == width:
            break
        text += other
        if '"' in other and text.count('"') % 2 == 0:
            fields = _quoted(text)
            return (count, fields) if fields is not None and len(fields) == width else (0, None)
    return 0, None


def _following(read: Iterator[tuple[int, str]], ahead: deque[tuple[int, str]]) -> Iterator[str]:
    """The lines that come next, which are put ahead of those to be read."""
    for index in range(_REACH):
        if index == len(ahead):
            ahead.extend(islice(read, 1))
        if index == len(ahead):
            return
        yield ahead[index][1]


def _plain(text: str) -> list[str]:
    return text.removesuffix("\n").removesuffix("\r").split("\t")


def _quoted(text: str) -> list[str] | None:
    """The fields of one row, their quotes undone; None if they are not closed, or something follows them."""
    try:
        rows = list(csv.reader(StringIO(text, newline=""), "excel-tab", strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _numbered(names: list[str]) -> list[str]:
    """A header whose fields without a name, of which spreadsheets write many, are named by their place."""
    if names.count("") < 2:
        return names
    return [name or f"column_{place}" for place, name in enumerate(names, 1)]


def _bad_header(names: list[str], assumed: str) -> str | None:
    """What is wrong with a header, if anything is: that, say, another delimiter than the assumed one parts it."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return f"the header names a column twice: {twice[:_SHOWN]!r}"
    if assumed and len(names) == 1:
        for mark in "\t;|,":
            if mark in names[0] and mark != assumed:
                shown = "a tab" if mark == "\t" else repr(mark)
                return f"the header is one field, {names[0][:_SHOWN]!r}, which has {shown} in it (give --delimiter)"
    return None
