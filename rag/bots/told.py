"""What the service tells a bot: the events of an answer, and why there is none. Pure.

RagError
├ AccountUnknown     whoever asks is linked to no person
├ RoomUnclear        what everybody in the channel may read cannot be told
├ ServiceBusy        later
├ ServiceUnreachable it does not answer, or cannot work now
└ ServiceRefused     no, and no again
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rag.errors import RagError

_BUSY_S: Final = 10.0
_TOO_MANY: Final = 429


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
class Found:
    """The evidence is there: `passages` is how many."""

    passages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The place in the line, from 1; 0 when the turn has come."""

    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """The model thinks before it writes; `over`: now it writes."""

    over: bool


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
    carries none; `sensitivity` is the highest class shown, or ""; `unquoted` was searched for without its quotation
    marks."""

    outcome: str
    text: str
    receipt: str
    proofs: tuple[Proof, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    nearest: tuple[Proof, ...] = ()
    sensitivity: str = ""
    unquoted: tuple[str, ...] = ()


Told = Found | Queued | Thinking | Written | Finished


def event_of(name: str, data: str) -> Told | None:
    """One server-sent event; None for one that a bot has no use for.

    Raises:
        ServiceUnreachable: it is not of the service's form. Whatever `problem_of` gives: the answer ends there.
    """
    form = object_of(data)
    try:
        if name == "error":
            raise problem_of(int(form.get("status") or 500), data.encode(), {})
        return _event(name, form)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServiceUnreachable("The service answers in a form that this bot does not know.") from error


def _event(name: str, form: Mapping[str, Any]) -> Told | None:
    if name == "passages":
        return Found(passages=len(form["passages"]))
    if name == "queue":
        return Queued(position=int(form["position"]))
    if name == "thinking":
        return Thinking(over=bool(form["over"]))
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
        nearest=tuple(_proof({"marker": 0, **one}) for one in form.get("passages", ())),
        sensitivity=str(form.get("sensitivity") or ""),
        unquoted=tuple(str(one) for one in form.get("unquoted") or ()),
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


def problem_of(status: int, body: bytes, headers: Mapping[str, str]) -> RagError:
    """What a refusal means to a bot."""
    try:
        form = object_of(body)
    except ServiceUnreachable:
        form = {}
    code = str(form.get("code") or status)
    if code == "account_unknown":
        return AccountUnknown("The service knows nobody by this account.")
    if code == "room_unclear":
        return RoomUnclear("The service cannot tell what everybody in this channel may read.")
    waits = _seconds(headers.get("Retry-After")) or _seconds(form.get("retry_after_s"))
    if status == _TOO_MANY:
        return ServiceBusy("The service takes no more questions now.", retry_after_s=waits or _BUSY_S)
    if status >= 500:
        return ServiceUnreachable(f"The service cannot work now ({code}).")
    return ServiceRefused(f"The service refused ({code}).", code=code)


def _seconds(value: object) -> float:
    try:
        return max(0.0, float(str(value)))
    except ValueError:
        return 0.0


def object_of(content: bytes | str) -> dict[str, Any]:
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
