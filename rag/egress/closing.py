"""Close this process: before its libraries are loaded, once, for good.

The order matters. Names are looked up while they still can be; the witness is forked and Landlock enforced while there
is one thread; the guard in Python comes last, since it would stop the first two.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass

from rag.egress import names
from rag.egress.endpoints import Endpoint
from rag.egress.guard import Guard
from rag.egress.lockdown import Lockdown, Mode, lock_down
from rag.kernel.lookups import Lookups

_PRIVATE_UMASK = 0o077
_NO_CORE_BYTES = 1
"""A limit of 0 is passed by where cores go to a program; with 1 the kernel writes and pipes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What this process has closed. `lost` are listed hosts that were not found, and cannot be reached until it starts
    again; unless names are `followed` by a process beside it."""

    guard: Guard
    lockdown: Lockdown
    endpoints: tuple[Endpoint, ...]
    lost: tuple[str, ...] = ()
    followed: bool = False


_closed: Closed | None = None  # of the process itself: what the kernel holds, no object can let go


def close_in(mode: Mode, *, endpoints: Iterable[Endpoint], listen: Iterable[int] = (), follow: bool = False) -> Closed:
    """Reach nothing but `endpoints` from now on, listen only at the ports `listen`, make files only we can read, and
    leave no core behind. With `follow` listed hosts are found again when they move. A second call changes nothing.

    Raises:
        SettingsError: `strict`, on a machine that cannot.
    """
    global _closed
    if _closed is not None:
        return _closed
    os.umask(_PRIVATE_UMASK)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (_NO_CORE_BYTES, _NO_CORE_BYTES))
    wanted = tuple(endpoints)
    table = names.looked_up(one.host for one in wanted) if mode is not Mode.OFF else {}
    moving = sorted(table.keys() - names.HERE.keys())
    lookups = Lookups(moving) if follow and moving and mode is not Mode.OFF else None
    lockdown = lock_down(mode, endpoints=wanted, listen=listen)
    guard = Guard(wanted)
    if lookups is not None and not lockdown.active:
        lookups.dismiss()
        lookups = None
    if lockdown.active:
        names.answer_from(table, fresh=None if lookups is None else Following(lookups, guard, wanted))
        for one in wanted:
            for address in table.get(one.host, ()):
                guard.admit(address, one.port)
    guard.install()
    lost = tuple(host for host, addresses in table.items() if not addresses) if lockdown.active else ()
    _closed = Closed(guard=guard, lockdown=lockdown, endpoints=wanted, lost=lost, followed=lookups is not None)
    return _closed


class Following:
    """The addresses of a listed host as they are now, asked for again after a minute; the guard admits them."""

    def __init__(self, lookups: Lookups, guard: Guard, endpoints: Iterable[Endpoint], *, kept_s: float = 60.0) -> None:
        self._lookups, self._guard, self._kept_s = lookups, guard, kept_s
        self._endpoints = tuple(endpoints)
        self._found: dict[str, tuple[float, tuple[str, ...]]] = {}

    def __call__(self, host: str) -> tuple[str, ...]:
        at, known = self._found.get(host, (-math.inf, ()))
        if time.monotonic() - at < self._kept_s:
            return known
        found = self._lookups.ask(host) or known
        for one in self._endpoints:
            if one.host == host:
                for address in found:
                    self._guard.admit(address, one.port)
        self._found[host] = (time.monotonic(), found)
        return found


def closed() -> Closed | None:
    """What this process has closed, if it has."""
    return _closed
