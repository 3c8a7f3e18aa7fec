"""Filters on system calls: written as labelled steps, assembled here, irrevocable once installed."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rag.kernel.calls import ARCHITECTURES, libc, number

ALLOW: Final = 0x7FFF0000
KILL: Final = 0x80000000
REFUSE: Final = 0x00050000 | 1
"""The caller gets EPERM."""
ASK: Final = 0x7FC00000
"""The call waits for what a listener says; without one it fails."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _MASK, _GIVE = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_EVERY_THREAD, _LISTENER, _EITHER = 1, 8, 16
_X32: Final = 0x40000000

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
_STREAM, _TCP, _TYPE = 1, 6, 0xF
FAST_OPEN: Final = 0x20000000
"""MSG_FASTOPEN: a send that connects, which no rule on `connect` sees."""


class Step(NamedTuple):
    """One instruction, or with only a `label` a place to jump to. `yes` and `no` are labels; "" is the next step."""

    code: int = 0
    value: int = 0
    yes: str = ""
    no: str = ""
    label: str = ""


def refusing(names: Iterable[str], *, deny: int) -> list[Step]:
    """Steps that answer each of these calls with `deny`."""
    return [step for name in names for step in (*_when(name, f"{name} is not it"), Step(_GIVE, deny), _at(name))]


def only_tcp(*, deny: int) -> list[Step]:
    """Steps that let `socket` make local, TCP and route-netlink sockets, and answer any other with `deny`.

    The protocol is looked at as well: MPTCP and SCTP are streams that Landlock's rules on TCP do not hold.
    """
    return [
        *_when("socket", "no socket"),
        _argument(0),
        *(Step(_EQUAL, family, yes=to) for family, to in ((AF_UNIX, "fine"), (AF_INET, "ip"), (AF_INET6, "ip"))),
        Step(_EQUAL, AF_NETLINK, yes="netlink", no="wrong"),
        Step(label="ip"),
        _argument(1), Step(_MASK, _TYPE), Step(_EQUAL, _STREAM, no="wrong"),
        _argument(2), Step(_EQUAL, 0, yes="fine"), Step(_EQUAL, _TCP, yes="fine", no="wrong"),
        Step(label="netlink"),
        _argument(2), Step(_EQUAL, 0, yes="fine"),
        Step(label="wrong"), Step(_GIVE, deny),
        Step(label="fine"), Step(_GIVE, ALLOW),
        Step(label="no socket"),
    ]  # fmt: skip


def no_fast_open(*, deny: int) -> list[Step]:
    """Steps against sends that connect."""
    steps: list[Step] = []
    for name, place in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        past = f"{name} is not it"
        steps += [*_when(name, past), _argument(place), Step(_ANY_BIT, FAST_OPEN, no=f"plain {name}")]
        steps += [Step(_GIVE, deny), Step(label=f"plain {name}"), Step(_GIVE, ALLOW), Step(label=past)]
    return steps


def program(*parts: Sequence[Step]) -> bytes:
    """The filter of these parts, in order; what none of them answers is allowed. A call of a foreign architecture ends
    the process, one of x32 is refused."""
    _, architecture = ARCHITECTURES[platform.machine()]
    steps = [Step(_LOAD, 4), Step(_EQUAL, architecture, yes="ours"), Step(_GIVE, KILL), Step(label="ours")]
    steps += [Step(_LOAD, 0), Step(_AT_LEAST, _X32, no="native"), Step(_GIVE, REFUSE), Step(label="native")]
    return _assemble([*steps, *(step for part in parts for step in part), Step(_GIVE, ALLOW)])


def install(filter_: bytes, *, every_thread: bool = False, listen: bool = False) -> int:
    """Put the filter on this thread and what it starts, or on `every_thread`. With `listen`, returns the descriptor on
    which calls answered by `ASK` are told.

    Raises:
        OSError: the kernel refuses it.
    """
    code = ctypes.create_string_buffer(filter_, len(filter_))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(filter_) // 8, ctypes.addressof(code)))
    flags = (_EVERY_THREAD if every_thread else 0) | (_LISTENER if listen else 0)
    flags |= _EITHER if every_thread and listen else 0
    found: int = libc().syscall(number("seccomp"), 1, flags, ctypes.byref(header))
    if found < 0 or (found > 0 and not listen):  # a thread's id: it could not be brought along
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


def asking(name: str) -> list[Step]:
    """Steps that let a listener see each such call."""
    return refusing([name], deny=ASK)


def _when(name: str, past: str) -> tuple[Step, Step]:
    return Step(_LOAD, 0), Step(_EQUAL, number(name), no=past)


def _at(name: str) -> Step:
    return Step(label=f"{name} is not it")


def _argument(place: int) -> Step:
    return Step(_LOAD, 16 + 8 * place)  # the lower half: what is looked at are ints


def _assemble(steps: Sequence[Step]) -> bytes:
    places: dict[str, int] = {}
    code: list[Step] = []
    for step in steps:
        if step.label:
            places[step.label] = len(code)
        else:
            code.append(step)

    def distance(label: str, here: int) -> int:
        return places[label] - here - 1 if label else 0

    return b"".join(
        struct.pack("HBBI", step.code, distance(step.yes, at), distance(step.no, at), step.value)
        for at, step in enumerate(code)
    )
