"""Embeddings kept on disk, so that a document is encoded once for all the runs that meet it.

One SQLite file for each encoder, one row for each distinct text. SQLite gives what a cache shared by processes needs
and a folder of arrays does not: a writer that dies in the middle leaves the file as it was, and two writers wait for
each other. A connection is opened for each batch (a fraction of a millisecond, against seconds of encoding), so no
lock, thread or open file outlives a call. Rollback journal, not WAL: home directories of clusters are network drives,
where WAL does not work. SQLite has no checksums of its own, hence the column: a row whose bits have changed is a miss.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zlib
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

PATIENCE = 60.0
"""Seconds that a process waits for another one's write to end; a write takes milliseconds."""

AT_ONCE = 500
"""Keys asked for in one statement; SQLite before 3.32 takes 999 parameters."""


class Row(NamedTuple):
    """What is known of a text: its vector, float32 of shape (d,), and whether the encoder read it to its end."""

    vector: NDArray[np.float32]
    truncated: bool


def key_of(text: bytes) -> bytes:
    """The content hash that stands for a text, given as UTF-8, in the cache: 32 bytes."""
    return hashlib.sha256(text).digest()


def cache_folder() -> Path:
    """Where embeddings are kept: `embeddings` in $ZIPFIT_CACHE, or in ~/.cache/zipfit."""
    return Path(os.environ.get("ZIPFIT_CACHE") or Path.home() / ".cache" / "zipfit") / "embeddings"


@dataclass(frozen=True)
class VectorCache:
    """The embeddings of one encoder in one file; safe from several threads and processes.

    Every method raises ZipfitError where the file is damaged or cannot be written.
    """

    path: Path
    dimension: int

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        """Return the rows of those keys that are there and sound."""
        found = {}
        with self._open() as database:
            for start in range(0, len(keys), AT_ONCE):
                some = keys[start : start + AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, truncated, vector, checksum FROM embedding WHERE key IN ({marks})"
                for key, truncated, vector, checksum in database.execute(query, some):
                    if len(vector) == 4 * self.dimension and checksum == _checksum(truncated, vector):
                        found[key] = Row(np.frombuffer(vector, dtype="<f4").astype(np.float32), bool(truncated))
        return found

    def put(self, rows: Mapping[bytes, Row]) -> None:
        """Store the rows, all of them or, if the process dies meanwhile, none."""
        with self._open() as database:
            for key, row in rows.items():
                truncated, vector = int(row.truncated), row.vector.astype("<f4").tobytes()
                values = key, truncated, vector, _checksum(truncated, vector)
                database.execute("INSERT OR REPLACE INTO embedding VALUES (?, ?, ?, ?)", values)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # The inner `with database` is a transaction: committed at its end, rolled back on any exception.
            with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as database, database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS embedding"
                    " (key BLOB PRIMARY KEY, truncated INTEGER, vector BLOB, checksum INTEGER)"
                )
                yield database
        except (OSError, sqlite3.Error) as error:
            raise ZipfitError(
                f"the embedding cache {self.path} cannot be used ({error}): delete the file if it is damaged,"
                " point ZIPFIT_CACHE to another folder, or switch it off with cache=false"
            ) from error


def _checksum(truncated: int, vector: bytes) -> int:
    return zlib.crc32(vector, truncated)
