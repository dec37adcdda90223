"""What the commands share: option declarations, and how errors end."""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from zipfit.errors import ZipfitError
from zipfit.system.progress import is_watched
from zipfit.system.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

DEBUG = False

F = TypeVar("F", bound="Callable[..., Any]")

reading = functools.partial(typer.Option, rich_help_panel="Reading")

target = typer.Option("--target", "-t", help="Examples of the task: file, glob, folder; repeatable.")
Target = Annotated[list[str], target]
TextField = Annotated[str | None, reading(help="Field that holds a source record's text (nested: a.b).")]
Template = Annotated[str | None, reading(help="Source text made of fields, as in '{prompt}\\n{answer}'.")]
TargetField = Annotated[str | None, reading(help="As --text-field, for the target.")]
TargetTemplate = Annotated[str | None, reading(help="As --template, for the target.")]
_FORMAT = "The source's format where name and content don't tell: jsonl, json, csv, tsv, text, parquet, arrow."
Format = Annotated[str | None, reading("--format", help=_FORMAT)]
TargetFormat = Annotated[str | None, reading(help="As --format, for the target.")]
_ENCODING = "The source's encoding where it is not UTF-8 and has no mark, as latin-1 or utf-16-le."
Encoding = Annotated[str | None, reading(help=_ENCODING)]
TargetEncoding = Annotated[str | None, reading(help="As --encoding, for the target.")]
Delimiter = Annotated[str | None, reading(help="The character between fields of the source's CSV, as ';'.")]
TargetDelimiter = Annotated[str | None, reading(help="As --delimiter, for the target.")]
_NO_HEADER = "The source's CSV has no header: the fields are 0, 1, ..., as in --template '{0} {1}'."
NoHeader = Annotated[bool, reading("--no-header", help=_NO_HEADER)]
TargetNoHeader = Annotated[bool, reading("--target-no-header", help="As --no-header, for the target.")]
SampleBy = Annotated[str, reading(help="A document of a text file: line, paragraph or document.")]
TargetSampleBy = Annotated[str, reading(help="As --sample-by, for the target.")]
SkipBad = Annotated[bool, reading("--skip-bad", help="Pass over records that give no text; keep them.")]
_BAD_FILES = "Pass over files that cannot be read to their end; list them. Reads each once more."
SkipBadFiles = Annotated[bool, reading("--skip-bad-files", help=_BAD_FILES)]
MaxBadFiles = Annotated[float, reading(help="With --skip-bad-files: the largest share of files to pass over.")]
_ROLES = "Roles whose turns make the text, of source and target: user,assistant."
Roles = Annotated[str | None, reading(help=_ROLES, show_default="all")]
NoRoleLabels = Annotated[bool, reading("--no-role-labels", help="Don't begin each turn with its role.")]
ENGINES = ("local", "ray")
Engine = Annotated[str, typer.Option("--engine", help="What scores: local, or the machines of a ray cluster.")]
Address = Annotated[
    str | None, typer.Option(help="With --engine ray: the cluster's address", show_default="the running one")
]
MethodName = Annotated[str, typer.Option("--method", "-m", help="zipfit, another method, or your own module:Class.")]
MethodOrAuto = Annotated[
    str, typer.Option("--method", "-m", help="zipfit, another method, auto, or your own module:Class.")
]
Param = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="An option of the method, NAME=VALUE; repeatable.")
]
Within = Annotated[
    list[str] | None,
    typer.Option(
        "--within", help="Rank the best share by another method alone: METHOD:SHARE; repeatable, one after another."
    ),
]
CompressorName = Annotated[
    str | None, typer.Option("--compressor", "-c", help="gzip, lz4, zstd, brotli or lzma", show_default="gzip")
]
Level = Annotated[int | None, typer.Option("--level", "-l", help="The compressor's level", show_default="6 for gzip")]
Threads = Annotated[int | None, typer.Option("--threads", help="Threads to compute with", show_default="all cores")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
AllowCode = Annotated[
    list[str] | None,
    typer.Option("--allow-code", help="A module that may run, for a method that the file names; repeatable."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]


def handles_errors(command: F) -> F:
    """End a command's foreseeable failures with one sentence on standard error: status 2, or 130 for Ctrl-C."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ZipfitError as error:
            if DEBUG:
                raise
            fail(str(error))
        except KeyboardInterrupt:
            if DEBUG:
                raise
            warn("interrupted; nothing was left half-written")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # Whoever read our output stopped reading; keep the interpreter from failing again when it flushes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except OSError as error:  # inputs and outputs have their own sentences
            if DEBUG:
                raise
            fail(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
        except MemoryError:
            fail("out of memory")

    return wrapped  # type: ignore[return-value]


def method_options(params: list[str], named: dict[str, Any]) -> dict[str, Any]:
    """The options of a method: those given as NAME=VALUE, and those that have an option of their own.

    Raises:
        ZipfitError: one is not of this form, or given twice.
    """
    options = {name: value for name, value in named.items() if value is not None}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not name:
            raise ZipfitError(f"--param {param!r}: write NAME=VALUE")
        if name in options:
            raise ZipfitError(f"--param {param!r}: {name} is given twice")
        options[name] = value
    return options


def on_cluster(engine: str, address: str | None) -> bool:
    """Whether a cluster is to score.

    Raises:
        ZipfitError: there is no such engine, or it has no address.
    """
    if engine not in ENGINES:
        raise ZipfitError(f"unknown engine {engine!r}: choose from {', '.join(ENGINES)}")
    if address is not None and engine != "ray":
        raise ZipfitError("--address is of a cluster: give --engine ray")
    return engine == "ray"


def say(text: str, *, on_error: bool = False) -> None:
    """Print a text that may hold what others wrote, on standard output or on standard error."""
    print(harmless(text), file=sys.stderr if on_error else sys.stdout)


def warn(message: str) -> None:
    """Print a sentence on standard error."""
    say(f"zipfit: {message}", on_error=True)


def fail(message: str) -> NoReturn:
    """Print an error and exit with status 2."""
    warn(f"error: {message}")
    raise typer.Exit(2)


def show_progress(quiet: bool) -> bool:
    """Whether to show a progress bar."""
    return is_watched() and not quiet


def console(output: str | None = None) -> Console:
    """Where a summary goes: standard output, unless the records go there."""
    from rich.console import Console

    return Console(stderr=output == "-", soft_wrap=False)
