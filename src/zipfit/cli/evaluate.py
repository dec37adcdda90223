"""`zipfit evaluate`."""

from __future__ import annotations

import functools
import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zipfit.cli import common, training
from zipfit.errors import ZipfitError
from zipfit.system.progress import TerminalProgress, is_watched
from zipfit.system.runtime import available_cores

if TYPE_CHECKING:
    from zipfit.corpus.outputs import Outputs
    from zipfit.training.evaluation import Evaluation

_solving = functools.partial(typer.Option, rich_help_panel="HumanEval")


def evaluate_command(
    model: training.OptionalModel = None,
    test: Annotated[
        list[str] | None, typer.Option("--test", help="Documents to measure the loss on; repeatable.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Also write each document's tokens, bytes and loss.")
    ] = None,
    test_tokens: training.TestTokens = 1024,
    chat_template: training.ChatTemplate = None,
    on_humaneval: Annotated[bool, _solving("--humaneval", help="Let the model solve HumanEval.")] = False,
    completions: Annotated[
        str | None, _solving(help="Judge ready completions instead: JSON Lines of task_id and completion.")
    ] = None,
    samples: Annotated[int, _solving(help="Completions of each problem.")] = 1,
    temperature: Annotated[float, _solving(help="0 takes the likeliest token each time.")] = 0.0,
    k: Annotated[str, _solving(help="Of pass@k; several with commas.")] = "1",
    rows: Annotated[str | None, _solving(help="Problems FROM:TO, as in 82: for the second half.")] = None,
    seed: Annotated[int, _solving(help="Of the samples.")] = 0,
    timeout: Annotated[int, _solving(help="Seconds of processor time for each program.")] = 3,
    allow_code_execution: training.AllowCodeExecution = False,
    revision: training.Revision = None,
    trust_remote_code: training.TrustRemoteCode = False,
    overwrite: common.Overwrite = False,
    text_field: common.TextField = None,
    template: common.Template = None,
    format_name: common.Format = None,
    sample_by: common.SampleBy = "line",
    encoding: common.Encoding = None,
    delimiter: common.Delimiter = None,
    no_header: common.NoHeader = False,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Measure how well a model predicts documents, and what share of HumanEval's problems it solves."""
    from zipfit.corpus.inputs import Files, names_of
    from zipfit.corpus.outputs import Outputs
    from zipfit.humaneval import Judging, Sampling, evaluate_samples, humaneval

    if test is None and not on_humaneval and completions is None:
        raise ZipfitError("there is nothing to evaluate on: give --test FILE, --humaneval, or --completions FILE")
    if model is None and (test is not None or on_humaneval):
        raise ZipfitError("there is no model to evaluate: give --model")
    if on_humaneval and completions is not None:
        raise ZipfitError("--humaneval has the model write completions, --completions takes ready ones: give one")
    if output is not None and test is None:
        raise ZipfitError("--output is for the documents of --test")
    if chat_template is not None and test is None:
        raise ZipfitError("--chat-template is for the documents of --test")
    documents = Files(test or [], format_name, sample_by, encoding, delimiter, not no_header)
    outputs = None if output is None else Outputs(output, overwrite=overwrite)
    if outputs is not None:
        outputs.check([*names_of(documents), *([] if completions is None else [completions])])
    said: dict[str, Any] = {"model": model}
    lines: list[str] = []
    told = TerminalProgress().begin(None, 0) if common.show_progress(quiet) else nullcontext()
    judging = Judging(_numbers(k), _range(rows), available_cores(), timeout, allow_code_execution)
    if model is not None:
        if on_humaneval:
            judging.need_consent()
            sampling = Sampling(samples, seed, temperature)
        from zipfit.training.chats import check_chat_template
        from zipfit.training.evaluate import evaluate
        from zipfit.training.models import ModelSource, load_model

        check_chat_template(chat_template, template)
        loaded = load_model(ModelSource(model, revision, trust_remote_code))
        if test is not None:
            with told as advance:
                evaluation = evaluate(
                    loaded,
                    documents,
                    test_tokens=test_tokens,
                    text_field=text_field,
                    template=template,
                    chat_template=chat_template,
                    on_documents=None if advance is None else advance.documents,
                )
            if outputs is not None:
                _write_documents(evaluation, outputs)
            names = ("loss", "bits_per_byte", "tokens", "bytes", "truncated")
            said |= {"documents": len(evaluation.documents), **{name: getattr(evaluation, name) for name in names}}
            lines += [
                f"{evaluation.loss:.4f} nats a token, {evaluation.bits_per_byte:.4f} bits a byte",
                f"{len(evaluation.documents):,} documents, {evaluation.tokens:,} tokens, {evaluation.bytes:,} bytes",
            ]
            if evaluation.truncated:
                cut = f"of {evaluation.truncated:,} documents only the first {test_tokens:,} tokens were scored"
                lines.append(cut)
        if on_humaneval:
            solved = humaneval(loaded.network, loaded.tokenizer, sampling, judging, None if quiet else _tell)
            said["humaneval"] = solved.to_json()
    if completions is not None:
        said["humaneval"] = evaluate_samples(completions, judging, None if quiet else _tell).to_json()
    if "humaneval" in said:
        rates = ", ".join(f"pass@{each} {rate:.1%}" for each, rate in said["humaneval"]["pass_at"].items())
        lines.append(f"HumanEval: {rates} ({said['humaneval']['problems']} problems)")
        missing = [name for name, holds in said["humaneval"]["settings"]["sandbox"].items() if not holds]
        if missing:
            common.warn(f"warning: programs were not kept from everything here; not guaranteed: {', '.join(missing)}")
    if as_json:
        print(json.dumps(said))
    elif not quiet:
        print("\n".join(lines))


def _write_documents(evaluation: Evaluation, outputs: Outputs) -> None:
    import pyarrow as pa

    from zipfit.corpus.write import write_records

    batch = pa.RecordBatch.from_pylist([asdict(document) for document in evaluation.documents])
    with outputs.writing() as files, files.open(outputs.path) as written:
        write_records(written.file, outputs.path, [batch], range(batch.num_rows), None)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ZipfitError(f"--k takes whole numbers with commas, as in 1,10, not {text!r}") from error


def _range(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    try:
        first, last = (int(part) if part else None for part in text.split(":"))
    except ValueError as error:
        raise ZipfitError(f"--rows takes FROM:TO, as in 0:82 or 82:, not {text!r}") from error
    return first, last


def _tell(what: str, done: int, whole: int) -> None:
    """One line that counts, where somebody watches."""
    if is_watched():
        doing = {"generate": "problems completed", "check": "programs run"}[what]
        print(f"\r{done:,} of {whole:,} {doing}", end="\n" if done == whole else "", file=sys.stderr, flush=True)
