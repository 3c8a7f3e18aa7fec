"""Evidence at once: what the searches find is shown before it is read, under the same rights and on the record."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rag.access import LOOPBACK, Acl, Audience, Channel, ChannelKind, Confidentiality, user
from rag.answers import AnswerEvent, Done, Found
from rag.ask import rank
from rag.documents import DocumentId
from rag.identity import person
from tests.standins import ScriptedModel, Shelf, says

ANNA = person("anna", {})
QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
TRUE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."


def asked(
    shelf: Shelf, question: str = QUESTION, *, early: bool = True, channel: Channel = LOOPBACK, evidence: float = 0.0
) -> Iterator[AnswerEvent]:
    answerer = shelf.answerer(ScriptedModel(says(TRUE)), evidence=evidence)
    return answerer.ask(question, principal=ANNA, channel=channel, early=early)


def test_the_passages_come_before_they_are_read_and_once_more_when_they_are(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    reading = rank.agreements

    def noted(*arguments: object, **options: object) -> object:
        read.append("read")
        return reading(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(rank, "agreements", noted)
    events = asked(shelf)
    first = next(events)
    assert isinstance(first, Found) and not first.settled and first.passages
    assert read == []
    second = next(events)
    assert isinstance(second, Found) and second.settled
    *_, last = events
    assert isinstance(last, Done) and last.answer.text == f"{TRUE} [1]"


def test_the_answer_is_the_same_as_without(shelf: Shelf) -> None:
    (early, found, *rest), (alone, *same) = list(asked(shelf)), list(asked(shelf, early=False))
    assert isinstance(early, Found) and isinstance(found, Found) and isinstance(alone, Found)
    assert found.passages == alone.passages and found.evidence == alone.evidence
    assert [type(event) for event in rest] == [type(event) for event in same]


def test_what_is_shown_early_is_on_the_record_before_it_is_shown(shelf: Shelf) -> None:
    before = len(list(shelf.audit.records()))
    events = asked(shelf)
    first = next(events)
    assert isinstance(first, Found)
    (record,) = list(shelf.audit.records())[before:]
    assert record["event"] == "searched"
    assert [shown["document"] for shown in record["passages"]] == [passage.key for passage in first.passages]


def test_nothing_is_shown_early_that_the_channel_may_not_carry(shelf: Shelf) -> None:
    cloud = Channel(kind=ChannelKind.CLOUD_CHAT, audience=Audience.PUBLIC_CHANNEL)
    for event in asked(shelf, channel=cloud):
        assert not isinstance(event, Found) or (event.settled and not event.passages)


def test_where_nothing_is_found_there_is_nothing_early(own_shelf: Shelf) -> None:
    own_shelf.put("geheim.txt", TRUE, readers=("user:chef",))
    first, *_ = asked(own_shelf)
    assert isinstance(first, Found) and first.settled and not first.passages


def test_a_right_revoked_while_it_is_read_keeps_it_out_of_what_follows(own_shelf: Shelf) -> None:
    own_shelf.put("urlaub.txt", TRUE)
    events = asked(own_shelf)
    first = next(events)
    assert isinstance(first, Found) and first.passages
    own_shelf.ledger.reprotect(
        DocumentId("house:urlaub.txt"), Acl(readers=frozenset({user("chef")})), Confidentiality.INTERNAL
    )
    second, *_, last = events
    assert isinstance(second, Found) and second.settled and not second.passages
    assert isinstance(last, Done) and not last.answer.passages and not last.answer.citations
