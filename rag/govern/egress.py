"""How closed this process is, for `rag doctor`: what is active, what was stopped, and by which guard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rag.egress.closing import Closed, closed
from rag.egress.lockdown import Lockdown, Mode
from rag.govern.checks import Check

_LOOK = "Look what tried it: the log says it with `action=egress_denied`. Nothing left."


def findings() -> Iterator[Check]:
    """The guard in Python, the kernel guard, and listed hosts that are out of reach."""
    now = closed()
    if now is None:
        yield Check(
            name="outbound guard",
            well=False,
            finding="not on in this process",
            advice="Start Archivar by its command `rag`, which closes the process before anything is loaded.",
        )
        return
    denied = now.guard.denied
    last = f"; last: {now.guard.last[-1]}" if denied else ""
    yield Check(
        name="outbound guard (Python)",
        well=not denied,
        finding=f"{_attempts(denied)} stopped{last}",
        advice=_LOOK if denied else "",
    )
    yield _kernel(now.lockdown)
    for host in now.lost:
        yield Check(
            name=f"host {host}",
            well=False,
            finding="it was not found when this process started",
            advice="Under egress.lockdown names are looked up once, at the start: start it again when the name server "
            "knows it, or write its address in rag.toml.",
        )


def standing() -> dict[str, Any]:
    """The same for programs: ``lockdown`` and what it says of itself, attempts stopped in Python and by the kernel."""
    now = closed()
    return {"guard": False} if now is None else _standing(now)


def _standing(now: Closed) -> dict[str, Any]:
    kernel = now.lockdown.stopped() if now.lockdown.stopped else None
    return {
        "guard": True,
        "endpoints": [str(one) for one in now.endpoints],
        "lockdown": str(now.lockdown.mode),
        "active": now.lockdown.active,
        "kernel": str(now.lockdown),
        "stopped_in_python": now.guard.denied,
        "stopped_by_kernel": kernel[0] if kernel else None,
        "last": [str(denial) for denial in now.guard.last] + (kernel[1] if kernel else []),
    }


def _kernel(lockdown: Lockdown) -> Check:
    stopped, last = lockdown.stopped() if lockdown.stopped else (0, [])
    counted = f"; {_attempts(stopped)} stopped" if lockdown.stopped else "; attempts are not counted"
    finding = str(lockdown) + (counted if lockdown.active else "") + (f"; last: {last[-1]}" if last else "")
    if not lockdown.alive():
        return Check(
            name="kernel guard",
            well=False,
            finding=f"{finding}; but what counts for it has ended, and no server can be reached",
            advice="Nothing is open by it. Start Archivar again.",
        )
    if stopped:
        return Check(
            name="kernel guard", well=False, finding=finding, advice="See `egress.last` of `rag doctor --json`."
        )
    advice = ""
    if lockdown.missing:
        advice = "Native code is held by nothing here: close the network from outside, by a firewall or a container."
    elif lockdown.mode is Mode.OFF:
        advice = 'egress.lockdown is "off": native code is not held. Set it to "where-available" or "strict".'
    return Check(name="kernel guard", well=True, finding=finding, advice=advice)


def _attempts(count: int) -> str:
    return f"{count} attempt{'' if count == 1 else 's'} to leave"
