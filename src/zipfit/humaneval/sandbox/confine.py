"""What the Linux kernel takes from a process for good: namespaces, capabilities, Landlock and seccomp.

Imported by the guard in a fresh interpreter, so the standard library is all there is. Each function acts on the calling
process and raises OSError where the kernel refuses. None of it needs root.

Three mechanisms overlap on purpose, as few systems offer all of them: containers often forbid namespaces, kernels
before 5.13 know no Landlock, and seccomp needs the numbers of the processor's system calls.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
_SIGKILL = 9


def _checked(what: str, result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, and end it if that has died already."""
    _checked("prctl", _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, also of those that left session and group."""
    _checked("prctl", _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def children() -> list[int]:
    """This process's children."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as stream:
        return [int(pid) for pid in stream.read().split()]


_CLONE_NEWNS, _CLONE_NEWIPC = 0x20000, 0x8000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 2, 4, 0x4000, 0x40000


def enter_namespaces() -> None:
    """Leave the system's network, shared memory and mounts; children go to a process namespace of their own.

    The first child is its process 1: when that ends, the kernel kills all the others.
    """
    user, group = os.getuid(), os.getgid()
    flags = _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWNS
    _checked("unshare", _libc.unshare(flags))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:
            stream.write(text)


def mount_folder(folder: str, size: int, files: int) -> None:
    """Cover a folder with one in memory that holds so many bytes and files; seen in this mount namespace only."""
    _checked("mount", _libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    options = f"size={size},nr_inodes={files},mode=700".encode()
    flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
    _checked("mount", _libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options))


def drop_privileges() -> None:
    """Give up every capability, and the chance to gain any by starting another program."""
    _checked("prctl", _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header = struct.pack("<Ii", 0x20080522, 0)  # version 3 of the call, this process
    _checked("capset", _libc.capset(header, bytes(24)))


# Landlock: linux/landlock.h. Rights are bits, each known from a version of its interface on.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE, _READ_DIR, _WRITE_FILE = 1 << 2, 1 << 3, 1 << 1
_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_FILE_RIGHTS = _READ_FILE | _WRITE_FILE | 1 | 1 << 14 | 1 << 15  # those that a rule on a file may name
_NO_TCP, _NO_OUTSIDE_SIGNALS_AND_SOCKETS = 3, 3


def landlock_version() -> int:
    """Version of the kernel's Landlock interface."""
    version = _libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return _checked("landlock", version)


def confine_files(folder: str, readable: Iterable[str]) -> None:
    """Forbid files but `folder`, which stays free to use, and `readable` paths, which may be read.

    Also forbids tracing processes that are not as confined, which is what reading their environment takes; TCP from
    version 4 on, and signals to processes outside from version 6 on. Modes, owners and times of files are not covered
    by Landlock; `forbid_calls` covers them.
    """
    version = landlock_version()
    handled = sum(rights for since, rights in _RIGHTS.items() if version >= since)
    network = _NO_TCP if version >= 4 else 0
    scoped = _NO_OUTSIDE_SIGNALS_AND_SOCKETS if version >= 6 else 0
    rules = struct.pack("=QQQ", handled, network, scoped)
    ruleset = _checked("landlock", _libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), rules, ctypes.c_size_t(24), 0))
    _allow(ruleset, folder, handled)
    _allow(ruleset, os.devnull, _READ_FILE | _WRITE_FILE)
    for path in readable:
        if os.path.exists(path):
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
    _checked("landlock", _libc.syscall(ctypes.c_long(_LANDLOCK_RESTRICT), ruleset, 0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    if not os.path.isdir(path):
        rights &= _FILE_RIGHTS
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, beneath)
    _checked(f"landlock {path}", _libc.syscall(ctypes.c_long(_LANDLOCK_ADD), ruleset, 1, rule, 0))
    os.close(beneath)


# seccomp: linux/filter.h, linux/seccomp.h. System calls by number on x86-64 and 64-bit ARM; None where there is none.
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
# fmt: off
_FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    # other processes and threads
    "clone": (56, 220), "fork": (57, None), "vfork": (58, None), "clone3": (435, 435),
    "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "setpriority": (141, 140), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "ioprio_set": (251, 30),
    # sockets of every kind but pairs; io_uring would do what is forbidden here
    "socket": (41, 198), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    # memory that no limit counts, or that outlives the process
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    # what Landlock does not cover: modes, owners, times, attributes, and truncation by path before its version 3
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466),
    "truncate": (76, 45), "file_setattr": (469, 469),
    # the kernel's wider surface
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "chroot": (161, 51),
    "pivot_root": (155, 41), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
}
# fmt: on
_PRLIMIT = (302, 261)
_X32 = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets of the low words in struct seccomp_data
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050001  # refuse: EPERM


def call_filter() -> bytes:
    """The seccomp program that refuses system calls with EPERM.

    Raises:
        OSError: the numbers of this processor's calls are not known here.
    """
    machine = os.uname().machine
    if machine not in _ARCHITECTURES or sys.maxsize < 1 << 32:
        raise OSError(f"seccomp: no filter for {machine}")
    column, architecture = _ARCHITECTURES[machine]

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    refuse = step(_RETURN, _REFUSE)
    steps = [step(_LOAD, _ARCHITECTURE), step(_EQUAL, architecture, 1), step(_RETURN, _KILL), step(_LOAD, _NUMBER)]
    if machine == "x86_64":  # its second set of numbers for the same calls
        steps += [step(_AT_LEAST, _X32, 0, 1), refuse]
    for numbers in _FORBIDDEN.values():
        number = numbers[column]
        if number is not None:
            steps += [step(_EQUAL, number, 0, 1), refuse]
    # A process may lower its own limits, not those of others.
    steps += [step(_EQUAL, _PRLIMIT[column], 0, 3), step(_LOAD, _FIRST_ARGUMENT), step(_EQUAL, 0, 1), refuse]
    steps += [step(_RETURN, _ALLOW)]
    return b"".join(steps)


def forbid_calls() -> None:
    """Refuse other processes, threads, signals, sockets and more; needs `drop_privileges` before."""
    program = ctypes.create_string_buffer(call_filter())

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    described = Program((len(program) - 1) // 8, ctypes.addressof(program))
    _checked("seccomp", _libc.prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(described), 0, 0))
