"""`zipfit score`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from zipfit.cli import common


def score_command(
    source: Annotated[str, typer.Argument(help="The data set to measure: file, glob or folder.")],
    target: Annotated[str, typer.Argument(help="The data set to measure it against.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Also write every document's position and score.")
    ] = None,
    compressor: common.CompressorName = None,
    level: common.Level = None,
    overwrite: common.Overwrite = False,
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
    """Measure how well SOURCE as a whole is aligned with TARGET: the mean alignment of its documents."""
    from zipfit.corpus.inputs import Files
    from zipfit.report.summary import skipped_lines
    from zipfit.selection.alignment import alignment

    result = alignment(
        Files([source], format_name, sample_by, encoding, delimiter, not no_header),
        Files([target], target_format, target_sample_by, target_encoding, target_delimiter, not target_no_header),
        compressor=compressor or "gzip",
        level=level,
        output=output,
        overwrite=overwrite,
        text_field=text_field,
        template=template,
        target_field=target_field,
        target_template=target_template,
        roles=roles,
        role_labels=not no_role_labels,
        skip_bad=skip_bad,
        skip_bad_files=skip_bad_files,
        max_bad_files=max_bad_files,
        threads=threads,
        progress=common.show_progress(quiet),
    )
    if as_json:
        said = [json.dumps(result.to_json())]
    else:
        quantiles = "  ".join(f"{q:.0%} {value:.4f}" for q, value in result.quantiles.items())
        said = [
            f"alignment {result.mean:.4f} ± {result.std:.4f} (mean and standard deviation over documents)",
            f"{len(result.scores):,} documents, {result.target_documents:,} target examples, {result.engine}",
            f"quantiles: {quantiles}",
            *skipped_lines(result.skipped, result.unreadable),
        ]
    if as_json or not quiet:
        common.say("\n".join(said), on_error=output == "-")
