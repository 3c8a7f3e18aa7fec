"""The walls round a parser child: rlimits, no new privileges, no network, no files but its libraries and a scratch.

Linux only beyond the rlimits. Each wall falls back quietly where the kernel refuses it; what holds is reported. The
network has three walls, each enough alone: an empty network namespace, a seccomp filter that denies `socket`, and
Landlock's TCP rule. All of it is called by a process on itself, while it still has one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from typing import Final

from rag.kernel import landlock, seccomp
from rag.kernel.calls import known, no_new_privileges

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000

# Denied calls: sockets, other processes' memory, other namespaces, the kernel's own doors.
_DENIED: Final = (
    "socket", "io_uring_setup", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "setns", "unshare",
    "mount", "umount2", "pivot_root", "bpf", "userfaultfd", "perf_event_open", "open_by_handle_at", "add_key",
    "request_key", "keyctl", "kexec_load", "init_module", "finit_module",
)  # fmt: skip

_READABLE: Final = (
    *("/usr", "/lib", "/lib64", "/bin", "/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/sys/vm"),
    *("/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/mime.types"),
)
_READ: Final = 1 << 0 | 1 << 2 | 1 << 3  # execute, read file, read directory


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
    if no_new_privileges():
        walls.append("privileges: no new ones")
    attempts = (
        _leave_network(libc), _drop_capabilities(libc), _landlock(scratch, readable), _seccomp(),
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


def _seccomp(*, deny: int = seccomp.REFUSE) -> str | None:
    """Answer the calls in `_DENIED` with `deny`, a foreign architecture's call with death."""
    if not known():
        return None
    try:
        seccomp.install(seccomp.program(seccomp.refusing(_DENIED, deny=deny)))
    except OSError:
        return None
    return "network: no socket can be made (seccomp)"


def _landlock(scratch: str, readable: Iterable[str]) -> str | None:
    everything = landlock.every_file_right()
    ports, scopes = landlock.BIND_TCP | landlock.CONNECT_TCP, landlock.ABSTRACT_SOCKETS | landlock.SIGNALS
    try:
        with landlock.Ruleset(files=everything, ports=ports, scopes=scopes) as rules:
            for path in (*_READABLE, *readable):
                rules.grant_path(path, _READ)
            rules.grant_path(scratch, everything)
            rules.grant_path("/dev/null", everything)
            held = rules.enforce()
    except OSError:
        return None
    return f"files: only its libraries and its scratch folder (Landlock {landlock.abi()})" if held else None
