"""A Slack workspace in memory: its people, conversations and messages, and what the Web API does with them.

True to Slack where the bot can notice: names of errors, limits of blocks, pages with cursors, metadata that only comes
when asked for and survives an edit, threads, tombstones, and that the bot hears of its own messages too.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TEAM, OTHER_TEAM = "T01", "T99"
BOT, BOT_ID = "U0BOT", "B0BOT"
BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-good", "xapp-good", "8f742231b10e8888abcd99yyyzzz85a5"
SCOPES = (
    "app_mentions:read,chat:write,commands,im:history,im:read,im:write,channels:read,groups:read,mpim:read,"
    "channels:history,groups:history,mpim:history,users:read,users:read.email"
)
PEOPLE = {"anna": "U01", "ben": "U02", "eve": "U03", "otto": "U09"}
ROOMS = {"team": "G01", "all": "C01", "shared": "C02"}

Row = dict[str, Any]


class Refused(Exception):
    """Slack's ``ok: false``, with its word for the reason."""


@dataclass
class World:
    """The workspace. `heard` is called with each event that the bot's own doings cause."""

    users: dict[str, Row] = field(default_factory=dict)
    rooms: dict[str, Row] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    messages: list[Row] = field(default_factory=list)
    whispers: list[Row] = field(default_factory=list)
    calls: list[tuple[str, Row]] = field(default_factory=list)
    scopes: str = SCOPES
    page: int = 2
    heard: Callable[[Row], None] = lambda event: None
    _clock: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        for name, user in PEOPLE.items():
            home = OTHER_TEAM if name == "otto" else TEAM
            profile = {"email": f"{name}@firma.example", "display_name": "Admin <!channel>"}
            self.users[user] = {"id": user, "team_id": home, "deleted": False, "is_bot": False, "locale": "de-DE"}
            self.users[user] |= {"is_email_confirmed": True, "profile": profile, "is_restricted": name == "eve"}
            self.users[user] |= {"is_stranger": name == "otto"}
            self.room(f"D{user[1:]}", members=[user, BOT], is_im=True, is_private=True, user=user)
        self.users[BOT] = {"id": BOT, "team_id": TEAM, "is_bot": True, "profile": {"bot_id": BOT_ID}}
        anna, ben, eve = PEOPLE["anna"], PEOPLE["ben"], PEOPLE["eve"]
        self.room("G01", members=[anna, ben, BOT], is_channel=True, is_group=True, is_private=True)
        self.room("C01", members=[anna, ben, BOT], is_channel=True, is_private=False)
        self.room("C02", members=[anna, ben, eve, BOT], is_channel=True, is_private=False)

    def room(self, conversation: str, *, members: list[str], **row: Any) -> None:
        self.rooms[conversation] = {"id": conversation, "is_archived": False, "is_shared": False} | row
        self.members[conversation] = members

    def now(self) -> str:
        return f"1790000000.{next(self._clock):06d}"

    def say(self, conversation: str, user: str, text: str, *, thread: str = "") -> Row:
        """A person's message."""
        row = {"type": "message", "channel": conversation, "user": user, "text": text, "ts": self.now(), "team": TEAM}
        row |= {"thread_ts": thread} if thread else {}
        self.messages.append(row)
        return row

    def unsay(self, said: Row) -> Row:
        """Its sender deletes a message: where there is a thread below it a stone is left. Slack's event about it."""
        [row] = [row for row in self.messages if (row["channel"], row["ts"]) == (said["channel"], said["ts"])]
        event = {"type": "message", "channel": row["channel"], "ts": self.now(), "hidden": True}
        event |= {"previous_message": dict(row), "channel_type": said.get("channel_type", "channel")}
        if any(one.get("thread_ts") == row["ts"] for one in self.messages):
            row.update(subtype="tombstone", text="This message was deleted.", user="USLACKBOT")
            return event | {"subtype": "message_changed", "message": dict(row)}
        self.messages.remove(row)
        return event | {"subtype": "message_deleted", "deleted_ts": row["ts"]}

    def call(self, method: str, form: dict[str, str]) -> Row:
        """What Slack answers to a call with the bot's token."""
        arguments = {key: _decoded(value) for key, value in form.items()}
        self.calls.append((method, arguments))
        known = getattr(self, "_" + method.replace(".", "_"), None)
        if known is None:
            raise Refused("unknown_method")
        answer: Row = known(arguments)
        return answer

    def _auth_test(self, _: Row) -> Row:
        return {"team_id": TEAM, "user_id": BOT, "bot_id": BOT_ID, "team": "Firma"}

    def _users_info(self, given: Row) -> Row:
        if given["user"] not in self.users:
            raise Refused("user_not_found")
        return {"user": self.users[given["user"]]}

    def _conversations_info(self, given: Row) -> Row:
        return {"channel": self._known(given)}

    def _conversations_open(self, given: Row) -> Row:
        return {"channel": {"id": f"D{given['users'][1:]}"}}

    def _conversations_members(self, given: Row) -> Row:
        self._known(given)
        return self._paged(given, "members", self.members[given["channel"]])

    def _conversations_history(self, given: Row) -> Row:
        rows = [row for row in self.messages if row["channel"] == self._known(given)["id"] and _within(row, given)]
        top = [row for row in rows if row.get("thread_ts") in (None, row["ts"])]
        return self._paged(given, "messages", [_listed(row, given) for row in reversed(top)])

    def _conversations_replies(self, given: Row) -> Row:
        rows = [row for row in self.messages if row["channel"] == self._known(given)["id"] and _within(row, given)]
        rows = [row for row in rows if given["ts"] in (row["ts"], row.get("thread_ts"))]
        if not rows:
            raise Refused("thread_not_found")
        return self._paged(given, "messages", [_listed(row, given) for row in rows])

    def _chat_postMessage(self, given: Row) -> Row:  # noqa: N802 - Slack's name
        self._known(given)
        row = _said(given) | {"channel": given["channel"], "user": BOT, "bot_id": BOT_ID, "ts": self.now()}
        row |= {"metadata": given["metadata"]} if given.get("metadata") else {}
        row |= {"thread_ts": given["thread_ts"]} if given.get("thread_ts") else {}
        self.messages.append(row)
        self.heard({**row, "type": "message", "subtype": None, "team": TEAM})
        return {"channel": row["channel"], "ts": row["ts"]}

    def _chat_postEphemeral(self, given: Row) -> Row:  # noqa: N802 - Slack's name
        self.whispers.append(given)
        return {"message_ts": self.now()}

    def _chat_update(self, given: Row) -> Row:
        row = self._own(given)
        row.update(_said(given))
        changed = {"type": "message", "subtype": "message_changed", "channel": row["channel"], "message": dict(row)}
        self.heard(changed | {"ts": self.now()})
        return {"channel": row["channel"], "ts": row["ts"]}

    def _chat_delete(self, given: Row) -> Row:
        row = self._own(given)
        self.messages.remove(row)
        deleted = {"type": "message", "subtype": "message_deleted", "channel": row["channel"], "deleted_ts": row["ts"]}
        self.heard(deleted | {"ts": self.now(), "previous_message": row})
        return {}

    def _own(self, given: Row) -> Row:
        for row in self.messages:
            if (row["channel"], row["ts"]) == (given["channel"], given["ts"]):
                if row["user"] != BOT:
                    raise Refused("cant_update_message")
                return row
        raise Refused("message_not_found")

    def _known(self, given: Row) -> Row:
        if given.get("channel") not in self.rooms:
            raise Refused("channel_not_found")
        return self.rooms[given["channel"]]

    def _paged(self, given: Row, key: str, rows: list[Any]) -> Row:
        begin = int(given.get("cursor") or 0)
        end = begin + min(int(given.get("limit", 100)), self.page if key == "members" else 200)
        more = str(end) if end < len(rows) else ""
        return {key: rows[begin:end], "has_more": bool(more), "response_metadata": {"next_cursor": more}}


