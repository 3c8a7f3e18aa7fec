"""Matrix: chat on a homeserver of one's own, through matrix-nio.

Questions are what one person writes in a room with the bot alone, and in other rooms what mentions the bot or begins
with ``!frag``. An answer is one notice that is edited while it grows, in a thread on the question where others read
along; verdicts are reactions to it. Who can read a room, and so what may be said there, is `matrix_rooms`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote
from uuid import uuid4

from rag.access import ChannelKind
from rag.bots.adapter import (
    Account,
    ChatAdapter,
    MessageRef,
    Place,
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    Reply,
    Stage,
    Take,
)
from rag.bots.matrix_memory import Memory
from rag.bots.matrix_rooms import Room, is_wider, server_of
from rag.bots.matrix_text import content, edit, threaded
from rag.egress.endpoints import of_url
from rag.errors import SettingsError
from rag.secret_files import secret
from rag.settings.bots import MatrixSettings
from rag.text.advice import to_install
from rag.text.sentences import texts

if TYPE_CHECKING:
    from rag.bots.matrix_connection import Connection
    from rag.bots.matrix_listener import Listener
    from rag.bots.matrix_views import Views

_log = logging.getLogger(__name__)
_TYPING_MS: Final = 20_000
_FIRST_SYNC_S: Final = 30.0
_GONE: Final = frozenset({"M_NOT_FOUND", "404"})


def adapter(settings: MatrixSettings, *, environ: Mapping[str, str]) -> ChatAdapter:
    """The adapter that these settings describe; nothing is sent yet.

    Raises:
        SettingsError: a key is missing or cannot be used, or the extra is not installed.
    """
    if find_spec("nio") is None:
        raise SettingsError(f"What the Matrix bot needs is not installed. {to_install('matrix')}.", key="bots.matrix")
    if not settings.homeserver:
        raise SettingsError(
            "bots.matrix.homeserver is empty: write the homeserver's address.", key="bots.matrix.homeserver"
        )
    name, colon, server = settings.user.partition(":")
    if not (name.startswith("@") and len(name) > 1 and colon and server):
        raise SettingsError(
            "bots.matrix.user is not a Matrix name: write it whole, as in @archivar:example.org.",
            key="bots.matrix.user",
        )
    token = secret(settings.token_file, key="bots.matrix.token_file")
    if not token:
        raise SettingsError(
            "bots.matrix.token_file names no file with the bot's access token. Sign the bot in once, and write its "
            "token into a file that nobody else can read.",
            key="bots.matrix.token_file",
        )
    home = Path(environ.get("RAG_HOME") or "data/var").expanduser().absolute() / "bots" / "matrix"
    return MatrixChat(settings, token=token, home=home)


class MatrixChat:
    """The adapter; `home` is where it keeps its mark and its keys."""

    name: ClassVar[str] = "matrix"
    kind: ClassVar[ChannelKind] = ChannelKind.SELF_HOSTED_CHAT
    most_chars: ClassVar[int] = 8_000
    pace_s: ClassVar[float] = 3.0
    finds_again: ClassVar[bool] = True

    def __init__(self, settings: MatrixSettings, *, token: str, home: Path) -> None:
        self._settings = settings
        self._token = token
        self._home = home
        self._servers = frozenset(map(str.lower, settings.servers)) or frozenset({server_of(settings.user)})
        self._hosts = (str(of_url(settings.homeserver)),)
        self._opening = asyncio.Lock()
        self._open: tuple[Connection, Memory, Views] | None = None
        self._listener: Listener | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The homeserver, and nothing else."""
        return self._hosts

    async def run(self, take: Take) -> None:
        """Receive until cancelled. Raises PlatformRefused where the homeserver does not let the bot in."""
        from rag.bots.matrix_listener import Listener  # the library behind it is an extra

        try:
            connection, memory, views = await self._patiently()
            self._listener = Listener(connection, memory, views, servers=self._servers, take=take)
            await self._listener.listen()
        finally:
            self._listener = None
            await self.aclose()

    async def members(self, place: Place) -> tuple[Account, ...] | None:
        """Who has joined or is invited, asked of the homeserver now; None where it does not tell, or where the room is
        more open than when the question was put."""
        try:
            _, _, views = await self._ready()
            room = await views.now(place.conversation)
        except (PlatformBusy, PlatformRefused, PlatformUnreachable):
            return None
        if is_wider(room.audience, place.audience):
            return None
        return tuple(Account(id=f"matrix:{member}") for member in room.members)

    async def post(self, place: Place, reply: Reply, *, nonce: str) -> MessageRef:
        """Say it, as a notice; the homeserver itself knows a nonce again, and we do where it has forgotten."""
        connection, memory, _ = await self._ready()
        event = memory.sent(nonce)
        if not event:
            room, reply = await self._fitting(place, reply)
            said = threaded(content(reply), thread=_thread(place))
            event = await connection.say(
                place.conversation, said, transaction=_transaction(nonce), encrypted=room.encrypted
            )
            memory.remember(nonce, event)
        await self._said(place, reply, event)
        return MessageRef(f"{place.conversation} {event}")

    async def edit(self, place: Place, message: MessageRef, reply: Reply) -> None:
        """Replace what the message says."""
        connection, _, _ = await self._ready()
        conversation, event = _named(message)
        room, reply = await self._fitting(place, reply)
        said = edit(content(reply), of=event)
        await connection.say(conversation, said, transaction=uuid4().hex, encrypted=room.encrypted)
        await self._said(place, reply, event)

    async def remove(self, message: MessageRef) -> None:
        """Take back every version of the message, the newest first and the message itself last."""
        connection, memory, _ = await self._ready()
        conversation, event = _named(message)
        path = f"/rooms/{quote(conversation, safe='')}/relations/{quote(event, safe='')}/m.replace?limit=100"
        try:
            while versions := (await connection.call("GET", path, version="v1")).get("chunk", []):
                for version in versions:
                    await connection.redact(conversation, str(version["event_id"]))
            await connection.redact(conversation, event)
        except PlatformRefused as error:
            if getattr(error, "code", "") not in _GONE:
                raise
        memory.forget(event)

    async def working(self, place: Place) -> None:
        """Show that the bot is writing."""
        await self._typing(place, {"typing": True, "timeout": _TYPING_MS})

    async def check(self) -> str:
        """Who the bot is there, and whether it can read encrypted rooms. Raises as `post`."""
        try:
            connection, _, _ = await self._ready()
            sealed = "reads encrypted rooms" if connection.olm is not None else self._why_not_sealed(connection)
            return f"it is let in as {connection.user_id}, and {sealed}"
        finally:
            await self.aclose()

    def _why_not_sealed(self, connection: Connection) -> str:
        if not self._settings.encryption:
            return "encrypted rooms are switched off (bots.matrix.encryption)"
        if not connection.device_id:
            return "reads no encrypted rooms, because its token belongs to no device: sign it in with a password"
        return "reads no encrypted rooms, because the extra `matrix` is not installed whole"

    async def aclose(self) -> None:
        """Give everything back; the next call opens it again."""
        opened, self._open = self._open, None
        if opened is not None:
            connection, memory, _ = opened
            await connection.aclose()
            memory.close()

    async def _patiently(self) -> tuple[Connection, Memory, Views]:
        """The way to the homeserver, tried until it is there. Raises PlatformRefused."""
        pause_s = 0.5
        while True:
            try:
                return await self._ready()
            except PlatformBusy as busy:
                await asyncio.sleep(busy.retry_after_s)
            except PlatformUnreachable:
                _log.warning("The homeserver does not answer", extra={"action": "matrix_away", "seconds": pause_s})
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 60.0)

    async def _ready(self) -> tuple[Connection, Memory, Views]:
        """The way to the homeserver, opened by whoever needs it first. Raises as `post`."""
        from rag.bots.matrix_connection import Connection, can_encrypt, device_of
        from rag.bots.matrix_views import Views

        async with self._opening:
            if self._open is None:
                settings = self._settings
                device = await device_of(settings.user, homeserver=settings.homeserver, token=self._token)
                store = self._home / "keys" if settings.encryption and can_encrypt and device else None
                connection = Connection(
                    homeserver=settings.homeserver, user=settings.user, device=device, token=self._token, store=store
                )
                memory = Memory(self._home, user=settings.user, device=device)
                self._open = (connection, memory, Views(connection, display_name=await connection.display_name()))
            return self._open

    async def _fitting(self, place: Place, reply: Reply) -> tuple[Room, Reply]:
        """The room, and what it may hear: where more people read there by now than were thought of when it was decided,
        the reason instead."""
        connection, _, views = await self._ready()
        room = await views.known(place.conversation)
        if (reply.text or reply.sources) and is_wider(room.audience, place.audience):
            opened = texts(reply.language, "matrix")["opened"]
            reply = Reply(stage=reply.stage, language=reply.language, notice=opened)
        if room.encrypted and connection.olm is None:
            raise PlatformRefused("The room is encrypted, and the bot is not set up for that.")
        if room.encrypted and self._listener is not None:
            await _within(self._listener.synced.wait(), _FIRST_SYNC_S)
        return room, reply

    async def _said(self, place: Place, reply: Reply, event: str) -> None:
        _, memory, _ = await self._ready()
        if reply.receipt:
            memory.may_be_judged(event, reply.receipt)
        if reply.stage is Stage.FINAL:
            await self._typing(place, {"typing": False})

    async def _typing(self, place: Place, state: Mapping[str, object]) -> None:
        try:
            connection, _, _ = await self._ready()
            user = quote(connection.user_id, safe="")
            await connection.call("PUT", f"/rooms/{quote(place.conversation, safe='')}/typing/{user}", body=state)
        except (PlatformBusy, PlatformRefused, PlatformUnreachable):
            pass  # only a courtesy


async def _within(waiting: object, limit_s: float) -> None:
    try:
        await asyncio.wait_for(waiting, limit_s)  # type: ignore[arg-type]
    except TimeoutError as error:
        raise PlatformUnreachable("The homeserver has not told of its rooms yet.") from error


def _transaction(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()[:32]


def _thread(place: Place) -> str:
    """The event that a thread hangs on, "" for none; places of an earlier release name the question behind it."""
    return place.thread.partition(" ")[0]


def _named(message: MessageRef) -> tuple[str, str]:
    conversation, _, event = message.rpartition(" ")  # no event's id holds a space, whatever a room's does
    return conversation, event
