"""What checking, explaining and repeating a selection read of its manifest, which a stranger may have written."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from zipfit.corpus.shards import SHARD_NAME
from zipfit.errors import ZipfitError
from zipfit.system.values import as_type

# All that a path can hold here: no NUL, and of surrogates those that stand for bytes which are no UTF-8.
SafePath = Annotated[str, Meta(pattern="^[^\x00\ud800-\udc7f\udd00-\udfff]+$")]

_Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class GivenFiles(Struct, forbid_unknown_fields=True):
    """How documents were given by path."""

    paths: list[SafePath]
    format: str | None
    sample_by: str
    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True


class _Input(Struct):
    name: SafePath
    bytes: _Count | None = None
    sha256: str | None = None
    format: str | None = None


class _Documents(Struct):
    files: GivenFiles | None
    inputs: list[_Input]


class _Method(Struct):
    class_: str = field(name="class")
    options: dict[str, Any] | None


class _Parameters(Struct, forbid_unknown_fields=True):
    tokenizer: SafePath | None
    text_field: str | None
    template: str | None
    target_field: str | None
    target_template: str | None
    by: str | None
    target_by: str | None
    min_bytes: _Count
    max_bytes: _Count | None
    dedup: str | None
    dedup_threshold: float
    max_share: float | None
    skip_bad: bool
    threads: _Count | None
    progress: bool
    top: _Count | None
    fraction: float | None
    tokens: _Count | None
    min_score: float | None
    allow_fewer: bool
    roles: str | None = None
    role_labels: bool = True
    convert: str | None = None
    convert_to_table: bool = False
    overlap: str | None = None


class _Selection(Struct):
    documents: _Count


class _Shard(Struct):
    path: Annotated[str, Meta(pattern=f"^{SHARD_NAME}$")]
    documents: _Count
    bytes: _Count
    sha256: str


class _Output(Struct):
    path: SafePath
    order: str
    add_fields: bool
    bytes: _Count
    sha256: str
    convert: str | None = None
    shard_records: _Count | None = None
    shard_bytes: _Count | None = None
    shard_format: str | None = None
    shards: list[_Shard] | None = None


class _Manifest(Struct):
    working_directory: SafePath
    source: _Documents
    target: _Documents
    method: _Method
    parameters: _Parameters
    selection: _Selection
    output: _Output | None
    exclude: _Documents | None = None
    check: _Documents | None = None


def check_manifest(path: str, manifest: dict[str, Any]) -> None:
    """Check that a manifest has all that is read of it, of the right types.

    Raises:
        ZipfitError: it has not; the message names the key.
    """
    try:
        as_type(manifest, _Manifest)
    except ValueError as error:
        raise ZipfitError(f"{path}: is not a whole manifest: {error}") from error
