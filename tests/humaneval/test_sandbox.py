"""The sandbox, attacked: each test goes against one property, with all protections and with each that gives it alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zipfit.errors import ZipfitError
from zipfit.humaneval.sandbox import REASONS, Limits, Outcome, Protections, run_program
from zipfit.humaneval.sandbox import run as running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if sys.platform == "win32":
    pytest.skip("the sandbox needs a POSIX system", allow_module_level=True)

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives this")
NONE = Protections(namespaces=False, landlock=0, seccomp=False)
QUICK = Limits(cpu_seconds=1, wall_seconds=0.7)


def protections(wanted: str) -> Protections:
    """All that there are, none, or one alone; skips where this system lacks it."""
    here = Protections.available()
    if wanted == "all":
        lacking = [name for name in ("namespaces", "landlock", "seccomp") if not getattr(here, name)]
        if lacking:
            pytest.skip(f"this system has no {', '.join(lacking)}")
        return here
    if wanted == "none":
        return NONE
    if not getattr(here, wanted):
        pytest.skip(f"this system has no {wanted}")
    return replace(NONE, **{wanted: getattr(here, wanted)})


def under(*wanted: str) -> Callable[..., object]:
    return pytest.mark.parametrize("wanted", wanted)


def processes_with(text: str) -> list[int]:
    """Processes whose environment holds a text, such as the sandbox's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


