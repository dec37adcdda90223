"""Fine-tune a causal language model on documents, with its test loss before, during and after.

The loop is Transformers' Trainer; what is ours comes in as callbacks: evaluation every so many tokens, a stop at the
first loss that is not a number, an orderly stop on Ctrl-C, and a record of each measurement as soon as it is made.
"""

from __future__ import annotations

import math
import signal
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zipfit.errors import MissingExtraError, ZipfitError
from zipfit.training.blocks import make_blocks
from zipfit.training.evaluation import cross_entropy
from zipfit.training.models import computes_bf16
from zipfit.training.overlap import find_overlap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zipfit.training.blocks import Blocks
    from zipfit.training.evaluation import Evaluation
    from zipfit.training.models import LanguageModel
    from zipfit.training.overlap import Overlap
    from zipfit.training.settings import Settings


@dataclass(frozen=True)
class Measured:
    """A loss after so many training tokens.

    Attributes:
        tokens: trained on so far.
        loss: cross-entropy in nats a token.
        bits_per_byte: of a test loss; None for a training loss, which is that of the last step's blocks.
    """

    tokens: int
    loss: float
    bits_per_byte: float | None = None


@dataclass
class Run:
    """What came of a fine-tuning run, as far as it went.

    Attributes:
        documents: how many it was trained on.
        tokens: in the blocks, all epochs together.
        done_tokens: trained on; less than `tokens` after an interruption.
        test: losses on the test set, the first before training, the last after.
        train: losses on the training blocks, step by step.
        seconds: spent training, evaluations aside, since this process began.
        precision: `bf16` or `fp32`.
        device: where it ran.
        overlap: what the test set shares with the documents; None without a test set.
        interrupted: whether Ctrl-C was pressed: it then stopped after a step, unless that was the last one.
    """

    documents: int = 0
    tokens: int = 0
    done_tokens: int = 0
    test: list[Measured] = field(default_factory=list)
    train: list[Measured] = field(default_factory=list)
    seconds: float = 0.0
    precision: str = "fp32"
    device: str = "cpu"
    overlap: Overlap | None = None
    interrupted: bool = False

    @property
    def finished(self) -> bool:
        """Whether all tokens were trained on."""
        return self.done_tokens == self.tokens


class Observer(Protocol):
    """Told of a run as it goes."""

    def started(self, run: Run) -> None:
        """The blocks are made; on a resumed run, `run` holds what was measured before."""
        ...

    def trained(self, run: Run, measured: Measured) -> None:
        """An optimizer step is done."""
        ...

    def tested(self, run: Run, measured: Measured) -> None:
        """The test set was scored."""
        ...

    def stopping(self, run: Run) -> None:
        """Ctrl-C was pressed: the run ends after its current step, or at once if it is pressed again."""
        ...


class Unobserved:
    """An observer that ignores everything."""

    def started(self, run: Run) -> None:
        pass

    def trained(self, run: Run, measured: Measured) -> None:
        pass

    def tested(self, run: Run, measured: Measured) -> None:
        pass

    def stopping(self, run: Run) -> None:
        pass


