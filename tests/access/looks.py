"""Everything a person can see of the house, through every door, as text; and the check that no canary in it is one of a
document they may not read.

`Doors` asks as somebody: over HTTP by filling in who signed in (`rag.api.resolver`), through the service as
`--as` does. What a look gives is all of it: status, headers, body, and the words of an error.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from starlette.testclient import TestClient

from rag import logs
from rag.access import LOOPBACK, Audience, Channel, ChannelKind
from rag.answers import AnswerEvent
from rag.api.caller import Caller
from rag.api.forms import event_form
from rag.api.http import create_app
from rag.errors import RagError
from rag.service.forms import event_json
from rag.service.operations import Service
from rag.settings.limits import LimitsSettings
from tests.access.canaries import canaries_in
from tests.access.house import House
from tests.doors.http.signing import signed_in

CHANNELS = (
    LOOPBACK,
    LOOPBACK,
    Channel(kind=ChannelKind.INTRANET),
    *(Channel(kind=ChannelKind.SELF_HOSTED_CHAT, audience=audience) for audience in Audience),
    *(Channel(kind=ChannelKind.CLOUD_CHAT, audience=audience) for audience in Audience),
)


def _round(seen: str, bad: set[int]) -> str:
    """What was seen, each stretch of it that holds what should not be there."""
    step, whole = 200, 400
    pieces = [seen[start : start + whole] for start in range(0, len(seen), step)]
    return "\n…\n".join(piece for piece in pieces if canaries_in(piece) & bad) or seen[:3000]


class Leak(AssertionError):
    """A canary of a document that may not be read was seen."""


class Doors:
    """The doors of one App of the house, until `close`."""

    def __init__(self, house: House) -> None:
        self.house, self.service = house, Service(house.app)
        self.web: FastAPI = create_app(house.app, limits=LimitsSettings(user_per_minute=0))
        self._signed_in: Caller | None = None
        signed_in(self.web, lambda request: self._signed_in)
        self.seen = 0
        self._client = TestClient(self.web, base_url="http://localhost", client=("127.0.0.1", 5000))
        self._client.__enter__()
        self._logged = io.StringIO()
        self._handler = logging.StreamHandler(self._logged)
        self._handler.setFormatter(logs._Json())
        self._levels = {name: logging.getLogger(name).level for name in ("rag", "connectors")}
        for name in self._levels:
            logging.getLogger(name).addHandler(self._handler)
            logging.getLogger(name).setLevel(logging.DEBUG)

    def close(self) -> None:
        for name, level in self._levels.items():
            logging.getLogger(name).removeHandler(self._handler)
            logging.getLogger(name).setLevel(level)
        self._client.__exit__(None, None, None)

    def __enter__(self) -> Doors:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def logged(self) -> str:
        """Everything that was logged since the doors were opened or `check_logs` was called, a JSON object a line."""
        return self._logged.getvalue()

    # ---- over HTTP ----

    def http(self, user: str, channel: Channel, method: str, path: str, form: Any = None, **headers: str) -> str:
        """One request as this person; everything of its response."""
        self._signed_in = Caller(principal=self.house.app.person(user), channel=channel)
        options: dict[str, Any] = {"json": form} if form is not None else {}
        response = self._client.request(method, path, headers={"x-request-id": "the-same-one", **headers}, **options)
        return f"{response.status_code}\n{sorted(response.headers.items())}\n{response.text}"

    # ---- as the owner's commands do ----

    def call(self, operation: str, **arguments: Any) -> str:
        """One operation of the service; its events, or the words of its error."""
        told: list[str] = []
        try:
            told += [_json(event) for event in self.service.call(operation, arguments)]
        except RagError as error:
            told.append(f"{type(error).__name__}: {error}")
        return "\n".join(told)

    # ---- in the program ----

    def events(self, user: str, channel: Channel, question: str, **options: Any) -> Iterator[AnswerEvent]:
        """An answer as it is made."""
        return self.house.app.ask(question, principal=self.house.app.person(user), channel=channel, **options)

    # ---- what must hold ----

    def check(self, user: str, channel: Channel | None, seen: str, *, typed: object = "", shelf: Any = None) -> None:
        """Nothing but what this person may read now, through this channel, and what they typed themselves.

        Raises:
            Leak: there is more.
        """
        house = self.house
        was, house.shelf = house.shelf, shelf or house.shelf
        try:
            found = canaries_in(seen)
            bad = found - house.allowed(user, channel) - canaries_in(_json(typed))
        finally:
            house.shelf = was
        self.seen += len(found - bad)
        if bad:
            whose = {number: house.owner_of(number) for number in sorted(bad)}
            raise Leak(f"{user} sees {whose} through {channel}:\n{_round(seen, bad)}")

    def check_owner(self, seen: str) -> None:
        """Whoever looks after Archivar sees names, never what stands in a document.

        Raises:
            Leak: they do.
        """
        bad = canaries_in(seen) & self.house.secret
        if bad:
            raise Leak(f"the owner sees {sorted(bad)}:\n{seen[:3000]}")

    def check_logs(self) -> None:
        """Nothing of a document's text stands in the log.

        Raises:
            Leak: it does.
        """
        seen = self._logged.getvalue()
        self._logged.truncate(0)
        self._logged.seek(0)
        self.check_owner(seen)

    def check_audit(self) -> None:
        """Not one canary, not even a name, stands in the audit's files.

        Raises:
            Leak: one does.
        """
        files = sorted((self.house.app.settings.home / "audit").glob("*.jsonl"))
        bad = canaries_in("\n".join(path.read_text("utf-8", "replace") for path in files))
        if bad:
            raise Leak(f"the audit holds {sorted(bad)}")

    def check_indexes(self, user: str, question: str) -> None:
        """What either index gives for this person's grant is what they may read, before the ledger is asked again.

        Raises:
            Leak: it gives more.
        """
        app = self.house.app
        retriever, grant = app.retriever, app.ledger.grant(app.person(user))
        vector = retriever.embedder.embed_question(question)
        ways: Mapping[str, Callable[[], Sequence[Any]]] = {
            "vectors": lambda: [name for name, _ in retriever.dense(vector, grant, 400)],
            "words": lambda: [name for name, _ in retriever.lexical(question, grant, 400)],
            "phrases": lambda: app.pipeline.words.holding(["Zuschlag"], question, grant=grant, k=400),
            "ledger": lambda: [
                name
                for hits in app.ledger.nearest(
                    vector, embedder=retriever.embedder.fingerprint, grant=grant, languages=("de", "en", ""), k=400
                ).values()
                for name, _ in hits
            ],
            "Chroma": lambda: [
                name
                for language in ("de", "en", "")
                for name, _ in app.pipeline.vectors.search(vector, grant=grant, language=language, k=400)
            ],
        }
        for way, found in ways.items():
            texts = app.ledger.chunk_texts(list(found()))
            try:
                self.check(user, None, "\n".join(f"{context}\n{text}" for context, text in texts.values()))
            except Leak as leak:
                raise Leak(f"{way}: {leak}") from None

    def check_counts(self, user: str) -> None:
        """Of how many documents there are, a person is told those they may read.

        Raises:
            Leak: they are told of more.
        """
        told = self.http(user, LOOPBACK, "GET", "/readyz")
        counted = json.loads(told.partition("]\n")[2])["index"]["documents"]
        known = {entry.place for entry in self.house.readable(user)}
        mails = sum(path.endswith(".eml") for _, path in known)
        if counted > len(known) + mails:
            raise Leak(f"{user} is told of {counted} documents and may read {len(known)}, {mails} of them mails")
        if not known and 'id="empty"' not in self.http(user, LOOPBACK, "GET", "/"):
            raise Leak(f"{user} sees that there is something to ask for")


def told(events: Sequence[AnswerEvent]) -> str:
    """Events as every door tells them."""
    return "\n".join(f"{_json(event_form(event))}\n{_json(event_json(event))}" for event in events)


def _json(form: object) -> str:
    return json.dumps(form, ensure_ascii=False, default=str)


_PASSING = re.compile(r'("receipt": ?)"[^"]*"|("timing_ms": ?)\{[^}]*\}|(\'content-length\', )\'\d+\'')


def alike(one: str, typed: str, other: str, typed_there: str) -> None:
    """Both looks are the same, apart from what was typed, receipts and times.

    Raises:
        Leak: they are not: who asks learns which of the two is there.
    """
    first, second = _plain(one, typed), _plain(other, typed_there)
    if first != second:
        raise Leak(f"told apart:\n{first[:2000]}\n---\n{second[:2000]}")
    if len(typed) == len(typed_there) and len(_PASSING.sub("", one)) != len(_PASSING.sub("", other)):
        raise Leak(f"told apart by their size:\n{one[:2000]}\n---\n{other[:2000]}")


def _plain(seen: str, typed: str) -> str:
    for form in (typed, quote(typed), json.dumps(typed)[1:-1], json.dumps(typed, ensure_ascii=False)[1:-1]):
        seen = seen.replace(form, "…")
    return _PASSING.sub(r"\1\2\3", seen)
