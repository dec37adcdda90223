"""`zipfit preview`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from zipfit.cli import common

if TYPE_CHECKING:
    from zipfit.methods.base import Method

_METHODS = ["zipfit", "dsir", "gain", "cover"]


def preview_command(
    pool: Annotated[list[str], typer.Argument(help="The source: files, globs, folders, remote paths, or - for stdin.")],
    target: common.Target,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            help="As 'cover', 'cover,unit=word' or 'cover within zipfit:0.3'; repeatable.",
            show_default=", ".join(_METHODS),
        ),
    ] = None,
    budget: Annotated[int, typer.Option("--bytes", help="Bytes that each method selects.")] = 120_000,
    seed: Annotated[int, typer.Option(help="Seed of the target's split.")] = 0,
    splits: Annotated[int, typer.Option(help="Splits of the target; several show how sure it is.")] = 1,
    text_field: common.TextField = None,
    template: common.Template = None,
    target_field: common.TargetField = None,
    target_template: common.TargetTemplate = None,
    format_name: common.Format = None,
    target_format: common.TargetFormat = None,
    sample_by: common.SampleBy = "line",
    target_sample_by: common.TargetSampleBy = "line",
    encoding: common.Encoding = None,
    target_encoding: common.TargetEncoding = None,
    delimiter: common.Delimiter = None,
    target_delimiter: common.TargetDelimiter = None,
    no_header: common.NoHeader = False,
    target_no_header: common.TargetNoHeader = False,
    roles: common.Roles = None,
    no_role_labels: common.NoRoleLabels = False,
    skip_bad: common.SkipBad = False,
    skip_bad_files: common.SkipBadFiles = False,
    max_bad_files: common.MaxBadFiles = 0.5,
    threads: common.Threads = None,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Compare methods on your own pool and target in seconds, without a language model.

    The target is split in two. Each method selects for one half; the other half is predicted by a byte n-gram model
    trained on what was selected. Fewer bits per byte are better.
    """
    from statistics import stdev

    from zipfit.corpus.inputs import Files
    from zipfit.corpus.reading import Reading
    from zipfit.methods.within import method_of
    from zipfit.report.summary import skipped_lines
    from zipfit.selection.preview import preview
    from zipfit.selection.sources import open_sources

    methods: dict[str, Method] = {name: method_of(name) for name in method or _METHODS}
    sources = open_sources(
        Files(pool, format_name, sample_by, encoding, delimiter, not no_header),
        Files(target, target_format, target_sample_by, target_encoding, target_delimiter, not target_no_header),
        Reading(text_field, template, None, skip_bad, roles, not no_role_labels),
        Reading(target_field, target_template, None, skip_bad, roles, not no_role_labels),
        threads=threads,
        progress=common.show_progress(quiet),
        max_bad_files=max_bad_files if skip_bad_files else None,
    )
    results = preview(methods, sources, budget, seed, splits)
    skipped = 0 if sources.rejected is None else sources.rejected.count
    for line in skipped_lines(skipped, sources.unreadable or ()):
        common.say(line, on_error=True)
    if as_json:
        print(json.dumps([asdict(result) for result in results]))
        return
    width = max(12, *(len(result.method) + 2 for result in results))
    certainty = f"{'±':>8}{'beats random':>14}" if splits > 1 else ""
    print(f"{'method':<{width}}{'bits/byte':>10}{certainty}{'documents':>11}{'bytes':>11}{'seconds':>9}")
    by_chance = next(result for result in results if result.method == "random").by_split
    for result in sorted(results, key=lambda result: result.bits_per_byte):
        if splits > 1:
            better = sum(bits < chance for bits, chance in zip(result.by_split, by_chance, strict=True))
            certainty = f"{stdev(result.by_split):>8.3f}{f'{better} of {splits}':>14}"
        print(
            f"{result.method:<{width}}{result.bits_per_byte:>10.3f}{certainty}{result.documents:>11,}"
            f"{result.bytes:>11,}{result.seconds:>9.1f}"
        )
