"""The fast path of reading against the slow one: the same documents, samples, rejected records and errors."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_lines_strategy import json_line
from support import COMPRESS

from zipfit.corpus import corpus as corpus_module
from zipfit.corpus import json_lines, tables
from zipfit.corpus.corpus import Corpus
from zipfit.corpus.inputs import Files, open_documents
from zipfit.corpus.plain import NOT_PLAIN, plain_fields
from zipfit.corpus.reading import Reading
from zipfit.errors import BadRecordError, ZipfitError
from zipfit.system.runtime import native_core

pytestmark = pytest.mark.skipif(native_core() is None, reason="the native kernel is not built")

thorough = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def everything(paths, reading, *, slow=False, threads=1, block=1 << 20, allow_empty=True):
    """All that two passes over a corpus tell, or its error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "BLOCK", block)
        patch.setattr(tables, "_PART_BYTES", 1)  # several threads read each row group on its own
        if slow:
            patch.setattr(corpus_module, "plain_fields", lambda _: None)
        rejected = []
        inputs, _ = open_documents("source", Files([str(path) for path in paths]))
        corpus = Corpus(
            inputs,
            reading,
            allow_empty=allow_empty,
            on_rejected=rejected.append if reading.skip_bad else None,
            threads=threads,
        )
        try:
            first, second = (
                [
                    (text, label, digest)
                    for batch in corpus.read()
                    for text, label, digest in zip(
                        batch.texts,
                        batch.labels,
                        [None] * len(batch.texts) if batch.hashes is None else batch.hashes,
                        strict=True,
                    )
                ]
                for _ in range(2)
            )
        except ZipfitError as error:
            return str(error)
        about = [(item.documents, item.skipped, item.identity()) for item in inputs]
        try:
            whole = list(corpus.dicts(np.arange(len(first))))
        except BadRecordError as error:  # of a column that was not read before
            whole = [error]
        names = [name for batch in corpus.read() for name in batch.label_names]
        return first, second, rejected, about, corpus.sample.documents, repr(whole), list(dict.fromkeys(names))


READINGS = [
    Reading(),
    Reading(by="a"),
    Reading(by="a.b"),
    Reading(text_field="a"),
    Reading(text_field="source", roles="user"),
    Reading(text_field="a.b"),
    Reading(text_field="\ud800"),
    Reading(template="{text}"),
    Reading(convert="text"),
]


@thorough
@given(st.lists(json_line, max_size=8), st.sampled_from(READINGS), st.booleans(), st.booleans(), st.data())
def test_json_lines(tmp_path_factory, lines, reading, skip_bad, allow_empty, data):
    folder = tmp_path_factory.mktemp("lines")
    end = data.draw(st.sampled_from([b"\n", b"\r\n"]))
    cut = data.draw(st.integers(0, len(lines)))
    paths = [folder / "a.jsonl", folder / "b.jsonl"]
    for path, some in zip(paths, (lines[:cut], lines[cut:]), strict=True):
        path.write_bytes(end.join(some))
    reading = replace(reading, skip_bad=skip_bad)
    expected = everything(paths, reading, slow=True, allow_empty=allow_empty)
    for threads, block in ((1, 1 << 20), (3, 30)):
        assert everything(paths, reading, threads=threads, block=block, allow_empty=allow_empty) == expected


