"""Landlock: which files and which TCP ports a process and its children may use from now on."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Final

from rag.kernel.calls import known, libc

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_PATH_RULE, _PORT_RULE = 1, 2
BIND_TCP: Final = 1 << 0
CONNECT_TCP: Final = 1 << 1
ABSTRACT_SOCKETS: Final = 1 << 0
SIGNALS: Final = 1 << 1
PORTS_ABI: Final = 4
"""The first version with rules on ports."""
_SCOPES_ABI: Final = 6
_FILE_ACCESS: Final = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # what may be granted on a single file


def abi() -> int:
    """The kernel's version of it; 0 where it has none."""
    return max(0, int(libc().syscall(_CREATE, None, ctypes.c_size_t(0), 1))) if known() else 0


def every_file_right() -> int:
    """All rights on files that this kernel can withhold."""
    return int((1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi(), 16)) - 1)


class Ruleset:
    """Rights that are withheld, but for what is granted; `enforce` makes it hold. Use it as a context.

    `scopes` shut the process off from others' abstract sockets or signals, where the kernel can.

    Raises:
        OSError: the kernel has no such rights.
    """

    def __init__(self, *, files: int = 0, ports: int = 0, scopes: int = 0) -> None:
        version = abi()
        attributes = struct.pack("QQQ", files, ports if version >= PORTS_ABI else 0, scopes)
        size = 24 if version >= _SCOPES_ABI else 16 if version >= PORTS_ABI else 8
        self._files = files
        self._rules = int(libc().syscall(_CREATE, attributes, ctypes.c_size_t(size), 0)) if version else -1
        if self._rules < 0:
            raise OSError(ctypes.get_errno(), "no Landlock of that kind")

    def grant_path(self, path: str, access: int) -> None:
        """Rights on a file, or a folder and all below it; a path that is not there grants nothing."""
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        access &= self._files if Path(path).is_dir() else self._files & _FILE_ACCESS
        libc().syscall(_ADD, self._rules, _PATH_RULE, struct.pack("=Qi", access, descriptor), 0)
        os.close(descriptor)

    def grant_port(self, port: int, access: int) -> None:
        """Rights on a TCP port, whatever the address; binding port 0 is binding any free one."""
        if libc().syscall(_ADD, self._rules, _PORT_RULE, struct.pack("=QQ", access, port), 0) != 0:
            raise OSError(ctypes.get_errno(), f"port {port} cannot be granted")

    def enforce(self) -> bool:
        """Hold this thread and whatever it starts to it, for good. Needs `no_new_privileges`."""
        return bool(libc().syscall(_RESTRICT, self._rules, 0) == 0)

    def __enter__(self) -> Ruleset:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._rules)
