"""`rag tune export`: helpful answers as examples; nothing the exporter may not read, nothing that has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.access import LOOPBACK, Principal
from rag.answers import Done
from rag.ask.answer import Answerer
from rag.errors import SettingsError
from rag.evaluate.tuning import export
from rag.service.auditing import Reader
from rag.store.feedback import Feedback, Verdict
from rag.store.people import People
from tests.standins import ScriptedModel, Shelf, says

ANNA, BERT = Principal(user="anna"), Principal(user="bert")
TRUE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."
QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
SECRET = "Die Prämie für Frau Beyer beträgt 4711 Euro im Jahr."
ASKED_SECRET = "Wie hoch ist die Prämie für Frau Beyer im Jahr?"


class House:
    """As much of an App as an export uses."""

    model_problem = "none is there"

    def __init__(self, shelf: Shelf) -> None:
        self.shelf, self.audit, self.ledger = shelf, shelf.audit, shelf.ledger
        self.feedback = Feedback(shelf.ledger)
        self.people = People(shelf.ledger, keys=Path("/nowhere"), council=False, questions=False)
        self.said = says(TRUE)
        self.model: bool = True

    def answerer(self, model: str | None = None) -> Answerer:
        return self.shelf.answerer(ScriptedModel(self.said) if self.model else None, evidence=0.0)

    def ask(self, question: str, who: Principal, verdict: Verdict = Verdict.HELPFUL, *, keep: bool = True) -> str:
        *_, done = self.answerer().ask(question, principal=who, channel=LOOPBACK)
        assert isinstance(done, Done)
        self.feedback.keep(done.answer.receipt, verdict, question=question if keep else None)
        return done.answer.receipt


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with Shelf(tmp_path) as shelf:
        shelf.put("urlaub.txt", TRUE)
        shelf.put("praemie.txt", SECRET, readers=("user:anna",))
        yield House(shelf)


def exported(house: House, who: Principal = ANNA) -> export.Exported:
    return export.export(house, Reader(principal=who))  # type: ignore[arg-type]  # as much of an App as it uses


def test_a_helpful_answer_becomes_a_conversation_a_model_can_be_trained_on(house: House) -> None:
    house.ask(QUESTION, ANNA)
    (example,) = exported(house).examples
    line = json.loads(json.dumps(example.as_json()))
    roles = [turn["role"] for turn in line["messages"]]
    assert roles[0] == "system"
    assert roles[-2:] == ["user", "assistant"]
    assert QUESTION in line["messages"][-2]["content"]
    assert json.loads(line["messages"][-1]["content"])["statements"][0]["text"] == TRUE


def test_nothing_in_an_example_stands_for_a_person(house: House) -> None:
    house.ask(QUESTION, ANNA)
    (example,) = exported(house).examples
    assert example.messages[-1].content.startswith("<passages>")
    assert house.audit.pseudonym("anna")[:8] not in str(example)


@pytest.mark.parametrize("verdict", [one for one in Verdict if one is not Verdict.HELPFUL])
def test_an_answer_that_was_not_helpful_is_none(house: House, verdict: Verdict) -> None:
    house.ask(QUESTION, ANNA, verdict)
    assert exported(house) == export.Exported(examples=())


def test_who_exports_gets_nothing_they_may_not_read(house: House) -> None:
    house.said = says(SECRET)
    house.ask(ASKED_SECRET, ANNA)
    assert len(exported(house, ANNA).examples) == 1
    found = exported(house, BERT)
    assert found.examples == ()
    assert found.left_out == {"a document is gone, or you may not read it": 1}
    assert "4711 Euro" not in str(found)


def test_what_has_changed_since_is_left_out_and_told_why(house: House) -> None:
    house.ask(QUESTION, ANNA)
    house.ask("Was ist mit der Kantine?", ANNA, keep=False)
    house.shelf.put("urlaub.txt", TRUE.replace("30", "31"))
    assert exported(house).left_out == {"something has changed since": 1, "the question is not kept": 1}


def test_another_answer_of_the_model_is_not_taken_for_the_one_that_was_helpful(house: House) -> None:
    house.ask(QUESTION, ANNA)
    house.said = says("Der Urlaub beträgt 30 Arbeitstage.")
    assert exported(house).examples == ()


def test_that_it_was_exported_is_recorded_with_what_was_shown(house: House) -> None:
    house.ask(QUESTION, ANNA)
    before = len(list(house.audit.records()))
    exported(house, BERT)
    new = list(house.audit.records())[before:]
    assert new[0]["event"] == "exported"
    assert new[0]["answers"] == 1
    assert {one["user"] for one in new if "user" in one} == {house.audit.pseudonym("bert")}


def test_without_a_model_it_says_so(house: House) -> None:
    house.model = False
    with pytest.raises(SettingsError, match="No language model"):
        exported(house)


def test_the_modelfile_names_base_and_adapter() -> None:
    found = export.modelfile("llama3.2:3b", context_tokens=4096)
    assert "\nFROM llama3.2:3b\nADAPTER ./adapter.gguf\n" in found
    for base in ("x\nFROM evil", "", "a b"):
        with pytest.raises(SettingsError, match="no name of a model"):
            export.modelfile(base, context_tokens=1)
