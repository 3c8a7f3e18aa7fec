"""The Slack adapter: events come over Socket Mode or as signed HTTP requests, replies go by the Web API.

slack-bolt checks and sorts what comes in (`slack_hearing`); its clients are not used (`slack_api` and `slack_socket`
say why). All that is known of a question is asked of Slack while the event waits for its acknowledgement; what cannot
be learnt in that time counts as closed, or the event is left to be sent again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from rag.access import Audience, ChannelKind
from rag.bots.adapter import (
    Account,
    MessageRef,
    Place,
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    Reply,
    Take,
)
from rag.bots.slack_api import API, SlackApi
from rag.bots.slack_asking import Asking
from rag.bots.slack_hearing import Command, Deleted, Heard, Hearing, Pressed, Spoken, Stranger
from rag.bots.slack_http import Gate, SignedEvents
from rag.bots.slack_manifest import scopes
from rag.bots.slack_people import People, Person, Room
from rag.bots.slack_posting import Posting
from rag.bots.slack_socket import HOSTS, SocketMode
from rag.bots.slack_text import slack_words
from rag.egress import is_local
from rag.errors import RagError, SettingsError
from rag.secret_files import secret
from rag.settings.bots import SlackSettings

_log = logging.getLogger(__name__)

LOCAL_API: Final = "RAG_SLACK_API"
"""For tests: an address on this machine that stands in for Slack's. Any other is refused."""

_LONGEST_PAUSE_S: Final = 60.0


def adapter(settings: SlackSettings, *, environ: Mapping[str, str]) -> SlackAdapter:
    """The adapter, with its secrets read.

    Raises:
        SettingsError: a key is missing, or the file it names is not there, is open to others, or holds something else.
    """
    if not settings.team.startswith("T"):
        raise SettingsError(
            "bots.slack.team is missing: your workspace's id, T…; it stands in the address of Slack in the browser.",
            key="bots.slack.team",
        )
    socket = settings.mode == "socket"
    return SlackAdapter(
        settings,
        token=_secret(settings.token_file, key="token_file", begins="xoxb-"),
        app_token=_secret(settings.app_token_file, key="app_token_file", begins="xapp-") if socket else "",
        signing_secret="" if socket else _secret(settings.signing_secret_file, key="signing_secret_file", begins=""),
        api=_api(environ),
    )


