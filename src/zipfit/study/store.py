"""The results folder of a study: `study.json`, and one JSON file a cell, a selection and a baseline.

Each file is written whole or not at all. Instead of a file each, records may lie packed: a line each in one file, which
is read beside the files. What lies in a file of its own counts before what is packed.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import zstandard

from zipfit.corpus.outputs import replacing
from zipfit.corpus.streams import file_at
from zipfit.errors import ZipfitError
from zipfit.study.schema import FORMAT, Baseline, Cell, Record, SelectionRecord, StudyFile, from_json
from zipfit.system.whole_file import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zipfit.study.schema import Study

PACKED = "records.jsonl.zst"
"""The packed records: a JSON object a line, of a record's kind and of itself as its file held it."""

_KINDS: dict[type[Record], str] = {Cell: "cells", SelectionRecord: "selections", Baseline: "baselines"}
_R = TypeVar("_R", bound=Record)
_T = TypeVar("_T")


class Store:
    """Reads and writes a results folder.

    Args:
        folder: need not be there to be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make the folder, where it is not there yet.

        Raises:
            ZipfitError: it cannot be made.
        """
        try:
            for name in _KINDS.values():
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ZipfitError(f"{self.folder}: cannot be made a results folder ({error.strerror or error})") from error

    def read_study(self) -> StudyFile:
        """What is studied.

        Raises:
            ZipfitError: there is no `study.json`, or it is damaged.
        """
        path = self.folder / "study.json"
        if not path.exists():
            raise ZipfitError(f"{self.folder}: is no results folder: it holds no study.json")
        return _record(str(path), _content(path), StudyFile)

    def write_study(self, study: Study, cells: list[str], versions: dict[str, str]) -> None:
        """Keep what is being studied, the keys of all its cells, and with which versions."""
        values = {"study": study.to_json(), "cells": cells, "versions": versions}
        self._write(self.folder / "study.json", values, indent=1)

    def read(self, kind: type[_R], key: str) -> _R | None:
        """A record by its key, or None if it is not there.

        Raises:
            ZipfitError: it is damaged.
        """
        path = self._path(kind, key)
        if path.is_file():
            try:
                return _named(path, kind)
            except ZipfitError as error:
                raise ZipfitError(f"{error}: delete the file, and it will be made again") from error
        packed = self._packed[_KINDS[kind]].get(key)
        return None if packed is None else _record(*packed, kind)

    def read_all(self, kind: type[_R]) -> Iterator[_R]:
        """All records of a kind, by their keys; a file whose name begins with a dot is none.

        Raises:
            ZipfitError: one is damaged.
        """
        files = {path.stem: path for path in self._files(kind)}
        packed = self._packed[_KINDS[kind]]
        for key in sorted(files.keys() | packed.keys()):
            yield _named(files[key], kind) if key in files else _record(*packed[key], kind)

    def write(self, record: Record) -> None:
        """Keep a record."""
        self._write(self._path(type(record), record.key), record.to_json())

    def pack(self) -> int:
        """Move all records into one file, the smaller for it; the same records give the same bytes.

        Returns:
            Their number.

        Raises:
            ZipfitError: there is no study in the folder, a record is damaged, or the file cannot be written.
        """
        self.read_study()
        lines = []
        files = []
        for kind, name in _KINDS.items():
            for _ in self.read_all(kind):
                pass  # what is damaged is not packed away
            packed = {key: line for key, (_, line) in self._packed[name].items()}
            for path in self._files(kind):
                packed[path.stem] = _dumped({"kind": name} | json.loads(_content(path)))
                files.append(path)
            lines += [packed[key] for key in sorted(packed)]
        with replacing(str(self.folder / PACKED)) as written:
            written.file.write(zstandard.ZstdCompressor(level=19, write_checksum=True).compress(b"".join(lines)))
        for path in files:
            path.unlink()
        for name in _KINDS.values():
            with suppress(OSError):  # it is not there, or holds something else
                (self.folder / name).rmdir()
        del self._packed
        return len(lines)

    @cached_property
    def _packed(self) -> dict[str, dict[str, tuple[str, bytes]]]:
        """Kind to key to the place of a packed record, as messages name it, and its line."""
        found: dict[str, dict[str, tuple[str, bytes]]] = {name: {} for name in _KINDS.values()}
        path = self.folder / PACKED
        if not path.exists():
            return found
        with file_at(str(path)).open() as stream:
            for number, line in enumerate(stream, 1):
                place = f"{path}: line {number}"
                values = _values(place, line)
                kind, key = values.get("kind"), values.get("key")
                if kind not in found or not isinstance(key, str):
                    raise ZipfitError(f"{place}: is damaged: its kind must be one of {', '.join(found)}, its key text")
                found[kind][key] = place, line
        return found

    def _path(self, kind: type[Record], key: str) -> Path:
        return self.folder / _KINDS[kind] / f"{key}.json"

    def _files(self, kind: type[Record]) -> list[Path]:
        return sorted((self.folder / _KINDS[kind]).glob("[!.]*.json"))

    def _write(self, path: Path, values: dict[str, Any], indent: int | None = None) -> None:
        with replacing(str(path)) as written:
            written.file.write(_dumped({"format": FORMAT} | values, indent))


def _dumped(values: dict[str, Any], indent: int | None = None) -> bytes:
    return json.dumps(values, ensure_ascii=False, indent=indent).encode("utf-8", "backslashreplace") + b"\n"


def _content(path: Path) -> bytes:
    try:
        return read_whole(path)
    except OSError as error:
        raise ZipfitError(f"{path}: cannot be read ({error.strerror or error})") from error


def _named(path: Path, kind: type[_R]) -> _R:
    """A record out of a file that is named by its key."""
    record = _record(str(path), _content(path), kind)
    if record.key != path.stem:
        raise ZipfitError(f"{path}: is damaged: its key is {record.key!r}, which is not its name")
    return record


def _record(place: str, content: bytes, kind: type[_T]) -> _T:
    """A record as its type, or a ZipfitError that names its place, and in it the value that is not what it must be."""
    values = _values(place, content)
    if values.get("format") != FORMAT:
        raise ZipfitError(f"{place}: has format {values.get('format')!r}; this zipfit reads format {FORMAT}")
    try:
        return from_json(values, kind)
    except ValueError as error:
        raise ZipfitError(f"{place}: is damaged: {error}") from error


def _values(place: str, content: bytes) -> dict[str, Any]:
    """A JSON object. NaN and infinity, which JSON does not have, are taken for null."""
    try:
        values = json.loads(content, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ZipfitError(f"{place}: is damaged: it is no JSON ({error})") from error
    if not isinstance(values, dict):
        raise ZipfitError(f"{place}: is damaged: it holds no JSON object")
    return values


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None
