"""`[egress]` of rag.toml: what may be reached beyond this machine."""

from __future__ import annotations

from dataclasses import dataclass

from rag.settings.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings:
    """`[egress]`: what may be reached beyond this machine."""

    allow: tuple[str, ...] = option(
        (), 'hosts, "wiki.example" or "wiki.example:8443"; the configured servers are always among them', hosts=True
    )
    lockdown: str = option(
        "where-available",
        "the kernel guard, which holds native code and children too: off; where the kernel has it; strict: refuse to "
        "start without it. It leaves TCP to the ports of those hosts (443 where none is named), and no other network",
        choices=("off", "where-available", "strict"),
    )
