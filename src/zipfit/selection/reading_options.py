"""How source and target are read, as keywords that several functions take alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from zipfit.corpus.reading import Reading
from zipfit.selection.sources import open_sources
from zipfit.system.plain_types import check_arguments

if TYPE_CHECKING:
    from zipfit.corpus.inputs import Documents
    from zipfit.selection.sources import Sources


class ReadingOptions(TypedDict, total=False):
    """Names and meanings are those of `zipfit.select`."""

    text_field: str | None
    template: str | None
    target_field: str | None
    target_template: str | None
    by: str | None
    target_by: str | None
    roles: str | None
    role_labels: bool
    skip_bad: bool
    skip_bad_files: bool
    max_bad_files: float
    threads: int | None
    progress: bool


def check_options(options: ReadingOptions) -> None:
    """Check that keywords are of those.

    Raises:
        TypeError: one is not.
        ZipfitError: one is of another type than it must be.
    """
    unknown = options.keys() - ReadingOptions.__optional_keys__
    if unknown:
        raise TypeError(f"got an unexpected keyword argument {min(unknown)!r}")
    check_arguments(ReadingOptions, options)


def bad_files_share(options: ReadingOptions) -> float | None:
    """The largest share of files that may be passed over; None to pass over none."""
    return options.get("max_bad_files", 0.5) if options.get("skip_bad_files") else None


def open_with(options: ReadingOptions, source: Documents, target: Documents, *, find_bad_files: bool = True) -> Sources:
    """Open source and target; arguments and errors are those of `open_sources`."""
    shared = (options.get("skip_bad", False), options.get("roles"), options.get("role_labels", True))
    return open_sources(
        source,
        target,
        Reading(options.get("text_field"), options.get("template"), options.get("by"), *shared),
        Reading(options.get("target_field"), options.get("target_template"), options.get("target_by"), *shared),
        threads=options.get("threads"),
        progress=options.get("progress", False),
        max_bad_files=bad_files_share(options),
        find_bad_files=find_bad_files,
    )
