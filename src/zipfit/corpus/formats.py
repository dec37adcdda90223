"""The formats that documents come in: from an input's bytes to chunks of records."""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from zipfit.corpus.records import JsonChunk, TableChunk, dump_record
from zipfit.corpus.streams import COMPRESSION_SUFFIXES, file_system, is_compressed, is_remote, naming
from zipfit.errors import ZipfitError, need

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    import pyarrow as pa

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

# A chunk is what one thread scores at a time: small enough to share out evenly and to show progress, large enough that
# handing it over costs nothing beside scoring it.
CHUNK_RECORDS = 512
CHUNK_BYTES = 1 << 18

# No document is so long: what has no end of a line is another format, or meant to fill the memory.
_MAX_RECORD_BYTES = 1 << 28

_BOM = codecs.BOM_UTF8


def format_of_name(path: str) -> str | None:
    """The format that a file's name tells, a compression suffix aside; None if it tells none."""
    name = path.lower().split("?", 1)[0] if is_remote(path) else path.lower()
    for suffix in COMPRESSION_SUFFIXES:
        name = name.removesuffix(suffix)
    return next((kind for kind, suffixes in _SUFFIXES.items() if name.endswith(suffixes)), None)


def detect_format(file: HashedFile) -> str:
    """Tell a file's format by its name or, where that says nothing (or just `.json`), by its first bytes.

    Raises:
        ZipfitError: neither tells.
    """
    named = format_of_name(file.path)
    if named is not None and named != "json":
        return named
    with file.open() as stream:
        head = stream.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "arrow"
    first = head.removeprefix(_BOM).lstrip()[:1]
    if first == b"[":
        return "json"
    if first == b"{":
        return "jsonl"
    if not head:
        return named or "jsonl"
    if named == "json":
        raise ZipfitError(f"{file.path}: is neither a JSON array nor JSON Lines")
    raise ZipfitError(f"{file.path}: neither its name nor its content tells its format (give --format)")


def read_chunks(
    file: HashedFile,
    kind: str,
    *,
    sample_by: str = "line",
    columns: Sequence[str] | None = None,
    progress: OnRead | None = None,
) -> Iterator[Chunk]:
    """Read a file's records in order.

    Args:
        file: the input.
        kind: one of `FORMATS`.
        sample_by: for text, what one document is: a `line`, a blank-line `paragraph`, or the whole `document`.
        columns: for columnar formats, the top-level columns to read, as far as they exist; None for all.
        progress: called with numbers of raw bytes read.

    Raises:
        ZipfitError: the file cannot be read, or is not of its format as a whole.
    """
    if kind in ("parquet", "arrow"):
        yield from _columnar(file, kind, columns, progress)
        return
    with file.open(progress) as stream:
        if kind == "jsonl":
            lines = _lines(file.path, stream)
            yield from _chunked((f"line {number}", _object(line), None) for number, line in lines if line.strip())
        elif kind == "json":
            items = enumerate(_array_items(file.path, stream), 1)
            yield from _chunked((f"record {number}", _object(item), None) for number, item in items)
        elif kind == "text":
            yield from _chunked(_text_units(file.path, stream, sample_by))
        else:
            yield from _chunked(_csv_rows(file.path, stream, "\t" if kind == "tsv" else ","))


def _object(value: bytes) -> bytes:
    """A JSON string as the record `{"text": string}`, as in memory; what is none is left as it is."""
    if not value.lstrip().startswith(b'"'):
        return value
    try:
        return dump_record({"text": json.loads(value)})
    except ValueError:
        return value


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


def max_record_bytes() -> int:
    """The most bytes that a record of a row format may have: `$ZIPFIT_MAX_RECORD_BYTES`, else 256 MiB.

    Raises:
        ZipfitError: the variable holds no positive whole number.
    """
    given = os.environ.get("ZIPFIT_MAX_RECORD_BYTES")
    if not given:
        return _MAX_RECORD_BYTES
    need(
        given.isdecimal() and 0 < len(given.lstrip("0")) < 19,
        f"ZIPFIT_MAX_RECORD_BYTES must be a number of bytes, not {given!r}",
    )
    return int(given)


def _too_large(place: str, limit: int) -> ZipfitError:
    return ZipfitError(
        f"{place}: the record has more than {limit:,} bytes (to read it, set the environment variable "
        "ZIPFIT_MAX_RECORD_BYTES to more)"
    )


def _raw_lines(path: str, stream: io.BufferedReader) -> Iterator[bytes]:
    limit = max_record_bytes()
    for number, line in enumerate(iter(partial(stream.readline, limit + 1), b""), 1):
        if len(line) > limit:
            raise _too_large(f"{path}, line {number}", limit)
        yield line


