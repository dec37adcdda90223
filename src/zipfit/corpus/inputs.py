"""What documents can be read from: files by path, glob or folder, Hugging Face data sets, and what Python holds.

There are four kinds of `Input`, each read as often as needed, and all of them have

- `name`: what messages and the manifest call it;
- `documents`: the number of good records, 0 until read;
- `skipped`: reason to number of records passed over for it;
- `size()`: the total of what `chunks` reports to `progress`, None if it is not known beforehand;
- `chunks(columns, progress)`: the records in order, of columnar inputs only `columns`, where given;
- `identity()`: what the manifest keeps to tell that a later input is the same (size and content hash).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zipfit.corpus.folders import expand
from zipfit.corpus.formats import TABLES, Layout, read_chunks
from zipfit.corpus.records import CHUNK_RECORDS, ObjectChunk, TableChunk
from zipfit.corpus.streams import file_at, is_pipe
from zipfit.corpus.tables import check_schema, need_distinct, parquet_parts, schema_of
from zipfit.corpus.write import check_schemas, output_format
from zipfit.errors import ZipfitError, need, needing, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    import pyarrow as pa

    from zipfit.corpus.records import Chunk
    from zipfit.corpus.streams import HashedFile, OnRead

    Input: TypeAlias = "FileInput | TableInput | ObjectInput | HeldInput"
    Documents: TypeAlias = str | os.PathLike[str] | "Files" | Iterable[Any]
    """What `source` and `target` may be: see `zipfit.select`."""

HUB_NAME = re.compile(r"hub:(?P<name>[^:@]+)(?::(?P<config>[^@]+))?@(?P<split>.+)")
"""A Hugging Face data set as an input: `hub:NAME@SPLIT` or `hub:NAME:CONFIG@SPLIT`."""


class _Read:
    """What reading an input tells of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.documents = 0
        self.skipped: dict[str, int] = {}


class FileInput(_Read):
    """Documents in a file.

    Attributes:
        file: where they lie.
        layout: how, with the format.
    """

    def __init__(self, file: HashedFile, layout: Layout) -> None:
        super().__init__(file.path)
        self.file = file
        self.layout = layout.of(file)

    def size(self) -> int | None:
        return self.file.size()

    @property
    def is_table(self) -> bool:
        return self.layout.format in TABLES

    def schema(self) -> pa.Schema:
        """The schema of a table."""
        return schema_of(self.file, str(self.layout.format))

    def chunks(self, columns: Sequence[str] | None = None, progress: OnRead | None = None) -> Iterator[Chunk]:
        return read_chunks(self.file, self.layout, columns, progress)

    def parts(self, columns: Sequence[str] | None = None, progress: OnRead | None = None) -> Sequence[Iterator[Chunk]]:
        """The same in parts, one after another, that several threads may read side by side."""
        if self.layout.format == "parquet":
            return parquet_parts(self.file, columns, progress)
        return [self.chunks(columns, progress)]

    def identity(self) -> dict[str, object]:
        return {"format": self.layout.format, "bytes": self.file.bytes, "sha256": self.file.sha256}


class TableInput(_Read):
    """Documents in an Arrow table or anything that yields one by slices."""

    def __init__(self, name: str, rows: int, slice_: Callable[[int, int], Any], fingerprint: str | None = None) -> None:
        super().__init__(name)
        self._rows = rows
        self._slice = slice_
        self._fingerprint = fingerprint

    def size(self) -> int:
        return self._rows

    def chunks(self, columns: Sequence[str] | None = None, progress: OnRead | None = None) -> Iterator[Chunk]:
        for start in range(0, self._rows, CHUNK_RECORDS):
            table = self._slice(start, CHUNK_RECORDS)
            if start == 0:  # the others have the same
                check_schema(self.name, table.schema)
            names = [name for name in table.column_names if columns is None or name in columns]
            table = table.select(names) if names else table
            row = start
            for batch in table.combine_chunks().to_batches():
                yield TableChunk(row, batch)
                row += batch.num_rows
                if progress is not None:
                    progress(batch.num_rows)

    def identity(self) -> dict[str, object]:
        if self._fingerprint is not None:
            return {"format": "dataset", "rows": self._rows, "fingerprint": self._fingerprint}
        slices = (self._slice(start, CHUNK_RECORDS) for start in range(0, self._rows, CHUNK_RECORDS))
        rows = (row for table in slices for batch in table.to_batches() for row in _any_rows(batch))
        return {"format": "table", "rows": self._rows, "sha256": _sha256_of(rows)}


class ObjectInput(_Read):
    """Documents that are Python strings or dicts, of which nothing is saved by reading some fields only."""

    def __init__(self, name: str, objects: Sequence[Any]) -> None:
        super().__init__(name)
        self._objects = objects

    def size(self) -> int:
        return len(self._objects)

    def chunks(self, columns: Sequence[str] | None = None, progress: OnRead | None = None) -> Iterator[Chunk]:  # noqa: ARG002
        for start in range(0, len(self._objects), CHUNK_RECORDS):
            objects = self._objects[start : start + CHUNK_RECORDS]
            yield ObjectChunk(start, objects)
            if progress is not None:
                progress(len(objects))

    def identity(self) -> dict[str, object]:
        return {"format": "objects", "rows": len(self._objects), "sha256": _sha256_of(self._objects)}


