"""``python -m tests.bench.load_server HOME``: the door over a real App whose model is scripted, for `tests.bench.load`.

Everything is real but the model, which says one statement after `LOAD_PIECE_S` seconds (0.2), and the resolver: who is
asking is what the header X-User says. Prints its address, and ends when its standard input does.

With the home ``light`` even the App is a stand-in, and what is left is the door and its desk.

``GET /bench/spent`` gives, for each question, the seconds that `App.ask` itself took, the wait in the line left out;
``GET /bench/waiting`` how many wait for the model, and how many are searched for.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Request

from rag.access import LOOPBACK
from rag.answers import AnswerEvent, Found, ModelInfo, Passage
from rag.api.caller import Caller
from rag.api.http import create_app
from rag.app import App
from rag.identity import person
from rag.ports import Delta, Generation, Message, Usage
from rag.settings.file import load
from rag.settings.limits import LimitsSettings
from tests.bench.machine import ROOT, whole
from tests.doors.http.house import House, Paper, cited, done, sentence
from tests.doors.http.signing import signed_in
from tests.standins import says

LIGHT = "light"
_TEXT = "Der Urlaub betraegt im Kalenderjahr 30 Arbeitstage; uebertragene Tage muessen bis 30. Juni genommen sein. "


class Scripted:
    """One statement, in one run of tokens."""

    context_tokens = 4096
    info = ModelInfo(name="scripted", digest="sha256:" + "5" * 64, runtime="ollama")

    def __init__(self, piece_s: float) -> None:
        self._piece_s = piece_s

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """As many as are likely."""
        return sum(len(message.content) // 3 + 8 for message in messages)

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """The statement, once its time has passed."""
        ends = time.monotonic() + self._piece_s
        while time.monotonic() < ends and generation.wanted():
            time.sleep(min(0.1, max(0.0, ends - time.monotonic())))
        yield Delta(text=says("Die Spätschicht beginnt um 14 Uhr."))
        yield Delta(usage=Usage(prompt_tokens=1, output_tokens=9, finish="stop"))

    def close(self) -> None:
        """Nothing is held."""


class Spent:
    """The events of an answer, and how long each of them took to make."""

    def __init__(self, events: Iterator[AnswerEvent], kept: list[float]) -> None:
        self._events, self._kept, self._spent_s = events, kept, 0.0

    def __iter__(self) -> Spent:
        return self

    def __next__(self) -> AnswerEvent:
        began = time.perf_counter()
        try:
            return next(self._events)
        except StopIteration:
            self._kept.append(self._spent_s + time.perf_counter() - began)
            raise
        finally:
            self._spent_s += time.perf_counter() - began

    def close(self) -> None:
        self._events.close()  # type: ignore[attr-defined]  # what `App.ask` gives has one


PIECE_S = float(os.environ.get("LOAD_PIECE_S", "0.2"))
"""How long the model takes for an answer, seconds."""


def main(home: Path) -> None:
    """Serve until standard input ends."""
    limits = LimitsSettings(
        waiting=whole("LOAD_WAITING", 200), waiting_per_user=1000, user_per_minute=0, running_per_user=2
    )
    if home.name == LIGHT:
        _light(limits)
    else:
        _whole(home, limits)


def _light(limits: LimitsSettings) -> None:
    """The door alone: what is found and said is written here, eight passages of 1,200 characters."""
    papers = [
        Paper(key=f"{n:024d}", title=f"Paper {n}", name=f"{n}.txt", text=_TEXT * 10, found=_TEXT * 10) for n in range(8)
    ]

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        time.sleep(PIECE_S)
        said = sentence(_TEXT, cited(passages[0], 1, _TEXT))
        yield said
        yield done(question, passages, [said])

    with tempfile.TemporaryDirectory() as folder:
        house = House(home=Path(folder), papers=papers, script=script)
        house.kept = deque(maxlen=1)  # type: ignore[assignment]  # the tests keep all of them
        _serve(house, limits)
        house.close()


def _whole(home: Path, limits: LimitsSettings) -> None:
    settings = load(config=None, home=home, environ=os.environ)
    settings = replace(
        settings,
        llm=replace(settings.llm, provider="none"),
        retrieval=replace(settings.retrieval, evidence=0.0),
    )
    with App(settings) as app:
        app.writers.get = lambda name=None: model  # type: ignore[method-assign]
        model: Any = Scripted(PIECE_S)
        if not app.ledger.counts()["documents"]:
            app.sources.register(ROOT / "data/sample")
            app.ingest()
        app.search("Wann beginnt die Spätschicht?", principal=person("local", {}), channel=LOOPBACK, k=8)
        _serve(app, limits)


def _serve(app: Any, limits: LimitsSettings) -> None:
    spent: list[float] = []
    asked = app.ask
    app.ask = lambda *given, **options: Spent(asked(*given, **options), spent)
    web = create_app(app, limits=limits)
    signed_in(web, _caller)
    web.add_api_route("/bench/spent", lambda: spent)
    desk = web.state.desk
    web.add_api_route("/bench/waiting", lambda: {"waiting": desk.waiting, "finding": desk.finding})
    server = uvicorn.Server(uvicorn.Config(web, port=0, log_config=None, access_log=False, server_header=False))

    def until_told() -> None:
        while not server.started:
            time.sleep(0.01)
        print(f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=until_told, daemon=True).start()
    server.run()


def _caller(request: Request) -> Caller | None:
    return Caller(principal=person(request.headers["x-user"], {}), channel=LOOPBACK)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