def train(
    model: LanguageModel,
    texts: Sequence[str],
    settings: Settings,
    *,
    test: Sequence[str] = (),
    budget: int | None = None,
    seed: int = 0,
    evaluate_every: int | None = None,
    before: Evaluation | None = None,
    checkpoints: Path | None = None,
    checkpoint_every: int | None = None,
    resume: tuple[Run, Path] | None = None,
    observer: Observer | None = None,
) -> Run:
    """Train the model, in place, on the documents.

    Args:
        model: loaded with the same settings.
        texts: training documents, best first.
        settings: see `Settings`.
        test: documents to measure the loss on, before, during and after; none to skip that.
        budget: training tokens of an epoch; see `make_blocks`.
        seed: of the order of documents and blocks, dropout and fresh adapters.
        evaluate_every: training tokens between evaluations; None for before and after alone.
        before: the evaluation of the untrained model, if it is known already.
        checkpoints: folder for Trainer's checkpoints; None to keep none.
        checkpoint_every: tokens between checkpoints; None for one at an interruption alone.
        resume: a run as far as a checkpoint goes, and that checkpoint, to go on from there to the same end.
        observer: told of each measurement.

    Returns:
        The run, not `finished` where Ctrl-C stopped it after a step: a checkpoint was then written, if there is
        a folder for them. A second Ctrl-C stops at once, as KeyboardInterrupt.

    Raises:
        MissingExtraError: a package of the extra `train` is not installed.
        ZipfitError: the documents do not fill a block, a block is longer than the model reads, the loss is not a
            number, or memory ran out.
    """
    try:
        import accelerate  # noqa: F401  # the Trainer needs it, and says so in a longer way
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError("fine-tuning", "train") from error
    longest = getattr(model.network.config, "max_position_embeddings", None)
    if longest is not None and settings.block_size > longest:
        raise ZipfitError(f"block_size {settings.block_size} is more than model {model.name} reads ({longest} tokens)")
    transformers.set_seed(seed)
    blocks = make_blocks(texts, model.tokenizer, settings.block_size, budget, seed)
    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and computes_bf16(torch))
    run = resume[0] if resume is not None else Run()
    run.documents, run.tokens = blocks.documents, blocks.tokens.size * settings.epochs
    run.precision, run.device = "bf16" if bf16 else "fp32", model.network.device.type
    run.overlap = find_overlap(texts[: blocks.documents], test) if test else None
    observer = observer or Unobserved()
    observer.started(run)
    with tempfile.TemporaryDirectory(prefix="zipfit-training-") as scratch:
        try:
            _run_trainer(
                model,
                blocks,
                settings,
                _Measurements(model, test, settings.test_tokens, evaluate_every, run, observer, before),
                bf16=bf16,
                seed=seed,
                folder=checkpoints or Path(scratch),
                keep=checkpoints is not None,
                checkpoint_every=checkpoint_every,
                resume=None if resume is None else resume[1],
            )
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise _out_of_memory(settings) from error
        except RuntimeError as error:
            if "not enough memory" in str(error) or "out of memory" in str(error):
                raise _out_of_memory(settings) from error
            raise
    return run


class _Measurements:
    """Takes the run's measurements as the Trainer's steps go by."""

    def __init__(
        self,
        model: LanguageModel,
        test: Sequence[str],
        test_tokens: int,
        evaluate_every: int | None,
        run: Run,
        observer: Observer,
        before: Evaluation | None,
    ) -> None:
        self.run = run
        self._model = model
        self._test = test
        self._test_tokens = test_tokens
        self._every = evaluate_every
        self._observer = observer
        self._before = before
        self._since = 0.0

    def begin(self) -> None:
        if self._test and not self.run.test:
            self._record_test(self._before or self._evaluate())
        self._since = time.perf_counter()

    def step(self, tokens: int, loss: float) -> None:
        """A step is done, which leaves `tokens` trained on; `loss` is its own."""
        if not math.isfinite(loss):
            raise ZipfitError(
                f"the training loss is not a number after {tokens:,} tokens: lower the learning rate, or use fp32"
            )
        run = self.run
        previous, run.done_tokens = run.done_tokens, tokens
        now = time.perf_counter()
        run.seconds += now - self._since
        self._since = now
        run.train.append(Measured(tokens, loss))
        self._observer.trained(run, run.train[-1])
        last = tokens == run.tokens
        due = self._every is not None and tokens // self._every > previous // self._every
        if self._test and (last or due):
            self._record_test(self._evaluate())
            self._since = time.perf_counter()

    def stopping(self) -> None:
        """Ctrl-C was pressed."""
        self._observer.stopping(self.run)

    def _evaluate(self) -> Evaluation:
        return cross_entropy(self._model, self._test, self._test_tokens)

    def _record_test(self, evaluation: Evaluation) -> None:
        if not math.isfinite(evaluation.loss):
            raise ZipfitError(f"the test loss is not a number after {self.run.done_tokens:,} training tokens")
        measured = Measured(self.run.done_tokens, evaluation.loss, evaluation.bits_per_byte)
        self.run.test.append(measured)
        self._observer.tested(self.run, measured)


