"""No answer without a durable record: over the whole flow, with real stores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.access import LOOPBACK
from rag.answers import Done, Found
from rag.ask.answer import Answerer
from rag.ask.neutral import languages_of
from rag.ask.retrieve import Retriever
from rag.ask.rules import Rules
from rag.errors import StoreError
from rag.filters import Filters
from rag.store.audit import AuditLog
from tests.ingest.room import ANNA, Room, folder


@pytest.fixture
def answerer(tmp_path: Path) -> Iterator[Answerer]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("Der Urlaub beträgt 24 Werktage im Jahr.")
    audit = AuditLog(tmp_path / "audit")
    with Room(tmp_path / "home") as room:
        room.sync(folder(tmp_path / "docs"))
        retriever = Retriever(
            ledger=room.ledger,
            vectors=room.vectors,
            words=room.words,
            embedder=room.embedder,
            languages=languages_of(room.embedder, room.ledger),
        )
        yield Answerer(retriever=retriever, audit=audit, model=None, rules=Rules(evidence=0.0))
    audit.close()


def test_the_record_is_there_before_the_first_event_and_closed_before_the_last(answerer: Answerer) -> None:
    events = answerer.ask("Wie viel Urlaub?", principal=ANNA, channel=LOOPBACK)
    assert list(answerer.audit.records()) == []
    first = next(events)
    assert isinstance(first, Found)
    assert first.passages
    assert [record["event"] for record in answerer.audit.records()] == ["opened"]
    for event in events:
        if isinstance(event, Done):
            assert [record["event"] for record in answerer.audit.records()] == ["opened", "closed"]
    assert answerer.audit.verify() is None


def test_without_a_record_not_one_event_is_given(answerer: Answerer) -> None:
    list(answerer.ask("Wie viel Urlaub?", principal=ANNA, channel=LOOPBACK))
    chain = answerer.audit.chain
    own, chain._file = chain._file, os.open(chain._path, os.O_RDONLY)
    given = []
    with pytest.raises(StoreError, match="without a record no question is answered"):
        given += answerer.ask("Wie viel Urlaub?", principal=ANNA, channel=LOOPBACK)
    os.close(chain._file)
    chain._file = own
    assert given == []


def test_a_question_that_finds_nothing_is_recorded_too(answerer: Answerer) -> None:
    stranger = answerer.ask(
        "Wie viel Urlaub?", principal=ANNA, channel=LOOPBACK, filters=Filters(sources=frozenset({"none"}))
    )
    assert [type(event) for event in stranger] == [Found, Done]
    assert [record["event"] for record in answerer.audit.records()] == ["opened", "closed"]
