"""The service as a bot sees it: over HTTP, with the bot's own key, on behalf of people.

It goes to the one address it is given, follows no redirect and takes nothing from the environment. No error repeats a
question, an answer or the key.
"""

from __future__ import annotations

import json
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
from rag.egress import is_local
from rag.errors import RagError, SettingsError

MOST_TURNS: Final = 20
MOST_TURN_CHARS: Final = 2000
"""As `POST /api/ask` takes a conversation."""
_CONNECT_S: Final = 5.0
_ANSWER_S: Final = 30.0
_SILENCE_S: Final = 60.0
"""The service sends a sign of life every ten seconds; a stream that is silent for so long is dead."""
_BUSY_S: Final = 10.0


class AccountUnknown(RagError):
    """The service knows nobody by this account."""


class RoomUnclear(RagError):
    """The service cannot tell what everybody in this channel may read."""


class ServiceBusy(RagError):
    """The service takes no more questions for a while."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServiceUnreachable(RagError):
    """The service does not answer, or cannot work now; it may be tried again."""


class ServiceRefused(RagError):
    """The service says no, and will say so again; `code` is the problem's."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The evidence is there: `passages` is how many."""

    passages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The place in the line, from 1; 0 when the turn has come."""

    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One checked sentence, with the markers of its proofs; `supported` is False where none carries it."""

    text: str
    markers: tuple[int, ...]
    supported: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A citation: `url` opens the internal page at that place; `page` is 0 where there are none."""

    marker: int
    url: str
    title: str
    page: int = 0
    heading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The end of an answer. `links` are what may only be pointed at: (address, title), the title "" where the channel
    carries none; `sensitivity` is the highest class shown, or ""."""

    outcome: str
    text: str
    receipt: str
    proofs: tuple[Proof, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    sensitivity: str = ""
    reason: str = ""
    model: str = ""


Told = Found | Queued | Written | Finished


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
        form = {"question": question, "stream": True, **heard.as_json()}
        if earlier:
            turns = [turn[:MOST_TURN_CHARS] for turn in earlier[-MOST_TURNS:]]
            form["conversation"] = [{"role": "user", "content": turn} for turn in turns]
        try:
            timeout = httpx.Timeout(_SILENCE_S, connect=_CONNECT_S)
            async with self._client.stream("POST", "/api/ask", json=form, timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    raise _problem(response.status_code, await response.aread(), response.headers)
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

    async def withdrawals(self) -> tuple[str, ...]:
        """Messages that are to be taken back. Raises as `ask`."""
        said = await self._call("GET", "/api/bots/withdrawals")
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
            raise _problem(response.status_code, response.content, response.headers)
        return _object(response.content)

    def _unreachable(self) -> ServiceUnreachable:
        return ServiceUnreachable(
            f"The service does not answer at {self.address}. Start it with `rag serve`, or mend bots.service."
        )


async def _events(response: httpx.Response) -> AsyncIterator[Told]:
    """Server-sent events, one field a line; a stream that ends before `Finished` was broken off."""
    name = ""
    async for line in response.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            form = _object(value)
            if name == "error":
                raise _problem(int(form.get("status") or 500), value.encode(), {})
            event = _event(name, form)
            if event is not None:
                yield event
            if isinstance(event, Finished):
                return
    raise ServiceUnreachable("The service ended in the middle of an answer.")


def _event(name: str, form: Mapping[str, Any]) -> Told | None:
    if name == "passages":
        return Found(passages=len(form["passages"]))
    if name == "queue":
        return Queued(position=int(form["position"]))
    if name == "sentence":
        markers = tuple(dict.fromkeys(int(one["marker"]) for one in form["citations"]))
        return Written(text=str(form["text"]), markers=markers, supported=bool(form["supported"]))
    return _finished(form) if name == "done" else None


def _finished(form: Mapping[str, Any]) -> Finished:
    return Finished(
        outcome=str(form["outcome"]),
        text=str(form["text"]),
        receipt=str(form.get("receipt") or ""),
        proofs=tuple(_proof(one) for one in form.get("citations", ())),
        links=tuple((str(one["url"]), str(one.get("title") or "")) for one in form.get("links") or ()),
        sensitivity=str(form.get("sensitivity") or ""),
        reason=str(form.get("reason") or ""),
        model=str((form.get("model") or {}).get("name") or ""),
    )


def _proof(form: Mapping[str, Any]) -> Proof:
    headings = form.get("headings") or [""]
    return Proof(
        marker=int(form["marker"]),
        url=str(form["url"]),
        title=str(form.get("title") or ""),
        page=int(form.get("page") or 0),
        heading=str(headings[-1]),
    )


def _problem(status: int, body: bytes, headers: Mapping[str, str]) -> RagError:
    """What a refusal means to a bot."""
    try:
        form = _object(body)
    except ServiceUnreachable:
        form = {}
    code = str(form.get("code") or status)
    if code == "account_unknown":
        return AccountUnknown("The service knows nobody by this account.")
    if code == "room_unclear":
        return RoomUnclear("The service cannot tell what everybody in this channel may read.")
    waits = _seconds(headers.get("Retry-After")) or _seconds(form.get("retry_after_s"))
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ServiceBusy("The service takes no more questions now.", retry_after_s=waits or _BUSY_S)
    if status >= 500:
        return ServiceUnreachable(f"The service cannot work now ({code}).")
    return ServiceRefused(f"The service refused ({code}).", code=code)


def _seconds(value: object) -> float:
    try:
        return max(0.0, float(str(value)))
    except ValueError:
        return 0.0


def _object(content: bytes | str) -> dict[str, Any]:
    """
    Raises:
        ServiceUnreachable: it is no JSON object; whatever answers there is not the service.
    """
    if not content:
        return {}
    try:
        found = json.loads(content)
    except ValueError as error:
        raise ServiceUnreachable("What answers there is not the service: it does not speak JSON.") from error
    if not isinstance(found, dict):
        raise ServiceUnreachable("What answers there is not the service.")
    return found


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