class SlackAdapter:
    """One workspace. Keeps `rag.bots.adapter.ChatAdapter`."""

    name: ClassVar[str] = "slack"
    kind: ClassVar[ChannelKind] = ChannelKind.CLOUD_CHAT
    most_chars: ClassVar[int] = 5000
    pace_s: ClassVar[float] = 1.5
    finds_again: ClassVar[bool] = True

    def __init__(
        self, settings: SlackSettings, *, token: str, app_token: str, signing_secret: str, api: str = API
    ) -> None:
        self._settings = settings
        self._app_token = app_token
        self._signing_secret = signing_secret
        self._api_at = urlsplit(api)
        self._api = SlackApi(token=token, api=api)
        self._posting = Posting(self._api, own=self._own)
        self._who: Mapping[str, Any] = {}
        self._people: People | None = None
        self._server: SignedEvents | None = None
        self._errands: set[asyncio.Task[None]] = set()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The Web API's host, and in Socket Mode those of the connection."""
        if self._api_at.scheme == "http":
            return (f"{self._api_at.hostname}:{self._api_at.port or 80}",)
        sockets = HOSTS if self._settings.mode == "socket" else ()
        return tuple(f"{host}:443" for host in (str(self._api_at.hostname), *sockets))

    @property
    def port(self) -> int:
        """Where signed events are served now; 0 while they are not."""
        return self._server.port if self._server is not None else 0

    async def check(self) -> str:
        """Try the credentials and the app's scopes; who the bot is there.

        Raises:
            PlatformRefused: they are not good; says which, and what to do.
            PlatformBusy, PlatformUnreachable
        """
        try:
            who = await self._identify()
            if self._settings.mode == "socket":
                await self._api.connection(self._app_token)
        finally:
            await self._api.close()
        return f"it is {who.get('user_id')} in the workspace {self._settings.team}"

    async def close(self) -> None:
        """Close the connections that `check` or a reply after `run` has opened."""
        await self._api.close()

    async def run(self, take: Take) -> None:
        """Receive until cancelled; see `rag.bots.adapter.ChatAdapter.run`."""
        try:
            who = await self._identified()
            team, bot = self._settings.team, str(who["user_id"])
            hearing = Hearing(team=team, bot=bot, bot_id=str(who.get("bot_id") or ""), secret=self._signing_secret)
            follow = self._settings.threads == "asked"
            asking = Asking(self._api, await self._workspace(), take=take, team=team, bot=bot, follow=follow)
            await (self._over_socket if self._settings.mode == "socket" else self._over_http)(hearing, asking)
        finally:
            for errand in list(self._errands):
                errand.cancel()
            await self._api.close()

    async def members(self, place: Place) -> tuple[Account, ...] | None:
        """Everybody who can read there, bots of others among them; None where Slack will not say, they are too many, or
        more can read along by now than when the question was asked.

        Raises:
            PlatformBusy, PlatformUnreachable
        """
        try:
            people = await self._workspace()
            found = await people.members(place.conversation)
            room = await people.room(place.conversation)
        except PlatformRefused as error:
            _log.warning("Slack does not say who is there", extra={"action": "slack_members", "reason": str(error)})
            return None
        if found is None or _opened(place, room, found):
            return None
        return tuple(people.account_of(person) for person in found)

    async def post(self, place: Place, reply: Reply, *, nonce: str) -> MessageRef:
        """Say it there, once for each nonce; see `rag.bots.adapter.ChatAdapter.post`."""
        return await self._posting.post(place, reply, nonce=nonce)

    async def edit(self, place: Place, message: MessageRef, reply: Reply) -> None:
        """Let the message say this instead."""
        await self._posting.edit(place, message, reply)

    async def remove(self, message: MessageRef) -> None:
        """Take the message back."""
        await self._posting.remove(message)

    async def working(self, place: Place) -> None:
        """Nothing: Slack has no sign for it that a bot may give; the first reply says so."""

    async def _over_socket(self, hearing: Hearing, asking: Asking) -> None:
        async def handle(payload: Mapping[str, Any], again: int) -> Mapping[str, Any] | None:
            said = await self._take(asking, hearing.envelope(payload), again=again)
            return {"response_type": "ephemeral", "text": said} if said else None

        secure = self._api_at.scheme == "https"
        hosts = HOSTS if secure else (str(self._api_at.hostname),)
        await SocketMode(self._api, app_token=self._app_token, handle=handle, hosts=hosts, secure=secure).run()

    async def _over_http(self, hearing: Hearing, asking: Asking) -> None:
        async def handle(body: str, headers: Mapping[str, str], again: int) -> tuple[int, str]:
            status, text, heard = hearing.request(body, headers)
            said = await self._take(asking, heard, again=again)
            return status, json.dumps({"response_type": "ephemeral", "text": said}) if said else text

        self._server = SignedEvents(listen=self._settings.listen, gate=Gate(self._signing_secret), handle=handle)
        try:
            await self._server.run()
        finally:
            self._server = None

    async def _take(self, asking: Asking, heard: Heard | None, *, again: int) -> str:
        """Have it taken; gives what the person is told by the acknowledgement itself."""
        match heard:
            case Spoken():
                await asking.spoken(heard, again=again)
            case Command():
                return await asking.command(heard)
            case Pressed():
                thanks = await asking.pressed(heard)
                where = {"conversation": heard.conversation, "user": heard.user, "thread": heard.thread}
                self._errand(self._posting.whisper(**where, text=thanks))
            case Deleted():
                await asking.deleted(heard)
            case Stranger():
                return slack_words("en")["other_workspace"]
            case None:
                pass
        return ""

    def _errand(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that is good to do and may fail."""

        async def done() -> None:
            try:
                await work
            except RagError as error:
                _log.info("An errand in Slack failed", extra={"action": "slack_errand", "reason": str(error)})

        task = asyncio.create_task(done())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _identified(self) -> Mapping[str, Any]:
        """`_identify`, with growing pauses while Slack is not to be reached."""
        failed = 0
        while True:
            try:
                return await self._identify()
            except PlatformBusy as busy:
                await asyncio.sleep(busy.retry_after_s)
            except PlatformUnreachable as error:
                failed += 1
                _log.warning("Slack is not to be reached", extra={"action": "slack_away", "reason": str(error)})
                await asyncio.sleep(min(2.0 ** (failed - 1), _LONGEST_PAUSE_S))

    async def _workspace(self) -> People:
        if self._people is None:
            who = await self._me()
            with_email = self._settings.people == "email"
            self._people = People(self._api, team=self._settings.team, bot=str(who["user_id"]), with_email=with_email)
        return self._people

    async def _own(self) -> frozenset[str]:
        who = await self._me()
        return frozenset({str(who["user_id"]), str(who.get("bot_id") or who["user_id"])})

    async def _me(self) -> Mapping[str, Any]:
        return self._who or await self._identify()

    async def _identify(self) -> Mapping[str, Any]:
        """Who the bot is there; refuses another workspace than the one in the settings, and scopes that are missing."""
        who = await self._api.call("auth.test")
        if who.get("team_id") != self._settings.team:
            raise PlatformRefused(
                "The bot's token belongs to another workspace than bots.slack.team names. Put the right id there, or "
                "install the app in that workspace."
            )
        granted = {scope.strip() for scope in str(who.get("scopes") or "").split(",")}
        missing = [scope for scope in scopes(self._settings) if scope not in granted]
        if granted - {""} and missing:
            raise PlatformRefused(
                f"The app lacks scopes: {', '.join(missing)}. Take the manifest of `rag bot slack manifest` over into "
                f"the app's settings and install the app anew."
            )
        self._who = who
        return who


def _opened(place: Place, room: Room, members: tuple[Person, ...]) -> bool:
    """Whether more can read along now than when the question was asked."""
    if place.audience is Audience.GUESTS:
        return False
    guests = room.shared or any(one.foreign for one in members)
    return guests or (room.public and place.audience is not Audience.PUBLIC_CHANNEL)


def _secret(file: str, *, key: str, begins: str) -> str:
    found = secret(file, key=f"bots.slack.{key}")
    if not found or not found.startswith(begins) or len(found.split()) != 1:
        kind = f"a token that begins with {begins}" if begins else "the app's signing secret"
        raise SettingsError(
            f"bots.slack.{key} must name a file that holds {kind}, and nothing else.", key=f"bots.slack.{key}"
        )
    return found


def _api(environ: Mapping[str, str]) -> str:
    chosen = environ.get(LOCAL_API, "")
    if not chosen:
        return API
    parts = urlsplit(chosen)
    if parts.scheme != "http" or not is_local(parts.hostname or "x"):
        raise SettingsError(f"{LOCAL_API} may name an address on this machine only.", key=LOCAL_API)
    return chosen.rstrip("/") + "/"
