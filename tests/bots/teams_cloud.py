"""Microsoft's side of Teams at the edge of the machine: sign-in, keys and connector as a transport for the adapter's
client, and the service that delivers activities over real HTTP to the adapter's door, each with a token of its own key.

True to the wire as Microsoft's pages and library describe it; nothing here was compared with the real cloud.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from markdown_it import MarkdownIt

from rag.bots.adapter import Account, Verdict
from rag.bots.teams import TeamsAdapter
from rag.bots.teams_cloud import TeamsCloud
from rag.bots.teams_settings import Checked
from tests.bots.contract import LIMIT_S, Said, Shown
from tests.ports import kept_port

TENANT = "11111111-2222-3333-4444-555555555555"
APP = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
SERVICE = "https://smba.trafficmanager.net/emea/"
ISSUER = "https://api.botframework.com"
TEAM = "19:firma@thread.tacv2"
PEOPLE: Mapping[str, str] = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("anna", "ben", "eve")}
_KINDS = {"team": "private", "all": "standard", "shared": "standard"}
_MEMBERS = {"team": ["anna", "ben"], "all": ["anna", "ben"], "shared": ["anna", "ben", "eve"]}
_MOST_BYTES = 100 * 1024
_AUTOLINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?//\S+|\bwww\.[\u2000-\u200f\u2060]*\w|\bhttps?:\S|\S+@\S+|\b(?:mailto|tel|javascript|data|file|msteams):\S+",
    re.IGNORECASE,
)
"""Greedier than any client: Microsoft's Playground makes a link of all that begins with ``www.``, gap or not."""
_HOST = re.compile(r"\b[\w-]+[\u200b\u2060]*\.[\u200b\u2060]*(?:com|net|org|de|example|test|io)\b", re.IGNORECASE)


@cache
def key(name: str = "microsoft") -> rsa.RSAPrivateKey:
    """A key of that name, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(name: str = "microsoft", **more: Any) -> dict[str, Any]:
    """Its public half, as the keys' address lists it."""
    numbers = key(name).public_key().public_numbers()
    return {
        "kty": "RSA", "use": "sig", "kid": name, "endorsements": ["msteams", "webchat"],
        "n": _number(numbers.n), "e": _number(numbers.e),
    } | more  # fmt: skip


def _number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def claims(**more: Any) -> dict[str, Any]:
    """What Microsoft's service says in a token."""
    now = int(time.time())
    return {"iss": ISSUER, "aud": APP, "serviceurl": SERVICE, "nbf": now - 5, "exp": now + 3600} | more


def signed(
    said: Mapping[str, Any] | None = None, *, by: str = "microsoft", head: Mapping[str, Any] | None = None
) -> str:
    """A token; its head may say something else than it should."""
    return jwt.encode(dict(said or claims()), key(by), "RS256", headers={"kid": by, **(head or {})})


@dataclass
class Message:
    """A message of the bot in a conversation, with every form it had."""

    id: str
    conversation: str
    forms: list[dict[str, Any]]
    removed: bool = False
    streaming: bool = False
    sequence: int = 0
    streamed: str = ""


