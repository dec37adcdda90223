from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from support import COMMAND, pool_records, target_texts, write_jsonl

from zipfit.cli import common, main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would the commands that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same verdict on any machine: no test asserts on a time, and each run tries the same examples. Others are looked for
# by `pytest --hypothesis-profile=search`.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("search", settings.get_profile("any machine"), derandomize=False, max_examples=1000)
settings.load_profile("any machine")


@dataclass
class Ran:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a `pool.jsonl` of 40 documents and a `target.jsonl` of 4 examples."""
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "pool.jsonl", pool_records())
    write_jsonl(tmp_path / "target.jsonl", target_texts())
    return tmp_path


@pytest.fixture
def zipfit(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """The command line, run in this process by its entry point: any traceback fails the test."""

    def run(*arguments: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["zipfit", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(common, "DEBUG", False)
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        capfd.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        out, err = capfd.readouterr()
        return Ran(status, out, err)

    return run


@pytest.fixture
def started(folder: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """The command line as a process of its own, for signals, limits and pipes."""

    def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "PYTHONWARNINGS": "error"}
        return subprocess.Popen([*COMMAND, *map(str, arguments)], **{**streams, "env": environment, **options})

    return start
