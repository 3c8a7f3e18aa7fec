"""What came in, read: who asked, where, in which language, and what. Pure; everything here was checked at the gate."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final

from microsoft_teams.api.activities.message.message import MessageActivity
from microsoft_teams.api.models.activity import Activity as ActivityBase

from rag.access import Audience
from rag.bots.adapter import Account, Place
from rag.bots.teams_token import Refused, is_object_id

_THREAD: Final = ";messageid="
_ID = re.compile(r"[A-Za-z0-9:@._;=+~-]{1,300}")
_MENTION = re.compile(r"<at\b[^<>]*>.*?</at>", re.DOTALL)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
UNKNOWN: Final = "unknown"
"""Stands in an account where the platform names no object id: nobody in the house has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A conversation as it is reached: `service` is the address of the connector, without a slash at its end; `id` is
    the conversation's, without the thread."""

    service: str
    id: str
    thread: str = ""

    @property
    def address(self) -> str:
        """The conversation's id as the connector takes it, with the thread."""
        return f"{self.id}{_THREAD}{self.thread}" if self.thread else self.id

    def place(self, audience: Audience) -> Place:
        """The same, as everybody else keeps it."""
        name = f"{self.service.removeprefix('https://')} {self.id}"
        return Place(conversation=name, thread=self.thread, audience=audience)


def spot(activity: ActivityBase) -> Spot:
    """Where it was said.

    Raises:
        Refused: the conversation has no proper name.
    """
    whole = activity.conversation.id
    name, _, thread = whole.partition(_THREAD)
    if not _ID.fullmatch(whole) or not activity.service_url:
        raise Refused("conversation")
    return Spot(service=activity.service_url.rstrip("/"), id=name, thread=thread)


def spot_of(place: Place) -> Spot:
    """The spot of a place that this adapter made."""
    service, _, name = place.conversation.partition(" ")
    return Spot(service=f"https://{service}", id=name, thread=place.thread)


def account(activity: ActivityBase, *, tenant: str) -> Account:
    """Who it was, by the object id that Entra gives a person in this tenant."""
    said = activity.from_.aad_object_id
    return Account(id=account_id(said, tenant=tenant))


def account_id(object_id: object, *, tenant: str) -> str:
    """``teams:<tenant>:<object id>``, in lower case."""
    known = str(object_id).lower() if is_object_id(object_id) else UNKNOWN
    return f"teams:{tenant.lower()}:{known}"


def is_machine(activity: ActivityBase) -> bool:
    """Whether a bot or a connector said it, ourselves among them."""
    return activity.from_.id.startswith("28:") or activity.from_.role in ("bot", "skill")


def question(activity: MessageActivity) -> str:
    """The words, without those that address the bot, and without Teams' own marks."""
    text = _MENTION.sub(lambda found: "" if _is_ours(found[0], activity) else found[0], activity.text or "")
    return " ".join(html.unescape(_TAG.sub(" ", text)).replace("\xa0", " ").split())


def _is_ours(mention: str, activity: MessageActivity) -> bool:
    ours = activity.recipient.id
    for entity in activity.entities or ():
        if entity.type == "mention" and getattr(getattr(entity, "mentioned", None), "id", "") == ours:
            text = getattr(entity, "text", None) or ""
            if text == mention:
                return True
    return False


def language(activity: ActivityBase) -> str:
    """de, en, or "" where Teams does not say."""
    said = (activity.locale or "").lower()[:2]
    return said if said in ("de", "en") else ""
