"""What is read of kept scores and their parts, which a stranger may have written."""

from __future__ import annotations

from typing import Any

import msgspec

from zipfit.selection.manifest_schema import GivenFiles, SafePath
from zipfit.selection.score_tables import Segment
from zipfit.system.values import as_type

_Sample = list[tuple[str, list[str], str, int]]


class _Table(msgspec.Struct):
    path: str
    records: int
    bytes: int
    sha256: str


class _Input(msgspec.Struct):
    name: SafePath
    bytes: int
    sha256: str
    documents: int
    skipped: dict[str, int]
    stamp: str | None


class _Source(msgspec.Struct):
    files: GivenFiles
    inputs: list[_Input]


class _TargetInput(msgspec.Struct):
    name: SafePath
    sha256: str | None


class _Target(msgspec.Struct):
    files: GivenFiles | None
    inputs: list[_TargetInput]


class _Method(msgspec.Struct):
    class_: str = msgspec.field(name="class")
    options: dict[str, Any] | None
    engine: str | None
    notes: dict[str, Any]


class _Parameters(msgspec.Struct):
    text_field: str | None
    template: str | None
    target_field: str | None
    target_template: str | None
    by: str | None
    target_by: str | None
    skip_bad: bool


class _PartSource(msgspec.Struct):
    files: GivenFiles


class _Description(msgspec.Struct):
    working_directory: SafePath
    source: _PartSource
    target: _Target
    files_passed_over: list[str]
    method: _Method
    parameters: _Parameters


class _Manifest(msgspec.Struct):
    scores_version: int
    working_directory: SafePath
    source: _Source
    target: _Target
    files_passed_over: list[str]
    method: _Method
    parameters: _Parameters
    sample: _Sample
    tables: list[_Table]
    seconds: dict[str, float]


def check_scores_manifest(manifest: Any) -> None:
    """Check that a manifest of scores has all that is read of it, of the right types.

    Raises:
        ValueError: it has not.
    """
    as_type(manifest, _Manifest)


class _Block(msgspec.Struct):
    job: str
    segments: list[Segment]
    sample: _Sample


def read_about(data: bytes) -> dict[str, Any]:
    """What a block of records says that it is about.

    Raises:
        ValueError: it says no such thing.
    """
    about: dict[str, Any] = msgspec.json.decode(data)
    as_type(about, _Block)
    return about


class _Done(msgspec.Struct):
    job: str
    part: int
    parts: int
    files: list[tuple[str, str | None]]
    description: _Description
    terms: dict[str, Any] | None
    unreadable: dict[str, str]
    tables: list[str]
    segments: list[Segment]
    seconds: dict[str, float]


def read_done(data: bytes) -> dict[str, Any]:
    """What a part's folder says that it holds.

    Raises:
        ValueError: it says no such thing.
    """
    try:
        done: dict[str, Any] = msgspec.json.decode(data)
    except msgspec.DecodeError as error:  # no ValueError before msgspec 0.21
        raise ValueError(str(error)) from error
    as_type(done, _Done)
    return done