class HeldInput(_Read):
    """Some chunks of another input, read already."""

    def __init__(self, name: str, held: Sequence[Chunk]) -> None:
        super().__init__(name)
        self._held = held

    def size(self) -> None:
        return None

    def chunks(self, columns: Sequence[str] | None = None, progress: OnRead | None = None) -> Iterator[Chunk]:  # noqa: ARG002
        return iter(self._held)

    def identity(self) -> dict[str, object]:
        return {}


def _any_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    from zipfit.corpus.rows import rows_of

    try:
        return rows_of(batch)
    except UnicodeDecodeError:  # in a column that is not read, perhaps
        return rows_of(batch, "backslashreplace")


def _sha256_of(records: Iterable[Any]) -> str:
    sha256 = hashlib.sha256()
    for record in records:
        sha256.update(repr(record).encode("utf-8", "backslashreplace"))
    return sha256.hexdigest()


@dataclass(frozen=True)
class Files:
    """Documents by path.

    Attributes:
        paths: files, globs, folders or `FOLDER@SPLIT`, remote paths, `-` for standard input, or
            `hub:NAME[:CONFIG]@SPLIT` for a Hugging Face data set (needs the extra `hub`).
        format: see `formats.Layout`, as for the others.
        sample_by: likewise.
        encoding: likewise.
        delimiter: likewise.
        header: likewise.
    """

    paths: Sequence[str]
    format: str | None = None
    sample_by: str = "line"
    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True

    @property
    def layout(self) -> Layout:
        """How the files hold their documents."""
        return Layout(self.format, self.sample_by, self.encoding, self.delimiter, self.header)

    def open(
        self,
        on_unreadable: Callable[[str, str], None] | None = None,
        progress: OnRead | None = None,
        *,
        to_the_end: bool = True,
    ) -> tuple[list[Input], list[str]]:
        """Return the inputs, and the files of folders that were passed over; see `expand`.

        Args:
            on_unreadable: called with name and reason of each file that cannot be read to its end, all of which are
                read once to find out; None to raise where one is read.
            progress: called with numbers of raw bytes read in doing so.
            to_the_end: whether they are; if not, only a file that cannot even be opened is told of.

        Raises:
            ZipfitError: as `expand` and `Layout.of`.
        """
        layout = self.layout
        inputs: list[Input] = []
        passed_over: list[str] = []
        for path in self.paths:
            if path.startswith("hub:"):
                inputs.append(_hub_input(path))
                continue
            names, unknown = expand([path], any_format=self.format is not None)
            passed_over += unknown
            for name in names:
                try:
                    item = FileInput(file_at(name), layout)
                    if on_unreadable is not None and to_the_end:
                        for _ in item.chunks(progress=progress):
                            pass
                    inputs.append(item)
                except ZipfitError as error:
                    if on_unreadable is None:
                        raise
                    on_unreadable(name, str(error))
        return inputs, passed_over


def as_files(documents: Documents) -> Files | None:
    """The paths that documents are given by, or None if Python holds the documents themselves."""
    if isinstance(documents, (str, os.PathLike)):
        return Files([os.fspath(documents)])
    if isinstance(documents, list) and documents and all(isinstance(item, os.PathLike) for item in documents):
        return Files([os.fspath(item) for item in documents])
    return documents if isinstance(documents, Files) else None


def names_of(documents: Documents) -> list[str]:
    """The files that documents will be read from, none of which is opened; what Python or the hub holds lies in none.

    Raises:
        ZipfitError: as `expand`.
    """
    files = as_files(documents)
    if files is None:
        return []
    paths = [path for path in files.paths if not path.startswith("hub:")]
    return expand(paths, any_format=files.format is not None)[0]


def check_output(path: str, documents: Documents, skip_bad_files: bool = False) -> None:
    """Check before the work that the records of files go into an output's format, as far as tables tell.

    Their schemas are looked at and, where these leave it open whether columns of several types go together (integers
    and floats, say), all values of those columns.

    Args:
        path: an output.
        documents: what will be read.
        skip_bad_files: whether a file that cannot be read is no error, but passed over.

    Raises:
        ZipfitError: they do not; or as `Files.open`.
    """
    files = as_files(documents)
    if files is None:
        return
    names = [name for name in names_of(files) if name != "-" and not is_pipe(name)]  # which can be read only once
    layout = files.layout
    tables: list[tuple[FileInput, pa.Schema]] = []
    kinds: set[bool] = set()
    for name in names:
        try:
            item = FileInput(file_at(name), layout)
            tables += [(item, item.schema())] if item.is_table else []
        except ZipfitError:
            if not skip_bad_files:
                raise
            continue
        kinds.add(item.is_table)
    schemas = [schema for _, schema in tables]
    check_schemas(path, schemas, mixed=len(kinds) > 1)
    if tables and output_format(path) in TABLES:
        from zipfit.corpus.columns import undecided

        left = undecided(schemas, to_parquet=output_format(path) == "parquet")
        for (item, _), columns in zip(tables, left, strict=True):
            if columns.names:
                _check_values(item, columns, skip_bad_files)


