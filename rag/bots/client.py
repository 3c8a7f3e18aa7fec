"""The service as a bot sees it: over HTTP, with the bot's own key, on behalf of people.

It goes to the one address it is given, follows no redirect and takes nothing from the environment. No error repeats a
question, an answer or the key.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from rag.access import Audience
from rag.bots.adapter import Account, Verdict
from rag.bots.told import Finished, ServiceUnreachable, Told, event_of, object_of, problem_of
from rag.egress import is_local
from rag.errors import SettingsError

MOST_TURNS: Final = 20
MOST_TURN_CHARS: Final = 2000
"""As `POST /api/ask` takes a conversation."""
_CONNECT_S: Final = 5.0
_ANSWER_S: Final = 30.0
_LINE_BYTES: Final = 16 << 20
_SILENCE_S: Final = 60.0
"""The service sends a sign of life every ten seconds; a stream that is silent for so long is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """For whom something is asked, and who else reads it; `members` is None in a direct message alone."""

    account: Account
    audience: Audience
    members: tuple[Account, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """As the service takes it."""
        form: dict[str, Any] = {"on_behalf_of": _account(self.account), "audience": self.audience.value}
        if self.members is not None:
            form["members"] = [_account(member) for member in self.members]
        return form


class Service:
    """Speaks to the service; an asynchronous context manager.

    Raises:
        SettingsError: the address would carry the key in the open, or the authority's file cannot be read.
    """

    def __init__(self, address: str, *, key: str, ca_file: str = "") -> None:
        self.address = address.rstrip("/")
        parts = urlsplit(self.address)
        if parts.scheme != "https" and not is_local(parts.hostname or ""):
            raise SettingsError(
                f"bots.service is {self.address}, which is not encrypted and not on this machine: the bot's key could "
                f"be read on the way. Use an address that begins with https://.",
                key="bots.service",
            )
        self._client = httpx.AsyncClient(
            base_url=self.address,
            headers={"Authorization": f"Bearer {key}"},
            verify=_trusted(ca_file) if parts.scheme == "https" else False,
            timeout=httpx.Timeout(_ANSWER_S, connect=_CONNECT_S),
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Service:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def ask(
        self, question: str, heard: Heard, *, earlier: Sequence[str] = ()
    ) -> AsyncIterator[AsyncIterator[Told]]:
        """The answer as it comes; `Finished` is its last event. Leaving early stops the model.

        Raises:
            AccountUnknown, RoomUnclear, ServiceBusy, ServiceUnreachable, ServiceRefused: also while it is read.
        """
        form = {"question": _whole(question), "stream": True, **heard.as_json()}
        if earlier:
            turns = [_whole(turn[:MOST_TURN_CHARS]) for turn in earlier[-MOST_TURNS:]]
            form["conversation"] = [{"role": "user", "content": turn} for turn in turns]
        try:
            timeout = httpx.Timeout(_SILENCE_S, connect=_CONNECT_S)
            async with self._client.stream("POST", "/api/ask", json=form, timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    raise problem_of(response.status_code, await response.aread(), response.headers)
                yield _events(response)
        except httpx.HTTPError as error:
            raise self._unreachable() from error

    async def standing(self, receipt: str, heard: Heard) -> bool:
        """Whether what that answer shows may be posted there now. Raises as `ask`."""
        said = await self._call("POST", "/api/bots/standing", {"receipt": receipt, **heard.as_json()})
        return said.get("standing") is True

    async def posted(self, receipt: str, message: str, account: Account) -> None:
        """This message shows that answer. Raises as `ask`."""
        form = {"receipt": receipt, "message": message, "on_behalf_of": _account(account)}
        await self._call("POST", "/api/bots/messages", form)

    async def withdrawals(self, *, skip: int = 0) -> tuple[str, ...]:
        """Messages that are to be taken back, some at a time, after the first `skip`. Raises as `ask`."""
        said = await self._call("GET", f"/api/bots/withdrawals?skip={skip}")
        return tuple(str(message) for message in said.get("messages", ()))

    async def withdrawn(self, message: str) -> None:
        """That one is. Raises as `ask`."""
        await self._call("POST", "/api/bots/withdrawn", {"message": message})

    async def judge(self, receipt: str, verdict: Verdict, account: Account) -> None:
        """What somebody says of an answer. Raises as `ask`."""
        form = {"receipt": receipt, "verdict": verdict.value, "on_behalf_of": _account(account)}
        await self._call("POST", "/api/feedback", form)

    async def _call(self, method: str, path: str, form: Mapping[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = await self._client.request(method, path, json=form)
        except httpx.HTTPError as error:
            raise self._unreachable() from error
        if not response.is_success:
            raise problem_of(response.status_code, response.content, response.headers)
        return object_of(response.content)

    def _unreachable(self) -> ServiceUnreachable:
        return ServiceUnreachable(
            f"The service does not answer at {self.address}. Start it with `rag serve`, or mend bots.service."
        )


async def _events(response: httpx.Response) -> AsyncIterator[Told]:
    """Server-sent events, one field a line; a stream that ends before `Finished` was broken off."""
    name = ""
    async for line in _lines(response):
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            event = event_of(name, value)
            if event is not None:
                yield event
            if isinstance(event, Finished):
                return
    raise ServiceUnreachable("The service ended in the middle of an answer.")


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """Lines end at a line feed alone: a text may hold what others take for a line's end."""
    rest = b""
    async for piece in response.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LINE_BYTES:
            raise ServiceUnreachable("What answers there is not the service: its lines never end.")
        for line in lines:
            yield line.decode("utf-8", "replace")


def _whole(text: str) -> str:
    """The text without halves of characters, which no request can carry."""
    return text.encode("utf-8", "replace").decode()


def _account(account: Account) -> dict[str, str]:
    return {"account": account.id, **({"email": account.email} if account.email else {})}


def _trusted(ca_file: str) -> ssl.SSLContext:
    """The system's authorities, or those of the file and no other."""
    if not ca_file:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise SettingsError(
            f"The file that bots.ca_file names cannot be used: {error.strerror or 'it holds no certificate'}.",
            key="bots.ca_file",
        ) from error
