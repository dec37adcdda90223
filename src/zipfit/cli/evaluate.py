"""`zipfit evaluate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from zipfit.cli import common, training
from zipfit.corpus.inputs import Files
from zipfit.corpus.write import check_output, replacing, write_records
from zipfit.progress import Silent, TerminalProgress


def evaluate_command(
    model: training.Model,
    test: Annotated[list[str], typer.Option("--test", help="Documents to measure the loss on; repeatable.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Also write each document's tokens, bytes and loss.")
    ] = None,
    test_tokens: training.TestTokens = 1024,
    revision: training.Revision = None,
    trust_remote_code: training.TrustRemoteCode = False,
    overwrite: common.Overwrite = False,
    text_field: common.TextField = None,
    template: common.Template = None,
    format_name: common.Format = None,
    sample_by: common.SampleBy = "line",
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Measure how well a model predicts documents: cross-entropy a token, and bits a byte."""
    if output is not None:
        check_output(output, overwrite)
    import pyarrow as pa

    from zipfit.training.evaluating import evaluate

    progress = TerminalProgress() if common.show_progress(quiet) else Silent()
    with progress.reading(None, 0) as advance:
        evaluation = evaluate(
            model,
            Files(test, format_name, sample_by),
            test_tokens=test_tokens,
            text_field=text_field,
            template=template,
            revision=revision,
            trust_remote_code=trust_remote_code,
            on_documents=advance.documents,
        )
    if output is not None:
        batch = pa.RecordBatch.from_pylist([asdict(document) for document in evaluation.documents])
        with replacing(output) as written:
            write_records(written.file, output, [batch], range(batch.num_rows), None)
    if as_json:
        names = ("loss", "bits_per_byte", "tokens", "bytes", "truncated")
        values = {name: getattr(evaluation, name) for name in names}
        print(json.dumps({"model": model, "documents": len(evaluation.documents), **values}))
    elif not quiet:
        print(f"{evaluation.loss:.4f} nats a token, {evaluation.bits_per_byte:.4f} bits a byte")
        print(f"{len(evaluation.documents):,} documents, {evaluation.tokens:,} tokens, {evaluation.bytes:,} bytes")
        if evaluation.truncated:
            print(f"of {evaluation.truncated:,} documents only the first {test_tokens:,} tokens were scored")
