from __future__ import annotations

import datetime
import decimal
import json
import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zipfit.corpus.records import JsonChunk, ObjectChunk, TableChunk, dump_record, parse_record
from zipfit.errors import BadRecordError

strings = st.text(st.sampled_from('aé🎲\ud800\x00"\\\n\r\u2028'), max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"text": "a"', "broken JSON: Expecting ',' delimiter at column 13"),
        (b"", "broken JSON: Expecting value at column 1"),
        (b"[1]", "the JSON value is not an object"),
        (b'"a"', "the JSON value is not an object"),
        (b"null", "the JSON value is not an object"),
        (b'{"a": "\x01"}', "broken JSON: Invalid control character"),
        (b'{"text": "\xff"}', "invalid UTF-8 at byte 10 of the line"),
        (b'{"text": "a"} {"text": "b"}', "broken JSON: Extra data at column 15"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "broken JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "broken JSON"),
    ],
)
def test_says_why_json_is_no_record(text, reason):
    with pytest.raises(BadRecordError, match=reason):
        parse_record(text)


@given(st.dictionaries(strings, json_values, max_size=4))
def test_a_record_survives_writing_and_parsing(record):
    text = dump_record(record)
    assert b"\n" not in text
    assert parse_record(text) == record


def test_values_without_a_json_form_are_written_as_documented():
    record = {
        "date": datetime.date(2024, 2, 29),
        "time": datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc),
        "span": datetime.timedelta(seconds=90),
        "decimal": decimal.Decimal("1.10"),
        "bytes": b"\xff\x00",
        "array": np.array([[1, 2], [3, 4]]),
        "number": np.float32(0.5),
        "set": {3, 1, 2},
        "uuid": uuid.UUID(int=1),
    }
    assert json.loads(dump_record(record)) == {
        "date": "2024-02-29",
        "time": "2024-02-29T12:00:00+00:00",
        "span": "0:01:30",
        "decimal": "1.10",
        "bytes": "/wA=",
        "array": [[1, 2], [3, 4]],
        "number": 0.5,
        "set": [1, 2, 3],
        "uuid": "00000000-0000-0000-0000-000000000001",
    }


def test_a_json_chunk_keeps_the_very_text():
    texts = [b'{"a": 1.10, "b": 1e400, "a": 2}', b'{ "n":9007199254740993 }', b"\xff"]
    chunk = JsonChunk(10, ["line 1", "line 2", "line 3"], texts, {2: "bad"})
    assert len(chunk) == 3
    assert chunk.take([1, 0]) == [texts[1], texts[0]]
    assert chunk.record(1) == {"n": 9007199254740993}
    assert chunk.raw(2) == b"\xff"
    assert chunk.place(2) == "line 3"
    with pytest.raises(BadRecordError, match=r"^bad$"):
        chunk.record(2)


def test_a_table_chunk_with_invalid_utf8_in_one_row_keeps_the_others():
    column = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary()).cast(pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, column.buffers())
    chunk = TableChunk(0, pa.record_batch({"text": column}))
    assert chunk.record(0) == {"text": "good"}
    with pytest.raises(BadRecordError, match="invalid UTF-8 at byte 0 of a field"):
        chunk.record(1)
    assert chunk.record(2) == {"text": "fine"}
    assert chunk.place(1) == "record 2"


def test_a_value_that_python_cannot_hold_does_not_hide_the_text():
    moments = pa.array([1, 2**62, 1_000_000_001], pa.timestamp("s"))  # the second is in the year 146 billion
    chunk = TableChunk(0, pa.record_batch({"text": ["a", "b", "c"], "when": moments}))
    assert [chunk.record(i)["text"] for i in range(3)] == ["a", "b", "c"]


def test_an_object_chunk_takes_strings_and_mappings():
    chunk = ObjectChunk(0, ["a", {"text": "b", "n": 1}, 5])
    assert chunk.record(0) == {"text": "a"}
    assert chunk.take([1, 0]) == [{"text": "b", "n": 1}, {"text": "a"}]
    with pytest.raises(BadRecordError, match="the document is of type int, neither a string nor a dict"):
        chunk.record(2)


@pytest.mark.parametrize("text", [b'{"text": "a", "text": "b"}', b'{"text": "a", "meta": {"x": 1, "x": 1}}'])
def test_an_object_with_a_field_twice_is_a_bad_record(text):
    name = "text" if text.count(b"text") > 1 else "x"
    with pytest.raises(BadRecordError, match=f"an object has the field '{name}' twice"):
        parse_record(text)
