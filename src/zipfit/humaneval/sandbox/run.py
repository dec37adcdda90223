"""Run an untrusted Python program in a process of its own, within limits, and tell whether it reached its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from zipfit.errors import ZipfitError, need

REASONS = ("passed", "exception", "timeout", "memory", "files", "exited", "killed")
"""How a program can end: see `Outcome.reason`."""

_GUARD = Path(__file__).with_name("guard.py")
_GRACE = 30.0  # seconds beyond the wall time after which the guard itself is taken for lost


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
        cpu_seconds: processor time, in whole seconds as the kernel counts it. Unlike wall time it does not pass faster
            on a busy machine, so that verdicts do not hang on what else runs.
        wall_seconds: time until it is killed, whatever it waits for.
        memory: bytes of address space, of which the interpreter itself takes some 30 MB.
        file_size: bytes of each file that it writes.
        disk: bytes of all its files together, and `entries` their number; where namespaces are to be had.
        entries: see `disk`.
        open_files: descriptors at a time.
        output: bytes kept of what it prints on standard output and error; the rest is read and dropped.

    Raises:
        ZipfitError: a limit is not positive; the message names it.
    """

    cpu_seconds: int = 3
    wall_seconds: float = 12.0
    memory: int = 512 << 20
    file_size: int = 16 << 20
    disk: int = 64 << 20
    entries: int = 1000
    open_files: int = 64
    output: int = 1 << 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            need(value > 0, f"{name} must be above 0, not {value}")
        whole = self.cpu_seconds == int(self.cpu_seconds)
        need(whole, f"cpu_seconds must be a whole number of seconds, not {self.cpu_seconds}")


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        reason: `passed` (it ran to its last line), `exception` (one that it did not catch; SystemExit is one),
            `timeout` (wall or processor time), `memory` (MemoryError), `files` (too large, too many), `exited` (it
            ended its process, or closed what its end is told on), `killed` (by a signal, such as a segmentation fault).
        detail: the exception, the signal, or which time was over.
        output: the first of what it printed.
    """

    reason: str
    detail: str
    output: str

    @property
    def passed(self) -> bool:
        return self.reason == "passed"


@dataclass(frozen=True)
class Protections:
    """The mechanisms of the Linux kernel that a program is confined with, besides the limits.

    Attributes:
        namespaces: processes, network, shared memory and mounts of its own.
        landlock: version of the kernel's Landlock interface; 0 without it.
        seccomp: a filter of system calls.
    """

    namespaces: bool
    landlock: int
    seccomp: bool

    @staticmethod
    @lru_cache(maxsize=1)
    def available() -> Protections:
        """Those that hold on this system, each tried on an empty program.

        Raises:
            ZipfitError: nothing can be run here at all, as on Windows.
        """
        none = Protections(namespaces=False, landlock=0, seccomp=False)
        trial = _answer("", Limits(), none)
        if trial["reason"] != "passed":
            raise ZipfitError(f"the sandbox does not work here: an empty program was {trial['reason']}")
        if sys.platform != "linux":
            return none
        landlock = _holds(replace(none, landlock=1))
        return Protections(
            namespaces=bool(_holds(replace(none, namespaces=True))),
            landlock=landlock["landlock"] if landlock else 0,
            seccomp=bool(_holds(replace(none, seccomp=True))),
        )

    def guarantees(self) -> dict[str, bool]:
        """What a program is kept from with these protections on this system, in words; `docs/humaneval.md` has more."""
        linux = sys.platform == "linux"
        alone = self.seccomp or (linux and os.geteuid() != 0)  # RLIMIT_NPROC does not bind root
        no_signals = self.namespaces or self.seccomp or self.landlock >= 6
        return {
            "time, file size and descriptors are limited": True,
            "memory is limited": linux,
            "the number and total size of files are limited": self.namespaces,
            "no other process or thread can be started": alone,
            "nothing outlives the run": linux and no_signals,  # or it could kill its guard
            "no network": self.namespaces or self.seccomp,
            "nothing is written outside its folder": self.landlock > 0,
            "nothing is read but Python's own files": self.landlock > 0,
            "other processes cannot be signalled": no_signals,
            "other processes' environment and memory cannot be read": self.namespaces or self.landlock > 0,
        }


def run_program(program: str, limits: Limits | None = None, protections: Protections | None = None) -> Outcome:
    """Run a program's text in a fresh interpreter with the standard library only, confined as far as this system can.

    It runs as the module `program`, in an empty folder that is also its HOME, with an environment that says nothing of
    this process', without standard input; hashes and `random` are seeded, so the same program ends the same way. All
    that it started is killed when it ends, and the folder is removed.

    A pass is told on an inherited descriptor together with a random number drawn after the program's text was fixed,
    so neither ending the process early nor writing to every descriptor fakes one. Program and tests share one
    interpreter, though: a program that searches its callers' frames, or whose values claim to equal all others, can.

    Args:
        program: Python source.
        limits: `Limits()` if None.
        protections: all those available if None; a run with fewer is for testing them.

    Raises:
        ZipfitError: this system cannot run it (Windows), or a protection that was asked for does not hold.
    """
    protections = Protections.available() if protections is None else protections
    answer = _answer(program, Limits() if limits is None else limits, protections)
    reason, detail = answer["reason"], answer["detail"]
    if reason is None:
        status = answer["status"]
        if os.WIFSIGNALED(status):
            reason, detail = "killed", signal.Signals(os.WTERMSIG(status)).name
        else:
            reason, detail = "exited", f"status {os.WEXITSTATUS(status)} before its end"
    return Outcome(reason, detail, answer["output"])


def _holds(protections: Protections) -> dict[str, Any] | None:
    """The guard's answer of an empty program, if that passes."""
    try:
        answer = _answer("", Limits(), protections)
    except ZipfitError:
        return None
    return answer if answer["reason"] == "passed" else None


