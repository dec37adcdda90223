"""`zipfit score` and `zipfit merge`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from zipfit.cli import common
from zipfit.errors import ZipfitError


def score_command(
    source: Annotated[list[str], typer.Argument(help="What to score: files, globs, folders, remote paths.")],
    target: common.Target,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="A folder to keep the scores in, or a file for every document's position and score."
        ),
    ] = None,
    method: common.MethodName = "zipfit",
    param: common.Param = None,
    compressor: common.CompressorName = None,
    level: common.Level = None,
    part: Annotated[
        str | None, typer.Option(help="Score the i-th of n parts, as 3/16; zipfit merge puts them together.")
    ] = None,
    engine: common.Engine = "local",
    address: common.Address = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what the folder holds of the same job.")] = False,
    by: Annotated[
        str | None, typer.Option(help="Field that labels documents", show_default="source, or the file")
    ] = None,
    target_by: Annotated[str | None, typer.Option(help="Field that tells several targets apart, for dsir.")] = None,
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
    """Score every document of SOURCE for the target: into a folder that `select --scores` cuts at any budget.

    Without a folder, measure how well SOURCE as a whole is aligned with the target: the mean score of its documents.
    """
    from zipfit.corpus.formats import format_of_name
    from zipfit.corpus.inputs import Files
    from zipfit.methods.registry import build_method
    from zipfit.report.summary import skipped_lines
    from zipfit.selection.alignment import alignment
    from zipfit.selection.scoring import score_pool

    pool = Files(source, format_name, sample_by, encoding, delimiter, not no_header)
    examples = Files(target, target_format, target_sample_by, target_encoding, target_delimiter, not target_no_header)
    built = build_method(method, common.method_options(param or [], {"compressor": compressor, "level": level}))
    reading: dict[str, Any] = {
        "text_field": text_field,
        "template": template,
        "target_field": target_field,
        "target_template": target_template,
        "by": by,
        "target_by": target_by,
        "roles": roles,
        "role_labels": not no_role_labels,
        "skip_bad": skip_bad,
        "skip_bad_files": skip_bad_files,
        "max_bad_files": max_bad_files,
        "threads": threads,
        "progress": common.show_progress(quiet),
    }
    on_cluster = common.on_cluster(engine, address)
    if output is not None and output != "-" and format_of_name(output) is None:
        if on_cluster:
            if part is not None or overwrite:
                raise ZipfitError(
                    "--engine ray makes the parts itself, and keeps those that are there: no --part, no --overwrite"
                )
            from zipfit.selection.ray_engine import score_on_ray

            made = score_on_ray(pool, examples, output, address=address, method=built, **reading)
            _say(made, output, quiet=quiet, as_json=as_json)
            return
        if resume and overwrite:
            raise ZipfitError("give --resume or --overwrite, not both")
        made = score_pool(
            pool,
            examples,
            output,
            method=built,
            part=None if part is None else _part(part),
            if_exists="resume" if resume else "overwrite" if overwrite else "error",
            **reading,
        )
        _say(made, output, quiet=quiet, as_json=as_json)
        return
    for given, name in ((part, "--part"), (resume, "--resume"), (on_cluster, "--engine ray")):
        if given:
            raise ZipfitError(f"{name} is for scores that are kept: name a folder by --output")
    result = alignment(pool, examples, method=built, output=output, overwrite=overwrite, **reading)
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


def merge_command(
    folder: Annotated[str, typer.Argument(help="The folder that zipfit score --part wrote its parts to.")],
    max_bad_files: common.MaxBadFiles = 0.5,
    overwrite: common.Overwrite = False,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Put the parts of a pool's scores together, as one machine would have made them."""
    from zipfit.selection.merge import merge_scores

    _say(
        merge_scores(folder, max_bad_files=max_bad_files, overwrite=overwrite),
        folder,
        quiet=quiet,
        as_json=as_json,
    )


def _say(result: dict[str, Any], folder: str, *, quiet: bool, as_json: bool) -> None:
    """Say what was scored, of a pool or of a part of one."""
    from zipfit.report.summary import skipped_lines

    if as_json:
        keys = ("pool", "method", "files_unreadable", "part", "parts", "kept", "scored", "unreadable", "seconds")
        common.say(json.dumps({key: result[key] for key in keys if key in result}, default=str))
        return
    if quiet:
        return
    if "pool" not in result:
        where = f"part {result['part'] + 1} of {result['parts']}"
        kept = f", and {result['kept']:,} kept of an earlier run" if result["kept"] else ""
        said = [f"{result['scored']:,} records scored{kept}: {where} in {folder}; zipfit merge puts parts together"]
        said += skipped_lines(0, [{"reason": reason} for reason in result["unreadable"].values()])
    else:
        pool, method = result["pool"], result["method"]
        bad = pool["records"] - pool["documents"]
        name = method["class"].rpartition(":")[2].lower()
        said = [
            f"{pool['documents']:,} documents ({pool['bytes'] / 1e6:,.1f} MB) scored by {name}"
            + (f" ({method['engine']})" if method["engine"] else "")
            + (f", {result['kept']:,} records of them in an earlier run" if result.get("kept") else "")
            + f", in {folder}; zipfit select --scores cuts them at any budget"
        ]
        said += skipped_lines(bad, result.get("files_unreadable", []))
    common.say("\n".join(said))


def _part(text: str) -> tuple[int, int]:
    number, slash, parts = text.partition("/")
    if not slash or not (number + parts).isdecimal():
        raise ZipfitError(f"--part {text!r}: write i/n, as 3/16 for the third of sixteen parts")
    return int(number), int(parts)
