"""How an output is cut into files of a folder: where, and what they are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zipfit.corpus.streams import COMPRESSION_SUFFIXES
from zipfit.errors import ZipfitError

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMATS = ("jsonl", *(f"jsonl{suffix}" for suffix in COMPRESSION_SUFFIXES), "parquet")
"""What shards may be; all of them are read by `datasets` as they lie in a folder."""

SHARD_NAME = r"selected-\d{5,}-of-\d{5,}\.[a-z0-9.]+"

_MOST = (1 << 63) - 1

_SIZE = re.compile(r"(\d{1,18}) ?([KMGT]?B|[KMGT]IB)?", re.IGNORECASE)
_UNITS = {"B": 1} | {
    f"{prefix}{unit}": int(base**power)
    for power, prefix in enumerate("KMGT", 1)
    for unit, base in (("B", 1000), ("IB", 1024))
}


@dataclass(frozen=True)
class Sharding:
    """How large the files of a folder may be; at least one of the first two is set, and each is a bound.

    Attributes:
        records: number of records in a file.
        bytes: size of a file of JSON Lines before it is compressed; a larger record has a file of its own.
        format: one of `FORMATS`.

    Raises:
        ZipfitError: a value is out of range, or the format is none of shards, or has no lines to be measured in bytes.
    """

    records: int | None = None
    bytes: int | None = None
    format: str = "jsonl"

    def __post_init__(self) -> None:
        for name, value in (("shard-records", self.records), ("shard-bytes", self.bytes)):
            if value is not None and not 1 <= value <= _MOST:
                raise ZipfitError(f"{name} must be from 1 to {_MOST}, not {value}")
        if self.format not in FORMATS:
            raise ZipfitError(f"shard-format must be one of {', '.join(FORMATS)}, not {self.format!r}")
        if self.bytes is not None and self.format == "parquet":
            raise ZipfitError("shard-bytes measures lines of JSON, which parquet has not: give shard-records")

    @classmethod
    def of(cls, records: int | None, size: int | str | None, format_name: str | None) -> Sharding | None:
        """The sharding that options ask for; None for an output in one file.

        Args:
            records: as the attribute.
            size: likewise, or as a text like `100MB` or `1GiB`.
            format_name: likewise; None for JSON Lines.

        Raises:
            ZipfitError: as `Sharding`; or the text is no size; or there is a format of shards alone.
        """
        if records is None and size is None:
            if format_name is not None:
                raise ZipfitError("shard-format is of an output in shards: give shard-records or shard-bytes")
            return None
        return cls(records, _bytes(size) if isinstance(size, str) else size, format_name or "jsonl")

    def counts(self, records: int, sizes: Iterable[int]) -> list[int]:
        """How many records go into each file.

        Args:
            records: how many there are.
            sizes: of each record in bytes; is read only where bytes are a bound.

        Example:
            >>> Sharding(records=2).counts(5, []), Sharding(bytes=10).counts(4, [4, 6, 1, 20])
            ([2, 2, 1], [2, 1, 1])
        """
        most = self.records or max(records, 1)
        if self.bytes is None:
            return [min(most, records - start) for start in range(0, records, most)] or [0]
        counts, filled = [0], 0
        for size in sizes:
            if counts[-1] == most or (counts[-1] and filled + size > self.bytes):
                counts.append(0)
                filled = 0
            counts[-1] += 1
            filled += size
        return counts

    def names(self, files: int) -> list[str]:
        """What the files are called, so that their order by name is that of the records."""
        digits = max(5, len(str(files)))
        return [f"selected-{number:0{digits}}-of-{files:0{digits}}.{self.format}" for number in range(files)]


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ZipfitError(f"shard-bytes {text!r}: write a size, as 100MB, 1GiB or a number of bytes")
    return int(match[1]) * _UNITS[(match[2] or "B").upper()]