def _lines(path: str, stream: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Lines without their ends, numbered from 1; a byte order mark at the start is not part of the first."""
    for number, line in enumerate(_raw_lines(path, stream), 1):
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        yield number, text.removeprefix(_BOM) if number == 1 else text


def _text_units(path: str, stream: io.BufferedReader, sample_by: str) -> Iterator[Item]:
    for place, raw in _raw_text_units(path, stream, sample_by):
        error = _invalid_utf8(raw, sample_by)
        yield place, raw if error is not None else dump_record({"text": raw.decode("utf-8")}), error


def _raw_text_units(path: str, stream: io.BufferedReader, sample_by: str) -> Iterator[tuple[str, bytes]]:
    limit = max_record_bytes()
    if sample_by == "document":
        text = stream.read(limit + 1)
        if len(text) > limit:
            raise _too_large(path, limit)
        yield "line 1", text.removeprefix(_BOM)
        return
    for blank, lines in groupby(_lines(path, stream), lambda numbered: not numbered[1].strip()):
        if sample_by == "line" and not blank:
            yield from ((f"line {number}", line) for number, line in lines)
        elif not blank:
            yield _paragraph(path, lines, limit)


def _paragraph(path: str, lines: Iterable[tuple[int, bytes]], limit: int) -> tuple[str, bytes]:
    place, texts, size = "", [], 0
    for number, line in lines:
        place = place or f"line {number}"
        texts.append(line)
        size += len(line)
        if size > limit:
            raise _too_large(f"{path}, {place}", limit)
    return place, b"\n".join(texts)


def _csv_rows(path: str, stream: io.BufferedReader, delimiter: str) -> Iterator[Item]:
    csv.field_size_limit(sys.maxsize)  # the library's own limit of 128 KiB a field is too low for documents
    limit = max_record_bytes()
    consumed: list[str] = []
    size, line = 0, 1

    def decoded() -> Iterator[str]:
        nonlocal size
        for number, part in enumerate(_raw_lines(path, stream)):
            size += len(part)
            if size > limit:
                raise _too_large(f"{path}, line {line}", limit)
            text = (part.removeprefix(_BOM) if number == 0 else part).decode("utf-8", "surrogateescape")
            consumed.append(text)
            yield text

    rows = csv.reader(decoded(), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        error = None
        try:
            row = next(rows, None)
        except csv.Error as reason:
            row, error = [], f"broken CSV: {reason}"
        raw, place = "".join(consumed).encode("utf-8", "surrogateescape"), f"line {line}"
        consumed.clear()
        size = 0
        line = rows.line_num + 1
        if row is None:
            return
        if not row and error is None:  # a blank line
            continue
        unit = "header" if header is None else "row"
        error = error or _invalid_utf8(raw, unit)
        if header is None:
            if error is None and len(set(row)) < len(row):
                error = "the header names a column twice"
            if error is not None:
                raise ZipfitError(f"{path}, {place}: {error}")
            header = row
            continue
        if error is None and len(row) != len(header):
            error = f"{len(row)} fields where the header has {len(header)}"
        yield place, raw if error is not None else dump_record(dict(zip(header, row, strict=True))), error


def _invalid_utf8(raw: bytes, unit: str) -> str | None:
    """The reason why bytes are no text, if they are not."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"invalid UTF-8 at byte {error.start} of the {unit}"
    return None


# Newlines never stand inside a JSON string unescaped, so an element becomes one line without a change of meaning.
_LINE_BREAK = re.compile(r"\s*[\r\n]+\s*")
_SPACE = re.compile(r"[ \t\r\n]*")
_AFTER_ELEMENT = " \t\r\n,]"


def _array_items(path: str, stream: io.BufferedReader) -> Iterator[bytes]:
    """The elements of a JSON array, each as its own JSON text, decoding no more than a window of it at a time."""
    decoder = json.JSONDecoder()
    utf8 = codecs.getincrementaldecoder("utf-8")()
    limit = max_record_bytes()
    window, start, ended, line = "", 0, False, 1
    wanted = CHUNK_BYTES

    def line_here() -> int:
        return line + window.count("\n", 0, start)

    def need_size(end: int) -> None:
        if end - start > limit:
            raise _too_large(f"{path}, line {line_here()}", limit)

    def more() -> None:
        nonlocal window, start, ended, line, wanted
        need_size(len(window))
        data = stream.read(wanted)
        wanted = max(CHUNK_BYTES, len(window) - start)  # doubling, so that one huge element costs linear time
        line = line_here()
        try:
            window = window[start:] + utf8.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise ZipfitError(f"{path}, near line {line}: invalid UTF-8 ({error.reason})") from error
        start, ended = 0, not data

    def skip_space() -> str:
        """Move to the next character that is not a space and return it ('' at the end of the file)."""
        nonlocal start
        while True:
            match = _SPACE.match(window, start)
            assert match is not None
            start = match.end()
            if start < len(window) or ended:
                return window[start : start + 1]
            more()

    def broken(reason: str) -> ZipfitError:
        return ZipfitError(f"{path}, line {line_here()}: broken JSON: {reason}")

    if skip_space() == "\ufeff":
        start += 1
    if skip_space() != "[":
        raise broken("the file is not an array")
    start += 1
    first = True
    while True:
        mark = skip_space()
        if mark == "]":
            break
        if not first:
            if mark != ",":
                raise broken("expected ',' or ']'" if mark else "the array is cut off before its end")
            start += 1
            skip_space()
        first = False
        while True:
            try:
                _, end = decoder.raw_decode(window, start)
                if ended or (end < len(window) and window[end] in _AFTER_ELEMENT):  # else a number might go on
                    break
            except (ValueError, RecursionError) as error:
                if ended:
                    raise broken(error.msg if isinstance(error, json.JSONDecodeError) else str(error)) from error
            more()
        need_size(end)
        yield _LINE_BREAK.sub(" ", window[start:end]).encode("utf-8", "surrogatepass")
        start = end
    start += 1
    if skip_space():
        raise broken("something follows the array")


@contextmanager
def _columnar_source(file: HashedFile) -> Iterator[Any]:
    """What Arrow can read at random: the file itself or, if it is compressed, a decompressed temporary copy."""
    file.hash_contents()
    if is_compressed(file.local_path):
        with tempfile.NamedTemporaryFile(prefix="zipfit-input-") as copy:
            with file.open() as stream:
                shutil.copyfileobj(stream, copy)
            copy.flush()
            yield copy.name
    elif is_remote(file.path):
        fs, inner = file_system(file.path)
        with fs.open(inner, "rb") as stream:
            yield stream
    else:
        yield file.local_path


def _columnar(
    file: HashedFile, kind: str, columns: Sequence[str] | None, progress: OnRead | None
) -> Iterator[TableChunk]:
    import pyarrow as pa

    with naming(file.path), _columnar_source(file) as source:
        size = file.bytes or 0
        done = row = 0
        try:
            read = (
                _parquet_batches(file.path, source, columns) if kind == "parquet" else _arrow_batches(file.path, source)
            )
            for batch, share in read:
                for start in range(0, batch.num_rows, CHUNK_RECORDS):
                    yield TableChunk(row + start, batch.slice(start, CHUNK_RECORDS))
                row += batch.num_rows
                if progress is not None:
                    progress(int(size * share) - done)
                    done = int(size * share)
        except pa.ArrowException as error:
            raise ZipfitError(f"{file.path}: not a readable {kind.capitalize()} file ({error})") from error


def need_distinct(name: str, columns: Sequence[str], of: str = "column") -> None:
    """Check that no two columns, or fields of a struct, have one name, as one of the two would be lost.

    Raises:
        ZipfitError: two have.
    """
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise ZipfitError(f"{name}: has the {of} {twice!r} twice")


def check_schema(name: str, schema: pa.Schema) -> None:
    """Check that no name is there twice, in the schema or in a struct of it.

    Raises:
        ZipfitError: one is.
    """
    import pyarrow as pa

    need_distinct(name, schema.names)
    kinds = list(schema.types)
    for kind in kinds:  # which grows by what each holds
        if pa.types.is_struct(kind):
            need_distinct(name, [field.name for field in kind], "field")
            kinds += [field.type for field in kind]
        kinds += [getattr(kind, part) for part in ("value_type", "key_type", "item_type") if hasattr(kind, part)]


def _parquet_batches(name: str, source: Any, columns: Sequence[str] | None) -> Iterator[tuple[Any, float]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as parquet:
        check_schema(name, parquet.schema_arrow)
        # All of them where no field is named, or the one named is missing: a message names the rest.
        wanted = [name for name in parquet.schema_arrow.names if name in (columns or ())] or None
        total = max(parquet.metadata.num_rows, 1)
        done = 0
        for batch in parquet.iter_batches(batch_size=CHUNK_RECORDS, columns=wanted):
            done += batch.num_rows
            yield batch, done / total


def _arrow_batches(name: str, source: Any) -> Iterator[tuple[Any, float]]:
    """Batches of an Arrow IPC file or, as Hugging Face `datasets` keeps them, an IPC stream."""
    import pyarrow as pa

    with pa.memory_map(source) if isinstance(source, str) else pa.PythonFile(source) as stream:
        is_file = stream.read(6) == b"ARROW1"
        stream.seek(0)
        if is_file:
            with pa.ipc.open_file(stream) as reader:
                check_schema(name, reader.schema)
                for index in range(reader.num_record_batches):
                    yield reader.get_batch(index), (index + 1) / reader.num_record_batches
        else:
            with pa.ipc.open_stream(stream) as reader:
                check_schema(name, reader.schema)
                for batch in reader:
                    yield batch, stream.tell() / max(stream.size(), 1)