@pytest.fixture(autouse=True)
def left_behind(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every run's folder lies here; none may be left and no process may still call it home."""
    folder = tmp_path_factory.mktemp("sandboxes")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    Protections.available()
    yield folder
    assert list(folder.iterdir()) == []
    if sys.platform == "linux":
        assert processes_with(str(folder)) == []


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """Another process of the same user, with a secret in its environment."""
    with subprocess.Popen(["sleep", "60"], env={**os.environ, "TOKEN": "hunter2"}) as process:
        yield process
        assert process.poll() is None
        process.kill()


def test_a_program_passes_by_reaching_its_end() -> None:
    assert run_program("import math, json, ssl, sqlite3\nassert math.sqrt(4) == 2\nprint('hé')") == Outcome(
        "passed", "", "hé\n"
    )


@pytest.mark.parametrize(
    ("program", "detail"),
    [
        ("assert 1 == 2, 'no'", "AssertionError: no"),
        ("def f(:", "SyntaxError: "),
        ("x = '\\0'\n\0", ""),
        ("import sys\nsys.exit(0)", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("input()", "EOFError"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E"),
        ("class E(Exception):\n    def __str__(self): return 'x' * 10**7\nraise E", "E: xxx"),
        ("raise Exception('\\ud800')", "Exception: ?"),
        ("def f(): f()\nf()", "RecursionError"),
        ("import numpy", "ModuleNotFoundError"),
    ],
)
def test_an_exception_fails(program: str, detail: str) -> None:
    outcome = run_program(program)
    assert (outcome.reason, outcome.passed) == ("exception", False)
    assert outcome.detail.startswith(detail)
    assert len(outcome.detail) <= 400


FAKES = {
    "exit": "import sys\nsys.exit(0)",
    "exit at once": "import os\nos._exit(0)",
    "exit by another name": "raise SystemExit",
    "exit status": "import os\nos._exit(1)",
    "write everywhere": "import os\nfor i in range(64):\n    try: os.write(i, b'passed\\npassed\\n\\n')\n    except OSError: pass\nassert 0",
    "write everywhere and leave": "import os\nfor i in range(64):\n    try: os.write(i, b'passed\\n')\n    except OSError: pass\nos._exit(0)",
    "replace the end": "import os, sys\nos._exit = lambda status: None\nos.write = print\nassert 0",
    "close everything": "import os\nos.closerange(0, 64)",
    "replace the descriptor": "import os\nos.dup2(1, 3)",
    "replace what is built in": "import builtins\nfor name in ('isinstance', 'type', 'compile', 'exec', 'getattr'):\n    setattr(builtins, name, lambda *_: 1/0)\nassert 0",
    "pass in a destructor": "class X:\n    def __del__(self): import os; os._exit(0)\nx = X()\ndel x",
    "pass at exit": "import atexit, os\natexit.register(os._exit, 0)\nassert 0",
    "pass in a trace": "import sys\nsys.settrace(lambda *_: sys.exit(0))\ndef f(): pass\nf()",
}


@pytest.mark.parametrize("attack", FAKES)
def test_success_is_not_cheaply_faked(attack: str) -> None:
    outcome = run_program(FAKES[attack])
    assert outcome.reason in ("exception", "exited"), outcome


TIME_WASTERS = {
    "busy": "while True: pass",
    "asleep": "import time\ntime.sleep(60)",
    "catches everything": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "deaf": "import signal\nfor s in set(signal.Signals) - {9, 19}:\n    signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
    "in C": "10 ** 10 ** 10",
    "closed": "import os, time\nos.closerange(0, 64)\ntime.sleep(60)",
    "evil message": "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
    "compiler": "x = " + "-" * 30 + "1\nwhile x: pass",
    "flood": "import os\nwhile True: os.write(1, b'x' * 65536)",
    "flood of reports": "import os\nwhile True: os.write(3, b'x' * 65536)",
}


@pytest.mark.parametrize("attack", TIME_WASTERS)
def test_time_is_limited(attack: str) -> None:
    started = time.monotonic()
    outcome = run_program(TIME_WASTERS[attack], QUICK)
    assert outcome.reason == "timeout", outcome
    assert time.monotonic() - started < 12
    assert len(outcome.output) <= QUICK.output


def test_processor_time_is_told_from_wall_time() -> None:
    limits = Limits(cpu_seconds=1, wall_seconds=60.0)
    with ThreadPoolExecutor() as pool:
        outcomes = list(
            pool.map(lambda program: run_program(program, limits), ["while True: pass", TIME_WASTERS["deaf"]])
        )
    assert [outcome.detail for outcome in outcomes] == ["processor time"] * 2
    assert run_program("import time\ntime.sleep(9)", Limits(cpu_seconds=1, wall_seconds=0.3)).detail == "wall time"


HOGS = {
    "bytes": "x = bytearray(1 << 30)",
    "by and by": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "map": "import mmap\ntry: mmap.mmap(-1, 1 << 30)\nexcept OSError: raise MemoryError",
    "raised limit": "import resource\ntry: resource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nexcept ValueError: pass\nx = bytearray(1 << 30)",
}


@linux
@pytest.mark.parametrize("attack", HOGS)
@under("all", "none")
def test_memory_is_limited(attack: str, wanted: str) -> None:
    assert run_program(HOGS[attack], Limits(memory=200 << 20), protections(wanted)).reason == "memory"


@linux
def test_running_out_of_memory_is_survived() -> None:
    program = "try: x = bytearray(1 << 40)\nexcept MemoryError: x = bytearray(1 << 20)\nassert len(x) == 1 << 20"
    assert run_program(program).passed


@under("all", "none")
def test_a_file_is_limited(wanted: str) -> None:
    program = "with open('big', 'wb') as stream:\n    while True: stream.write(bytes(1 << 16))"
    assert run_program(program, Limits(file_size=1 << 20), protections(wanted)).reason == "files"


@linux
@under("all", "namespaces")
def test_files_are_limited_in_number_and_together(wanted: str) -> None:
    limits = Limits(disk=4 << 20, file_size=1 << 20, entries=100)
    many = "for i in range(200): open(str(i), 'w').close()"
    large = "for i in range(8): open(str(i), 'wb').write(bytes(900_000))"
    assert [run_program(program, limits, protections(wanted)).reason for program in (many, large)] == ["files", "files"]


@under("all", "none")
def test_descriptors_are_limited(wanted: str) -> None:
    outcome = run_program("x = [open('/dev/null') for _ in range(100)]", None, protections(wanted))
    assert outcome.detail.startswith("OSError: [Errno 24]")


def test_output_is_kept_up_to_the_limit() -> None:
    limits = Limits(output=1000)
    outcome = run_program("import sys\nprint('é' * 400)\nprint('x' * 10**7)\nprint('!', file=sys.stderr)", limits)
    assert outcome.passed
    assert len(outcome.output.encode()) == 1000


FORKS = {
    "busy child": "import os\nif os.fork() == 0:\n    while True: pass",
    "child of a waiting one": "import os, time\nif os.fork() == 0:\n    while True: pass\ntime.sleep(60)",
    "daemon": "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.setsid()\n        os.closerange(0, 64)\n        while True: pass\n    os._exit(0)",
    "daemon deaf to signals": "import os, signal, time\nif os.fork() == 0:\n    os.setsid()\n    for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)\n    if os.fork() == 0:\n        time.sleep(60)",
    "bomb": "import os\nfor _ in range(7): os.fork()\nif os.getsid(0) != os.getpid(): os.setsid()\nwhile True: pass",
    "command": "import subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)",
}


@linux
@pytest.mark.parametrize("attack", FORKS)
@under("none", "namespaces")
def test_nothing_outlives_the_run_where_processes_can_be_started(
    attack: str, wanted: str, left_behind: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("a user other than root cannot start processes here: RLIMIT_NPROC")
    outcome = run_program(f"open({str(tmp_path / 'ran')!r}, 'w')\n{FORKS[attack]}", QUICK, protections(wanted))
    assert (tmp_path / "ran").exists()
    assert outcome.reason in ("passed", "timeout"), outcome  # so it did start them
    assert processes_with(str(left_behind)) == []


@linux
@pytest.mark.parametrize("attack", FORKS)
def test_no_process_is_started(attack: str) -> None:
    outcome = run_program(FORKS[attack], QUICK, protections("seccomp"))
    assert outcome.reason == "exception"
    assert "Operation not permitted" in outcome.detail


@linux
@under("all", "seccomp")
def test_no_thread_is_started(wanted: str) -> None:
    outcome = run_program("import threading\nthreading.Thread(target=print).start()", None, protections(wanted))
    assert outcome.detail == "RuntimeError: can't start new thread"


@linux
@under("all", "seccomp")
def test_the_program_is_not_replaced_by_another(wanted: str) -> None:
    outcome = run_program("import os\nos.execv('/bin/true', ['true'])", None, protections(wanted))
    assert outcome.detail.startswith("PermissionError")


@linux
@under("all", "namespaces", "landlock", "seccomp")
def test_nobody_else_is_signalled(wanted: str, victim: subprocess.Popen[bytes]) -> None:
    held = protections(wanted)
    if not held.guarantees()["other processes cannot be signalled"]:
        pytest.skip("this kernel's Landlock does not scope signals")
    program = f"""
import os
for process in ({victim.pid}, {os.getpid()}):
    try:
        os.kill(process, 9)
    except (PermissionError, ProcessLookupError):
        continue
    raise AssertionError
"""
    assert run_program(program, None, held).passed
    assert victim.poll() is None


@linux
@under("all", "namespaces", "none")
def test_killing_its_guard_gains_nothing(wanted: str, left_behind: Path) -> None:
    program = "import os, time\ntry: os.kill(os.getppid(), 9)\nexcept PermissionError: pass\ntime.sleep(60)"
    assert run_program(program, QUICK, protections(wanted)).reason in ("killed", "timeout")
    wait_for(lambda: not processes_with(str(left_behind)))


@linux
@under("all", "none")
def test_the_program_dies_with_zipfit(wanted: str, tmp_path: Path) -> None:
    protections(wanted)  # skips
    code = "import sys; from zipfit.humaneval.sandbox import *; run_program('while True: pass', Limits(30, 60.0), eval(sys.argv[1]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, repr(protections(wanted))], env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        inside = f"HOME={tmp_path}"
        wait_for(lambda: len(processes_with(inside)) >= (3 if wanted == "all" else 2))
        process.kill()
    wait_for(lambda: not processes_with(inside))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_environment_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")
    program = "import os\nprint(sorted(os.environ))\nassert os.environ['HOME'] == os.getcwd() and not os.listdir()"
    outcome = run_program(program)
    assert outcome.passed, outcome
    assert set(eval(outcome.output)) <= {"HOME", "LANG", "LC_CTYPE", "PATH", "PYTHONHASHSEED", "TMPDIR"}


@linux
@under("all", "namespaces", "landlock")
def test_the_environment_of_others_is_not_read(wanted: str, victim: subprocess.Popen[bytes]) -> None:
    program = f"print(open('/proc/{victim.pid}/environ').read())"
    if os.geteuid() != 0:  # root's program gave up what reading a privileged process takes
        assert "hunter2" in run_program(program, None, NONE).output  # the attack works where nothing is guarded
    outcome = run_program(program, None, protections(wanted))
    assert outcome.detail.startswith("PermissionError"), outcome


@linux
@under("all", "seccomp")
def test_limits_of_others_are_not_changed(wanted: str, victim: subprocess.Popen[bytes]) -> None:
    program = f"import resource\nresource.prlimit({victim.pid}, resource.RLIMIT_NOFILE, (1, 1))"
    assert run_program(program, None, protections(wanted)).detail.startswith("PermissionError")
    lower = (
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))\nassert resource.getrlimit(7)[0] == 10"
    )
    assert run_program(lower, None, protections(wanted)).passed


@linux
@under("all", "namespaces", "seccomp")
def test_no_network(wanted: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        program = f"import socket\nsocket.create_connection(('127.0.0.1', {server.getsockname()[1]}), timeout=1)"
        assert run_program(program, None, NONE).passed  # the attack works where nothing is guarded
        server.accept()[0].close()
        assert run_program(program, None, protections(wanted)).reason == "exception"
        with pytest.raises(BlockingIOError):
            server.accept()


@linux
@under("all", "seccomp")
def test_no_socket_of_this_machine(wanted: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        program = f"import socket\nsocket.socket(socket.AF_UNIX).connect({str(tmp_path / 's')!r})"
        assert run_program(program, None, NONE).passed
        assert run_program(program, None, protections(wanted)).detail.startswith("PermissionError")


def test_socket_pairs_and_event_loops_work() -> None:
    assert run_program("import asyncio\nasync def f(): return 3\nassert asyncio.run(f()) == 3").passed


WRITES = {
    "new file": "open(PATH + '/new', 'w')",
    "overwrite": "open(PATH + '/file', 'w')",
    "append": "open(PATH + '/file', 'a')",
    "truncate": "import os\nos.truncate(PATH + '/file', 0)",
    "delete": "import os\nos.remove(PATH + '/file')",
    "rename": "import os\nos.rename(PATH + '/file', 'mine')",
    "put over": "import os\nopen('mine', 'w').close()\nos.rename('mine', PATH + '/file')",
    "link": "import os\nos.link(PATH + '/file', 'mine')\nopen('mine', 'w')",
    "symbolic link": "import os\nos.symlink(PATH + '/file', 'mine')\nopen('mine', 'w')",
    "folder": "import os\nos.mkdir(PATH + '/folder')",
    "out by the parent": "import os\nos.chdir('..')\nopen('new', 'w')",
    "fifo": "import os\nos.mkfifo(PATH + '/fifo')",
}
MARKS = {
    "mode": "import os\nos.chmod(PATH + '/file', 0o777)",
    "mode of a folder": "import os\nos.chmod(PATH, 0o777)",
    "time": "import os\nos.utime(PATH + '/file', (0, 0))",
    "owner": "import os\nos.chown(PATH + '/file', os.getuid(), os.getgid())",
    "attribute": "import os\nos.setxattr(PATH + '/file', 'user.x', b'x')",
}


@linux
@pytest.mark.parametrize("attack", WRITES)
def test_nothing_is_written_outside(attack: str, tmp_path: Path, left_behind: Path) -> None:
    held = protections("landlock")
    if held.landlock < 3 and attack == "truncate":
        pytest.skip("this kernel's Landlock does not cover truncation")
    outcome = attack_on(tmp_path, WRITES[attack], held)
    assert outcome.reason == "exception", outcome
    assert outcome.detail.split(":")[0] in ("PermissionError", "OSError"), outcome
    assert not (left_behind / "new").exists()


@linux
@pytest.mark.parametrize("attack", MARKS)
def test_modes_owners_and_times_outside_stay(attack: str, tmp_path: Path) -> None:
    assert attack_on(tmp_path, MARKS[attack], protections("seccomp")).detail.startswith("PermissionError")


@linux
def test_nothing_outside_is_touched_under_all_protections(tmp_path: Path) -> None:
    attacks = [*WRITES.values(), *MARKS.values()]
    program = f"for attack in {attacks}:\n    try: exec(attack)\n    except OSError: continue\n    raise AssertionError(attack)"
    assert attack_on(tmp_path, program, protections("all")).passed


def attack_on(folder: Path, program: str, held: Protections) -> Outcome:
    """Let a program at a folder with one file; afterwards all must be as before."""
    (folder / "file").write_text("precious")

    def state() -> list[object]:
        return [(path, path.stat().st_mode, path.stat().st_mtime_ns) for path in sorted([folder, *folder.rglob("*")])]

    before = state()
    outcome = run_program(f"PATH = {str(folder)!r}\n{program}", None, held)
    assert state() == before
    assert (folder / "file").read_text() == "precious"
    return outcome


@linux
@under("all", "landlock")
@pytest.mark.parametrize("attack", ["open({!r} + '/file')", "import os\nos.listdir({!r})", "open('/etc/passwd')"])
def test_nothing_is_read_outside(attack: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("secret")
    program = attack.format(str(tmp_path))
    assert run_program(program, None, NONE).passed
    assert run_program(program, None, protections(wanted)).detail.startswith("PermissionError")


MESSES = {
    "folder gone": "import os, shutil\nshutil.rmtree(os.getcwd(), ignore_errors=True)",
    "locked folder": "import os\nos.makedirs('a/b', mode=0)"
    if os.geteuid() == 0
    else "import os\nos.mkdir('a', mode=0)",
    "deep folders": "import os\nfor _ in range(1050):\n    os.mkdir('a')\n    os.chdir('a')",
    "odd names": "import os\nopen(b'\\xff\\n -rf', 'w')\nos.symlink('/', 'root')\nos.mkfifo('fifo')",
}


@pytest.mark.parametrize("mess", MESSES)
@under("all", "none")
def test_a_mess_is_cleared(mess: str, wanted: str) -> None:
    # `left_behind` looks afterwards
    assert run_program(MESSES[mess], Limits(entries=2000), protections(wanted)).passed


@linux
def test_a_crash_is_told() -> None:
    assert run_program("import ctypes\nctypes.string_at(0)") == Outcome("killed", "SIGSEGV", "")
    deep = "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**6): x = [x]\nrepr(x)"
    assert run_program(deep, QUICK).reason in ("killed", "exception", "memory", "timeout")
    core = "import resource\nassert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)"
    assert run_program(core, None, NONE).passed


@linux
@under("all", "seccomp")
def test_every_forbidden_call_is_refused(wanted: str) -> None:
    from zipfit.humaneval.sandbox.confine import _ARCHITECTURES, _FORBIDDEN

    column = _ARCHITECTURES[os.uname().machine][0]
    numbers = [numbers[column] for numbers in _FORBIDDEN.values() if numbers[column] is not None]
    assert len(numbers) > 60
    program = f"""
import ctypes, errno, socket
libc = ctypes.CDLL(None, use_errno=True)
for number in {numbers}:
    assert libc.syscall(ctypes.c_long(number), -1, -1, -1, -1, -1, -1) == -1 and ctypes.get_errno() == errno.EPERM, number
"""
    assert run_program(program, None, protections(wanted)).passed


def test_runs_are_the_same_in_any_number_of_threads() -> None:
    programs = [
        *["print(hash('a'), {'x', 'y', 'z'}); import random; print(random.random())"] * 4,
        *(f"import time\ntime.sleep({i} / 50)\nassert {i} % 3" for i in range(6)),
        FAKES["replace the descriptor"],
        HOGS["by and by"],
    ]
    alone = [run_program(program) for program in programs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run_program, programs)) == alone
    assert {outcome.reason for outcome in alone} <= set(REASONS)
    assert len({outcome.output for outcome in alone[:4]}) == 1


def test_guarantees_follow_from_what_is_there() -> None:
    here = Protections.available()
    assert here.guarantees().keys() == NONE.guarantees().keys()
    for name, holds in NONE.guarantees().items():
        assert here.guarantees()[name] >= holds
    if sys.platform == "linux":
        assert all(Protections(namespaces=True, landlock=6, seccomp=True).guarantees().values())
    assert not NONE.guarantees()["no network"]


def test_a_protection_that_does_not_hold_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(running.sys, "executable", "/nowhere/python")
        with pytest.raises(ZipfitError, match="the sandbox does not work here"):
            run_program("")
    if sys.platform == "linux":
        with pytest.raises(ZipfitError, match="does not hold here"):
            run_program("", Limits(memory=1 << 70))


def test_a_sandbox_that_runs_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "guard.py").write_text("import nothing_of_the_kind")
    monkeypatch.setattr(running, "_GUARD", tmp_path / "guard.py")
    with pytest.raises(ZipfitError, match="an empty program was killed"):
        Protections.available.__wrapped__()


def test_windows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(running.os, "name", "nt")
        with pytest.raises(ZipfitError, match="only on Linux and macOS"):
            run_program("", None, NONE)


@pytest.mark.parametrize("name", ["cpu_seconds", "wall_seconds", "memory", "output"])
def test_limits_are_checked(name: str) -> None:
    with pytest.raises(ZipfitError, match=name):
        Limits(**{name: 0})
    with pytest.raises(ZipfitError, match="whole number"):
        Limits(cpu_seconds=1.5)
