"""The way to the homeserver: matrix-nio reads events and encrypts, and all that it sends goes through one httpx client
of ours, with no proxy from the environment, no redirects and errors of our own.

Raises everywhere:
    PlatformBusy: the homeserver limits us; after how many seconds it takes more.
    PlatformUnreachable: no answer, or a fault of its own (5xx).
    Refusal: it says no; `code` is its reason, ``M_FORBIDDEN`` for instance.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import nio
from nio.crypto import ENCRYPTION_ENABLED
from nio.responses import ErrorResponse, ShareGroupSessionResponse

from rag.bots.adapter import PlatformBusy, PlatformRefused, PlatformUnreachable

_PATIENCE_S: Final = 30.0
_WHOLE_S: Final = 120.0
_BUSY: Final = 429
_USUAL_PAUSE_S: Final = 5.0
_MOST_PAUSE_S: Final = 600.0

can_encrypt: bool = ENCRYPTION_ENABLED
"""Whether the library that encrypts is installed."""


class Refusal(PlatformRefused):
    """The homeserver's no, with its code."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Connection(nio.AsyncClient):  # type: ignore[misc]  # nio has no types
    """One device of the bot's at its homeserver. `store`: where its keys are kept; None: it takes no part in encrypted
    rooms."""

    def __init__(self, *, homeserver: str, user: str, device: str, token: str, store: Path | None) -> None:
        config = nio.AsyncClientConfig(encryption_enabled=store is not None)
        super().__init__(homeserver.rstrip("/"), user, device, str(store or ""), config)
        logging.getLogger("nio").setLevel(logging.CRITICAL)  # it logs what it could not read of an event
        self.user_id, self.access_token = user, token
        self._http: httpx.AsyncClient | None = None
        self._sharing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._unshared: Exception | None = None
        if store is not None:
            store.mkdir(mode=0o700, parents=True, exist_ok=True)
            before = os.umask(0o077)
            try:
                self.load_store()
            finally:
                os.umask(before)

    async def call(self, method: str, path: str, *, body: object = None, version: str = "v3") -> Any:
        """The JSON that a call of the client-server interface answers; `path` follows ``/_matrix/client/v3``."""
        data = None if body is None else json.dumps(body)
        status, answer = await self._request(method, f"/_matrix/client/{version}{path}", data, _PATIENCE_S)
        if status >= httpx.codes.BAD_REQUEST:
            raise _refusal(status, answer)
        return answer

    async def display_name(self) -> str:
        """The bot's name as people see it, "" where the homeserver does not tell."""
        try:
            told = await self.call("GET", f"/profile/{quote(self.user_id, safe='')}/displayname")
        except (PlatformBusy, PlatformRefused, PlatformUnreachable):
            return ""
        return str(told.get("displayname") or "")

    async def say(self, room: str, content: Mapping[str, Any], *, transaction: str, encrypted: bool) -> str:
        """Put a message into a room; the id of its event. The same transaction again is the same event. A room that was
        encrypted once stays so, whatever the homeserver says later."""
        kind = "m.room.message"
        if encrypted or (self.olm is not None and room in self.encrypted_rooms):
            async with self._sharing[room]:
                kind, content = await self._sealed(room, kind, dict(content))
        path = f"/rooms/{quote(room, safe='')}/send/{kind}/{quote(transaction, safe='')}"
        answer = await self.call("PUT", path, body=content)
        return str(answer["event_id"])

    def opened(self, room: str, source: Any) -> Any:
        """An event's JSON, decrypted where it is encrypted and its key is here; else as it is."""
        if self.olm is None or not isinstance(source, Mapping) or source.get("type") != "m.room.encrypted":
            return source
        event = nio.Event.parse_event(dict(source))
        if not isinstance(event, nio.MegolmEvent):
            return source
        try:
            return self.olm.decrypt_megolm_event(event, room).source
        except (nio.EncryptionError, AttributeError):
            return source

    async def redact(self, room: str, event: str) -> None:
        """Take an event back; the same again is no error."""
        path = f"/rooms/{quote(room, safe='')}/redact/{quote(event, safe='')}/{quote('r' + event[1:], safe='')}"
        await self.call("PUT", path, body={})

    async def keep_keys(self) -> None:
        """What encryption wants done between two looks at the homeserver."""
        if self.olm is None:
            return
        if self.should_upload_keys:
            await self.keys_upload()
        if self.should_query_keys:
            await self.keys_query()
        if self.should_claim_keys:
            await self.keys_claim(self.get_users_for_key_claiming())
        await self.send_to_device_messages()

    async def aclose(self) -> None:
        """Give the sockets back, and the key store; the next call opens the sockets again."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()
        if self.store is not None:
            self.store.database.close()

    async def _sealed(self, room: str, kind: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Encrypt for every device of everybody in the room.

        Keys are trusted as they are first seen: the homeserver, which vouches for who somebody is, vouches for their
        devices too, and a device whose key changes afterwards is refused by the library.
        """
        if room not in self.rooms or not self.rooms[room].encrypted:
            raise PlatformUnreachable("The library has not looked at the room yet.")
        if not self.rooms[room].members_synced:
            await self.joined_members(room)
        if self.should_query_keys:
            await self.keys_query()
        if self.olm.should_share_group_session(room):
            self._unshared = None
            try:
                await self.share_group_session(room, ignore_unverified_devices=True)
                if self._unshared is not None:
                    raise self._unshared
            except BaseException:  # the library would wait for this one for ever
                self.sharing_session.pop(room, None)
                self.olm.outbound_group_sessions.pop(room, None)
                raise
        sealed: tuple[str, dict[str, Any]] = self.encrypt(room, kind, content)
        return sealed

    async def _send(
        self,
        response_class: Any,
        method: str,
        path: str,
        data: Any = None,
        response_data: tuple[Any, ...] | None = None,
        *_others: Any,
        timeout: float | None = None,
        **_more: Any,
    ) -> Any:
        """The one place where the library sends."""
        try:
            status, answer = await self._request(method, path, data, timeout or _WHOLE_S)
        except Exception as error:
            if response_class is ShareGroupSessionResponse:
                self._unshared = error  # the library goes on as if everybody had got the key
            raise
        if status >= httpx.codes.BAD_REQUEST:
            raise _refusal(status, answer)
        response = response_class.from_dict(answer, *(response_data or ()))
        if isinstance(response, ErrorResponse):
            raise PlatformUnreachable("The homeserver's answer is not of the form that Matrix has.")
        await self.receive_response(response)
        return response

    async def _request(self, method: str, path: str, data: Any, patience_s: float) -> tuple[int, Any]:
        if self._http is None:
            self._http = httpx.AsyncClient(trust_env=False, follow_redirects=False, verify=_tls(self.homeserver))
        parts = urlsplit(path)
        query = "&".join(one for one in parts.query.split("&") if one and not one.startswith("access_token="))
        address = self.homeserver + urlunsplit(parts._replace(query=query))
        headers = {"Authorization": f"Bearer {self.access_token}", "Content-Type": "application/json"}
        try:
            answer = await self._http.request(method, address, content=data, headers=headers, timeout=patience_s)
        except httpx.TransportError as error:
            raise PlatformUnreachable(f"The homeserver does not answer ({type(error).__name__}).") from error
        return answer.status_code, _checked(answer)