@dataclass
class Cloud(httpx.AsyncBaseTransport):
    """The whole of it. `requests` are all that the bot sent, with bodies."""

    home: Path
    port: int = 0
    secret_good: bool = True
    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk()])
    kinds: dict[str, str] = field(default_factory=lambda: dict(_KINDS))
    members: dict[str, list[str]] = field(default_factory=lambda: {room: list(who) for room, who in _MEMBERS.items()})
    page_size: int = 2
    streams_over: bool = False
    streams_stopped: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)
    activities: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    down: bool = False
    keeps_nonces = False
    knows_members = True

    def __post_init__(self) -> None:
        self._refusals: list[httpx.Response | None] = []
        self._numbers = count(int(time.time() * 1000))
        self._tokens: set[str] = set()

    # What a contract test plays

    def adapter(self) -> TeamsAdapter:
        settings = Checked(
            tenant=TENANT,
            app_id=APP,
            secret="s3cret",
            hosts=("smba.trafficmanager.net",),
            listen=("127.0.0.1", self.port),
        )
        return TeamsAdapter(settings, home=self.home, cloud=TeamsCloud(), transport=self)

    def account(self, who: str) -> Account:
        return Account(id=f"teams:{TENANT}:{PEOPLE[who]}")

    async def deliver(self, said: Said) -> str:
        activity = self.activity(said)
        await self.redeliver(activity["id"])
        return str(activity["id"])

    async def take_back(self, delivery: str) -> str:
        said = {name: value for name, value in self.activities[delivery].items() if name not in ("text", "entities")}
        data = {**said["channelData"], "eventType": "softDeleteMessage"}
        self.activities[f"{delivery} deleted"] = said | {"type": "messageDelete", "channelData": data}
        await self.redeliver(f"{delivery} deleted")
        return f"{delivery} deleted"

    async def redeliver(self, delivery: str) -> None:
        answer = await self.send(self.activities[delivery])
        self.statuses[delivery] = answer.status_code if answer is not None else 0

    async def acknowledged(self, delivery: str, *, within_s: float = LIMIT_S) -> bool:
        return self.statuses[delivery] == 200

    async def drop(self) -> None:
        """Teams keeps no connection to a bot; what was open is closed with each request."""

    def refuse(self, how: Literal["busy", "away", "no"], *, times: int = 1, retry_after_s: float = 1.0) -> None:
        answers = {
            "busy": httpx.Response(429, headers={"Retry-After": str(int(retry_after_s))}, json={}),
            "away": None,
            "no": _error(403, "ForbiddenOperationException", "The bot is not part of the conversation roster."),
        }
        self._refusals += [answers[how]] * times

    def revoke(self) -> None:
        self.secret_good = False
        self._tokens.clear()

    async def shown(self) -> list[Shown]:
        return [shown(message) for message in self.messages.values() if not message.removed]

    async def press(self, shown: Shown, verdict: Verdict, *, who: str = "anna") -> str:
        message = self.messages[shown.id]
        if verdict is Verdict.OUTDATED:
            [action] = _card(message.forms[-1])["actions"]
            value = {
                "action": {"type": "Action.Execute", "verb": action["verb"], "data": action["data"]},
                "trigger": "manual",
            }
            more = {"name": "adaptiveCard/action", "value": value}
        else:
            assert message.forms[-1]["channelData"]["feedbackLoop"] == {"type": "default"}
            reaction = "like" if verdict is Verdict.HELPFUL else "dislike"
            value = {"actionName": "feedback", "actionValue": {"reaction": reaction, "feedback": "{}"}}
            more = {"name": "message/submitAction", "value": value}
        activity = self.activity(Said(text="", who=who, room=_room(message.conversation)))  # type: ignore[arg-type]
        activity |= {"type": "invoke", "replyToId": message.id, **more}
        del activity["text"], activity["entities"]
        activity["conversation"]["id"] = message.conversation
        await self.redeliver(activity["id"])
        return str(activity["id"])

    # What Teams delivers

    def activity(self, said: Said, **more: Any) -> dict[str, Any]:
        """A message activity as Teams sends it."""
        number = str(next(self._numbers))
        direct = said.room == "direct"
        root = self.activities[said.thread]["conversation"]["id"].partition(";messageid=")[2] if said.thread else number
        conversation: dict[str, Any] = {"tenantId": TENANT, "conversationType": "personal" if direct else "channel"}
        conversation["id"] = f"a:1direct-{said.who}" if direct else f"19:{said.room}@thread.tacv2;messageid={root}"
        data: dict[str, Any] = {"tenant": {"id": TENANT}}
        mention = {"type": "mention", "mentioned": {"id": f"28:{APP}", "name": "Archivar"}, "text": "<at>Archivar</at>"}
        entities: list[dict[str, Any]] = [{"type": "clientInfo", "locale": "de-DE", "country": "DE", "platform": "Web"}]
        if not direct:
            conversation["isGroup"] = True
            channel = f"19:{said.room}@thread.tacv2"
            data |= {"channel": {"id": channel}, "team": {"id": TEAM}, "teamsChannelId": channel, "teamsTeamId": TEAM}
            entities.append(mention)
        activity: dict[str, Any] = {
            "type": "message",
            "id": number,
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "serviceUrl": SERVICE,
            "channelId": "msteams",
            "from": {"id": f"29:1{said.who}", "name": said.who.title(), "aadObjectId": PEOPLE[said.who]},
            "conversation": conversation,
            "recipient": {"id": f"28:{APP}", "name": "Archivar"},
            "text": said.text if direct else f"<at>Archivar</at>&nbsp;{said.text}",
            "textFormat": "plain",
            "locale": "de-DE",
            "channelData": data,
            "entities": entities,
        }
        self.activities[number] = activity | more
        return self.activities[number]

    async def send(
        self, activity: Any, *, token: str | None = None, headers: Any = (), body: bytes | None = None
    ) -> httpx.Response | None:
        """POST it to the bot's door; None where nobody listens there. A door that is about to open is waited for."""
        content = json.dumps(activity).encode() if body is None else body
        given = list(headers) or [("Authorization", f"Bearer {signed() if token is None else token}")]
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=15) as client:
            for _ in range(40):
                try:
                    return await client.post(
                        f"http://127.0.0.1:{self.port}/api/messages",
                        content=content,
                        headers=[("Content-Type", "application/json; charset=utf-8"), *given],
                    )
                except httpx.ConnectError:
                    await asyncio.sleep(0.025)
        return None

    # What the bot calls

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        if self.down:
            raise httpx.ConnectError("nobody is there", request=request)
        host, path = request.url.host, request.url.raw_path.decode().partition("?")[0]
        if host == "login.botframework.com" and path == "/v1/.well-known/keys":
            return httpx.Response(200, json={"keys": self.keys})
        if host == "login.microsoftonline.com" and path == f"/{TENANT}/oauth2/v2.0/token":
            return self._token(parse_qs(request.content.decode()))
        if host == "smba.trafficmanager.net" and path.startswith("/emea/v3/"):
            if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
                return _error(401, "Unauthorized", "Authorization has been denied for this request.")
            return self._connector(request, path.removeprefix("/emea/v3/"))
        raise AssertionError(f"the bot reached for {host}{path}")

    def _token(self, form: dict[str, list[str]]) -> httpx.Response:
        wanted = {"grant_type": ["client_credentials"], "client_id": [APP], "client_secret": ["s3cret"]}
        if not self.secret_good or form != wanted | {"scope": ["https://api.botframework.com/.default"]}:
            said = {"error": "invalid_client", "error_description": "AADSTS7000215", "error_codes": [7000215]}
            return httpx.Response(401, json=said)
        token = jwt.encode({"n": len(self._tokens)}, "x" * 32, "HS256")
        self._tokens.add(token)
        return httpx.Response(200, json={"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def _connector(self, request: httpx.Request, path: str) -> httpx.Response:
        parts = [unquote(part) for part in path.split("/")]
        if request.method == "GET" and parts[0] == "teams":
            listed = [{"id": f"19:{room}@thread.tacv2", "type": kind} for room, kind in self.kinds.items()]
            return httpx.Response(200, json={"conversations": listed}) if parts[1] == TEAM else httpx.Response(404)
        if request.method == "GET" and parts[2] == "pagedMembers":
            return self._members(_room(parts[1]), request.url.params)
        content = json.loads(request.content) if request.content else {}
        plain_typing = content.get("type") == "typing" and not content.get("entities")
        if plain_typing:
            return httpx.Response(202, json={})
        if self._refusals:
            refusal = self._refusals.pop(0)
            if refusal is None:
                raise httpx.ReadTimeout("no answer", request=request)
            return refusal
        if len(request.content) > _MOST_BYTES:
            return _error(413, "MessageSizeTooBig", "Message size too large.")
        if request.method == "POST":
            return self._post(parts[1], content)
        message = self.messages.get(parts[3])
        if message is None or message.removed:
            return _error(404, "ActivityNotFoundInConversation", "The activity is not in the conversation.")
        if request.method == "DELETE":
            message.removed = True
            return httpx.Response(200)
        if message.streaming:
            message.streaming = False
        message.forms.append(content)
        return httpx.Response(200, json={"id": message.id})

    def _post(self, conversation: str, content: dict[str, Any]) -> httpx.Response:
        streams = [one for one in content.get("entities", ()) if one["type"] == "streaminfo"]
        if not streams:
            return self._new(conversation, content)
        [info] = streams
        if not conversation.startswith("a:"):
            return _error(403, "ContentStreamNotAllowed", "Streaming API is not allowed for the user or bot.")
        if "streamId" not in info:
            assert (info["streamSequence"], content["type"]) == (1, "typing")
            return self._new(conversation, content, streaming=True)
        message = self.messages.get(info["streamId"])
        if message is None or message.removed or not message.streaming:
            return _error(403, "ContentStreamNotAllowed", "Streaming is not allowed on a completed streamed message.")
        if self.streams_stopped:
            return _error(403, "ContentStreamNotAllowed", "Content stream was canceled by user.")
        if self.streams_over:
            message.streaming = False
            return _error(403, "ContentStreamNotAllowed", "Content stream finished due to exceeded streaming time.")
        if info["streamType"] == "final":
            assert content["type"] == "message"
            message.streaming = False
        elif content["type"] != "typing" or info["streamSequence"] != message.sequence + 1:
            return _error(400, "BadRequest", "Bad stream sequence.")
        elif info["streamType"] == "streaming":
            if not content["text"].startswith(message.streamed):
                return _error(403, "ContentStreamNotAllowed", "Streamed content must begin with what was streamed.")
            message.streamed = content["text"]
        elif message.streamed:
            return _error(400, "BadRequest", "No informative update once streaming has begun.")
        message.sequence += 1
        message.forms.append(content)
        return httpx.Response(202, json={})

    def _new(self, conversation: str, content: dict[str, Any], *, streaming: bool = False) -> httpx.Response:
        number = str(next(self._numbers))
        self.messages[number] = Message(number, conversation, [content], streaming=streaming, sequence=1)
        return httpx.Response(201, json={"id": number})

    def _members(self, room: str, params: httpx.QueryParams) -> httpx.Response:
        everyone = [self._member(who) for who in self.members[room]]
        begin = int(params.get("continuationToken", 0))
        end = begin + min(self.page_size, int(params["pageSize"]))
        more = {"continuationToken": str(end)} if end < len(everyone) else {}
        return httpx.Response(200, json={"members": everyone[begin:end], **more})

    def _member(self, who: str) -> dict[str, Any]:
        guest = who == "eve"
        name = f"{who}_extern.example#EXT#@firma.example" if guest else f"{who}@firma.example"
        return {
            "id": f"29:1{who}", "aadObjectId": PEOPLE[who], "name": who.title(), "tenantId": TENANT,
            "userPrincipalName": name, "userRole": "guest" if guest else "user",
        }  # fmt: skip


@asynccontextmanager
async def teams() -> AsyncIterator[Cloud]:
    """A cloud, and a port and a folder for the bot."""
    with kept_port() as port, TemporaryDirectory() as home:
        yield Cloud(home=Path(home), port=port)


def _error(status: int, code: str, message: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": message}})


def _room(conversation: str) -> str:
    return "direct" if conversation.startswith("a:") else conversation.removeprefix("19:").partition("@")[0]


def _card(form: Mapping[str, Any]) -> dict[str, Any]:
    return next((one["content"] for one in form.get("attachments", ())), {})


# What people see


class _Page(HTMLParser):
    """What a rendered message shows, opens and fetches."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def rendered(text: str, *, markdown: bool = True) -> _Page:
    """As a client shows it, with HTML let through, and with everything that it would make a link of by itself."""
    page = _Page()
    if markdown:
        page.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))
    else:
        page.words.append(text)
    page.close()
    seen = "".join(page.words)
    page.links += [*_AUTOLINK.findall(seen), *_HOST.findall(seen)]
    return page


def shown(message: Message) -> Shown:
    """The message as it stands now."""
    form = message.forms[-1]
    page = rendered(form.get("text", ""))
    words, links = ["".join(page.words)], list(page.links)
    pings = [tag for tag in page.tags if tag == "at"]
    for entity in form.get("entities", ()):
        if entity["type"] == "mention":
            pings.append(entity["mentioned"]["id"])
        for claim in entity.get("citation", ()):
            fields = claim["appearance"]
            words += [fields["name"], fields["abstract"]]
            links += [fields["url"], *rendered(fields["name"]).links, *rendered(fields["abstract"]).links]
    verdicts = [Verdict.HELPFUL, Verdict.WRONG] if "feedbackLoop" in form.get("channelData", {}) else []
    for part in _parts(_card(form)):
        kind = part.get("type", "")
        if kind == "TextRun":
            words.append(part["text"])
            links += rendered(part["text"], markdown=False).links
        elif kind == "Action.OpenUrl":
            links.append(part["url"])
        elif kind == "Action.Execute":
            verdicts.append(Verdict(part["data"]["verdict"]))
        else:
            assert kind in ("AdaptiveCard", "RichTextBlock", "ColumnSet", "Column", "ActionSet", ""), kind
    return Shown(
        id=message.id,
        room=_room(message.conversation),
        text="\n".join(words),
        links=tuple(dict.fromkeys(links)),
        pings=tuple(pings),
        verdicts=tuple(verdicts),
        threaded=";messageid=" in message.conversation,
    )


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, dict):
        return [content, *(part for value in content.values() for part in _parts(value))]
    return [part for value in content for part in _parts(value)] if isinstance(content, list) else []
