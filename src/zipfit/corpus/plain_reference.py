"""Lines, plain records and digests in plain Python: the twins of the native core's (see `zipfit.system.runtime`).

What a plain record is, is said here; what a record is, in `zipfit.corpus.records`. The first are some of the second.
"""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from zipfit.system.arguments import array, batch, instance, integer
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_LABEL, NOT_PLAIN = -1, -2

DEEPEST = 64
MOST_FIELDS = 64
LONGEST_NUMBER = 600

_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"([ \t\n\r]*:)?', re.DOTALL)


def json_lines(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
    """Return where the lines that are not blank begin and end, their numbers from 0, shape (n,) each, and all lines.

    A line ends at a line feed, which is no part of it, nor is a carriage return before that.
    """
    found = []
    start = 0
    lines = instance(data, "data", bytes).split(b"\n")
    for number, line in enumerate(lines):
        if line.strip():
            found.append((start, start + len(line.removesuffix(b"\r")), number))
        start += len(line) + 1
    begin, end, numbers = np.array(found, dtype=np.int64).reshape(-1, 3).T
    return begin.copy(), end.copy(), numbers.copy(), len(lines) - (not lines[-1])


def plain_records(
    data: bytes, begin: NDArray[np.int64], end: NDArray[np.int64], text_field: bytes, label_field: bytes
) -> tuple[bytes, NDArray[np.int64], NDArray[np.int32], list[bytes]]:
    """Return the texts of those records that are plain, and the numbers of their labels.

    A record is plain if it is a JSON object whose text field holds a string that is not empty, and there is none of
    this in it: a field twice in one object; a key with an escape; more than 64 fields in an object; values nested
    more than 64 deep; a number of more than 600 characters; NaN or infinity; in text or label, half a surrogate pair.

    Args:
        data: lines.
        begin: where the records begin in it, shape (n,), int64.
        end: where they end, shape (n,), int64.
        text_field: the text's name, UTF-8.
        label_field: the label's name, UTF-8.

    Returns:
        The texts, one behind the other; their offsets, shape (n + 1,); the numbers of their labels, shape (n,), -1
        where the label's field holds no string, -2 where the record is not plain; and the labels, by number.

    Raises:
        ValueError: the records do not lie one after another within the data.
    """
    instance(data, "data", bytes)
    begins, ends = array(begin, "begin", np.int64, 1).tolist(), array(end, "end", np.int64, 1).tolist()
    borders = [0, *(border for both in zip(begins, ends, strict=False) for border in both), len(data)]
    if len(begins) != len(ends) or borders != sorted(borders):
        raise ValueError("records must lie one after another within their data")
    fields = instance(text_field, "text_field", bytes).decode(), instance(label_field, "label_field", bytes).decode()
    texts: list[bytes] = []
    numbers: list[int] = []
    names: dict[bytes, int] = {}
    for first, last in zip(begins, ends, strict=True):
        text, label = b"", None
        number = NOT_PLAIN
        try:
            text, label = _plain(data[first:last], *fields)
            number = NO_LABEL if label is None else names.setdefault(label, len(names))
        except (ValueError, RecursionError):
            text = b""
        texts.append(text)
        numbers.append(number)
    joined = Texts.join(texts)
    return joined.data, joined.offsets.copy(), np.array(numbers, dtype=np.int32), list(names)


def _plain(line: bytes, text_field: str, label_field: str) -> tuple[bytes, bytes | None]:
    """Text and label of a plain record; ValueError or RecursionError for another."""
    record = _DECODER.decode(line.decode("utf-8"))
    if not isinstance(record, dict) or any(b"\\" in key for key, colon in _STRING.findall(line) if colon):
        raise ValueError
    _need_shallow(record, DEEPEST)
    text, label = record.get(text_field), record.get(label_field)
    if not isinstance(text, str) or not text:
        raise ValueError
    return text.encode(), label.encode() if isinstance(label, str) else None


def _need_shallow(value: Any, deepest: int) -> None:
    if isinstance(value, (dict, list)):
        if not deepest:
            raise ValueError
        for item in value.values() if isinstance(value, dict) else value:
            _need_shallow(item, deepest - 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs) or len(pairs) > MOST_FIELDS:
        raise ValueError
    return record


def _number(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError
    return 0


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_constant)


def text_digests(texts: Texts, way: int = 3) -> NDArray[np.uint64]:
    """Return the first 64 bits of each text's BLAKE2b (with digests of 8 bytes), as little-endian numbers, shape (n,).

    Args:
        texts: n texts.
        way: of the native core, how it computes the same: 0 to 2 for a text, four or eight at a time, 3 for the fastest
            that the processor has.
    """
    batch(texts, "texts")
    integer(way, "way", 0, 3)
    digests = b"".join(blake2b(text, digest_size=8).digest() for text in texts.encoded())
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