def _said(given: Row) -> Row:
    """What a message holds after a post or an edit; refuses what Slack would refuse."""
    blocks: list[Row] = given.get("blocks") or []
    if len(blocks) > 50 or any(not _sound(block) for block in blocks):
        raise Refused("invalid_blocks")
    if len(json.dumps(blocks, ensure_ascii=False).encode()) > 13_200:
        raise Refused("msg_blocks_too_long")
    flags = {key: given.get(key) for key in ("unfurl_links", "unfurl_media", "link_names", "parse", "mrkdwn")}
    return {"text": given["text"], "blocks": blocks, "flags": flags}


def _sound(block: Row) -> bool:
    if block["type"] == "section":
        return 0 < len(block["text"]["text"]) <= 3000
    if block["type"] == "context":
        return 0 < len(block["elements"]) <= 10 and all(0 < len(one["text"]) <= 2000 for one in block["elements"])
    names = [button["action_id"] for button in block["elements"]]
    labels = all(0 < len(one["text"]["text"]) <= 75 for one in block["elements"])
    values = all(len(one.get("url", "")) <= 3000 and len(one.get("value", "")) <= 2000 for one in block["elements"])
    return 0 < len(names) <= 25 and len(set(names)) == len(names) and labels and values


def _listed(row: Row, given: Row) -> Row:
    shown = dict(row)
    if given.get("include_all_metadata") is not True:
        shown.pop("metadata", None)
    return shown


def _within(row: Row, given: Row) -> bool:
    return float(given.get("oldest", 0)) <= float(row["ts"]) <= float(given.get("latest", "9999999999"))


def _decoded(value: str) -> Any:
    """Slack takes flags and structures as JSON within a form."""
    if value in ("true", "false") or value[:1] in ("{", "["):
        return json.loads(value)
    return value
