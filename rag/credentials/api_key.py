"""An API key without its secret: what it may do, whether it is good, and how the ledger keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rag.access import Audience, Channel, ChannelKind
from rag.credentials.identified import SCOPES
from rag.store.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret. `user` is whom it speaks for, ``service:NAME`` for a program; moments are ISO 8601 in
    UTC, `used_on` is a day. `held_at`: it came from a backup, and nobody has yet said that it is still good. `bot`: the
    platform it serves, where it is a bot's."""

    id: str
    name: str
    user: str
    hash: bytes
    scopes: frozenset[str]
    sources: frozenset[str] | None
    channel: Channel
    created_at: str
    expires_at: str | None = None
    used_on: str | None = None
    revoked_at: str | None = None
    held_at: str | None = None
    bot: str = ""

    def state(self, now: datetime) -> str:
        """``active``, or why it is not: ``revoked``, ``expired``, ``held``."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and now >= datetime.fromisoformat(self.expires_at):
            return "expired"
        return "active" if self.held_at is None else "held"

    def as_json(self, now: datetime) -> dict[str, Any]:
        """What `rag keys list --json` tells of it."""
        return {
            "id": self.id,
            "name": self.name,
            "user": self.user,
            "scopes": [scope for scope in SCOPES if scope in self.scopes],
            "sources": None if self.sources is None else sorted(self.sources),
            "channel": self.channel.kind.value,
            "audience": self.channel.audience.value,
            "bot": self.bot or None,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "used_on": self.used_on,
            "revoked_at": self.revoked_at,
            "state": self.state(now),
        }


def row_of(key: ApiKey) -> tuple[object, ...]:
    """It as a row of the ledger, in the order of the table's columns."""
    return (
        key.id,
        key.name,
        key.user,
        key.hash,
        json.dumps(sorted(key.scopes)),
        None if key.sources is None else json.dumps(sorted(key.sources)),
        key.channel.kind.value,
        key.channel.audience.value,
        key.created_at,
        key.expires_at,
        key.used_on,
        key.revoked_at,
        key.held_at,
        key.bot or None,
    )


def kept_in(ledger: Ledger) -> list[ApiKey]:
    """Every key that the ledger holds."""
    return [
        ApiKey(
            id=row["id"],
            name=row["name"],
            user=row["user"],
            hash=bytes(row["hash"]),
            scopes=frozenset(json.loads(row["scopes"])),
            sources=None if row["sources"] is None else frozenset(json.loads(row["sources"])),
            channel=Channel(kind=ChannelKind(row["channel"]), audience=Audience(row["audience"])),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            used_on=row["used_on"],
            revoked_at=row["revoked_at"],
            held_at=row["held_at"],
            bot=row["bot"] or "",
        )
        for row in ledger.rows("SELECT * FROM api_keys")
    ]