def test_a_plain_record_is_never_parsed(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a\\n", "source": "s", "n": [1, {"b": null}]}\n' * 3)
    monkeypatch.setattr(Reading, "text", None)
    (batch,) = Corpus(open_documents("source", path)[0], Reading()).read()
    assert (list(batch.texts), batch.labels) == (["a\n"] * 3, ["s"] * 3)


@pytest.mark.parametrize("suffix", ["", *COMPRESS])
def test_blocks_of_files_that_are_compressed(tmp_path, suffix):
    generator = np.random.default_rng(0)
    lines = [json.dumps({"text": "é\n" * n, "source": str(n % 3)}) for n in generator.integers(1, 4000, 200).tolist()]
    raw = "\n".join(lines).encode()
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(COMPRESS[suffix](raw) if suffix else raw)
    assert everything([path], Reading(), threads=2) == everything([path], Reading(), slow=True)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize("bad", [b'{"text": "a\xff"}', b'{"text": 1}', b'{"text": "a"', b'{"text": "a", "text": "b"}'])
def test_lines_that_reach_over_many_blocks(tmp_path, end, skip_bad, bad):
    long = b'{"text": "' + b"long " * 100 + b'"}'
    lines = [b"\xef\xbb\xbf" + long, b"", long, b" \t", b'{"text": "a\\nb", "source": "s"}', bad, long, b"", bad, long]
    path = tmp_path / "a.jsonl"
    path.write_bytes(end.join(lines))
    reading = Reading(skip_bad=skip_bad)
    expected = everything([path, path], reading, slow=True)
    assert (
        f"{path}, line 6: " in expected
        if not skip_bad
        else [each.place for each in expected[2]][:2] == ["line 6", "line 9"]
    )
    for block in (1, 7, 64, 1000):
        assert everything([path, path], reading, threads=3, block=block) == expected


def test_labels_in_order_of_first_appearance(tmp_path):
    path = tmp_path / "a.jsonl"
    labels = ["b", None, "a", "b", 3, "c", None, str(path)]
    path.write_text("".join(json.dumps({"text": "t", "source": label}) + "\n" for label in labels))
    (batch,) = Corpus(open_documents("source", path)[0], Reading()).read()
    assert batch.labels == [label if isinstance(label, str) else str(path) for label in labels]
    assert batch.label_names[:4] == ["b", str(path), "a", "c"]


cells = st.none() | st.text(max_size=6) | st.sampled_from(["", "x" * 300])
COLUMNS = {
    "string": (cells, pa.string()),
    "large": (cells, pa.large_string()),
    "bytes": (st.none() | st.binary(max_size=4), pa.binary()),
    "number": (st.none() | st.integers(-5, 5), pa.int64()),
    "strings": (st.lists(st.text(max_size=3), max_size=2), pa.list_(pa.string())),
    "record": (st.fixed_dictionaries({"b": st.text(max_size=3)}), pa.struct([("b", pa.string())])),
    "turns": (
        st.just([{"role": "user", "content": "hi"}]),
        pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
    ),
}
kinds = st.sampled_from(["string", "string", *COLUMNS])


@thorough
@given(st.data(), st.sampled_from(READINGS), st.booleans(), st.sampled_from(["parquet", "arrow"]), st.booleans())
def test_tables(tmp_path_factory, data, reading, skip_bad, kind, spoil):
    rows = data.draw(st.integers(0, 6))
    columns = {}
    for name in data.draw(st.lists(st.sampled_from(["text", "source", "a", "content"]), unique=True, min_size=1)):
        values, type_ = COLUMNS[data.draw(kinds)]
        columns[name] = pa.array(data.draw(st.lists(values, min_size=rows, max_size=rows)), type_)
        if spoil and pa.types.is_string(type_):
            raw = [None if value is None else value.encode() + b"\xff" for value in columns[name].to_pylist()]
            columns[name] = pa.Array.from_buffers(type_, rows, pa.array(raw, pa.binary()).buffers())
    table = pa.table(columns)
    path = tmp_path_factory.mktemp("table") / f"a.{kind}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=2)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, 4)
    reading = replace(reading, skip_bad=skip_bad)
    expected = everything([path], reading, slow=True)
    assert everything([path], reading) == expected
    assert everything([path, path], reading, threads=2) == everything([path, path], reading, slow=True)


@pytest.mark.parametrize("groups", [1, 4, 40])
def test_row_groups_side_by_side(tmp_path, groups):
    path = tmp_path / "a.parquet"
    texts = [None if n % 7 == 3 else f"{n} é" * (n % 50 + 1) for n in range(400)]
    table = pa.table({"text": texts, "source": [str(n // 90) for n in range(400)]})
    pq.write_table(table, path, row_group_size=400 // groups, write_page_checksum=True)
    reading = Reading(skip_bad=True)
    expected = everything([path, path], reading, slow=True)
    assert len(expected[0]) == 2 * (400 - 57)
    assert everything([path, path], reading, threads=3) == expected
    message = everything([path], Reading(), slow=True)
    assert f"{path}, record 4: " in message
    assert everything([path], Reading(), threads=3) == message

    raw = bytearray(path.read_bytes())
    chunk = pq.read_metadata(path).row_group(groups - 1).column(0)
    raw[chunk.dictionary_page_offset + chunk.total_compressed_size - 2] ^= 1
    path.write_bytes(raw)
    message = everything([path], reading, slow=True)
    assert "checksum" in message
    assert everything([path], reading, threads=3) == message


def test_a_slice_of_a_table_has_its_own_texts():
    batch = pa.record_batch({"text": ["a", "bc", "", None, "def"], "source": ["x", None, "y", "y", "x"]})
    plain = tables.TableChunk(0, batch.slice(1, 4)).plain(plain_fields(Reading()))
    assert [plain.texts[0], plain.texts[3]] == ["bc", "def"]
    assert plain.numbers.tolist() == [-1, NOT_PLAIN, NOT_PLAIN, 1]
    assert plain.names == ["y", "x"]
