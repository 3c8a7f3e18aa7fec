"""The one door that the relay reaches: ``POST /api/messages``, and nothing passes that is not Teams' own.

A request is handed on only after every mark of it was checked, once: the same activity again is refused for as long as
its token could be good. What is refused gets 401 and no reason; the reason stands in the log, as a word.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from rag.bots.adapter import PlatformUnreachable
from rag.bots.teams_token import Refused, TokenCheck

_log = logging.getLogger(__name__)

PATH: Final = "/api/messages"
DELETED: Final = "messageDelete"
"""The type of the activity that tells of a message that was deleted."""
_MOST_BYTES: Final = 256 * 1024
_READ_S: Final = 10.0
_REMEMBERED_S: Final = 26 * 3600.0
"""Longer than any token of Microsoft's is good."""
_MOST_REMEMBERED: Final = 200_000
_TELL_S: Final = 60.0
"""How often a reason for refusing is told in the log, however often it happens."""

_Scope: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the platform is answered: a status, and the body of an answer to a press on a button."""

    status: int = 200
    body: Mapping[str, Any] | None = None


Handed = Callable[[dict[str, Any], str], Awaitable[Answer]]
"""Takes an activity that was checked, and its token. When it raises, the activity was not taken and may come again."""

_UNAUTHORIZED: Final = Answer(status=401, body={"error": "unauthorized"})


class Seen:
    """Activities that were taken, by their names, as long as they could be played again."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._names: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def add(self, name: tuple[str, ...]) -> bool:
        """Remember it; False where it is remembered already."""
        now = self._clock()
        while self._names and (len(self._names) >= _MOST_REMEMBERED or self._oldest() < now - _REMEMBERED_S):
            self._names.popitem(last=False)
        if name in self._names:
            return False
        self._names[name] = now
        return True

    def forget(self, name: tuple[str, ...]) -> None:
        """It was not taken after all."""
        self._names.pop(name, None)

    def _oldest(self) -> float:
        return next(iter(self._names.values()))


class Gate:
    """The door as an ASGI application."""

    def __init__(self, *, check: TokenCheck, handed: Handed, clock: Callable[[], float] = time.monotonic) -> None:
        self._check, self._handed, self._clock = check, handed, clock
        self._seen = Seen(clock=clock)
        self._told: dict[str, float] = {}

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        answer = await self._answer(scope, receive)
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        kind = [(b"content-type", b"application/json")] if body else []
        again = [(b"retry-after", b"5")] if answer.status == 503 else []
        headers = [*kind, *again, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: _Scope, receive: _Receive) -> Answer:
        if scope["path"] != PATH:
            return Answer(status=404)
        if scope["method"] != "POST":
            return Answer(status=405)
        try:
            authorization = _authorization(scope["headers"])
            activity = _read(await asyncio.wait_for(_body(receive), _READ_S))
            token = await self._check.passed(authorization, activity)
            name = _name(activity)
        except Refused as refused:
            self._tell(str(refused))
            return _UNAUTHORIZED
        except TimeoutError:
            return Answer(status=408)
        except PlatformUnreachable:
            return Answer(status=503)
        return await self._hand(activity, token, name)

    async def _hand(self, activity: dict[str, Any], token: str, name: tuple[str, ...]) -> Answer:
        if not self._seen.add(name):
            self._tell("replayed")
            return _UNAUTHORIZED
        try:
            return await self._handed(activity, token)
        except Exception as error:
            self._seen.forget(name)
            _log.warning(
                "An activity could not be taken; Teams may deliver it again",
                extra={"action": "teams_not_taken", "kind": type(error).__name__},
            )
            return Answer(status=503)
        except BaseException:  # the bot is stopping
            self._seen.forget(name)
            raise

    def _tell(self, reason: str) -> None:
        now = self._clock()
        if now - self._told.get(reason, float("-inf")) >= _TELL_S:
            self._told[reason] = now
            _log.warning(
                "A request was refused that does not come from Teams for this bot; told once a minute",
                extra={"action": "teams_refused", "reason": reason},
            )


def _authorization(headers: list[tuple[bytes, bytes]]) -> str:
    found = [value for name, value in headers if name.lower() == b"authorization"]
    if len(found) != 1:
        raise Refused("no_token")
    if any(name.lower() == b"content-encoding" and value != b"identity" for name, value in headers):
        raise Refused("encoded")
    return found[0].decode("latin-1")


async def _body(receive: _Receive) -> bytes:
    body = bytearray()
    while True:
        piece = await receive()
        if piece["type"] != "http.request":
            raise Refused("broken_off")
        body += piece.get("body", b"")
        if len(body) > _MOST_BYTES:
            raise Refused("too_long")
        if not piece.get("more_body", False):
            return bytes(body)


def _read(body: bytes) -> dict[str, Any]:
    """The activity, without the names that only the library's own code uses: it would take ``service_url`` for
    ``serviceUrl``, and what was checked must be what is read."""
    try:
        content = json.loads(body)
        activity = _proper(content)
    except (ValueError, RecursionError) as error:
        raise Refused("no_json") from error
    if not isinstance(activity, dict):
        raise Refused("no_json")
    return activity


def _proper(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _proper(value) for name, value in content.items() if "_" not in name}
    if isinstance(content, list):
        return [_proper(value) for value in content]
    return content


def _name(activity: Mapping[str, Any]) -> tuple[str, ...]:
    """What an activity is known by. The news that a message was deleted carries the id of that message."""
    conversation = activity.get("conversation")
    said = (conversation.get("id") if isinstance(conversation, dict) else None, activity.get("id"))
    named = tuple(one for one in said if isinstance(one, str) and one)
    if len(named) != len(said):
        raise Refused("no_id")
    return (*named, DELETED) if activity.get("type") == DELETED else named
