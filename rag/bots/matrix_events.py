"""What an event of a room's timeline is to us: pure, from its JSON as it was decrypted.

Nothing in an event is believed but what the homeserver itself vouches for: its id, its sender and its room.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeGuard
from urllib.parse import unquote

from rag.bots.adapter import Verdict

COMMANDS: Final = ("!frag", "!ask")
MOST_CHARS: Final = 4_000
"""What is taken of a message; an event holds some 60,000."""

_FALLBACK: Final = re.compile(r"\A(?:> [^\n]*\n)+\n?")
_EVENT: Final = re.compile(r"\$[!-~]{1,254}")
_LEAD: Final = re.compile(r"\A[\s:,;–-]+")
_VERDICTS: Final = {"👍": Verdict.HELPFUL, "👎": Verdict.WRONG, "⏰": Verdict.OUTDATED, "⌛": Verdict.OUTDATED}
_MEDIA: Final = frozenset({"m.image", "m.file", "m.audio", "m.video", "m.location"})
_CLOCKS: Final = range(0x1F550, 0x1F568)
_DECORATION: Final = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a person wrote; `text` is "" where it was a picture, a file or nothing but the bot's name, and else without
    the naming and without what a reply quotes. `thread` is the id of the event that its thread hangs on, "" in the main
    timeline; `addressed`: it names the bot; `at_ms`: when, by the sender's homeserver."""

    event: str
    sender: str
    thread: str
    text: str
    addressed: bool
    at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """A verdict below a message."""

    event: str
    sender: str
    message: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """Somebody took an event back: of their own, or as a moderator; the homeserver has judged that they may."""

    event: str
    sender: str
    redacted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """An encrypted event whose key is not here."""

    event: str
    sender: str


def read(source: Any, *, bot: str, display_name: str = "") -> Message | Reaction | Redaction | Sealed | None:
    """An event that is for us, whoever it is from; None for all else: notices (what machines write), corrections,
    state."""
    if not isinstance(source, Mapping) or "state_key" in source:
        return None
    event, sender, content = source.get("event_id"), source.get("sender"), source.get("content")
    if not isinstance(event, str) or not isinstance(sender, str) or not isinstance(content, Mapping):
        return None
    kind = source.get("type")
    if kind == "m.room.message":
        found = _message(event, sender, content, names=(bot, display_name))
        at_ms = source.get("origin_server_ts")
        return replace(found, at_ms=at_ms) if found and isinstance(at_ms, int) else found
    if kind == "m.reaction":
        return _reaction(event, sender, content)
    if kind == "m.room.redaction":
        redacted = source.get("redacts") or content.get("redacts")
        return Redaction(event=event, sender=sender, redacted=redacted) if _is_event(redacted) else None
    return Sealed(event=event, sender=sender) if kind == "m.room.encrypted" else None


def is_joining(source: Any, *, bot: str) -> bool:
    """Whether this is the bot's own coming into the room: joined, and not there before."""
    return _membership(source, bot=bot) == "join" and _before(source) != "join"


def is_invitation(source: Any, *, bot: str) -> bool:
    """Whether this is the bot's invitation into the room."""
    return _membership(source, bot=bot) == "invite"


def since_invited(sources: list[Any], *, bot: str) -> list[Any]:
    """What was said to the bot in a stretch of a timeline, oldest first: where the bot came into the room within it,
    only what follows its invitation (a question is often written before the bot has joined), else its joining."""
    joined = [place for place, source in enumerate(sources) if is_joining(source, bot=bot)]
    if not joined:
        return sources
    invited = [place for place, source in enumerate(sources[: joined[-1]]) if is_invitation(source, bot=bot)]
    return sources[(invited[-1] if invited else joined[-1]) + 1 :]


def _membership(source: Any, *, bot: str) -> str:
    if not isinstance(source, Mapping) or source.get("type") != "m.room.member" or source.get("state_key") != bot:
        return ""
    content = source.get("content")
    return str(content.get("membership")) if isinstance(content, Mapping) else ""


def _before(source: Mapping[str, Any]) -> object:
    unsigned = source.get("unsigned")
    content = unsigned.get("prev_content") if isinstance(unsigned, Mapping) else None
    return content.get("membership") if isinstance(content, Mapping) else None


def _message(event: str, sender: str, content: Mapping[str, Any], *, names: tuple[str, str]) -> Message | None:
    relation = content.get("m.relates_to")
    relation = relation if isinstance(relation, Mapping) else {}
    body = content.get("body")
    if relation.get("rel_type") == "m.replace" or not isinstance(body, str):
        return None
    root = relation.get("event_id")
    thread = root if relation.get("rel_type") == "m.thread" and _is_event(root) else ""
    if content.get("msgtype") in _MEDIA:
        return Message(event=event, sender=sender, thread=thread, text="", addressed=False)
    if content.get("msgtype") != "m.text":
        return None
    text = _FALLBACK.sub("", body) if "m.in_reply_to" in relation else body
    text, commanded = _without_command(text.strip()[:MOST_CHARS])
    text, named = _without_name(text, names)
    addressed = commanded or _is_mentioned(content, names[0], named=named)
    return Message(event=event, sender=sender, thread=thread, text=text, addressed=addressed)


def _is_event(named: object) -> TypeGuard[str]:
    """Whether what a person's program wrote has the form of an event's id."""
    return isinstance(named, str) and _EVENT.fullmatch(named) is not None


def _without_command(text: str) -> tuple[str, bool]:
    first, _, rest = text.partition(" ") if " " in text.split("\n", 1)[0] else text.partition("\n")
    return (rest.strip(), True) if first.lower() in COMMANDS else (text, False)


def _without_name(text: str, names: tuple[str, str]) -> tuple[str, bool]:
    """A text without the bot's name in front; and whether the whole id, which nobody else has, stood in it."""
    whole = names[0].lower() in text.lower()
    for name in (names[0], names[1], names[0].partition(":")[0], names[0].partition(":")[0].removeprefix("@")):
        for form in (name, f"@{name}"):
            if name and text.lower().startswith(form.lower()) and not text[len(form) : len(form) + 1].isalnum():
                return _LEAD.sub("", text[len(form) :]), whole
    return text, whole


def _is_mentioned(content: Mapping[str, Any], bot: str, *, named: bool) -> bool:
    """Where a message says whom it mentions, that alone counts; older clients show it by a pill or by the whole id."""
    if isinstance(mentions := content.get("m.mentions"), Mapping):
        users = mentions.get("user_ids")
        return isinstance(users, list) and bot in users
    formatted = content.get("formatted_body")
    return named or (isinstance(formatted, str) and f"matrix.to/#/{bot}".lower() in unquote(formatted).lower())


def _reaction(event: str, sender: str, content: Mapping[str, Any]) -> Reaction | None:
    relation = content.get("m.relates_to")
    if not isinstance(relation, Mapping) or relation.get("rel_type") != "m.annotation":
        return None
    message, key = relation.get("event_id"), relation.get("key")
    if not _is_event(message) or not isinstance(key, str):
        return None
    bare = _DECORATION.sub("", key)
    clock = len(bare) == 1 and ord(bare) in _CLOCKS
    verdict = Verdict.OUTDATED if clock else _VERDICTS.get(bare)
    return Reaction(event=event, sender=sender, message=message, verdict=verdict) if verdict else None
