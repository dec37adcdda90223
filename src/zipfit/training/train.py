"""Fine-tune a causal language model on documents, with its test loss before, during and after.

The loop is Transformers' Trainer; what is ours comes in as callbacks: evaluation every so many tokens, a stop at the
first loss that is not a number, an orderly stop on Ctrl-C, and a record of each measurement as soon as it is made.
"""

from __future__ import annotations

import math
import tempfile
import time
import warnings
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from zipfit.errors import ZipfitError, need, needing
from zipfit.training.blocks import make_blocks
from zipfit.training.chats import texts_of
from zipfit.training.evaluation import cross_entropy
from zipfit.training.interruption import Interruption
from zipfit.training.overlap import find_overlap
from zipfit.training.precision import trains_in_bf16
from zipfit.training.run import Measured, Run, Unobserved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zipfit.training.blocks import Blocks
    from zipfit.training.chats import Chat
    from zipfit.training.evaluation import Evaluation
    from zipfit.training.models import LanguageModel
    from zipfit.training.run import Checkpoints, Course, HeldOut, Observer
    from zipfit.training.settings import Settings


_NOT_PREDICTED = -100
"""What Transformers' losses leave out of the labels."""


def train(
    model: LanguageModel,
    documents: Sequence[str | Chat],
    settings: Settings,
    course: Course,
    *,
    held_out: HeldOut | None = None,
    checkpoints: Checkpoints | None = None,
    observer: Observer | None = None,
    on_epoch: Callable[[Any, float], None] | None = None,
) -> Run:
    """Train the model, in place, on the documents.

    Args:
        model: loaded with the same settings and the course's seed.
        documents: texts or chats to train on, best first.
        settings: see `Settings`.
        course: see `Course`.
        held_out: what to measure the loss on; None to skip that.
        checkpoints: where to leave them; None to keep none.
        observer: told of each measurement.
        on_epoch: called at the end of each epoch with the optimizer and the epoch's mean learning rate.

    Returns:
        The run, not `finished` where Ctrl-C stopped it after a step: a checkpoint was then written, if there is
        a folder for them. A second Ctrl-C stops at once, as KeyboardInterrupt.

    Raises:
        MissingExtraError: a package of the extra `train` is not installed.
        ZipfitError: the documents do not fill a block or hold no token for the loss, a block is longer than the model
            reads, the loss is not a number, or memory ran out.
    """
    with needing("fine-tuning", "train"):
        import accelerate  # noqa: F401  # the Trainer needs it, and says so in a longer way
        import torch
        import transformers
    size, longest = settings.block_size, getattr(model.network.config, "max_position_embeddings", None)
    fits = longest is None or size <= longest
    need(fits, f"block_size {size} is more than model {model.name} reads ({longest} tokens)")
    transformers.set_seed(course.seed)
    blocks = make_blocks(documents, model.tokenizer, size, course.budget, course.seed)
    earlier = checkpoints.earlier if checkpoints is not None else None
    run = earlier.run if earlier is not None else Run()
    run.documents, run.tokens = blocks.documents, blocks.tokens.size * settings.epochs
    run.precision = "bf16" if trains_in_bf16(settings) else "fp32"
    run.device = model.network.device.type
    run.scored = int(blocks.scored.sum()) * settings.epochs
    if held_out is not None:
        run.overlap = find_overlap(texts_of(documents[: blocks.documents]), texts_of(held_out.documents))
    observer = observer or Unobserved()
    observer.started(run)
    measurements = _Measurements(model, held_out, settings.test_tokens, course.evaluate_every, run, observer)
    try:
        _run_trainer(blocks, settings, course.seed, measurements, checkpoints, on_epoch)
    except (RuntimeError, MemoryError) as error:
        kinds = torch.OutOfMemoryError, MemoryError
        if isinstance(error, kinds) or "not enough memory" in str(error) or "out of memory" in str(error):
            raise _out_of_memory(settings) from error
        raise
    return run


@dataclass
class _Measurements:
    """Takes the run's measurements as the Trainer's steps go by."""

    model: LanguageModel
    held_out: HeldOut | None
    test_tokens: int
    every: int | None
    run: Run
    observer: Observer
    since: float = 0.0

    def begin(self) -> None:
        if self.held_out is not None and not self.run.test:
            self._test(self.held_out, self.held_out.before)
        self.since = time.perf_counter()

    def step(self, tokens: int, loss: float) -> None:
        """A step is done, which leaves `tokens` trained on; `loss` is its own."""
        advice = "lower the learning rate, or use fp32"
        need(math.isfinite(loss), f"the training loss is not a number after {tokens:,} tokens: {advice}")
        run = self.run
        previous, run.done_tokens = run.done_tokens, tokens
        now = time.perf_counter()
        run.seconds += now - self.since
        self.since = now
        run.train.append(Measured(tokens, loss))
        self.observer.trained(run, run.train[-1])
        last = tokens == run.tokens
        due = self.every is not None and tokens // self.every > previous // self.every
        if self.held_out is not None and (last or due):
            self._test(self.held_out)
            self.since = time.perf_counter()

    def _test(self, held_out: HeldOut, known: Evaluation | None = None) -> None:
        evaluation = known or cross_entropy(self.model, held_out.documents, self.test_tokens)
        done, loss = self.run.done_tokens, evaluation.loss
        need(math.isfinite(loss), f"the test loss is not a number after {done:,} training tokens")
        measured = Measured(done, loss, evaluation.bits_per_byte)
        self.run.test.append(measured)
        self.observer.tested(self.run, measured)


