"""`zipfit select` and `zipfit rerun`."""

from __future__ import annotations

import functools
import json
import re
from typing import Annotated, Any

import typer

from zipfit.cli import common
from zipfit.cli.config import Config, need_consent_for_file
from zipfit.errors import ZipfitError

_budget = functools.partial(typer.Option, rich_help_panel="Budget (at least one; each is a bound)")
_shards = functools.partial(typer.Option, rich_help_panel="Output in shards: files of a folder")
_tests = functools.partial(typer.Option, rich_help_panel="Test sets")
# What --scores can be cut by, and how the output is written; all else is settled when the pool is scored.
_OF_CUTS = {
    *("output", "cut", "scores", "top", "fraction", "tokens", "min_score", "allow_fewer", "tokenizer"),
    *("min_bytes", "max_bytes", "dedup", "dedup_threshold", "max_share", "exclude", "check", "overlap"),
    *("shard_records", "shard_bytes", "shard_format", "order", "no_fields", "convert", "report", "overwrite"),
    *("report_against", "fail_on_overlap", "threads", "quiet", "as_json", "config", "allow_code"),
    *("target_format", "target_sample_by", "target_encoding", "target_delimiter", "target_no_header"),
}

_BOUND = "(?:top|fraction|tokens|min-score)=[^,=]*"
_CUT = re.compile(f"(?P<output>.+?)=(?P<budget>{_BOUND}(?:,{_BOUND})*)", re.DOTALL)

_choice = functools.partial(typer.Option, rich_help_panel="What is chosen")


