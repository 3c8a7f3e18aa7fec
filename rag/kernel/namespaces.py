"""A network of one's own in which every route ends on this machine: nothing leaves it, and whatever would is seen.

Works without root where the kernel lets a user make namespaces. Call it in a process with one thread.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rag.kernel.calls import libc

_NEW_MOUNTS, _NEW_USER, _NEW_NETWORK = 0x00020000, 0x10000000, 0x40000000
_BIND, _RECURSIVE, _PRIVATE = 1 << 12, 1 << 14, 1 << 18
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
_NEW_ROUTE, _ERROR = 24, 2
_REQUEST, _ACKNOWLEDGE, _CREATE = 0x1, 0x4, 0x400
_LOCAL_TABLE, _STATIC, _HOST_SCOPE, _LOCAL_ROUTE = 255, 4, 254, 2
_OUT_INTERFACE: Final = 4


def leave() -> None:
    """Enter a user, a network and a mount namespace of one's own, as the user one is. This process has every power in
    it; a program it runs only has what the user has.

    Raises:
        OSError: the kernel, or a rule of this machine, forbids it.
    """
    user, group = os.geteuid(), os.getegid()
    if libc().unshare(_NEW_USER | _NEW_NETWORK | _NEW_MOUNTS) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount(None, "/", _RECURSIVE | _PRIVATE)


def cover(path: str, with_: str) -> None:
    """Put one file in place of another, in this mount namespace only.

    Raises:
        OSError: it cannot be.
    """
    _mount(with_, path, _BIND)


def sink() -> bool:
    """Bring the loopback up and make every address one of this machine's; whether IPv6 is among them.

    Raises:
        OSError: it cannot be.
    """
    index = socket.if_nametoindex("lo")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = bytearray(struct.pack("16sH14x", b"lo", 0))
        fcntl.ioctl(control, _GET_FLAGS, request)
        (flags,) = struct.unpack_from("H", request, 16)
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))
    _all_local(socket.AF_INET, index)
    if not Path("/proc/net/if_inet6").exists():
        return False
    _all_local(socket.AF_INET6, index)
    return True


def local_sockets() -> list[str]:
    """The paths of the local sockets this network namespace knows."""
    rows = (row.split(maxsplit=7) for row in Path("/proc/net/unix").read_text().splitlines()[1:])
    return sorted({row[7] for row in rows if len(row) == 8 and row[7].startswith("/")})


def shut(paths: Iterable[str]) -> list[str]:
    """Cover local sockets of programs outside, which no network namespace holds back; gives those that were there."""
    done = []
    for path in paths:
        if Path(path).exists():
            cover(path, os.devnull)
            done.append(path)
    return done


def _mount(source: str | None, target: str, flags: int) -> None:
    encoded = source.encode() if source else None
    if libc().mount(encoded, os.fsencode(target), None, ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def _all_local(family: int, index: int) -> None:
    """``ip route add local default dev lo``, in the kernel's words."""
    route = struct.pack(
        "=BBBBBBBBI", family, 0, 0, 0, _LOCAL_TABLE, _STATIC, _HOST_SCOPE, _LOCAL_ROUTE, 0
    ) + struct.pack("=HHI", 8, _OUT_INTERFACE, index)
    head = struct.pack("=IHHII", 16 + len(route), _NEW_ROUTE, _REQUEST | _ACKNOWLEDGE | _CREATE, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(head + route)
        answer = kernel.recv(4096)
    _, kind, _, _, _, problem = struct.unpack_from("=IHHIIi", answer)
    if kind != _ERROR or problem != 0:
        raise OSError(-problem, os.strerror(-problem), "route")
