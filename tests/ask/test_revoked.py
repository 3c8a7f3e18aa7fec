"""A right that is revoked while an answer is made keeps the text out of what is still to come, whatever that is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from rag.access import LOOPBACK, Acl, Audience, Channel, ChannelKind, Confidentiality, user
from rag.answers import Answer, AnswerEvent, Done, Found, Sentence
from rag.documents import DocumentId
from rag.identity import person
from rag.ports import Delta, Generation, Message
from rag.text.sentences import texts
from tests.standins import ScriptedModel, Shelf, says

ANNA = person("anna", {})
QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
TEXT = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."
MORE = "Übertragene Arbeitstage Urlaub verfallen am 31. März."
PAPER = DocumentId("house:urlaub.txt")
ENDED = texts("de")["incomplete"]


def asked(shelf: Shelf, model: ScriptedModel | None, channel: Channel = LOOPBACK) -> Iterator[AnswerEvent]:
    return shelf.answerer(model, evidence=0.0).ask(QUESTION, principal=ANNA, channel=channel)


@pytest.fixture
def shelf(own_shelf: Shelf) -> Shelf:
    own_shelf.put("urlaub.txt", f"{TEXT} {MORE}")
    return own_shelf


def revoke(shelf: Shelf) -> None:
    shelf.ledger.reprotect(PAPER, Acl(readers=frozenset({user("chef")})), Confidentiality.INTERNAL)


WAYS: dict[str, Callable[[Shelf], None]] = {
    "other readers": revoke,
    "removed": lambda shelf: shelf.ledger.remove(PAPER),
    "hidden": lambda shelf: shelf.ledger.hide([PAPER], "no permission to read the file"),
}


def ended(events: Sequence[AnswerEvent]) -> Answer:
    last = events[-1]
    assert isinstance(last, Done)
    answer = last.answer
    assert (answer.outcome, answer.text) == ("incomplete", ENDED)
    assert (answer.passages, answer.citations, answer.disagreements) == ((), (), ())
    assert "30" not in json.dumps(answer.as_json() | {"receipt": "", "timing_ms": {}}), (
        "nothing of the text is told again"
    )
    return answer


def outcomes(shelf: Shelf) -> list[str]:
    return [record["outcome"] for record in shelf.audit.records() if record["event"] == "closed"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["search", "read"])
def test_what_is_revoked_between_search_and_evidence_was_never_found(shelf: Shelf, way: str, step: str) -> None:
    model = ScriptedModel(says(TEXT))
    answerer = shelf.answerer(model, evidence=0.0)

    class Late:
        """The retriever, with the right revoked when a step is done."""

        def __getattr__(self, name: str) -> object:
            return self.late if name == step else getattr(shelf.retriever, name)

        def late(self, *args: object, **options: object) -> object:
            result = getattr(shelf.retriever, step)(*args, **options)
            WAYS[way](shelf)
            return result

    object.__setattr__(answerer, "retriever", Late())
    events = list(answerer.ask(QUESTION, principal=ANNA, channel=LOOPBACK, early=step == "search"))
    assert isinstance(events[0], Found) and events[0].passages == ()
    assert isinstance(events[-1], Done) and events[-1].answer.outcome == "nothing_found"
    assert "30 Arbeitstage" not in repr(events) and model.prompts == []


@pytest.mark.parametrize("way", WAYS)
def test_what_is_revoked_between_search_and_prompt_stays_out_of_the_prompt(shelf: Shelf, way: str) -> None:
    model = ScriptedModel(says(TEXT))
    events = asked(shelf, model)
    assert isinstance(next(events), Found)
    WAYS[way](shelf)
    ended(list(events))
    assert model.prompts == []
    assert outcomes(shelf) == ["revoked"]


def test_passages_without_evidence_are_not_told_again_once_they_are_revoked(shelf: Shelf) -> None:
    events = shelf.answerer(None, evidence=0.999).ask(QUESTION, principal=ANNA, channel=LOOPBACK)
    first = next(events)
    assert isinstance(first, Found) and first.passages
    revoke(shelf)
    ended(list(events))


def test_what_is_revoked_while_the_prompt_is_made_stays_out_of_the_prompt(shelf: Shelf) -> None:
    model = ScriptedModel(says(TEXT))
    counted = model.count_tokens

    def counting(messages: Sequence[Message]) -> int:
        revoke(shelf)
        return counted(messages)

    model.count_tokens = counting  # type: ignore[method-assign]
    ended(list(asked(shelf, model)))
    assert model.prompts == []


@pytest.mark.parametrize("way", WAYS)
def test_what_is_revoked_between_prompt_and_first_sentence_is_not_said(shelf: Shelf, way: str) -> None:
    model = ScriptedModel(says(TEXT))
    model.before = lambda: WAYS[way](shelf)
    events = list(asked(shelf, model))
    assert [type(event) for event in events] == [Found, Done]
    ended(events)
    assert model.closed == 1


def test_what_is_revoked_between_two_sentences_ends_the_answer_there(shelf: Shelf) -> None:
    first, rest = says(TEXT, MORE).split("}, ")
    model = ScriptedModel(first + "}", ", " + rest)
    events = asked(shelf, model)
    assert isinstance(next(events), Found) and isinstance(next(events), Sentence)
    revoke(shelf)
    ended(list(events))
    assert outcomes(shelf) == ["revoked"]


def test_what_is_revoked_after_the_last_sentence_is_not_told_again_at_the_end(shelf: Shelf) -> None:
    events = asked(shelf, ScriptedModel(says(TEXT)))
    assert isinstance(next(events), Found) and isinstance(next(events), Sentence)
    revoke(shelf)
    ended(list(events))


def test_without_a_model_no_sentence_follows_a_revoked_right(shelf: Shelf) -> None:
    events = asked(shelf, None)
    assert isinstance(next(events), Found) and isinstance(next(events), Sentence)
    revoke(shelf)
    ended(list(events))


def test_a_document_that_became_too_secret_for_the_channel_ends_the_answer(shelf: Shelf) -> None:
    cloud = Channel(kind=ChannelKind.CLOUD_CHAT, audience=Audience.DIRECT)
    shelf.put("urlaub.txt", f"{TEXT} {MORE}", confidentiality=Confidentiality.PUBLIC)
    model = ScriptedModel(says(TEXT))
    everyone = Acl(readers=frozenset({user("anna")}))
    model.before = lambda: shelf.ledger.reprotect(PAPER, everyone, Confidentiality.CONFIDENTIAL) and None
    ended(list(asked(shelf, model, cloud)))


def test_rights_that_change_and_still_admit_change_nothing(shelf: Shelf) -> None:
    model = ScriptedModel(says(TEXT))
    model.before = lambda: (
        shelf.ledger.reprotect(PAPER, Acl(readers=frozenset({user("anna")})), Confidentiality.STRICT) and None
    )
    *_, last = asked(shelf, model)
    assert isinstance(last, Done) and last.answer.outcome == "answered"


def test_a_document_that_is_edited_meanwhile_does_not_cut_the_answer(shelf: Shelf) -> None:
    model = ScriptedModel(says(TEXT))
    model.before = lambda: shelf.put("urlaub.txt", f"{TEXT} Neu.") and None
    *_, last = asked(shelf, model)
    assert isinstance(last, Done) and last.answer.outcome == "answered"


class Silent(ScriptedModel):
    """Says nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.speak, self.heard, self.ended = threading.Event(), threading.Event(), threading.Event()

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        try:
            self.heard.set()
            self.speak.wait(60)
            yield Delta(text=says(TEXT))
        finally:
            self.ended.set()