def select_command(
    context: typer.Context,
    pool: Annotated[
        list[str] | None, typer.Argument(help="The source: files, globs, folders, remote paths, or - for stdin.")
    ] = None,
    target: Annotated[list[str] | None, common.target] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Where to write; the extension is the format.")
    ] = None,
    scores: Annotated[
        str | None, typer.Option("--scores", help="Cut the scores that zipfit score keeps in this folder, instead.")
    ] = None,
    top: Annotated[int | None, _budget("--top", "-k", help="Number of documents.")] = None,
    fraction: Annotated[float | None, _budget(help="Share of the pool's documents, up to 1.")] = None,
    tokens: Annotated[int | None, _budget(help="Number of tokens, counted by --tokenizer.")] = None,
    min_score: Annotated[float | None, _budget(help="Lowest score to take.")] = None,
    tokenizer: Annotated[str | None, _budget(help="A tokenizer.json, its folder, a hub name, or bytes.")] = None,
    allow_fewer: Annotated[bool, _budget("--allow-fewer", help="Take what there is.")] = False,
    cut: Annotated[
        list[str] | None,
        _budget("--cut", help="Another output and its budget, as small.jsonl=top=200,tokens=50000; repeatable."),
    ] = None,
    method: common.MethodOrAuto = "zipfit",
    param: common.Param = None,
    within: common.Within = None,
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
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the scores in OUTPUT.scores until the end; if killed, go on there.")
    ] = False,
    engine: common.Engine = "local",
    address: common.Address = None,
    order: Annotated[str, typer.Option(help="Order of the output: rank (best first) or source.")] = "rank",
    no_fields: Annotated[
        bool, typer.Option("--no-fields", help="Don't add zipfit_score and zipfit_rank to the records.")
    ] = False,
    convert: Annotated[
        str | None,
        typer.Option(help="Write records of one form, for trainers: messages, prompt-completion or text."),
    ] = None,
    shard_records: Annotated[int | None, _shards(help="Records in a file.")] = None,
    shard_bytes: Annotated[str | None, _shards(help="Bytes in a file before compression, as 100MB.")] = None,
    shard_format: Annotated[
        str | None, _shards(help="jsonl, jsonl.zst (or .gz, .bz2, .xz, .lz4) or parquet.", show_default="jsonl")
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", help="Also write a page about the selection, as report.html.")
    ] = None,
    report_against: Annotated[
        list[str] | None,
        typer.Option(
            "--report-against", help="Another method, as cover,unit=word, to show there what it chooses; repeatable."
        ),
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
    config: Config = None,  # noqa: ARG001 - read already
    allow_code: common.AllowCode = None,
    threads: common.Threads = None,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Choose the documents of POOL that best fit the target, and write them with a manifest beside them."""
    from zipfit.corpus.inputs import Files, check_output, names_of
    from zipfit.corpus.outputs import Outputs, check_order, check_outputs
    from zipfit.corpus.shards import Sharding
    from zipfit.corpus.store import Store
    from zipfit.report.summary import print_summary, summarise
    from zipfit.selection.cut import Budget, Rules, Terms
    from zipfit.selection.rivals import methods_of
    from zipfit.selection.score_tables import SAVING
    from zipfit.selection.scores import open_scores
    from zipfit.selection.select import select
    from zipfit.selection.tokens import token_counter

    pool = pool or context.lookup_default("pool")  # click 8.1 takes no default for arguments of any number
    need_consent_for_file(context, allow_code or ())
    read = (target_format, target_sample_by, target_encoding, target_delimiter, not target_no_header)
    source = Files(pool or [], format_name, sample_by, encoding, delimiter, not no_header)
    examples = Files(target or [], *read)
    excluded, checked = (Files(paths, *read) if paths else None for paths in (exclude, check))
    given = [files for files in (source, examples, excluded, checked) if files is not None]
    on_cluster = common.on_cluster(engine, address)
    resume = resume or on_cluster
    cuts = [_cut(text) for text in cut or ()]
    budget: dict[str, Any] = {"top": top, "fraction": fraction, "tokens": tokens, "min_score": min_score}
    if output is not None:
        cuts.insert(0, (output, budget))
    if not cuts:
        raise typer.BadParameter("give an output: --output FILE with a budget, or --cut FILE=BUDGET")
    if output is None and any(bound is not None for bound in budget.values()):
        raise typer.BadParameter("a budget goes with --output FILE: each --cut has its own")
    if resume and output in (None, "-"):
        raise ZipfitError("--resume keeps the scores beside the output: give it a file by --output")
    check_order(order)
    sharding = Sharding.of(shard_records, shard_bytes, shard_format)
    work = Store(f"{Outputs.of_selection(cuts[0][0], overwrite, convert, sharding).path}.scores")
    overwrite = overwrite or (resume and work.has(SAVING))
    names = [name for files in given for name in names_of(files)]
    outputs = [Outputs.of_selection(path, overwrite, convert, sharding) for path, _ in cuts]
    pages = [] if report is None else [Outputs.of_page(report, overwrite)]
    check_outputs([*outputs, *pages], names)
    if fail_on_overlap and not check:
        raise ZipfitError("--fail-on-overlap needs a test set to look for: give --check FILE")
    if report_against and report is None:
        raise ZipfitError("--report-against compares on a page: give --report FILE")
    against = methods_of(report_against or ())
    by, share = _share(max_share, by)
    counter = None if tokenizer is None else token_counter(tokenizer)
    for _, budget in cuts:
        Terms(Budget(**budget), Rules(max_share=share), counter)
    terms: dict[str, Any] = {
        **cuts[0][1],
        "allow_fewer": allow_fewer,
        "tokenizer": tokenizer,
        "min_bytes": min_bytes,
        "max_bytes": max_bytes,
        "dedup": dedup,
        "dedup_threshold": dedup_threshold,
        "max_share": share,
        "exclude": excluded,
        "check": checked,
        "overlap": overlap,
        "against": against,
    }
    progress = common.show_progress(quiet)
    if scores is not None:
        _need_no_other_options(context)
        kept = open_scores(scores, threads=threads, progress=progress)
        labelled_by = kept.manifest["parameters"]["by"]
        if by not in (None, labelled_by):
            labels = "their source or their file" if labelled_by is None else f"the field {labelled_by!r}"
            raise ZipfitError(
                f"--max-share names the field {by!r}, but the scores are labelled by {labels}: give the share alone "
                f"for that, or score with --by {by}"
            )
        selection = kept.select(**terms)
    else:
        if not pool or not target:
            raise typer.BadParameter("give the source and its target: zipfit select SOURCE --target TARGET")
        for each in outputs if convert is None else ():
            check_output(each.records, source, skip_bad_files)
        if racing and method != "zipfit":
            raise ZipfitError(f"--racing is a way of the method zipfit, not of {method}")
        options = common.method_options(
            param or [], {"compressor": compressor, "level": level, "confidence": confidence, "seed": seed}
        )
        ranking: dict[str, Any] = {
            "method": "racing" if racing else method,
            "options": options,
            "within": within or (),
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
            "progress": progress,
        }
        if on_cluster:
            from zipfit.selection.ray_engine import score_on_ray

            if ranking.pop("within"):
                raise ZipfitError(
                    "--within ranks the pool as a whole, so it cannot be shared out: leave out --engine ray"
                )
            score_on_ray(source, examples, work.path, address=address, **ranking)
            selection = open_scores(work.path, threads=threads, progress=progress).select(**terms)
        else:
            work_folder = work.path if resume else None
            ranking["convert"] = convert
            ranking["convert_to_table"] = convert is not None and any(each.is_table for each in outputs)
            selection = select(source, examples, **terms, **ranking, work=work_folder)
    selections = [selection, *(selection.at(**budget, allow_fewer=allow_fewer) for _, budget in cuts[1:])]
    how: dict[str, Any] = {"order": order, "add_fields": not no_fields, "convert": convert}
    how |= {"shard_records": shard_records, "shard_bytes": shard_bytes, "shard_format": shard_format}
    if resume:
        work.write(SAVING, b"")
    records_shown = any(path == "-" for path, _ in cuts)
    overlapping = 0
    for number, ((path, _), selection) in enumerate(zip(cuts, selections, strict=True)):
        manifest = selection.save(path, **how, overwrite=overwrite)
        if report is not None and number == 0:
            from zipfit.report.selection import report_selection

            report_selection(selection, report, manifest, overwrite=overwrite)
        if as_json:
            text = json.dumps(summarise(selection, manifest), ensure_ascii=False, default=str)
            common.say(text, on_error=records_shown)
        elif not quiet:
            print_summary(summarise(selection, manifest), common.console("-" if records_shown else path))
        if fail_on_overlap and (count := manifest["check"]["overlapping"]):
            common.warn(f"{count:,} of {len(selection):,} chosen documents overlap with {', '.join(check or ())}")
            overlapping += count
    if resume:
        work.remove_all(last=SAVING)
    if overlapping:
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


def _need_no_other_options(context: typer.Context) -> None:
    """Check that nothing is asked for that was settled when the pool was scored.

    Raises:
        ZipfitError: something is; the message names it.
    """
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        said = context.params.get(name) not in (None, (), [])  # click 8.1 takes no source for one that is given
        typed = said and source is not None and source.name == "COMMANDLINE"
        if name not in _OF_CUTS and (typed or context.lookup_default(name) is not None):
            what = "the source" if name == "pool" else max(parameter.opts, key=len)
            raise ZipfitError(
                f"{what} is settled when the pool is scored, not when its scores are cut: give it to zipfit score"
            )


def _cut(text: str) -> tuple[str, dict[str, Any]]:
    """Read `small.jsonl=top=200,tokens=50000`: an output, and its budget as of `Selection.at`.

    Raises:
        ZipfitError: it is not of this form.
    """
    kinds: dict[str, type[int | float]] = {"top": int, "fraction": float, "tokens": int, "min-score": float}
    found = _CUT.fullmatch(text)
    if found is None:
        raise ZipfitError(f"--cut {text!r}: write OUTPUT=BUDGET, as small.jsonl=top=200,tokens=50000")
    budget: dict[str, Any] = {}
    for bound in found["budget"].split(","):
        name, _, value = bound.partition("=")
        key = name.replace("-", "_")
        if key in budget:
            raise ZipfitError(f"--cut {text!r}: {name} is given twice")
        try:
            budget[key] = kinds[name](value)
        except ValueError as error:
            raise ZipfitError(f"--cut {text!r}: {name} is a number, not {value!r}") from error
    return found["output"], budget


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
