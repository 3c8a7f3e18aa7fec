"""The walls round a parser child: rlimits, no new privileges, no network, no files but its libraries and a scratch.

Linux only beyond the rlimits. Each wall falls back quietly where the kernel refuses it; what holds is reported. The
network has three walls, each enough alone: an empty network namespace, a seccomp filter that denies `socket`, and
Landlock's TCP rule. All of it is called by a process on itself, while it still has one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000

# Denied calls by number, (x86_64, aarch64): sockets, other processes' memory, other namespaces, the kernel's own doors.
_DENIED: Final = {
    "socket": (41, 198), "io_uring_setup": (425, 425), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438), "setns": (308, 268), "unshare": (272, 97),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "bpf": (321, 280), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "open_by_handle_at": (304, 265), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273),
}  # fmt: skip
_KILL: Final = 0x80000000
_REFUSE: Final = 0x00050000 | 1  # EPERM
_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_READABLE: Final = (
    *("/usr", "/lib", "/lib64", "/bin", "/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/sys/vm"),
    *("/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/mime.types"),
)
_READ: Final = 1 << 0 | 1 << 2 | 1 << 3  # execute, read file, read directory
_FILE_ACCESS: Final = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # what may be granted on a single file


def confine(*, scratch: str, readable: Iterable[str], data_mb: int, file_mb: int) -> tuple[str, ...]:
    """Close this process in for good, and say which walls stand, one sentence each.

    `readable` are folders and files it may read and run, `scratch` the only one it may write. `data_mb` caps private
    memory of each process (RLIMIT_DATA), `file_mb` a file it writes.
    """
    walls = [_limit(data_mb=data_mb, file_mb=file_mb)]
    if sys.platform != "linux":
        return tuple(walls)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        walls.append("privileges: no new ones")
    attempts = (
        _leave_network(libc), _drop_capabilities(libc), _landlock(libc, scratch, readable), _seccomp(libc),
    )  # fmt: skip
    return (*walls, *(wall for wall in attempts if wall))


def _limit(*, data_mb: int, file_mb: int) -> str:
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_DATA: data_mb << 20,
        resource.RLIMIT_FSIZE: file_mb << 20,
        resource.RLIMIT_NOFILE: 256,
    }
    for limit, wish in wanted.items():
        _, hard = resource.getrlimit(limit)
        value = wish if hard == resource.RLIM_INFINITY else min(wish, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
    return f"limits: {data_mb} MB of memory, {file_mb} MB a file, 256 open files, no core dump"


def _leave_network(libc: ctypes.CDLL) -> str | None:
    """An own, empty network namespace: outright as root, else together with an own user namespace."""
    if libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        return "network: own empty namespace"
    return None


def _drop_capabilities(libc: ctypes.CDLL) -> str | None:
    """A service that runs as root still gets children without root's powers."""
    header, nothing = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    return "privileges: no capabilities" if libc.capset(header, nothing) == 0 else None


def _seccomp(libc: ctypes.CDLL, *, deny: int = _REFUSE) -> str | None:
    """Answer the calls in `_DENIED` with `deny`, a foreign architecture's call with death."""
    if platform.machine() not in _ARCHITECTURES:
        return None
    column, architecture = _ARCHITECTURES[platform.machine()]
    numbers = [pair[column] for pair in _DENIED.values()]
    load, jump_equal, jump_at_least, give_back = 0x20, 0x15, 0x35, 0x06
    allow = 0x7FFF0000
    program = [(load, 0, 0, 4), (jump_equal, 1, 0, architecture), (give_back, 0, 0, _KILL), (load, 0, 0, 0)]
    program.append((jump_at_least, len(numbers) + 1, 0, 0x40000000))  # the x32 numbers of the same calls
    program += [(jump_equal, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    program += [(give_back, 0, 0, allow), (give_back, 0, 0, deny)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    if libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(header), 0, 0) != 0:
        return None
    return "network: no socket can be made (seccomp)"


def _landlock(libc: ctypes.CDLL, scratch: str, readable: Iterable[str]) -> str | None:
    create, add, restrict = 444, 445, 446
    abi = libc.syscall(create, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return None
    rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
    attributes = struct.pack("QQQ", rights, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    rules = libc.syscall(create, attributes, ctypes.c_size_t(size), 0)
    if rules < 0:
        return None
    grants = [(path, _READ) for path in (*_READABLE, *readable)] + [(scratch, rights), ("/dev/null", _FILE_ACCESS)]
    for path, access in grants:
        _grant(libc, add, rules, path, access & rights)
    held = libc.syscall(restrict, rules, 0) == 0
    os.close(rules)
    return f"files: only its libraries and its scratch folder (Landlock {abi})" if held else None


def _grant(libc: ctypes.CDLL, add: int, rules: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not Path(path).is_dir():
        access &= _FILE_ACCESS
    libc.syscall(add, rules, 1, struct.pack("=Qi", access, descriptor), 0)
    os.close(descriptor)