def _run_trainer(
    blocks: Blocks,
    settings: Settings,
    seed: int,
    measurements: _Measurements,
    checkpoints: Checkpoints | None,
    on_epoch: Callable[[Any, float], None] | None,
) -> None:
    import torch
    import transformers
    from transformers.trainer_callback import PrinterCallback

    run, network = measurements.run, measurements.model.network
    device = network.device.type
    step_tokens = settings.batch_size * settings.block_size
    steps_per_epoch = math.ceil(len(blocks.tokens) / settings.batch_size)
    rates: list[float] = []

    class Trainer(transformers.Trainer):  # type: ignore[misc]
        """Computes the training loss alone in bfloat16; the Trainer's own way leaves a network that always does."""

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            with torch.autocast(device, torch.bfloat16, enabled=run.precision == "bf16"):
                return super().compute_loss(*args, **kwargs)

    class Callback(transformers.TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            measurements.begin()

        def on_step_begin(self, *_: Any, optimizer: Any, **__: Any) -> None:
            rates.append(optimizer.param_groups[0]["lr"])

        def on_epoch_end(self, *_: Any, optimizer: Any, **__: Any) -> None:
            if on_epoch is not None:
                on_epoch(optimizer, fmean(rates[-steps_per_epoch:]))

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
            if "loss" in logs:  # of one step, as every step is logged
                epochs, within = divmod(state.global_step, steps_per_epoch)
                done = epochs * blocks.tokens.size + within * step_tokens
                measurements.step(done, float(logs["loss"]))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            if interruption.requested:
                control.should_training_stop = True
                control.should_save = checkpoints is not None

    every = checkpoints.every if checkpoints is not None else None
    earlier = checkpoints.earlier if checkpoints is not None else None
    with tempfile.TemporaryDirectory(prefix="zipfit-training-") as scratch:
        arguments = transformers.TrainingArguments(
            output_dir=scratch if checkpoints is None else str(checkpoints.folder),
            per_device_train_batch_size=settings.batch_size,
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            lr_scheduler_type={"constant": "constant_with_warmup"}.get(settings.schedule, settings.schedule),
            warmup_steps=round(settings.warmup * steps_per_epoch * settings.epochs),
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            optim="adamw_torch_fused",
            seed=seed,
            data_seed=seed,
            use_cpu=device == "cpu",
            logging_strategy="steps",
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no" if every is None else "steps",
            save_steps=max(1, (every or 1) // step_tokens),
            save_total_limit=2,
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=device == "cuda",
        )
        if settings.gradient_checkpointing:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # Transformers 5 has another name for it
                network.gradient_checkpointing_enable({"use_reentrant": False})
        trainer = Trainer(
            model=network,
            args=arguments,
            train_dataset=_BlockDataset(blocks),
            data_collator=transformers.default_data_collator,
            callbacks=[Callback()],
        )
        trainer.remove_callback(PrinterCallback)
        with Interruption(lambda: measurements.observer.stopping(run)) as interruption:
            trainer.train(resume_from_checkpoint=None if earlier is None else str(earlier.checkpoint))
    run.interrupted = interruption.requested
    network.eval()


class _BlockDataset:
    """Blocks as the Trainer wants them: in any order, each with what is to be predicted of itself."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def __len__(self) -> int:
        return len(self._blocks.tokens)

    def __getitem__(self, index: int) -> dict[str, Any]:
        tokens = self._blocks.tokens[index].astype("int64")
        return {"input_ids": tokens, "labels": np.where(self._blocks.scored[index], tokens, _NOT_PREDICTED)}


def _out_of_memory(settings: Settings) -> ZipfitError:
    advice = [f"batch_size below {settings.batch_size}", f"block_size below {settings.block_size}"]
    if not settings.gradient_checkpointing:
        advice.append("gradient_checkpointing")
    if settings.adapter == "full":
        advice.append("adapter lora")
    return ZipfitError(f"out of memory while training: try {', '.join(advice)}")
