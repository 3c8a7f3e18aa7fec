"""What the bot says in Slack: posted once for each nonce, edited while it grows, taken back.

The nonce stands in the message's metadata, where nobody sees it. Before a message is posted whose nonce is new to this
process, the thread is searched for it: a process that died after posting, or an answer of Slack's that got lost, makes
no second message.
"""

from __future__ import annotations

import collections
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from rag.bots.adapter import MessageRef, Place, PlatformBusy, PlatformRefused, Reply, Stage
from rag.bots.slack_api import SlackApi, SlackRefused
from rag.bots.slack_blocks import blocks, preview

_log = logging.getLogger(__name__)

_REF: Final = re.compile(r"slack:([A-Z0-9]{1,40}):(\d{1,16}\.\d{1,9})")
_EVENT: Final = "archivar_reply"
_GONE: Final = frozenset({"message_not_found", "thread_not_found"})
_SEARCHED_PAGES: Final = 5
_KEPT: Final = 2000
_MINUTE_S: Final = 60.0
_GROWING_EDITS: Final = 40
"""Of the fifty edits a minute that Slack bears, those that merely let a text grow; the rest is left for last words."""

_QUIET: Final[Mapping[str, Any]] = {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}


class Posting:
    """Speaks by the Web API. `own` gives the ids under which the bot's messages stand. Everything raises as
    `SlackApi.call`."""

    def __init__(self, api: SlackApi, *, own: Callable[[], Awaitable[frozenset[str]]]) -> None:
        self._api = api
        self._own = own
        self._posted: collections.OrderedDict[str, MessageRef] = collections.OrderedDict()
        self._edits: collections.deque[float] = collections.deque()

    async def post(self, place: Place, reply: Reply, *, nonce: str) -> MessageRef:
        """Say it there, or let the message that has this nonce already say it."""
        found = self._posted.get(nonce) or await self._search(place, nonce)
        if found is not None:
            await self._update(found, reply)
            return self._remember(nonce, found)
        answer = await self._api.call(
            "chat.postMessage",
            channel=place.conversation,
            thread_ts=place.thread or None,
            text=preview(reply),
            blocks=blocks(reply),
            metadata={"event_type": _EVENT, "event_payload": {"nonce": nonce}},
            mrkdwn=False,
            **_QUIET,
        )
        return self._remember(nonce, _ref(str(answer.get("channel") or place.conversation), str(answer.get("ts"))))

    async def edit(self, place: Place, message: MessageRef, reply: Reply) -> None:
        """Let the message say this instead. While a text merely grows, it waits its turn: `PlatformBusy`."""
        if reply.stage is not Stage.FINAL:
            self._wait_turn()
        await self._update(message, reply)

    async def remove(self, message: MessageRef) -> None:
        """Take it back; it may be gone already."""
        conversation, at = _where(message)
        try:
            await self._api.call("chat.delete", channel=conversation, ts=at)
        except SlackRefused as refused:
            if refused.code not in _GONE:
                raise

    async def whisper(self, *, conversation: str, user: str, thread: str, text: str) -> None:
        """Tell one person something that the others do not see; `text` is a sentence of ours."""
        where = {"channel": conversation, "user": user, "thread_ts": thread or None}
        await self._api.call("chat.postEphemeral", text=text, **where, **_QUIET)

    async def _search(self, place: Place, nonce: str) -> MessageRef | None:
        for row in await self._mine(place):
            if _nonce(row) == nonce:
                return _ref(place.conversation, str(row.get("ts")))
        return None

    async def _mine(self, place: Place) -> list[Mapping[str, Any]]:
        """The bot's own messages in that thread; outside of one, in what was said last."""
        where: dict[str, Any] = {"channel": place.conversation, "include_all_metadata": True}
        method = "conversations.replies" if place.thread else "conversations.history"
        where |= {"ts": place.thread} if place.thread else {}
        found: list[Mapping[str, Any]] = []
        own, number = await self._own(), 0
        try:
            async for page in self._api.pages(method, "messages", **where):
                rows = [row for row in page if isinstance(row, dict)]
                found += [row for row in rows if not own.isdisjoint({row.get("user"), row.get("bot_id")})]
                number += 1
                if number == (_SEARCHED_PAGES if place.thread else 1):
                    break
        except SlackRefused as refused:
            if refused.code not in _GONE:
                raise
        return found

    async def _update(self, message: MessageRef, reply: Reply) -> None:
        conversation, at = _where(message)
        self._edits.append(time.monotonic())
        said: dict[str, object] = {"channel": conversation, "ts": at, "text": preview(reply), "blocks": blocks(reply)}
        await self._api.call("chat.update", **said, **_QUIET)

    def _wait_turn(self) -> None:
        now = time.monotonic()
        while self._edits and now - self._edits[0] > _MINUTE_S:
            self._edits.popleft()
        if len(self._edits) >= _GROWING_EDITS:
            left = _MINUTE_S - (now - self._edits[0])
            raise PlatformBusy("Slack bears no more edits this minute.", retry_after_s=max(1.0, left))

    def _remember(self, nonce: str, message: MessageRef) -> MessageRef:
        self._posted[nonce] = message
        while len(self._posted) > _KEPT:
            self._posted.popitem(last=False)
        return message


def _nonce(row: Mapping[str, Any]) -> str:
    metadata = row.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != _EVENT:
        return ""
    payload = metadata.get("event_payload")
    return str(payload.get("nonce") or "") if isinstance(payload, dict) else ""


def _ref(conversation: str, at: str) -> MessageRef:
    return MessageRef(f"slack:{conversation}:{at}")


def _where(message: MessageRef) -> tuple[str, str]:
    found = _REF.fullmatch(message)
    if found is None:
        raise PlatformRefused("This is no message of the Slack bot.")
    return found[1], found[2]
