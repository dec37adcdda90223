"""Pools cut into pieces: all of them together are the pool, whatever lies at a boundary."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from zipfit.corpus.inputs import Files
from zipfit.corpus.pieces import Piece, PieceInput, pieces_of, stamp
from zipfit.errors import BadRecordError

TEXTS = st.text(max_size=12)
LINES = st.lists(
    st.one_of(
        TEXTS.map(lambda text: json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "replace")),
        st.sampled_from(
            [
                b"",
                b"   ",
                b"{broken",
                b'{"text":\r"a return"}',
                b"a\rb",
                b"\r",
                b'"a string"',
                b"[1, 2]",
                b"\xff\xfe",
                b'{"text": "' + b"x" * 70_000 + b'"}',
            ]
        ),
    ),
    max_size=30,
)


def records(item):
    found = []
    for chunk in item.chunks():
        for i in range(len(chunk)):
            try:
                found.append((chunk.record(i), chunk.raw(i)))
            except BadRecordError as error:
                found.append((str(error), chunk.raw(i)))
    return found


def by_parts(inputs, parts):
    pieces = [pieces_of(inputs, part, parts) for part in range(parts)]
    return [[record for piece in each for record in records(PieceInput(inputs[piece.input], piece))] for each in pieces]


@given(
    st.lists(LINES, min_size=1, max_size=4),
    st.integers(1, 9),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
    st.sampled_from(["jsonl", "text"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-be"]),
)
@settings(max_examples=200)
def test_lines_belong_to_one_part_each(files, parts, end, ended, kind, encoding):
    mark = "\ufeff" if encoding.endswith("be") else ""
    with tempfile.TemporaryDirectory() as folder:
        for number, lines in enumerate(files):
            data = end.join(lines) + (end if ended and lines else b"")
            if encoding != "utf-8":
                data = (mark + data.decode("utf-8", "replace")).encode(encoding)
            Path(folder, f"{number}.jsonl").write_bytes(data)
        inputs, _ = Files([folder], format=kind).open()
        whole = [record for item in inputs for record in records(item)]
        assert [record for part in by_parts(inputs, parts) for record in part] == whole


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 9))
@settings(max_examples=50)
def test_row_groups_belong_to_one_part_each(groups, parts):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.parquet")
        schema = pa.schema({"text": pa.string()})
        with pq.ParquetWriter(path, schema) as writer:
            for number, size in enumerate(groups):
                writer.write_table(pa.table({"text": [f"{number} {i}" for i in range(size)]}, schema))
        (Path(folder) / "b.jsonl").write_text('{"text": "b"}\n' * 20)
        inputs, _ = Files([folder]).open()
        whole = [record for item in inputs for record, _ in records(item)]
        assert [record for part in by_parts(inputs, parts) for record, _ in part] == whole


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl.zst", zstandard.compress(b'{"text": "a"}\n' * 1000)),
        ("a.json", json.dumps([{"text": "a"}] * 1000).encode()),
        ("a.jsonl", json.dumps([{"text": "a"}] * 1000, indent=1).encode()),
        ("a.csv", b'text\n"a\nb"\n' * 500),
        ("a.jsonl", '{"text": "a"}\n'.encode("utf-16") * 1),
        ("a.jsonl", b'{"text": "a"}\r' * 1000),
    ],
)
def test_what_can_only_be_read_from_its_beginning_is_one_piece(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    inputs, _ = Files([str(tmp_path / name)]).open()
    pieces = [piece for part in range(7) for piece in pieces_of(inputs, part, 7)]
    assert pieces == [Piece(0)]


def test_a_place_in_a_later_piece_says_from_where_it_counts(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n' * 9 + b"{broken\n")
    inputs, _ = Files([str(path)]).open()
    (piece,) = pieces_of(inputs, 1, 2)
    (chunk,) = PieceInput(inputs[0], piece).chunks()
    assert chunk.place(len(chunk) - 1) == "line 5 after byte 70"


def test_a_stamp_changes_with_the_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n')
    inputs, _ = Files([str(path)]).open()
    before = stamp(inputs[0])
    assert before == stamp(inputs[0])
    path.write_text('{"text": "ab"}\n')
    assert stamp(inputs[0]) != before
