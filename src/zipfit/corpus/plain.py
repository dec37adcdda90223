"""The fast path: texts and labels of many records at once, without building a record.

A record is plain if its text is one field that holds a string, and its label another; of how a corpus is read, that is
a text field or none, and no template or conversion. What is plain is said by `plain_reference` of JSON Lines, and by
`plain_columns` of tables. All else, and with it every error, is left to `Reading`, which says what a record's text is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zipfit.corpus import plain_reference
from zipfit.corpus.plain_reference import NO_LABEL, NOT_PLAIN
from zipfit.system.runtime import engine, native_core
from zipfit.system.texts import Texts

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from zipfit.corpus.reading import Reading


class PlainFields(NamedTuple):
    """The fields of text and label, and whether a record without a string in the label's is still plain."""

    text: str
    label: str
    label_optional: bool


class PlainTexts(NamedTuple):
    """The plain ones of n records.

    Attributes:
        texts: n texts; whatever where a record is not plain.
        numbers: int32, shape (n,): of their labels in `names`; `NO_LABEL` for a record whose label is its input's name;
            `NOT_PLAIN` for one that is not plain.
        names: labels in order of first appearance.
    """

    texts: Texts
    numbers: NDArray[np.int32]
    names: list[str]


def plain_fields(reading: Reading) -> PlainFields | None:
    """The fields that make a record plain, or None if by this reading none is."""
    if reading.template is not None or reading.convert is not None or native_core() is None:
        return None
    text = "text" if reading.text_field is None else reading.text_field
    fields = PlainFields(text, "source" if reading.by is None else reading.by, reading.by is None)
    try:
        f"{fields.text}{fields.label}".encode()
    except UnicodeEncodeError:  # a name that no file can hold
        return None
    return fields


def text_digests(texts: Texts) -> NDArray[np.uint64]:
    """64 bits of BLAKE2b of each text, shape (n,)."""
    digests: NDArray[np.uint64] = engine(plain_reference).text_digests(texts)
    return digests


def plain_lines(data: bytes, begin: NDArray[np.int64], end: NDArray[np.int64], fields: PlainFields) -> PlainTexts:
    """The plain records of JSON Lines, of which record i is `data[begin[i]:end[i]]`."""
    core = engine(plain_reference)
    texts, offsets, numbers, names = core.plain_records(data, begin, end, fields.text.encode(), fields.label.encode())
    return PlainTexts(Texts(texts, offsets), _without(numbers, fields), [name.decode() for name in names])


def _without(numbers: NDArray[np.int32], fields: PlainFields) -> NDArray[np.int32]:
    return numbers if fields.label_optional else np.where(numbers == NO_LABEL, np.int32(NOT_PLAIN), numbers)


def plain_columns(batch: pa.RecordBatch, fields: PlainFields) -> PlainTexts | None:
    """The plain rows of an Arrow batch: all in which the text's column has a string that is not empty.

    None if there are none, or if some row could be a bad one: a string that is not UTF-8 spoils its row, whatever the
    column, and columns of other types than the usual ones are not looked into.
    """
    import pyarrow as pa

    index = batch.schema.get_field_index(fields.text)
    if index < 0 or not _is_string(batch.schema.types[index]) or not all(map(_is_usual, batch.schema.types)):
        return None
    try:
        for column in batch.columns:
            column.validate(full=True)
    except pa.ArrowInvalid:
        return None
    column = batch.column(index)
    large = pa.types.is_large_string(column.type)
    _, ends, data = column.buffers()
    offsets = np.frombuffer(ends, np.int64 if large else np.int32)[column.offset : column.offset + len(column) + 1]
    offsets = offsets.astype(np.int64)
    first = int(offsets[0])
    text = data.slice(first, int(offsets[-1]) - first).to_pybytes() if data is not None else b""
    numbers, names = _labels(batch, fields.label)
    numbers = _without(numbers, fields)
    numbers[(np.diff(offsets) == 0) | _nulls(column)] = NOT_PLAIN
    return PlainTexts(Texts(text, offsets - first), numbers, names)


def _labels(batch: pa.RecordBatch, field: str) -> tuple[NDArray[np.int32], list[str]]:
    index = batch.schema.get_field_index(field)
    if index < 0 or not _is_string(batch.schema.types[index]):
        return np.full(batch.num_rows, NO_LABEL, dtype=np.int32), []
    encoded = batch.column(index).dictionary_encode()
    indices = encoded.indices
    numbers = np.frombuffer(indices.buffers()[1], np.int32)[indices.offset : indices.offset + len(indices)].copy()
    numbers[_nulls(indices)] = NO_LABEL
    return numbers, encoded.dictionary.to_pylist()


def _nulls(column: pa.Array) -> NDArray[np.bool_]:
    if not column.null_count:
        return np.zeros(len(column), dtype=bool)
    found: NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return found


def _is_string(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_usual(kind: pa.DataType) -> bool:
    """Whether a column of a type that passes Arrow's own check can always be read as Python values."""
    import pyarrow as pa

    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_usual(kind.value_type)
    if types.is_struct(kind):
        return all(_is_usual(field.type) for field in kind)
    return _is_string(kind) or bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind)
    )
