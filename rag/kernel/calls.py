"""The C library, and the numbers of the system calls the filters speak of."""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path
from typing import Any, Final

NUMBERS: Final = {
    "socket": (41, 198), "connect": (42, 203), "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    "io_uring_setup": (425, 425), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438), "setns": (308, 268), "unshare": (272, 97),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "bpf": (321, 280), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "open_by_handle_at": (304, 265), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273),
    "seccomp": (317, 277),
}  # fmt: skip
"""Name → number on x86_64, on aarch64."""

ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Processor → column of `NUMBERS`, and what the kernel calls it in a filter."""

_NO_NEW_PRIVILEGES: Final = 38


def libc() -> Any:
    """The C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def known() -> bool:
    """Whether this is Linux on a processor whose call numbers are known here."""
    return sys.platform == "linux" and platform.machine() in ARCHITECTURES


def number(name: str) -> int:
    """The number of a call on this processor."""
    return NUMBERS[name][ARCHITECTURES[platform.machine()][0]]


def no_new_privileges() -> bool:
    """Give up gaining privileges by running a program; what an unprivileged filter needs."""
    return bool(libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0)


def threads() -> int:
    """Threads of this process."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())