def _check_values(item: FileInput, columns: pa.Schema, skip_bad_files: bool) -> None:
    """Check that all values of a table's columns go into other types.

    Raises:
        ZipfitError: one does not; or the file cannot be read, unless that is no error.
    """
    from zipfit.corpus.columns import check_values

    def chunks() -> Iterator[Chunk]:
        try:
            yield from item.chunks(columns.names)
        except ZipfitError:
            if not skip_bad_files:
                raise

    for chunk in chunks():
        try:
            check_values(chunk.take(range(len(chunk))), columns)
        except ZipfitError as error:
            raise ZipfitError(f"{item.name}: {error}") from error


def open_documents(
    name: str,
    documents: Documents,
    on_unreadable: Callable[[str, str], None] | None = None,
    progress: OnRead | None = None,
    *,
    to_the_end: bool = True,
) -> tuple[list[Input], list[str]]:
    """Return the inputs that documents are read from, and the files that were passed over; see `Files.open`.

    Args:
        name: what messages call documents that Python holds.
        documents: a path, a list of `Path`s, `Files`, or what `_open_objects` takes.
        on_unreadable: as of `Files.open`.
        progress: likewise.
        to_the_end: likewise.

    Raises:
        ZipfitError: as `Files.open`, or documents cannot be read from the object.
    """
    files = as_files(documents)
    if files is not None:
        return files.open(on_unreadable, progress, to_the_end=to_the_end)
    return [_open_objects(name, documents)], []


def _open_objects(name: str, documents: Any) -> Input:
    """Return an input over what Python holds: strings, dicts, a `datasets.Dataset`, a frame or an Arrow table.

    An iterator is read once, into memory.

    Raises:
        ZipfitError: `documents` is nothing of the kind.
    """
    module = type(documents).__module__.split(".")[0]
    if module == "datasets":
        if isinstance(documents, dict):
            raise ZipfitError(f"{name}: is a dictionary of splits ({', '.join(map(repr, documents))}): choose one")
        if hasattr(documents, "with_format") and hasattr(documents, "__len__"):
            return _dataset_input(name, documents)
    if type(documents).__name__ == "DataFrame" and module == "pandas":
        import pyarrow as pa

        need_distinct(name, [str(column) for column in documents.columns])
        try:
            documents = pa.Table.from_pandas(documents, preserve_index=False)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            reason = "; ".join(map(str, error.args))
            raise ZipfitError(f"{name}: the frame has a column that is none of a table ({reason})") from error
    elif type(documents).__name__ == "DataFrame" and module == "polars":
        objects = [column for column, kind in documents.schema.items() if str(kind) == "Object"]
        need(not objects, f"{name}: the frame has a column of Python objects, which Arrow cannot hold: {objects}")
        try:
            documents = documents.to_arrow()
        except Exception as error:  # polars has its own, and pyarrow refuses types of polars
            raise ZipfitError(f"{name}: the frame has a column that is none of a table ({one_line(error)})") from error
    if type(documents).__module__.startswith("pyarrow"):
        import pyarrow as pa

        try:
            if isinstance(documents, (pa.Array, pa.ChunkedArray)):
                return ObjectInput(name, documents.to_pylist())
            table = documents if isinstance(documents, pa.Table) else pa.table(documents)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            kind = type(documents).__name__
            raise ZipfitError(f"{name}: documents cannot be read from a {kind} ({one_line(error)})") from error
        return TableInput(name, table.num_rows, table.slice)
    if isinstance(documents, Sequence) and not isinstance(documents, (str, bytes)):
        return ObjectInput(name, documents)
    if isinstance(documents, Iterable) and not isinstance(documents, (str, bytes, dict)):
        return ObjectInput(name, list(documents))
    raise ZipfitError(f"{name}: documents cannot be read from a {type(documents).__name__}")


def _dataset_input(name: str, dataset: Any) -> TableInput:
    arrow = dataset.with_format("arrow")
    return TableInput(
        name, len(dataset), lambda start, count: arrow[start : start + count], fingerprint=dataset._fingerprint
    )


def _hub_input(path: str) -> TableInput:
    match = HUB_NAME.fullmatch(path)
    if match is None:
        raise ZipfitError(f"{path}: write a data set as hub:NAME@SPLIT or hub:NAME:CONFIG@SPLIT")
    with needing("reading Hugging Face data sets", "hub"):
        import datasets
    try:
        dataset = datasets.load_dataset(match["name"], match["config"], split=match["split"])
    except Exception as error:  # the library raises many kinds; each means that there is nothing to read
        raise ZipfitError(f"{path}: the data set cannot be loaded ({one_line(error)})") from error
    return _dataset_input(path, dataset)
