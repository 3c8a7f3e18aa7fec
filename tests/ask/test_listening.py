"""An answer is for somebody: who goes away, or may not hear it any more, ends it in the middle of a step."""

from __future__ import annotations

import json

import pytest

from rag.access import LOOPBACK
from rag.answers import Done, Found, Outcome, Reason
from rag.ask.conversation import Turn
from rag.errors import ModelTimeout, ModelUnavailable
from rag.identity import person
from rag.models.seats import Seats
from tests.standins import ScriptedModel, Shelf, says

ANNA = person("anna", {})
QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
TRUE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."


@pytest.fixture
def shelf(own_shelf: Shelf) -> Shelf:
    own_shelf.put("urlaub.txt", TRUE)
    return own_shelf


def outcomes(shelf: Shelf) -> list[str]:
    return [record["outcome"] for record in shelf.audit.records() if record["event"] == "closed"]


def test_who_hangs_up_while_the_model_is_silent_ends_the_answer_and_the_generation(shelf: Shelf) -> None:
    model = ScriptedModel(says(TRUE))
    events = shelf.answerer(model, evidence=0.0).ask(QUESTION, principal=ANNA, channel=LOOPBACK)
    model.before = events.hang_up
    assert isinstance(next(events), Found)
    assert list(events) == []
    assert not model.generations[0].wanted(), "the model is told, too"
    assert outcomes(shelf) == ["stopped"]


def test_what_is_withdrawn_while_the_model_is_silent_is_cut_and_nothing_is_told_again(shelf: Shelf) -> None:
    model = ScriptedModel(says(TRUE))
    events = shelf.answerer(model, evidence=0.0).ask(QUESTION, principal=ANNA, channel=LOOPBACK)
    model.before = events.revoke
    assert isinstance(next(events), Found)
    (last,) = events
    assert isinstance(last, Done)
    assert (last.answer.outcome, last.answer.passages, last.answer.reason) == (Outcome.INCOMPLETE, (), None)
    assert not model.generations[0].wanted()
    assert outcomes(shelf) == ["revoked"]


def test_an_answer_that_is_wanted_keeps_its_generation_going(shelf: Shelf) -> None:
    model = ScriptedModel(says(TRUE))
    list(shelf.answerer(model, evidence=0.0).ask(QUESTION, principal=ANNA, channel=LOOPBACK))
    assert model.generations[0].wanted()
    assert outcomes(shelf) == ["answered"]


@pytest.mark.parametrize(
    ("model", "evidence", "writes"),
    [(ScriptedModel(says(TRUE)), 0.0, True), (ScriptedModel(says(TRUE)), 1.1, False), (None, 0.0, False)],
    ids=["answered", "too little evidence", "no model"],
)
def test_the_evidence_says_whether_a_model_is_needed_for_the_rest(
    shelf: Shelf, model: ScriptedModel | None, evidence: float, writes: bool
) -> None:
    first = next(shelf.answerer(model, evidence=evidence).ask(QUESTION, principal=ANNA, channel=LOOPBACK))
    assert isinstance(first, Found) and first.writes is writes


@pytest.mark.parametrize(
    ("failure", "finish", "reason", "told"),
    [
        (ModelTimeout("slow"), "stop", Reason.TOO_SLOW, "Das Sprachmodell war zu langsam"),
        (None, "length", Reason.TOO_LONG, "Sie wurde länger als vorgesehen"),
        (None, "cut", Reason.STOPPED, "Das Sprachmodell hat abgebrochen"),
    ],
)
def test_an_incomplete_answer_says_why(
    shelf: Shelf, failure: Exception | None, finish: str, reason: Reason, told: str
) -> None:
    model = ScriptedModel(says(TRUE), *([failure] if failure else []), finish=finish)
    *_, last = shelf.answerer(model, evidence=0.0).ask(QUESTION, principal=ANNA, channel=LOOPBACK)
    assert isinstance(last, Done)
    assert (last.answer.outcome, last.answer.reason) == (Outcome.INCOMPLETE, reason)
    assert told in last.answer.text
    assert json.loads(json.dumps(last.answer.as_json()))["reason"] == reason.value


def test_a_whole_answer_and_extracts_have_no_reason(shelf: Shelf) -> None:
    for model in (ScriptedModel(says(TRUE)), ScriptedModel(ModelUnavailable("gone"))):
        *_, last = shelf.answerer(model, evidence=0.0).ask(QUESTION, principal=ANNA, channel=LOOPBACK)
        assert isinstance(last, Done) and last.answer.as_json()["reason"] is None


@pytest.mark.parametrize("free", [True, False])
def test_a_follow_up_is_put_into_words_by_the_model_only_while_it_has_a_free_seat(shelf: Shelf, free: bool) -> None:
    model = ScriptedModel(json.dumps({"question": "Wie viele Arbeitstage beträgt der Urlaub für Azubis?"}))
    answerer = shelf.answerer(model, evidence=1.1)
    object.__setattr__(answerer, "seats", Seats(1))
    if not free:
        assert answerer.seats.take()
    said = [Turn(role="user", content=QUESTION), Turn(role="assistant", content=TRUE)]
    *_, last = answerer.ask("Und für Azubis?", principal=ANNA, channel=LOOPBACK, conversation=said)
    assert isinstance(last, Done) and last.answer.asked != "Und für Azubis?"
    assert len(model.prompts) == free
    assert answerer.seats.free == free, "the seat is given back"
