from __future__ import annotations

import gzip
import json
import re
import tracemalloc
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import chunks, outcomes

from zipfit.corpus import formats, json_lines, json_text, tables
from zipfit.corpus.formats import Layout, format_of_name
from zipfit.corpus.streams import HashedFile
from zipfit.corpus.tables import parquet_parts, row_groups, schema_of
from zipfit.errors import ZipfitError

BOM = b"\xef\xbb\xbf"


def saved(tmp_path, content, name="data"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"), ("a.ndjson", "jsonl"), ("a.JSONL", "jsonl"), ("a.json", "json"), ("a.csv", "csv"),
        ("a.tsv.xz", "tsv"), ("a.txt.gz", "text"), ("a.md", "text"), ("a.parquet", "parquet"), ("a.pq", "parquet"),
        ("a.arrow", "arrow"), ("a.feather", "arrow"), ("a.jsonl.zst", "jsonl"), ("a.gz", None), ("a.pdf", None),
        ("jsonl", None), ("https://x.org/a.csv?download=1", "csv"),
    ],
)  # fmt: skip
def test_tells_the_format_by_name(name, kind):
    assert format_of_name(name) == kind


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"text": "a"}', "jsonl"), (b' \n {"text": "a"}', "jsonl"), (BOM + b'{"text": "a"}', "jsonl"),
        (b"[1]", "json"), (BOM + b" [", "json"), (b"PAR1...", "parquet"), (b"ARROW1..", "arrow"), (b"", "jsonl"),
    ],
)  # fmt: skip
def test_tells_the_format_by_content(tmp_path, content, kind):
    assert Layout().of(HashedFile(str(saved(tmp_path, content)))).format == kind


def test_json_by_name_may_be_json_lines(tmp_path):
    path = saved(tmp_path, b'{"text": "a"}\n{"text": "b"}\n', "a.json")
    assert outcomes(path) == [{"text": "a"}, {"text": "b"}]


def test_a_format_that_cannot_be_told_is_an_error(tmp_path):
    with pytest.raises(ZipfitError, match=r"neither its name nor its content tells its format \(give --format, or"):
        chunks(saved(tmp_path, b"hello"))
    with pytest.raises(ZipfitError, match="is neither a JSON array nor JSON Lines"):
        chunks(saved(tmp_path, b"hello", "a.json"))


def test_json_lines_with_every_kind_of_line(tmp_path):
    content = (
        BOM + b'{"text": "a"}\r\n\n   \n{"text": "\xe2\x80\xa8 b"}\n{"text": \n[1]\n{"text": "\xff"}\n{"text": "last"}'
    )
    assert outcomes(saved(tmp_path, content, "a.jsonl")) == [
        {"text": "a"},
        {"text": "\u2028 b"},
        ("line 5", "broken JSON: Expecting value at column 10"),
        ("line 6", "the JSON value is not an object"),
        ("line 7", "invalid UTF-8 at byte 10 of the line"),
        {"text": "last"},
    ]


def test_rows_count_bad_records_but_not_blank_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "BLOCK", 14)
    found = chunks(saved(tmp_path, b'{"n": 1}\n\nbad\n{"n": 3}\n', "a.jsonl"))
    assert [(chunk.first_row, len(chunk)) for chunk in found] == [(0, 2), (2, 1)]


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "text"])
@pytest.mark.parametrize("content", [b"", BOM, b"\n", b"  \n\n"])
def test_an_empty_file_of_a_row_format_holds_nothing(tmp_path, kind, content):
    if kind == "json":
        content = b"[" + content.strip().removeprefix(BOM) + b"]"
    if kind in ("csv", "tsv") and content.strip(b"\n") == b"  ":
        content = b""
    assert outcomes(saved(tmp_path, content), kind) == []


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_an_empty_file_of_a_columnar_format_is_an_error(tmp_path, kind):
    with pytest.raises(ZipfitError, match=f"not a readable {kind.capitalize()} file"):
        chunks(saved(tmp_path, b""), kind)
    with pytest.raises(ZipfitError, match=f"not a readable {kind.capitalize()} file"):
        chunks(saved(tmp_path, b"PAR1 and something else"), kind)


