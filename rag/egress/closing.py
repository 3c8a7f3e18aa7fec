"""Close this process: before its libraries are loaded, once, for good.

The order matters. Names are looked up while they still can be; the witness is forked and Landlock enforced while there
is one thread; the guard in Python comes last, since it would stop the first two.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from dataclasses import dataclass

from rag.egress import names
from rag.egress.endpoints import Endpoint
from rag.egress.guard import Guard
from rag.egress.lockdown import Lockdown, Mode, lock_down

_PRIVATE_UMASK = 0o077
_NO_CORE_BYTES = 1
"""A limit of 0 is passed by where cores go to a program; with 1 the kernel writes and pipes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What this process has closed. `lost` are listed hosts that were not found, and cannot be reached until it starts
    again."""

    guard: Guard
    lockdown: Lockdown
    endpoints: tuple[Endpoint, ...]
    lost: tuple[str, ...] = ()


_closed: Closed | None = None  # of the process itself: what the kernel holds, no object can let go


def close_in(mode: Mode, *, endpoints: Iterable[Endpoint], listen: Iterable[int] = ()) -> Closed:
    """Reach nothing but `endpoints` from now on, listen only at the ports `listen`, make files only we can read, and
    leave no core behind. A second call changes nothing.

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
    lockdown = lock_down(mode, endpoints=wanted, listen=listen)
    guard = Guard(wanted)
    if lockdown.active:
        names.answer_from(table)
        for one in wanted:
            for address in table.get(one.host, ()):
                guard.admit(address, one.port)
    guard.install()
    lost = tuple(host for host, addresses in table.items() if not addresses) if lockdown.active else ()
    _closed = Closed(guard=guard, lockdown=lockdown, endpoints=wanted, lost=lost)
    return _closed


def closed() -> Closed | None:
    """What this process has closed, if it has."""
    return _closed
