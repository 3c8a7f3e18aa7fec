"""An answer's receipt: what it was made of, as its two records in the audit tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag.access import Audience, Channel, ChannelKind
from rag.ask.course import Before
from rag.errors import SettingsError
from rag.store.audit import AuditLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An answer's two records as one. `asked` is the keyed hash of the question as it was read; `passages` are as
    `AuditLog.open` wrote them; `narrowed`: filters left less to be searched than may be read, it is not known which."""

    name: str
    user: str
    channel: Channel
    question: str
    asked: str
    passages: tuple[Mapping[str, Any], ...]
    links: tuple[str, ...]
    enough: bool
    narrowed: bool
    outcome: str
    model: str
    digest: str
    prompt: str
    recipe: str
    options: Mapping[str, Any]
    before: Before
    answer: str


def receipt_of(audit: AuditLog, name: str) -> Receipt:
    """An answer's receipt.

    Raises:
        SettingsError: there is none of that name, or it is not one of an answer that came to its end.
    """
    records = {record["event"]: record for record in audit.records(receipt=name)}
    opened, closed = records.get("opened"), records.get("closed")
    if not records:
        raise SettingsError(f"There is no receipt {name!r}. It stands in the answer; after its time it is purged.")
    if opened is None or closed is None or "answer" not in closed:
        raise SettingsError(f"{name} is no receipt of an answer that came to its end, or of one before receipts.")
    return Receipt(
        name=name,
        user=opened["user"],
        channel=Channel(kind=ChannelKind(opened["channel"]), audience=Audience(opened["audience"])),
        question=opened["question"],
        asked=opened.get("asked", opened["question"]),
        passages=tuple(opened["passages"]),
        links=tuple(opened["links"]),
        enough=opened["enough"],
        narrowed=opened.get("narrowed", False),
        outcome=closed["outcome"],
        model=closed["model"],
        digest=closed["digest"],
        prompt=closed["prompt"],
        recipe=closed["recipe"],
        options=closed["options"],
        before=Before(chars=closed["given"][0], extracted=closed["given"][1]),
        answer=closed["answer"],
    )
