from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")
import torch
from tiny import TEXTS

from zipfit.errors import ZipfitError
from zipfit.training.evaluation import Evaluation, cross_entropy
from zipfit.training.models import load_model
from zipfit.training.overlap import Overlap
from zipfit.training.precision import computes_bf16
from zipfit.training.run import Checkpoints, Course, Earlier, HeldOut, Measured, Observer, Run, Unobserved
from zipfit.training.settings import Settings
from zipfit.training.train import train

SETTINGS = Settings(block_size=64, batch_size=2, learning_rate=3e-3)


def run(
    tiny: Path,
    settings: Settings = SETTINGS,
    *,
    before: Evaluation | None = None,
    checkpoints: Checkpoints | None = None,
    observer: Observer | None = None,
    **course: Any,
) -> Run:
    """A run on the first 60 texts, measured on the others."""
    model = load_model(str(tiny), settings, course.get("seed", 0))
    held_out = HeldOut(TEXTS[60:], before)
    return train(
        model, TEXTS[:60], settings, Course(**course), held_out=held_out, checkpoints=checkpoints, observer=observer
    )


def test_training_lowers_the_loss_and_measures_it_along_the_way(tiny: Path):
    result = run(tiny, evaluate_every=512)
    assert result.tokens % 64 == 0
    assert result.done_tokens == result.tokens == result.train[-1].tokens
    assert [measured.tokens for measured in result.test[:3]] == [0, 512, 1024]
    assert result.test[-1].tokens == result.tokens
    assert result.test[-1].loss < result.test[0].loss - 0.3
    assert len(result.train) == -(-(result.tokens // 64) // 2)
    assert result.overlap == Overlap(0, 0, 20)
    assert result.precision == ("bf16" if computes_bf16() else "fp32")
    assert result.device == "cpu" or torch.cuda.is_available()


def test_the_same_seed_gives_the_same_run_and_another_one_another(tiny: Path):
    first, again, other = run(tiny, seed=0), run(tiny, seed=0), run(tiny, seed=1)
    assert first.test == again.test
    assert first.train == again.train
    assert first.test[0] == other.test[0]
    assert first.test[-1] != other.test[-1]


def test_a_budget_ends_the_run_there(tiny: Path):
    result = run(tiny, budget=300)
    assert result.tokens == 256
    assert result.documents < 60


def test_epochs_go_over_the_blocks_again(tiny: Path):
    result = run(tiny, Settings(block_size=64, batch_size=4, epochs=2), budget=576, evaluate_every=10_000)
    assert result.tokens == 2 * 576
    assert [measured.tokens for measured in result.train] == [256, 512, 576, 832, 1088, 1152]
    assert len(result.test) == 2


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_every_schedule_trains(tiny: Path, schedule: str):
    result = run(tiny, Settings(block_size=64, batch_size=2, learning_rate=3e-3, schedule=schedule), budget=512)
    assert result.test[-1].loss < result.test[0].loss


def test_adapters_train(tiny: Path):
    pytest.importorskip("peft")
    settings = Settings(block_size=64, batch_size=2, learning_rate=1e-2, adapter="lora", gradient_checkpointing=True)
    result = run(tiny, settings)
    assert result.test[-1].loss < result.test[0].loss


def test_a_known_loss_before_is_not_measured_again(tiny: Path):
    before = cross_entropy(load_model(str(tiny)), TEXTS[:1])
    assert run(tiny, before=before, budget=128).test[0] == Measured(0, before.loss, before.bits_per_byte)


def test_a_loss_that_is_no_number_ends_the_run(tiny: Path):
    with pytest.raises(ZipfitError, match=r"the (training|test) loss is not a number after [\d,]+ t"):
        run(tiny, Settings(block_size=64, batch_size=2, learning_rate=1e30, warmup=0))


def test_a_block_longer_than_the_model_reads_is_an_error(tiny: Path):
    with pytest.raises(ZipfitError, match=r"block_size 512 is more than model .* reads \(256 tokens\)"):
        run(tiny, Settings(block_size=512))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("x"), MemoryError(), RuntimeError("not enough memory: x")])
def test_running_out_of_memory_says_what_to_do(tiny: Path, monkeypatch: pytest.MonkeyPatch, error: Exception):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("zipfit.training.train.cross_entropy", fail)
    with pytest.raises(ZipfitError, match=r"out of memory while training: try batch_size below 2, .*adapter lora"):
        run(tiny)


class Interrupting(Unobserved):
    """Presses Ctrl-C, or what is said to stand for it, after a step, as often as asked."""

    def __init__(self, step: int, times: int = 1, how: signal.Signals = signal.SIGINT) -> None:
        self._step = step
        self._times = times
        self._how = how

    def trained(self, run: Run, measured: Measured) -> None:
        if len(run.train) == self._step:
            for _ in range(self._times):
                os.kill(os.getpid(), self._how)


def test_ctrl_c_leaves_a_checkpoint_from_which_the_same_run_goes_on(tiny: Path, tmp_path: Path):
    whole = run(tiny, evaluate_every=512)
    part = run(tiny, evaluate_every=512, checkpoints=Checkpoints(tmp_path), observer=Interrupting(6))
    assert part.interrupted
    assert not part.finished
    assert 0 < part.done_tokens < part.tokens
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    assert int(checkpoint.name.split("-")[1]) == len(part.train)
    done = len(part.train)
    resumed = run(tiny, evaluate_every=512, checkpoints=Checkpoints(tmp_path, earlier=Earlier(part, checkpoint)))
    assert len(part.train) > done
    assert resumed.train == whole.train
    assert resumed.test == whole.test
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_stops_at_once(tiny: Path):
    with pytest.raises(KeyboardInterrupt):
        run(tiny, observer=Interrupting(3, times=2))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_stands_for_ctrl_c_stops_a_run_like_it(tiny: Path):
    earlier = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        assert run(tiny, observer=Interrupting(3, how=signal.SIGTERM)).interrupted
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, earlier)


def test_a_signal_handler_of_the_users_own_is_left_to_it(tiny: Path):
    received = []
    earlier = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        assert run(tiny, observer=Interrupting(3)).finished
        assert received == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, earlier)


def test_an_interruption_without_a_folder_leaves_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert run(tiny, observer=Interrupting(3)).interrupted
    assert not list(tmp_path.iterdir())
