"""`zipfit finetune`."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from zipfit.cli import common, training
from zipfit.training.settings import ADAPTERS, PRECISIONS, PRESETS, SCHEDULES, build_settings

_setting = functools.partial(typer.Option, rich_help_panel="Settings (each changes one value of the preset)")


def finetune_command(
    documents: Annotated[list[str], typer.Argument(help="Training documents, best first: files, globs, folders, -.")],
    model: training.Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for results, checkpoints and the model.")],
    test: Annotated[
        list[str] | None, typer.Option("--test", help="Held-out documents to measure the loss on; repeatable.")
    ] = None,
    preset: Annotated[str, typer.Option(help=f"Named settings: {', '.join(PRESETS)}.")] = "default",
    budget: Annotated[
        int | None, typer.Option("--tokens", help="Train on this many tokens, from the first documents on.")
    ] = None,
    chat_template: training.ChatTemplate = None,
    seed: Annotated[int, typer.Option(help="Seed of the documents' order, dropout and fresh adapters.")] = 0,
    evaluate_every: Annotated[
        int | None, typer.Option(help="Training tokens between measurements.", show_default="before and after alone")
    ] = None,
    checkpoint_every: Annotated[
        int | None, typer.Option(help="Training tokens between checkpoints.", show_default="on Ctrl-C alone")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    save_model: Annotated[bool, typer.Option(help="Keep the trained model.")] = True,
    overwrite: common.Overwrite = False,
    block_size: Annotated[int | None, _setting(help="Tokens in a training block.")] = None,
    batch_size: Annotated[int | None, _setting(help="Blocks in an optimizer step.")] = None,
    epochs: Annotated[int | None, _setting(help="Passes over the documents.")] = None,
    learning_rate: Annotated[float | None, _setting(help="Peak learning rate of the optimizer, AdamW.")] = None,
    schedule: Annotated[
        str | None, _setting(help=f"What the learning rate does after warm-up: {', '.join(SCHEDULES)}.")
    ] = None,
    warmup: Annotated[float | None, _setting(help="Share of the steps over which the learning rate rises.")] = None,
    weight_decay: Annotated[float | None, _setting(help="Weight decay of the optimizer, AdamW.")] = None,
    max_grad_norm: Annotated[float | None, _setting(help="Gradients are clipped to this norm.")] = None,
    adapter: Annotated[str | None, _setting(help=f"What is trained: {', '.join(ADAPTERS)}.")] = None,
    lora_rank: Annotated[int | None, _setting(help="Rank of the adapters.")] = None,
    lora_alpha: Annotated[int | None, _setting(help="Scale of the adapters (alpha).")] = None,
    lora_dropout: Annotated[float | None, _setting(help="Dropout of the adapters.")] = None,
    precision: Annotated[str | None, _setting(help=f"What training computes in: {', '.join(PRECISIONS)}.")] = None,
    gradient_checkpointing: Annotated[
        bool | None, _setting(help="Recompute activations: less memory, a third more time.")
    ] = None,
    test_tokens: Annotated[int | None, _setting(help="Longest prefix of a test document to score.")] = None,
    revision: training.Revision = None,
    trust_remote_code: training.TrustRemoteCode = False,
    text_field: common.TextField = None,
    template: common.Template = None,
    test_field: Annotated[str | None, common.reading(help="As --text-field, for the test set.")] = None,
    test_template: Annotated[str | None, common.reading(help="As --template, for the test set.")] = None,
    format_name: common.Format = None,
    sample_by: common.SampleBy = "line",
    encoding: common.Encoding = None,
    delimiter: common.Delimiter = None,
    no_header: common.NoHeader = False,
    quiet: common.Quiet = False,
    as_json: common.AsJson = False,
) -> None:
    """Fine-tune a causal language model on DOCUMENTS, and measure whether it helped."""
    from zipfit.corpus.inputs import Files

    given = {
        "block_size": block_size,
        "batch_size": batch_size,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "warmup": warmup,
        "weight_decay": weight_decay,
        "max_grad_norm": max_grad_norm,
        "adapter": adapter,
        "lora_rank": lora_rank,
        "lora_alpha": lora_alpha,
        "lora_dropout": lora_dropout,
        "precision": precision,
        "gradient_checkpointing": gradient_checkpointing,
        "test_tokens": test_tokens,
    }
    settings = build_settings(preset, {name: value for name, value in given.items() if value is not None})
    from zipfit.training.finetune import CHECKPOINTS, MODEL, RESULTS, finetune

    with training.TerminalRun(bar=common.show_progress(quiet), quiet=quiet) as terminal:
        run = finetune(
            Files(documents, format_name, sample_by, encoding, delimiter, not no_header),
            model,
            output,
            test=None if test is None else Files(test),
            settings=settings,
            budget=budget,
            seed=seed,
            evaluate_every=evaluate_every,
            checkpoint_every=checkpoint_every,
            save_model=save_model,
            resume=resume,
            overwrite=overwrite,
            revision=revision,
            trust_remote_code=trust_remote_code,
            text_field=text_field,
            template=template,
            chat_template=chat_template,
            test_field=test_field,
            test_template=test_template,
            observer=terminal,
        )
    if not run.finished:
        common.warn(
            f"interrupted after {run.done_tokens:,} of {run.tokens:,} tokens; give --resume to go on from "
            f"{output / CHECKPOINTS}"
        )
        raise typer.Exit(130)
    if as_json:
        print(json.dumps(asdict(run)))
    elif not quiet:
        if run.overlap is not None:
            first, last = run.test[0], run.test[-1]
            print(
                f"test loss {first.loss:.4f} -> {last.loss:.4f} nats a token, {first.bits_per_byte:.4f} -> "
                f"{last.bits_per_byte:.4f} bits a byte, on {run.overlap.test_documents:,} documents"
            )
        if run.untemplated is not None:
            read_as = f"documents read as {run.untemplated}"
            common.say(f"{read_as} were trained as plain text, not in the model's chat template")
        common.say(f"{run.done_tokens:,} tokens in {run.seconds:,.0f} s; results in {output / RESULTS}")
        if save_model:
            common.say(f"the model is in {output / MODEL}")