def test_a_page_of_parquet_is_compared_with_its_checksum(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"winter {n} stone" for n in range(9)]})
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(table, path, write_page_checksum=True, **plain)
    assert outcomes(path) == table.to_pylist()
    path.write_bytes(path.read_bytes().replace(b"winter", b"summer", 1))
    with pytest.raises(ZipfitError, match=r"a.parquet: cannot be read \(could not verify page integrity"):
        outcomes(path)
    pq.write_table(table, path, **plain)
    path.write_bytes(path.read_bytes().replace(b"winter", b"summer", 1))
    assert outcomes(path)[0] == {"text": "summer 0 stone"}  # nothing tells


@pytest.mark.parametrize("read", [outcomes, lambda path: schema_of(HashedFile(str(path)), "arrow")])
def test_a_column_whose_name_is_not_utf8_makes_no_table(tmp_path, read):
    table = pa.table({"winter": ["a"]})
    path = tmp_path / "a.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    path.write_bytes(path.read_bytes().replace(b"winter", b"w\xffnter"))
    with pytest.raises(ZipfitError, match=r"a.arrow: not a readable Arrow file"):
        read(path)


class NoVault(encryption.KmsClient):
    def wrap_key(self, key_bytes, master_key_identifier):
        return key_bytes.hex()


@pytest.mark.parametrize("plaintext_footer", [False, True])
@pytest.mark.parametrize("column", ["text", "n"])
def test_encrypted_parquet_is_said_to_be(tmp_path, column, plaintext_footer):
    table = pa.table({"text": ["winter", "stone"], "n": [1, 2]})
    factory = encryption.CryptoFactory(lambda _: NoVault())
    keys = encryption.EncryptionConfiguration("f", column_keys={"k": [column]}, plaintext_footer=plaintext_footer)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), keys)
    path = tmp_path / "a"
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    with pytest.raises(ZipfitError, match=r"a: is encrypted, and zipfit has no key$"):
        outcomes(path)
    for read in () if plaintext_footer else (row_groups, partial(schema_of, kind="parquet")):
        with pytest.raises(ZipfitError, match=r"a: is encrypted, and zipfit has no key$"):
            read(HashedFile(str(path)))


@pytest.mark.parametrize(
    ("sample_by", "texts"),
    [
        ("line", ["one", "two ", "\u2028three\x0cfour", "five"]),
        ("paragraph", ["one\ntwo ", "\u2028three\x0cfour\nfive"]),
        ("document", ["one\r\ntwo \n\n \t\n\u2028three\x0cfour\nfive\n\n"]),
    ],
)
def test_what_a_document_of_a_text_file_is(tmp_path, sample_by, texts):
    path = saved(tmp_path, BOM + "one\r\ntwo \n\n \t\n\u2028three\x0cfour\nfive\n\n".encode(), "a.txt")
    assert outcomes(path, sample_by=sample_by) == [{"text": text} for text in texts]


def test_text_that_is_not_utf8_is_bad_where_it_lies(tmp_path):
    path = saved(tmp_path, b"good\nb\xe9d\n\nfine\n", "a.txt")
    assert outcomes(path) == [{"text": "good"}, ("line 2", "invalid UTF-8 at byte 1 of the line"), {"text": "fine"}]
    assert outcomes(path, sample_by="paragraph")[0] == ("line 1", "invalid UTF-8 at byte 6 of the paragraph")
    assert outcomes(path, sample_by="document") == [("line 1", "invalid UTF-8 at byte 6 of the document")]


def test_csv_with_quotes_newlines_ragged_rows_and_bytes(tmp_path):
    content = (
        BOM + b'text,n\r\n"a, ""b""\nsecond line",1\r\n\r\nonly\r\n"x",2,3\nb\xe9d,4\n,\n'
        b'"' + b"long " * 100_000 + b'",5\n'
    )
    found = outcomes(saved(tmp_path, content, "a.csv"))
    assert found == [
        {"text": 'a, "b"\nsecond line', "n": "1"},
        ("line 5", "1 fields where the header has 2"),
        ("line 6", "3 fields where the header has 2"),
        ("line 7", "invalid UTF-8 at byte 1 of the row"),
        {"text": "", "n": ""},
        {"text": "long " * 100_000, "n": "5"},
    ]


def test_tsv(tmp_path):
    assert outcomes(saved(tmp_path, b"a\tb\n1,2\t3\n", "a.tsv")) == [{"a": "1,2", "b": "3"}]


