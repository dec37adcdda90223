from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import outcomes

from zipfit.corpus.encodings import utf8
from zipfit.corpus.formats import Layout
from zipfit.corpus.streams import HashedFile
from zipfit.errors import ZipfitError

TEXT = 'text,n\r\n"naïve, déjà",1\r\n'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
def test_a_mark_tells_the_encoding(tmp_path, encoding):
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    for name, content, read in [
        ("a.csv", TEXT, {"text": "naïve, déjà", "n": "1"}),
        ("a.jsonl", '{"text": "é"}\n', {"text": "é"}),
        ("a.json", '[{"text": "é"}]', {"text": "é"}),
        ("unnamed", '{"text": "é"}', {"text": "é"}),
        ("a.txt", "é\n", {"text": "é"}),
    ]:
        path = tmp_path / name
        path.write_bytes(mark + content.encode(encoding))
        assert outcomes(path) == [read]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("lines", [1, 100_000])
def test_without_a_mark_the_error_names_the_encoding(tmp_path, encoding, lines):
    for name, line in [("a.csv", "text\n"), ("a.jsonl", '{"text": "é"}\n'), ("unnamed", '["é"]\n'), ("a.txt", "no\n")]:
        path = tmp_path / name
        path.write_bytes((line * lines).encode(encoding))
        kind = encoding[:6].upper()
        expected = rf"{name}: is text in {kind} without a byte order mark \(give --encoding {encoding}\)$"
        with pytest.raises(ZipfitError, match=expected):
            outcomes(path)
        if name != "unnamed":
            assert len(outcomes(path, encoding=encoding)) == lines - (name == "a.csv")


@pytest.mark.parametrize("content", [b"a\0", b"\0\0\0\0\0\0\0\0", b"a\0\0\0b\0\0", b"\x01\0\x02\0"])
def test_other_zeros_say_nothing_of_the_encoding(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert len(outcomes(path)) == 1


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "cp500", "utf-7"])
def test_an_encoding_may_be_given(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert outcomes(path, encoding=encoding) == [{"text": "naïve, déjà", "n": "1"}]


def test_what_cannot_be_decoded_is_a_bad_record(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\nb\x81d\nfine\n")
    bad = ("line 2", "invalid UTF-8 at byte 1 of the line")
    assert outcomes(path, encoding="cp1252") == [{"text": "good"}, bad, {"text": "fine"}]
    path.write_bytes("good\nb".encode("utf-16-le") + b"\x00\xd8" + "d\nfine\n".encode("utf-16-le") + b"x")
    found = outcomes(path, encoding="utf-16-le")
    assert found[:1] + found[2:3] == [{"text": "good"}, {"text": "fine"}]
    assert [found[1][0], found[3][0]] == ["line 2", "line 4"]  # the last is half a character


def test_a_file_of_another_encoding_is_an_error(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"no mark")
    for encoding, reason in (("utf-16", "UTF-16 stream does not start with BOM"), ("utf-32", "UTF-32 .*")):
        with pytest.raises(ZipfitError, match=rf"a\.txt: is not text of the encoding given \({reason}\)$"):
            outcomes(path, encoding=encoding)


def test_an_encoding_or_delimiter_that_is_none_is_an_error(tmp_path):
    for name in ("klingon", "", "base64", "\0"):
        with pytest.raises(ZipfitError, match=r"^unknown encoding "):
            Layout(encoding=name)
    for mark in ("", "ab", '"', "\n"):
        with pytest.raises(
            ZipfitError, match=r"^a delimiter must be one character and no quote or end of a line, not "
        ):
            Layout(delimiter=mark)
    with pytest.raises(ZipfitError, match=r"a\.parquet: parquet files have no encoding to be given$"):
        Layout(encoding="latin-1").of(HashedFile(str(tmp_path / "a.parquet")))


def test_a_csv_of_another_delimiter_is_read_by_option_and_refused_without(tmp_path):
    path = tmp_path / "a.csv"
    for mark, shown in ((";", "';'"), ("|", r"'\|'"), ("\t", "a tab")):
        path.write_text(f"text{mark}n\nx, y{mark}1\n")
        assert outcomes(path, delimiter=mark) == [{"text": "x, y", "n": "1"}]
        with pytest.raises(ZipfitError, match=rf"the header is one field, .*, which has {shown} in it \(give --delim"):
            outcomes(path)
    assert outcomes(path, delimiter="\\t") == [{"text": "x, y", "n": "1"}]
    path.write_text("a;b\nx\n")
    assert outcomes(path, delimiter=",") == [{"a;b": "x"}]


class Trickle:
    """A stream that gives a few bytes at a time."""

    def __init__(self, data, step):
        self._parts = [data[i : i + step] for i in range(0, len(data), step)][::-1]

    def read(self, _):
        return self._parts.pop() if self._parts else b""


@given(st.text(), st.sampled_from(["utf-8", "utf-16", "utf-32", "gb18030"]), st.integers(1, 5))
def test_any_text_is_transcoded_whatever_the_reads(text, encoding, step):
    data = text.encode(encoding)
    told_by_mark = encoding.startswith("utf") and step > 3
    if encoding == "utf-16" and text.startswith("\0"):  # its mark and the NUL are the mark of UTF-32
        told_by_mark = False
    stated = None if told_by_mark else encoding
    assert utf8(Trickle(data, step), stated).read() == text.removeprefix("\ufeff").encode()
