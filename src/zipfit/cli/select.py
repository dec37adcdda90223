"""`zipfit select` and `zipfit rerun`."""

from __future__ import annotations

import functools
import json
from typing import Annotated, Any

import typer

from zipfit.cli import common
from zipfit.errors import ZipfitError

_budget = functools.partial(typer.Option, rich_help_panel="Budget (exactly one)")
_tests = functools.partial(typer.Option, rich_help_panel="Test sets")
_choice = functools.partial(typer.Option, rich_help_panel="What is chosen")


def select_command(
    pool: Annotated[list[str], typer.Argument(help="The source: files, globs, folders, remote paths, or - for stdin.")],
    target: common.Target,
    output: Annotated[str, typer.Option("--output", "-o", help="Where to write; the extension is the format.")],
    top: Annotated[int | None, _budget("--top", "-k", help="Documents.")] = None,
    fraction: Annotated[float | None, _budget(help="Share of the pool, up to 1.")] = None,
    tokens: Annotated[int | None, _budget(help="Tokens of --tokenizer.")] = None,
    min_score: Annotated[float | None, _budget(help="Lowest score to take.")] = None,
    tokenizer: Annotated[str | None, _budget(help="A tokenizer.json, its folder, a hub name, or bytes.")] = None,
    allow_fewer: Annotated[bool, _budget("--allow-fewer", help="Take what there is.")] = False,
    method: Annotated[
        str, typer.Option("--method", "-m", help="zipfit, another method, or your own module:Class.")
    ] = "zipfit",
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="An option of the method, NAME=VALUE; repeatable.")
    ] = None,
    compressor: common.CompressorName = None,
    level: common.Level = None,
    racing: Annotated[
        bool, typer.Option("--racing", help="Find what zipfit selects statistically, from a part of the pairs.")
    ] = False,
    confidence: Annotated[
        float | None, typer.Option(help="With --racing: standard errors before a document is out", show_default="4")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of a method that draws at random", show_default="0")] = None,
    by: Annotated[
        str | None, typer.Option(help="Field that labels documents", show_default="source, or the file")
    ] = None,
    target_by: Annotated[str | None, typer.Option(help="Field that tells several targets apart, for dsir.")] = None,
    max_share: Annotated[
        str | None, _choice(help="Largest share of the budget for one label: 0.5 or FIELD=0.5.")
    ] = None,
    dedup: Annotated[str | None, _choice(help="exact or near: take only the best ranked of duplicates.")] = None,
    dedup_threshold: Annotated[float, _choice(help="Jaccard similarity of near duplicates.")] = 0.8,
    min_bytes: Annotated[int, _choice(help="Shortest document to take.")] = 0,
    max_bytes: Annotated[int | None, _choice(help="Longest document to take.")] = None,
    exclude: Annotated[
        list[str] | None, _tests("--exclude", help="A test set: leave out what overlaps with it; repeatable.")
    ] = None,
    check: Annotated[
        list[str] | None, _tests("--check", help="A test set: only report what overlaps with it; repeatable.")
    ] = None,
    overlap: Annotated[
        str | None,
        _tests(
            help="exact, N-gram (any N words in a row) or N-gram=SHARE (more than that share of an example).",
            show_default="8-gram=0.5",
        ),
    ] = None,
    fail_on_overlap: Annotated[
        bool, _tests("--fail-on-overlap", help="Exit with status 1 if --check finds an overlap.")
    ] = False,
    order: Annotated[str, typer.Option(help="Order of the output: rank (best first) or source.")] = "rank",
    no_fields: Annotated[
        bool, typer.Option("--no-fields", help="Don't add zipfit_score and zipfit_rank to the records.")
    ] = False,
    convert: Annotated[
        str | None,
        typer.Option(help="Write records of one form, for trainers: messages, prompt-completion or text."),
    ] = None,
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
    """Choose the documents of POOL that best fit the target, and write them with a manifest beside them."""
    from zipfit.corpus.inputs import Files, check_output, names_of
    from zipfit.corpus.outputs import Outputs
    from zipfit.report.summary import print_summary, summarise
    from zipfit.selection.select import select

    source = Files(pool, format_name, sample_by, encoding, delimiter, not no_header)
    read = (target_format, target_sample_by, target_encoding, target_delimiter, not target_no_header)
    examples = Files(target, *read)
    excluded, checked = (Files(paths, *read) if paths else None for paths in (exclude, check))
    given = [files for files in (source, examples, excluded, checked) if files is not None]
    Outputs.of_selection(output, overwrite, convert).check([name for files in given for name in names_of(files)])
    if convert is None:
        check_output(output, source, skip_bad_files)
    if fail_on_overlap and not check:
        raise ZipfitError("--fail-on-overlap needs a test set to look for: give --check FILE")
    if racing and method != "zipfit":
        raise ZipfitError(f"--racing is a way of the method zipfit, not of {method}")
    by, share = _share(max_share, by)
    selection = select(
        source,
        examples,
        top=top,
        fraction=fraction,
        tokens=tokens,
        min_score=min_score,
        allow_fewer=allow_fewer,
        method="racing" if racing else method,
        options=_options(
            param or [], {"compressor": compressor, "level": level, "confidence": confidence, "seed": seed}
        ),
        tokenizer=tokenizer,
        text_field=text_field,
        template=template,
        target_field=target_field,
        target_template=target_template,
        by=by,
        target_by=target_by,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        dedup=dedup,
        dedup_threshold=dedup_threshold,
        max_share=share,
        exclude=excluded,
        check=checked,
        overlap=overlap,
        roles=roles,
        role_labels=not no_role_labels,
        convert=convert,
        skip_bad=skip_bad,
        skip_bad_files=skip_bad_files,
        max_bad_files=max_bad_files,
        threads=threads,
        progress=common.show_progress(quiet),
    )
    manifest = selection.save(output, order=order, add_fields=not no_fields, overwrite=overwrite)  # type: ignore[arg-type]
    if as_json:
        text = json.dumps(summarise(selection, manifest), ensure_ascii=False, default=str)
        common.say(text, on_error=output == "-")
    elif not quiet:
        print_summary(summarise(selection, manifest), common.console(output))
    if fail_on_overlap and (count := manifest["check"]["overlapping"]):
        common.warn(f"{count:,} of {len(selection):,} chosen documents overlap with {', '.join(check or ())}")
        raise typer.Exit(1)


def rerun_command(
    manifest: Annotated[str, typer.Argument(help="A selection's manifest.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Where to write", show_default="beside the manifest")
    ] = None,
    overwrite: common.Overwrite = False,
    allow_code: common.AllowCode = None,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Make a selection again from its manifest, and check that it is the same, bit for bit."""
    from zipfit.selection.rerun import rerun

    progress = common.show_progress(quiet)
    _, same = rerun(
        manifest,
        output,
        overwrite=overwrite,
        progress=progress,
        allow_code=allow_code or (),
        announce=None if quiet else functools.partial(common.say, on_error=True),
    )
    if not same:
        common.fail(
            f"{manifest}: the selection was made again, but its output differs from the one that the manifest names"
        )
    if as_json:
        print(json.dumps({"identical": True}))
    elif not quiet:
        print("identical, bit for bit")


def _options(params: list[str], named: dict[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in named.items() if value is not None}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not name:
            raise ZipfitError(f"--param {param!r}: write NAME=VALUE")
        if name in options:
            raise ZipfitError(f"--param {param!r}: {name} is given twice")
        options[name] = value
    return options


def _share(max_share: str | None, by: str | None) -> tuple[str | None, float | None]:
    """Read `0.5` or `FIELD=0.5`; return the label field and the share."""
    if max_share is None:
        return by, None
    field, equals, number = max_share.rpartition("=")
    if equals and by not in (None, field):
        raise ZipfitError(f"--max-share names the field {field!r}, but --by names {by!r}")
    try:
        return field if equals else by, float(number)
    except ValueError as error:
        raise ZipfitError(f"--max-share {max_share!r}: write a share, as 0.5, or FIELD=0.5") from error