def test_a_broken_csv_row_is_bad_and_the_next_is_read(tmp_path):
    found = outcomes(saved(tmp_path, b'text\n"a" b\nfine\n"open\nto the end\n', "a.csv"))
    assert found == [
        ("line 2", "broken CSV: ',' expected after '\"'"),
        {"text": "fine"},
        (
            "line 4",
            "broken CSV: unexpected end of data; a quote in this row is not closed, so all 2 lines to the end are in it",
        ),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a,b,a\n1,2,3\n", "line 1: the header names a column twice"),
        (b'"a,b\n', "line 1: broken CSV: unexpected end of data"),
        (b"t\xe9xt\na\n", "line 1: invalid UTF-8 at byte 1 of the header"),
    ],
)
def test_a_bad_csv_header_is_an_error(tmp_path, content, reason):
    with pytest.raises(ZipfitError, match=reason):
        chunks(saved(tmp_path, content, "a.csv"))


def test_a_json_array_keeps_each_elements_own_text(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "CHUNK_BYTES", 7)
    elements = [
        b'{"a": 1.10,\n  "b": [1,\r\n 2]}',
        b'{"c":"\\u00e9 \xc3\xa9 \\n"}',
        b"9007199254740993",
        b'"x"',
        b"null",
    ]
    path = saved(tmp_path, BOM + b" [\n" + b" ,\n ".join(elements) + b"\n]\n")
    found = [chunk.raw(i) for chunk in chunks(path) for i in range(len(chunk))]
    assert found == [b'{"a": 1.10, "b": [1, 2]}', *elements[1:3], b'{"text": "x"}', b"null"]


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=6,
    ),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
    st.integers(1, 40),
)
def test_a_json_array_is_read_as_the_library_reads_it(tmp_path_factory, values, indent, ascii_only, window):
    path = tmp_path_factory.mktemp("array") / "a.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_WINDOW", window)
        found = [chunk.raw(i) for chunk in chunks(path, "json") for i in range(len(chunk))]
    expected = [{"text": value} if isinstance(value, str) else value for value in values]
    assert repr([json.loads(raw) for raw in found]) == repr(expected)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[1", "line 1: broken JSON: the array is cut off before its end"),
        (b"[1 2]", "line 1: broken JSON: expected ',' or ']'"),
        (b"[1,\n\n]", "line 3: broken JSON: Expecting value"),
        (b"[1]\n x", "line 2: broken JSON: something follows the array"),
        (b"[\n{'a': 1}]", "line 2: broken JSON"),
        (b'["\xff"]', "near line 1: invalid UTF-8"),
        (b"[" + b"[" * 100_000, "broken JSON"),
        (b'["a\nb"]', "line 1: broken JSON: Invalid control character"),
    ],
)
def test_a_broken_json_array_is_an_error(tmp_path, content, reason):
    with pytest.raises(ZipfitError, match=reason):
        chunks(saved(tmp_path, content), "json")


TABLE = pa.table(
    {
        "text": pa.array([f"text {i}" for i in range(1300)], pa.large_string()),
        "n": pa.array([2**53 + i for i in range(1300)]),
        "nested": pa.array([{"a": [i, None], "b": None if i % 2 else "x"} for i in range(1300)]),
    }
)


def columnar_files(folder):
    pq.write_table(TABLE, folder / "a.parquet", row_group_size=700)
    with pa.ipc.new_file(folder / "file.arrow", TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=600)
    with pa.ipc.new_stream(folder / "stream.arrow", TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=600)
    return ["a.parquet", "file.arrow", "stream.arrow"]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_columnar_files_in_batches(tmp_path, suffix):
    from support import COMPRESS

    for name in columnar_files(tmp_path):
        path = tmp_path / name
        if suffix:
            path = tmp_path / (name + suffix)
            path.write_bytes(COMPRESS[suffix]((tmp_path / name).read_bytes()))
        steps = []
        found = chunks(path, progress=steps.append)
        assert [record for chunk in found for record in map(chunk.record, range(len(chunk)))] == TABLE.to_pylist()
        rows = [chunk.first_row for chunk in found]
        assert rows == [sum(map(len, found[:i])) for i in range(len(found))]
        assert max(map(len, found)) <= 4 * formats.CHUNK_RECORDS
        assert 0 < sum(steps) <= path.stat().st_size


@pytest.mark.parametrize("length", [1, 5_000, 100_000])
def test_rows_at_a_time_are_fewer_where_they_are_long(tmp_path, length):
    table = pa.table({"text": [f"{n:0{length}}" for n in range(300)] * 10})
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    for name in ("a.parquet", "a.arrow"):
        sizes = [len(chunk) for chunk in chunks(tmp_path / name)]
        assert sum(sizes) == 3000
        assert max(sizes) == {1: 2048, 5_000: 419, 100_000: 64}[length] or (name, length) == ("a.parquet", 5_000)


