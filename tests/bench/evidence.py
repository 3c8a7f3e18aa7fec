"""How soon a client sees the first evidence: the first event `passages` over HTTP, beside 100,000 made-up chunks.

Search, ledger, rights, audit, desk and endpoint are real, over a socket, and the real model embeds the question. It is
asked as the page does, `early`; what reading the best passages takes after that, `reading` measures (of made-up
texts there is nothing to read). Size: ``BENCH_SCALE`` (100000); a home in ``$ARCHIVAR_BENCH_CACHE`` is built once.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag.answers import AnswerEvent
from rag.app.observing import Counted
from rag.ask.answer import Answerer
from rag.ask.rules import Rules
from tests.bench import made_up, scale
from tests.bench.asking import Told, ask
from tests.bench.machine import allow_sockets, whole
from tests.doors.http.conftest import served
from tests.doors.http.house import House

_REPEATS = 3


class _Tower(House):
    """The house of the doors' tests, with a real answerer in it."""

    answerer: Answerer

    def ask(self, question: str, *, early: bool = False, channel: Any, **_: Any) -> Iterator[AnswerEvent]:
        return Counted(
            lambda: self.answerer.ask(question, principal=made_up.reader(1.0), channel=channel, early=early),
            self.metrics,
        )


def measure() -> dict[str, Any]:
    """Every question three times, one after the other."""
    allow_sockets()
    count = whole("BENCH_SCALE", 100_000)
    world = made_up.World.of(count)
    asked = scale.questions(world)
    with scale.home(count) as home, scale.opened(home, world, asked) as retriever, tempfile.TemporaryDirectory() as own:
        index = retriever.vectors
        assert index is not None and index.loading is not None
        index.loading.start()
        index.loading.wait(600)
        house = _Tower(home=Path(own), papers=())
        house.ledger.close()
        house.ledger = retriever.ledger
        house.answerer = Answerer(retriever=retriever, audit=house.audit, model=None, rules=Rules())
        try:
            with served(house) as address:
                told = asyncio.run(_asked(address, list(asked)))
        finally:
            house.audit.close()
    first = [1000 * at for one in told if (at := one.first("passages")) is not None]
    return {
        "chunks": count,
        "asked": len(told),
        "first_ms": scale.spread(first),
        "load_average": round(os.getloadavg()[0], 1),
        "targets": "first_ms p95 <= 150",
    }


async def _asked(address: str, questions: list[str]) -> list[Told]:
    for question in questions[:5]:
        await ask(address, user="local", question=question, early=True)
    return [
        await ask(address, user="local", question=question, early=True)
        for _ in range(_REPEATS)
        for question in questions
    ]
