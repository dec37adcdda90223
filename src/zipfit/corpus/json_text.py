"""JSON text as records, in whatever arrangement a file has them, told by its content.

There are JSON Lines; an array; objects of several lines each, one after another; and one object that wraps an array,
as `{"version": 1, "data": [...]}`. All but the lines are decoded a window at a time, so that a file may be larger than
memory, and each record keeps its own text.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any

from zipfit.corpus.lines import too_large
from zipfit.corpus.reading import Reading
from zipfit.errors import BadRecordError, ZipfitError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

WRAPPERS = ("data", "records", "rows", "examples", "instances", "items", "documents")
"""The fields under which one object that is a whole file holds the records."""

_WINDOW = 1 << 18

# Newlines never stand inside a JSON string unescaped, so a value becomes one line without a change of meaning.
_LINE_BREAK = re.compile(r"\s*[\r\n]+\s*")
_SPACE = re.compile(r"[ \t\r\n]*")
_RECORDS = re.compile(r"\[\s*\{")
_CLOSED = '}]"'
_AFTER_VALUE = frozenset(" \t\r\n,]}")

_DECODER = json.JSONDecoder()


def is_lines(head: bytes, named: bool) -> bool:
    """Whether JSON text has a record on each line; if not, see `json_values`.

    It has not if all of it is one value, or if its first line is no whole value and goes on in the next.

    Args:
        head: the beginning of the text.
        named: whether the file is called JSON Lines, which tells if nothing else does; else an array is one.
    """
    text = head.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text.startswith(("{", "[")):
        return True
    if text.startswith("[") and not named:
        return False
    first, _, rest = text.partition("\n")
    if _is_value(first):
        return bool(rest.strip())
    if not rest.strip():  # the end of the first line is not in sight, or broken
        return named and text.startswith("{")
    second = len(text) - len(rest.lstrip())
    try:
        _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        return error.pos <= second
    except (ValueError, RecursionError):
        return True
    return False


def _is_value(line: str) -> bool:
    try:
        _DECODER.raw_decode(line)
    except (ValueError, RecursionError):
        return False
    return True


def json_values(path: str, stream: io.BufferedReader, limit: int) -> Iterator[tuple[str, bytes]]:
    """Yield place and JSON text, as one line, of each element of an array, or of each object.

    Args:
        path: the file's name, for messages.
        stream: UTF-8 without a byte order mark; `peek` gives its beginning.
        limit: the most characters that a value may have.

    Raises:
        ZipfitError: the JSON is broken, or a value is longer.
    """
    text = _Text(path, stream, limit)
    wrapped = _wrapped_array(stream.peek(1).decode("utf-8", "replace"))
    if wrapped is not None:
        text.skip(wrapped)
        yield from _elements(text)
        text.pass_members()
    elif text.peek() == "[":
        yield from _elements(text)
    else:
        while text.peek():
            place = f"line {text.line}"
            yield place, text.value()
        return
    if text.peek():
        raise text.broken("something follows the array" if wrapped is None else "something follows the object")


def _elements(text: _Text) -> Iterator[tuple[str, bytes]]:
    text.take()
    number = 0
    while (mark := text.peek()) != "]":
        if number:
            if mark != ",":
                raise text.broken("expected ',' or ']'" if mark else "the array is cut off before its end")
            text.take()
            text.peek()
        number += 1
        yield f"record {number}", text.value()
    text.take()


def _wrapped_array(head: str) -> int | None:
    """Where the array of records begins in an object that wraps one; None if there is none in its beginning.

    An object that has a text besides, or is followed by another, is a record.
    """
    place = _after_space(head, 0)
    mark = "{"
    before: dict[str, Any] = {}
    while head[place : place + 1] == mark:
        try:
            key, place = _DECODER.raw_decode(head, _after_space(head, place + 1))
            place = _after_space(head, place)
            if not isinstance(key, str) or head[place : place + 1] != ":":
                return None
            place = _after_space(head, place + 1)
            if key in WRAPPERS and _RECORDS.match(head, place):
                return None if _is_record(head, before) else place
            before[key], place = _DECODER.raw_decode(head, place)
        except (ValueError, RecursionError):
            return None
        place = _after_space(head, place)
        mark = ","
    return None


def _is_record(head: str, before: dict[str, Any]) -> bool:
    """Whether an object that holds an array of objects is a record all the same, as far as its beginning tells.

    Args:
        head: the beginning of the text.
        before: the members before the array.
    """
    try:
        members, end = _DECODER.raw_decode(head, _after_space(head, 0))
    except (ValueError, RecursionError):  # it does not end here
        members, end = before, len(head)
    try:
        Reading().text({key: value for key, value in members.items() if key not in WRAPPERS})
    except BadRecordError:
        return _after_space(head, end) < len(head)
    return True


def _after_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    assert match is not None
    return match.end()


class _Text:
    """JSON text, decoded no more than a window at a time.

    Args: as of `json_values`.
    """

    def __init__(self, path: str, stream: io.BufferedReader, limit: int) -> None:
        self._path = path
        self._stream = stream
        self._limit = limit
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._window = ""
        self._start = 0
        self._ended = False
        self._lines_before = 1
        self._wanted = _WINDOW

    @property
    def line(self) -> int:
        """The line here, from 1."""
        return self._lines_before + self._window.count("\n", 0, self._start)

    def peek(self) -> str:
        """Pass over space; return the next character, or nothing at the end."""
        while True:
            self._start = _after_space(self._window, self._start)
            if self._start < len(self._window) or self._ended:
                return self._window[self._start : self._start + 1]
            self._more()

    def take(self) -> None:
        """Pass over the next character."""
        self._start += 1

    def skip(self, count: int) -> None:
        """Pass over so many characters."""
        while len(self._window) - self._start < count and not self._ended:
            self._more()
        self._start += count

    def value(self) -> bytes:
        """Pass over the value that begins here; return its text."""
        while True:
            try:
                _, end = _DECODER.raw_decode(self._window, self._start)
                # A number might go on in the next window.
                if self._ended or self._window[end - 1] in _CLOSED or self._window[end : end + 1] in _AFTER_VALUE:
                    break
            except (ValueError, RecursionError) as error:
                if self._ended:
                    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                    raise self.broken(reason) from error
            self._more()
        self._need_size(end)
        text = self._window[self._start : end]
        self._start = end
        return _LINE_BREAK.sub(" ", text).encode("utf-8", "surrogatepass")

    def pass_members(self) -> None:
        """Pass over what follows the records in an object, to the object's end.

        Raises:
            ZipfitError: the JSON is broken, or more records follow.
        """
        while (mark := self.peek()) == ",":
            self.take()
            self.peek()
            name = self.value()
            if self.peek() != ":":
                raise self.broken("expected ':'")
            self.take()
            self.peek()
            place = self.line
            value = self.value()
            if name.strip(b'"').decode("utf-8", "replace") in WRAPPERS and _RECORDS.match(
                value.decode("utf-8", "replace")
            ):
                raise ZipfitError(f"{self._path}, line {place}: the object holds records under two fields")
        if mark != "}":
            raise self.broken("expected ',' or '}'" if mark else "the object is cut off before its end")
        self.take()

    def broken(self, reason: str) -> ZipfitError:
        """The error of what lies here."""
        return ZipfitError(f"{self._path}, line {self.line}: broken JSON: {reason}")

    def _need_size(self, end: int) -> None:
        if end - self._start > self._limit:
            raise too_large(f"{self._path}, line {self.line}", self._limit)

    def _more(self) -> None:
        self._need_size(len(self._window))
        data = self._stream.read(self._wanted)
        # Doubling, so that one huge value costs linear time.
        self._wanted = max(_WINDOW, len(self._window) - self._start)
        self._lines_before = self.line
        try:
            self._window = self._window[self._start :] + self._utf8.decode(data, final=not data)
        except UnicodeDecodeError as error:
            place = f"{self._path}, near line {self._lines_before}"
            raise ZipfitError(f"{place}: invalid UTF-8 ({error.reason})") from error
        self._start, self._ended = 0, not data