def test_only_the_columns_that_are_asked_for_are_read(tmp_path):
    for name in columnar_files(tmp_path):
        found = chunks(tmp_path / name, columns=["n", "missing"])
        assert [chunk.record(0) for chunk in found] == [{"n": 2**53 + chunk.first_row} for chunk in found]
        assert list(chunks(tmp_path / name, columns=["missing"])[0].record(0)) == ["text", "n", "nested"]


def test_a_columnar_file_that_is_cut_off_is_an_error(tmp_path):
    for name in columnar_files(tmp_path):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-3000])
        with pytest.raises(ZipfitError, match=f"{name}: (not a readable|cannot be read)"):
            chunks(path)


def test_parquet_on_a_remote_file_system(tmp_path):
    import fsspec

    columnar_files(tmp_path)
    with fsspec.open("memory://formats/a.parquet", "wb") as stream:
        stream.write((tmp_path / "a.parquet").read_bytes())
    found = chunks("memory://formats/a.parquet")
    assert sum(map(len, found)) == TABLE.num_rows


@pytest.mark.parametrize("kind", ["parquet", "arrow", "table", "frame"])
def test_two_columns_of_one_name_are_an_error(tmp_path, kind):
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from zipfit import select

    table = pa.Table.from_arrays([pa.array(["a", "b"]), pa.array(["x", "y"])], names=["text", "text"])
    source: object = table
    if kind == "parquet":
        pq.write_table(table, tmp_path / "a.parquet")
        source = tmp_path / "a.parquet"
    elif kind == "arrow":
        with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
            writer.write_table(table)
        source = tmp_path / "a.arrow"
    elif kind == "frame":
        source = pd.DataFrame([["a", "x"], ["b", "y"]], columns=["text", "text"])
    with pytest.raises(ZipfitError, match="has the column 'text' twice"):
        select(source, ["a"], top=1)


def test_a_frame_with_a_column_of_mixed_types_is_one_sentence():
    import pandas as pd

    from zipfit import select

    with pytest.raises(ZipfitError, match=r"source: the frame has a column that is none of a table .* column mixed"):
        select(pd.DataFrame({"text": ["a", "b"], "mixed": [1, "x"]}), ["a"], top=1)


@pytest.mark.parametrize(
    ("name", "sample_by", "content", "place"),
    [
        ("a.jsonl", "line", b'{"text": "a"}\n{"text": "' + b"a" * 100 + b'"}\n', ", line 2"),
        ("a.txt", "line", b"a\n" + b"a" * 101, ", line 2"),
        ("a.txt", "paragraph", b"a\n\n" + b"a\n" * 101, ", line 3"),
        ("a.txt", "document", b"a\n" * 51, ""),
        ("a.csv", "line", b"text\na\n" + b'"' + b"a\n" * 50 + b'"', ", line 3"),
        ("a.tsv", "line", b"text\n" + b"a" * 101, ", line 2"),
        ("a.json", "line", b'[{"text": "a"},\n\n{"text": "' + b"a" * 100 + b'"}]', ", line 3"),
    ],
)
def test_a_record_larger_than_the_limit_is_an_error_that_names_it(
    tmp_path, monkeypatch, name, sample_by, content, place
):
    file = saved(tmp_path, content, name)
    monkeypatch.setenv("ZIPFIT_MAX_RECORD_BYTES", "100")
    message = f"{file}{place}: the record has more than 100 bytes (to read it, set the environment variable "
    with pytest.raises(ZipfitError, match=re.escape(message + "ZIPFIT_MAX_RECORD_BYTES to more)")):
        chunks(file, sample_by=sample_by)
    monkeypatch.setenv("ZIPFIT_MAX_RECORD_BYTES", "200")
    whole = chunks(file, sample_by=sample_by)
    monkeypatch.delenv("ZIPFIT_MAX_RECORD_BYTES")
    assert list(map(len, chunks(file, sample_by=sample_by))) == list(map(len, whole))


