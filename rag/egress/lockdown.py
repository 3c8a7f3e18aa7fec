"""The kernel guard: Landlock holds TCP to the configured ports, seccomp leaves no other kind of socket.

    TCP connect      only to ports of the endpoints, whatever the address (Landlock knows no addresses)
    TCP bind         only to the port that is served
    sockets          local, TCP, route-netlink; no UDP, raw, packet, vsock, MPTCP, SCTP … (seccomp, all threads)
    sends            none that connect (MSG_FASTOPEN passes Landlock by)
    the side doors   no io_uring, no reading of other processes, no joining of namespaces, no foreign abstract sockets

It holds native code and children, cannot be taken off, and must be put on while there is one thread. What it stops is
counted by a witness (`rag.kernel.witness`).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rag.egress.endpoints import HTTPS, Endpoint
from rag.errors import SettingsError
from rag.kernel import calls, landlock, seccomp
from rag.kernel.witness import Witness

# Refused, not counted: libraries try io_uring for their files, and go on without it.
_DENIED: Final = (
    "io_uring_setup", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "setns", "mount", "umount2",
    "pivot_root", "bpf", "userfaultfd", "perf_event_open", "open_by_handle_at", "kexec_load", "init_module",
    "finit_module",
)  # fmt: skip


class Mode(StrEnum):
    """`egress.lockdown`."""

    OFF = "off"
    WHERE_AVAILABLE = "where-available"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockdown:
    """How the kernel guard of this process stands; `missing` says why it is not on, in half a sentence."""

    mode: Mode
    missing: str = ""
    connect: tuple[int, ...] = ()
    bind: tuple[int, ...] = ()
    landlock: int = 0
    stopped: Callable[[], tuple[int, list[str]]] | None = None
    """Attempts the kernel stopped, and the last of them; None where nothing counts."""
    alive: Callable[[], bool] = lambda: True
    """Whether what counts still answers; if not, no connection can be made until the process starts again."""

    @property
    def active(self) -> bool:
        """Whether it holds."""
        return self.mode is not Mode.OFF and not self.missing

    def __str__(self) -> str:
        if self.mode is Mode.OFF:
            return "off"
        if self.missing:
            return f"not active: {self.missing}"
        to = ", ".join(map(str, self.connect)) or "none"
        at = ", ".join("any free one" if port == 0 else str(port) for port in self.bind) or "none"
        return (
            f"active (Landlock {self.landlock} and seccomp, Linux {platform.release()}); TCP to ports: {to}; "
            f"listening at: {at}; no UDP, no raw sockets"
        )


def lock_down(mode: Mode, *, endpoints: Iterable[Endpoint], listen: Iterable[int]) -> Lockdown:
    """Close this process, for good.

    Raises:
        SettingsError: it is `strict` and cannot be; nothing then has been started.
    """
    if mode is Mode.OFF:
        return Lockdown(mode=mode)
    connect = tuple(sorted({one.port or HTTPS for one in endpoints}))
    missing = _missing()
    if not missing:
        try:
            return _close(mode, connect, tuple(sorted(set(listen))))
        except OSError as error:
            missing = f"the kernel refuses it ({error.strerror})"
    if mode is Mode.STRICT:
        raise SettingsError(
            f'egress.lockdown is "strict", but the kernel guard cannot be had: {missing}. Use a Linux kernel of 6.7 or '
            f'newer with Landlock, or set egress.lockdown to "where-available" and close the network from outside.',
            key="egress.lockdown",
        )
    return Lockdown(mode=mode, missing=missing)


def _missing() -> str:
    if not calls.known():
        return f"it needs Linux on x86_64 or aarch64, this is {platform.system()} on {platform.machine()}"
    version = landlock.abi()
    if version < landlock.PORTS_ABI:
        has = (
            f"has Landlock {version}, rules on ports came with 4" if version else "has no Landlock, or not switched on"
        )
        return f"Linux {platform.release()} {has}"
    if (threads := calls.threads()) > 1:
        return f"it must be put on before other threads run, and {threads} do"
    return ""


def _close(mode: Mode, connect: tuple[int, ...], bind: tuple[int, ...]) -> Lockdown:
    calls.no_new_privileges()
    witness: Witness | None = Witness(connect)
    rights = landlock.CONNECT_TCP | landlock.BIND_TCP
    with landlock.Ruleset(ports=rights, scopes=landlock.ABSTRACT_SOCKETS) as rules:
        for port in connect:
            rules.grant_port(port, landlock.CONNECT_TCP)
        for port in bind:
            rules.grant_port(port, landlock.BIND_TCP)
        if not rules.enforce():
            raise OSError(0, "Landlock cannot be enforced")
    witness = _filter(witness) if witness else None
    return Lockdown(
        mode=mode,
        connect=connect,
        bind=bind,
        landlock=landlock.abi(),
        stopped=witness.stopped if witness else None,
        alive=witness.alive if witness else lambda: True,
    )


def _filter(witness: Witness) -> Witness | None:
    """Install the filter with the witness; without it, where another filter is being listened to already."""
    with suppress(OSError):
        counted = seccomp.program(*_rules(seccomp.ASK), seccomp.asking("connect"))
        witness.listen(seccomp.install(counted, every_thread=True, listen=True))
        return witness
    witness.dismiss()
    seccomp.install(seccomp.program(*_rules(seccomp.REFUSE)), every_thread=True)
    return None


def _rules(deny: int) -> tuple[list[seccomp.Step], ...]:
    return (
        seccomp.only_tcp(deny=deny),
        seccomp.no_fast_open(deny=deny),
        seccomp.refusing(_DENIED, deny=seccomp.REFUSE),
    )