def test_a_stream_that_waits_for_a_silent_model_is_cut_within_five_seconds(shelf: Shelf) -> None:
    model = Silent()
    events = asked(shelf, model)
    next(events)
    revoked_at: list[float] = []

    def revoking() -> None:
        model.heard.wait(30)
        revoke(shelf)
        revoked_at.append(time.monotonic())

    revoker = threading.Thread(target=revoking)
    revoker.start()
    try:
        ended(list(events))
        ended_at = time.monotonic()
        revoker.join()  # it may not have told yet when it was
        assert ended_at - revoked_at[0] < 5
        assert not model.ended.is_set()
    finally:
        model.speak.set()
    assert model.ended.wait(60), "its stream is closed at its next word"


class Chatty(ScriptedModel):
    """Says one word after the other and never ends a sentence."""

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        try:
            yield Delta(text='{"statements": [{"source": 1, "text": "')
            while True:
                self.given += 1
                if self.given == 5:
                    self.before()
                time.sleep(0.05)
                yield Delta(text="Wort ")
        finally:
            self.closed += 1


def test_a_model_that_talks_without_a_whole_sentence_is_cut_too(shelf: Shelf) -> None:
    model = Chatty()
    revoked_at: list[float] = []

    def revoking() -> None:
        revoke(shelf)
        revoked_at.append(time.monotonic())

    model.before = revoking
    ended(list(asked(shelf, model)))
    assert time.monotonic() - revoked_at[0] < 10
    assert model.closed == 1


def test_an_answer_that_is_left_by_its_reader_closes_the_model_at_once(shelf: Shelf) -> None:
    first, rest = says(TEXT, MORE).split("}, ")
    model = ScriptedModel(first + "}", ", " + rest)
    events = asked(shelf, model)
    next(events), next(events)
    events.close()  # type: ignore[attr-defined]
    assert (model.given, model.closed) == (1, 1)
    assert outcomes(shelf) == ["stopped"]
