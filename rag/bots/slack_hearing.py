"""What Slack sends, as what it means to us. slack-bolt checks and sorts it; nothing here asks Slack anything.

Heard are: a mention, a direct message, a follow-up in a thread, the command, a press on a button, and that a question
was deleted. All else is Slack's talk about other things: it is acknowledged and forgotten, and so is whatever a bot
says (ours too), whatever comes from another workspace, and the edit of a question, which is answered as it was asked.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request import BoltRequest
from slack_sdk import WebClient

from rag.bots.adapter import Verdict
from rag.bots.slack_blocks import PREFIX
from rag.bots.slack_text import mentions, typed

_ID: Final = re.compile(r"[A-Z0-9]{1,40}")
_TS: Final = re.compile(r"\d{1,16}(\.\d{1,9})?")
_RECEIPT: Final = re.compile(r"[\x21-\x7e]{1,200}")
_SPOKEN: Final = frozenset(("", "file_share", "thread_broadcast"))
_log = logging.getLogger(__name__)
_SILENT: Final = logging.getLogger("rag.bots.slack_hearing.bolt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A message that may be a question. `thread` is the thread's first message, "" outside of one. `called`: the bot is
    called by name. `others`: somebody else is. `shared`: Slack says that people of others can read there."""

    conversation: str
    user: str
    at: str
    text: str
    thread: str = ""
    direct: bool = False
    called: bool = False
    others: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """``/frag …``; `invocation` is new each time. Slack shows it to nobody else, so it is answered in private."""

    user: str
    text: str
    invocation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """A feedback button below a message of ours."""

    conversation: str
    user: str
    message: str
    at: str
    receipt: str
    verdict: Verdict
    thread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """Somebody took a message back, of their own or because they look after the workspace."""

    conversation: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A command of somebody from another workspace: told so, and not heard."""


Heard = Spoken | Command | Pressed | Deleted | Stranger


class Hearing:
    """One workspace's events. `bot` and `bot_id` are the bot's own user and bot id; `secret` is what HTTP requests are
    signed with, "" in Socket Mode, whose connection is the proof."""

    def __init__(self, *, team: str, bot: str, bot_id: str, secret: str = "") -> None:
        self._team = team
        self._bot = bot
        self._heard: list[Heard] = []
        self._app = _app(secret, AuthorizeResult(enterprise_id=None, team_id=team, bot_user_id=bot, bot_id=bot_id))
        self._app.event("app_mention")(self._message)
        self._app.event("message")(self._message)
        self._app.command(re.compile(".+"))(self._command)
        self._app.action(re.compile(f"^{PREFIX}"))(self._press)

    def envelope(self, payload: Mapping[str, Any]) -> Heard | None:
        """What came over the socket."""
        return self._hear(mode="socket_mode", body=dict(payload))[2]

    def request(self, body: str, headers: Mapping[str, str]) -> tuple[int, str, Heard | None]:
        """What came by HTTP: the status, a body where Slack wants one, and what was heard. 401 where bolt finds the
        signature wrong, 400 where it is no event at all."""
        status, text, heard = self._hear(mode="http", body=body, headers=dict(headers))
        return (status if status in (200, 400, 401) else 200, text if status == 200 else "", heard)

    def _hear(self, **request: Any) -> tuple[int, str, Heard | None]:
        self._heard.clear()
        try:
            response = self._app.dispatch(BoltRequest(**request))
        except Exception as error:  # noqa: BLE001, RUF100 - bolt reads a body in many ways, each with its own errors
            return self._unread(type(error).__name__)
        if response.status >= 500:
            return self._unread("bolt")
        return response.status, str(response.body or ""), self._heard.pop() if self._heard else None

    def _unread(self, reason: str) -> tuple[int, str, None]:
        _log.error("What Slack sent could not be read", extra={"action": "slack_unread", "reason": reason})
        return 400, "", None

    def _message(self, body: dict[str, Any], event: dict[str, Any]) -> None:
        if body.get("team_id") != self._team:
            return
        if event.get("subtype") in ("message_deleted", "message_changed"):
            self._note(self._deleted(event))
        elif str(event.get("subtype") or "") in _SPOKEN and not event.get("bot_id") and not self._from_elsewhere(event):
            self._note(self._spoken(event, shared=body.get("is_ext_shared_channel") is True))

    def _command(self, body: dict[str, Any], ack: Any) -> None:
        ack()
        if body.get("team_id") != self._team:
            self._note(Stranger())
            return
        user, invocation = str(body.get("user_id") or ""), str(body.get("trigger_id") or "")
        if _ID.fullmatch(user) and invocation:
            text = typed(str(body.get("text") or ""), bot=self._bot)
            self._note(Command(user=user, text=text, invocation=invocation[:100]))

    def _press(self, body: dict[str, Any], action: dict[str, Any], ack: Any) -> None:
        ack()
        name = str(action.get("action_id") or "").removeprefix(PREFIX)
        user, team = body.get("user") or {}, body.get("team") or {}
        if name not in set(Verdict) or team.get("id") != self._team or user.get("team_id") not in (None, self._team):
            return
        place, message = body.get("container") or {}, body.get("message") or {}
        pressed = Pressed(
            conversation=str(place.get("channel_id") or ""),
            user=str(user.get("id") or ""),
            message=str(place.get("message_ts") or ""),
            at=str(action.get("action_ts") or ""),
            receipt=str(action.get("value") or ""),
            verdict=Verdict(name),
            thread=str(message.get("thread_ts") or ""),
        )
        marks = (pressed.message, pressed.at)
        if _ID.fullmatch(pressed.conversation) and _ID.fullmatch(pressed.user) and all(map(_TS.fullmatch, marks)):
            self._note(pressed if _RECEIPT.fullmatch(pressed.receipt) else None)

    def _spoken(self, event: Mapping[str, Any], *, shared: bool) -> Spoken | None:
        text = str(event.get("text") or "")
        called = mentions(text)
        spoken = Spoken(
            conversation=str(event.get("channel") or ""),
            user=str(event.get("user") or ""),
            at=str(event.get("ts") or ""),
            text=typed(text, bot=self._bot),
            thread=str(event.get("thread_ts") or ""),
            direct=event.get("channel_type") == "im",
            called=event.get("type") == "app_mention" or self._bot in called,
            others=any(user != self._bot for user in called),
            shared=shared,
        )
        sound = _ID.fullmatch(spoken.conversation) and _ID.fullmatch(spoken.user) and _TS.fullmatch(spoken.at)
        if not sound or spoken.user == self._bot or not _TS.fullmatch(spoken.thread or "0"):
            return None
        return replace(spoken, thread="") if spoken.thread == spoken.at else spoken

    def _deleted(self, event: Mapping[str, Any]) -> Deleted | None:
        """A message without a thread disappears; one with a thread is changed into a tombstone. What the bot itself
        takes back is no news."""
        message, before = event.get("message"), event.get("previous_message")
        tomb = isinstance(message, dict) and message.get("subtype") == "tombstone"
        gone = message.get("ts") if isinstance(message, dict) and tomb else event.get("deleted_ts")
        conversation, at = str(event.get("channel") or ""), str(gone or "")
        if isinstance(before, dict) and before.get("user") == self._bot:
            return None
        sound = _ID.fullmatch(conversation) and _TS.fullmatch(at)
        return Deleted(conversation=conversation, at=at) if sound else None

    def _from_elsewhere(self, event: Mapping[str, Any]) -> bool:
        named = {event.get(key) for key in ("team", "user_team", "source_team")} - {None, ""}
        return not named <= {self._team}

    def _note(self, heard: Heard | None) -> None:
        if heard is not None:
            self._heard.append(heard)


def _app(secret: str, who: AuthorizeResult) -> App:
    """bolt with everything off that asks Slack, reads the environment or writes what people said into a log."""
    _SILENT.disabled = True  # at info it writes the bodies of requests whose signature is wrong, and more below
    return App(
        name="archivar",
        logger=_SILENT,
        signing_secret=secret,
        request_verification_enabled=bool(secret),
        token_verification_enabled=False,
        authorize=lambda: who,
        client=WebClient(),
        process_before_response=True,
        ssl_check_enabled=False,
    )