@pytest.mark.parametrize("value", ["0", "-1", "1e6", "much", "9" * 5000])
def test_a_limit_that_is_none_is_an_error(tmp_path, monkeypatch, value):
    monkeypatch.setenv("ZIPFIT_MAX_RECORD_BYTES", value)
    with pytest.raises(ZipfitError, match=f"ZIPFIT_MAX_RECORD_BYTES must be a number of bytes, not '{value}'"):
        chunks(saved(tmp_path, b"{}\n", "a.jsonl"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.json"])
def test_a_bomb_without_a_line_break_takes_no_more_memory_than_the_limit(tmp_path, monkeypatch, name):
    start = {"a.json": b'["', "a.csv": b'text\n"'}.get(name, b"")
    path = tmp_path / f"{name}.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(start)
        for _ in range(64):
            stream.write(b"a" * (1 << 20))
    monkeypatch.setenv("ZIPFIT_MAX_RECORD_BYTES", str(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ZipfitError, match="the record has more than 1,048,576 bytes"):
            chunks(path)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_strings_in_json_are_records_of_text(tmp_path, kind):
    texts = ["a", "", 'a "quoted" \n line', "é\ud800", "{}"]
    content = (
        json.dumps([*texts, {"text": "b"}, 5]) if kind == "json" else "\n".join(map(json.dumps, texts)) + '\n "c"\n5\n'
    )
    found = outcomes(saved(tmp_path, content.encode(), f"a.{kind}"))
    assert found[:5] == [{"text": text} for text in texts]
    assert found[5] == {"text": "b" if kind == "json" else "c"}
    assert found[6] == ("record 7" if kind == "json" else "line 7", "the JSON value is not an object")


@pytest.mark.parametrize("line", [b'"a', b'"a" "b"', b'"\xff"', b'"a": "b"'])
def test_a_broken_string_is_a_bad_record(tmp_path, line):
    ((place, reason),) = outcomes(saved(tmp_path, line + b"\n", "a.jsonl"))
    assert place == "line 1"
    assert "invalid UTF-8" in reason or "broken JSON" in reason


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ('1\t"He said\n2\tb\n3\t"c" d\n', ['"He said', "b", '"c" d']),
        ('1\t"a ""b"""\n2\t"two\nlines"\n3\t5" disk\n', ['a "b"', "two\nlines", '5" disk']),
        ('1\t"open\n', ['"open']),
    ],
)
def test_a_quote_in_tsv_swallows_no_rows(tmp_path, rows, expected):
    found = outcomes(saved(tmp_path, f"id\ttext\n{rows}".encode(), "a.tsv"))
    assert [record["text"] for record in found] == expected


def test_a_csv_without_a_header_and_one_with_unnamed_columns(tmp_path):
    path = saved(tmp_path, b"a,b\nc,d\n", "a.csv")
    assert outcomes(path, header=False) == [{"0": "a", "1": "b"}, {"0": "c", "1": "d"}]
    path = saved(tmp_path, b"text,,\nc,d,e\n", "a.csv")
    assert outcomes(path) == [{"text": "c", "column_2": "d", "column_3": "e"}]


def test_lines_that_end_in_returns_alone(tmp_path):
    assert outcomes(saved(tmp_path, b"text,n\ra,1\rb,2", "a.csv")) == [{"text": "a", "n": "1"}, {"text": "b", "n": "2"}]
    assert outcomes(saved(tmp_path, b"a\rb\r", "a.txt")) == [{"text": "a"}, {"text": "b"}]


def test_a_pointer_of_git_lfs_is_no_data(tmp_path):
    path = saved(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a.txt")
    with pytest.raises(ZipfitError, match="is a Git LFS pointer, not the data: run git lfs pull"):
        chunks(path)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_parquet_file_that_changes_under_its_parts_is_no_other_file(tmp_path, monkeypatch, replaced):
    monkeypatch.setattr(tables, "_PART_BYTES", 1)
    path = tmp_path / "pool.parquet"
    table = pa.table({"text": [f"document {number}" for number in range(30)]})
    pq.write_table(table, path, row_group_size=10, compression="none")
    hashed, first, *_, last = parquet_parts(HashedFile(str(path)), ["text"], None)
    assert len(next(first)) == 10
    if replaced:
        pq.write_table(table.slice(0, 3), tmp_path / "other", row_group_size=1)
        (tmp_path / "other").rename(path)
        with pytest.raises(ZipfitError, match="the file changed while it was being read"):
            list(last)
    else:
        path.write_bytes(path.read_bytes().replace(b"document 7", b"document X"))
    with pytest.raises(ZipfitError, match="the file changed while it was being read"):
        list(hashed)