def _run_trainer(
    model: LanguageModel,
    blocks: Blocks,
    settings: Settings,
    measurements: _Measurements,
    *,
    bf16: bool,
    seed: int,
    folder: Path,
    keep: bool,
    checkpoint_every: int | None,
    resume: Path | None,
) -> None:
    import transformers
    from transformers.trainer_callback import PrinterCallback

    step_tokens = settings.batch_size * settings.block_size
    steps_per_epoch = math.ceil(len(blocks.tokens) / settings.batch_size)
    run = measurements.run

    class Callback(transformers.TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            measurements.begin()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
            if "loss" in logs:  # of one step, as every step is logged
                epochs, within = divmod(state.global_step, steps_per_epoch)
                done = epochs * blocks.tokens.size + within * step_tokens
                measurements.step(done, float(logs["loss"]))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            if interruption.requested:
                control.should_training_stop = True
                control.should_save = keep

    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(settings.schedule, settings.schedule),
        warmup_steps=round(settings.warmup * steps_per_epoch * settings.epochs),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim="adamw_torch_fused",
        bf16=bf16,
        seed=seed,
        data_seed=seed,
        use_cpu=model.network.device.type == "cpu",
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no" if not keep or checkpoint_every is None else "steps",
        save_steps=max(1, (checkpoint_every or 1) // step_tokens),
        save_total_limit=2,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=model.network.device.type == "cuda",
    )
    if settings.gradient_checkpointing:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # Transformers 5 has another name for it
            model.network.gradient_checkpointing_enable({"use_reentrant": False})
    trainer = transformers.Trainer(
        model=model.network,
        args=arguments,
        train_dataset=_BlockDataset(blocks),
        data_collator=transformers.default_data_collator,
        callbacks=[Callback()],
    )
    trainer.remove_callback(PrinterCallback)
    with _Interruption(measurements.stopping) as interruption:
        trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    run.interrupted = interruption.requested
    model.network.eval()


class _BlockDataset:
    """Blocks as the Trainer wants them: in any order, each with itself as what is to be predicted."""

    def __init__(self, blocks: Blocks) -> None:
        self._tokens = blocks.tokens

    def __len__(self) -> int:
        return len(self._tokens)

    def __getitem__(self, index: int) -> dict[str, Any]:
        tokens = self._tokens[index].astype("int64")
        return {"input_ids": tokens, "labels": tokens}


class _Interruption:
    """While it lasts, the first Ctrl-C only asks for an end after the current step; the second is an ordinary one.

    So does any signal that stands for one, as SIGTERM does on our command line; a handler of the user's own is left.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self.requested = False
        self._tell = tell
        self._taken: list[signal.Signals] = []

    def __enter__(self) -> _Interruption:
        if threading.current_thread() is threading.main_thread():  # elsewhere there is no Ctrl-C to catch
            endings = (signal.SIGINT, signal.SIGTERM)
            self._taken = [number for number in endings if signal.getsignal(number) is signal.default_int_handler]
        for number in self._taken:
            signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def _request(self, *_: object) -> None:
        self.requested = True
        self._give_back()
        self._tell()

    def _give_back(self) -> None:
        for number in self._taken:
            signal.signal(number, signal.default_int_handler)


def _out_of_memory(settings: Settings) -> ZipfitError:
    advice = [f"batch_size below {settings.batch_size}", f"block_size below {settings.block_size}"]
    if not settings.gradient_checkpointing:
        advice.append("gradient_checkpointing")
    if settings.adapter == "full":
        advice.append("adapter lora")
    return ZipfitError(f"out of memory while training: try {', '.join(advice)}")
