"""`[release]` of rag.toml: what chats carry otherwise than by default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rag.access import Audience, ChannelKind, Confidentiality

CHATS: Final = (ChannelKind.SELF_HOSTED_CHAT.value, ChannelKind.CLOUD_CHAT.value)
CLASSES: Final = tuple(one.name.lower() for one in Confidentiality)
AUDIENCES: Final = tuple(one.value for one in Audience)
AMOUNTS: Final = ("nothing", "bare-link", "link", "full")
"""How much: nothing, a link without title, a link with its title, the answer itself."""
_CLOSED: Final = (Audience.DIRECT.value, Audience.PRIVATE_CHANNEL.value)

Cells = Mapping[tuple[str, str, str], str]
"""(chat, audience, class) → amount."""

TEMPLATE: Final = """\
# What chats carry of each class, where not by default: nothing, bare-link (no title), link, full. One word is for
# direct messages and private channels; wider audiences are named. A wider audience never gets more than a narrower one,
# a more secret class never more than a less secret one, and a cloud never anything of what is strict.
#   [release.cloud_chat]
#   internal = "link"
#   [release.self_hosted_chat]
#   internal = { direct = "full", private_channel = "full", public_channel = "link", guests = "bare-link" }
"""


class Fault(Exception):
    """What is wrong: the table, the key and why."""

    def __init__(self, table: str, key: str, why: str) -> None:
        super().__init__(why)
        self.table, self.key, self.why = table, key, why


def cells_of(tables: Mapping[str, Any]) -> Cells:
    """What `[release]` says, cell by cell.

    Raises:
        Fault: it cannot be understood, or would let strict documents into a cloud.
    """
    found: dict[tuple[str, str, str], str] = {}
    for chat, classes in tables.items():
        if chat not in CHATS or not isinstance(classes, dict):
            known = " and ".join(f"[release.{one}]" for one in CHATS)
            where = (f"release.{chat}", "") if isinstance(classes, dict) else ("release", chat)
            raise Fault(*where, f"release is written in blocks: {known}")
        for name, said in classes.items():
            for audience, amount in _said(chat, name, said):
                found[chat, audience, name] = amount
    return found


def _said(chat: str, name: str, said: Any) -> Iterator[tuple[str, str]]:
    table = f"release.{chat}"
    if name not in CLASSES:
        raise Fault(table, name, f'"{name}" is no class; known are {", ".join(CLASSES)}')
    by_audience = said if isinstance(said, dict) else dict.fromkeys(_CLOSED, said)
    for audience, amount in by_audience.items():
        if audience not in AUDIENCES:
            raise Fault(table, name, f'"{audience}" is no audience; known are {", ".join(AUDIENCES)}')
        if amount not in AMOUNTS:
            raise Fault(table, name, f"{name} is one of {', '.join(AMOUNTS)}, or one of them for each audience")
        if (chat, name) == (ChannelKind.CLOUD_CHAT.value, "strict") and amount != AMOUNTS[0]:
            raise Fault(table, name, "what is strict never goes into a cloud; give the source another class if it may")
        yield audience, amount