def _answer(program: str, limits: Limits, protections: Protections) -> dict[str, Any]:
    """What the guard says of a program."""
    if os.name != "posix":
        raise ZipfitError("programs are run in a sandbox only on Linux and macOS, not on this system")
    folder = os.path.realpath(tempfile.mkdtemp(prefix="zipfit-sandbox-"))
    request = {"program": program, "folder": folder, "parent": os.getpid(), **asdict(limits), **asdict(protections)}
    environment = {"HOME": folder, "TMPDIR": folder, "PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
    try:
        # Not -I, which would not take the hash seed; the environment and the search path are ours anyway.
        guard = subprocess.Popen(
            [sys.executable, "-s", "-S", "-B", "-u", str(_GUARD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        with guard:
            try:
                said, _ = guard.communicate(json.dumps(request).encode(), timeout=limits.wall_seconds + _GRACE)
            except subprocess.TimeoutExpired:
                said = b""
            finally:
                if guard.returncode is None:
                    os.killpg(guard.pid, signal.SIGKILL)
        answer: dict[str, Any] = json.loads(said) if said else {}
    except (OSError, ValueError) as error:
        raise ZipfitError(f"the sandbox does not work here: {error}") from error
    finally:
        _remove(folder)
    if "broken" in answer:
        raise ZipfitError(f"the sandbox does not hold here: {answer['broken']}")
    if not answer:  # a program that can signal other processes ended its guard, and itself with it
        answer = {"reason": "killed", "detail": "together with the process that guarded it", "output": ""}
    return answer


def _remove(folder: str) -> None:
    """Also what a program left in it: folders without rights, folders in folders beyond Python's recursion."""
    try:
        os.rmdir(folder)  # all there is to do where its files were in memory
    except OSError:
        subprocess.run(["chmod", "-R", "u+rwx", folder], check=False, stderr=subprocess.DEVNULL)  # follows no links
        subprocess.run(["rm", "-rf", folder], check=False)