async def device_of(user: str, *, homeserver: str, token: str) -> str:
    """The device that the token belongs to, "" for none. Raises PlatformRefused where it is not this user's."""
    asking = Connection(homeserver=homeserver, user=user, device="", token=token, store=None)
    try:
        told = await asking.call("GET", "/account/whoami")
    finally:
        await asking.aclose()
    if told.get("user_id") != user:
        raise PlatformRefused(
            "The access token is of another account than bots.matrix.user says. Write the bot's own name there, or its "
            "own token into the file."
        )
    return str(told.get("device_id") or "")


def _tls(address: str) -> ssl.SSLContext:
    """The machine's own certificates for https; for http nothing is loaded, since nothing is checked."""
    if address.lower().startswith("https://"):
        return ssl.create_default_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _checked(answer: httpx.Response) -> Any:
    try:
        content = answer.json()
    except ValueError:
        content = {}
    if answer.status_code == _BUSY:
        raise PlatformBusy("The homeserver takes no more for a while.", retry_after_s=_pause_s(answer, content))
    if answer.is_server_error:
        raise PlatformUnreachable(f"The homeserver has a fault of its own ({answer.status_code}).")
    if answer.is_redirect:
        raise Refusal(
            "The homeserver sends us elsewhere. Set bots.matrix.homeserver to the address itself.", code="redirect"
        )
    return content


def _pause_s(answer: httpx.Response, content: Any) -> float:
    told = content.get("retry_after_ms") if isinstance(content, dict) else None
    if isinstance(told, int | float):
        return min(max(told / 1000, 0.05), _MOST_PAUSE_S)
    header = answer.headers.get("Retry-After", "")
    return min(float(header), _MOST_PAUSE_S) if header.isdecimal() else _USUAL_PAUSE_S


def _refusal(status: int, answer: Any) -> Refusal:
    told = answer.get("errcode") if isinstance(answer, dict) else None
    code = told if isinstance(told, str) and told.replace("_", "").isalnum() else str(status)
    if status == httpx.codes.UNAUTHORIZED:
        return Refusal(
            "The homeserver does not know the bot's access token. Sign the bot in again and write the new token into "
            "the file that bots.matrix.token_file names.",
            code=code,
        )
    return Refusal(f"The homeserver refuses ({code}).", code=code)
