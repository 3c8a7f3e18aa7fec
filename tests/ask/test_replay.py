"""A receipt gives the same answer, or says exactly what has changed since. Real stores; only the weights stand in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rag.access import LOOPBACK, Acl, Confidentiality, Principal, Token
from rag.answers import Answer, Done, ModelInfo
from rag.ask import prompt
from rag.ask.answer import Answerer
from rag.ask.receipt import receipt_of
from rag.ask.replay import Replay, replay
from rag.ask.speed import ReadingSpeeds
from rag.documents import DocumentId
from rag.errors import ModelUnavailable, SettingsError, StoreError
from rag.filters import Filters
from tests.standins import ScriptedModel, Shelf, says

ANNA = Principal(user="anna")
TRUE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."
QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
NAME = DocumentId("house:urlaub.txt")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path) as opened:
        opened.put("urlaub.txt", TRUE)
        opened.put("kantine.txt", "Die Kantine öffnet um 11:30 Uhr und schließt um 14:00 Uhr.")
        yield opened


class Repeating(ScriptedModel):
    """Says the same each time, as a model with a seed does."""


def answerer(shelf: Shelf, model: ScriptedModel | None = None, **rules: object) -> Answerer:
    return shelf.answerer(model or Repeating(says(TRUE)), **{"evidence": 0.0, **rules})


def asked(by: Answerer, question: str = QUESTION, who: Principal = ANNA) -> Answer:
    events = list(by.ask(question, principal=who, channel=LOOPBACK))
    assert isinstance(events[-1], Done)
    return events[-1].answer


def again(by: Answerer, answer: Answer, question: str = QUESTION, who: Principal = ANNA, **more: str) -> Replay:
    return replay(receipt_of(by.audit, answer.receipt), question, by, principal=who, **more)


def kinds(made: Replay) -> Sequence[str]:
    return sorted({change.what for change in made.changes})


def test_the_same_answer_is_given_again_word_for_word(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    made = again(by, answer)
    assert made.same and made.answer is not None
    assert (made.answer.text, made.answer.outcome) == (answer.text, answer.outcome)
    assert by.model.prompts[0] == by.model.prompts[1]  # type: ignore[union-attr]
    assert by.model.generations[0] == by.model.generations[1]  # type: ignore[union-attr]
    assert made.answer.receipt != answer.receipt
    opened, closed = by.audit.records(receipt=made.answer.receipt)
    assert (opened["replays"], closed["event"]) == (answer.receipt, "closed"), "what is shown again is recorded again"


def test_a_receipt_holds_what_the_answer_was_made_of_and_no_text(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    opened, closed = by.audit.records(receipt=answer.receipt)
    (first, *_) = opened["passages"]
    assert first["version"] == answer.passages[0].chunk.version
    assert first["hash"] == by.audit.hash(answer.passages[0].chunk.indexed_text)
    assert first["rule"] == ["everyone"]
    assert opened["question"] == by.audit.hash(QUESTION)
    assert closed["digest"] == answer.model.digest and closed["prompt"] and closed["recipe"] == prompt.recipe()
    options = closed["options"]
    assert (options["seed"], options["temperature"], options["context_tokens"]) == (7, 0.0, 4096)
    assert "Urlaub" not in str([opened, closed])


def test_an_answer_of_extracts_and_one_of_nothing_are_given_again_too(shelf: Shelf) -> None:
    without = replace(answerer(shelf), model=None)
    extracts = asked(without)
    assert again(answerer(shelf), extracts).same, "a model that came since is not asked"
    nothing = asked(answerer(shelf, evidence=1.0))
    assert nothing.outcome == "nothing_found" and nothing.passages
    made = again(answerer(shelf), nothing)
    assert made.same and made.answer is not None and made.answer.outcome == "nothing_found"


def test_the_model_is_given_as_much_again_however_fast_it_was_found_to_read(shelf: Shelf) -> None:
    slow = ReadingSpeeds()
    for _ in range(5):
        slow.learn("sha256:" + "5" * 64, tokens=1000, seconds=1000.0)
    for number in range(4):
        rest = " ".join(f"Der Vermerk {number} zum Urlaub nennt Punkt {place}." for place in range(25))
        shelf.put(f"vermerk-{number}.txt", f"Urlaub im Kalenderjahr, Vermerk {number}. {rest}")
    by = answerer(shelf)
    answer = asked(by)
    hurried = replace(by, speeds=slow)
    assert again(hurried, answer).same
    extracted = asked(hurried)
    assert again(by, extracted).same
    first, second, third, fourth = by.model.prompts  # type: ignore[union-attr]
    assert first == second != third == fourth, "the slow one was given less"


def test_a_changed_document_is_named_with_both_versions(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    shelf.put("urlaub.txt", TRUE.replace("30", "31"))
    made = again(by, answer)
    assert kinds(made) == ["version"] and made.answer is None
    assert made.changes[0].said.startswith("house:urlaub.txt has another version: ")
    assert answer.passages[0].chunk.version[:12] in made.changes[0].said
    assert len(by.model.prompts) == 1, "the model is not asked"  # type: ignore[union-attr]


def test_a_removed_document_is_told_by_its_key(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    key = shelf.ledger.entry(NAME).key  # type: ignore[union-attr]
    shelf.ledger.remove(NAME)
    made = again(by, answer)
    assert [(change.what, change.document) for change in made.changes] == [("removed", key)]
    assert "urlaub" not in made.changes[0].said


def test_the_rights_of_today_apply(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    shelf.ledger.reprotect(NAME, Acl(readers=frozenset({Token("group:hr")})), Confidentiality.INTERNAL)
    made = again(by, answer)
    assert kinds(made) == ["removed"] and made.answer is None
    rights = made.changes[0].said
    assert "urlaub" not in rights
    assert again(by, answer, who=Principal(user="anna", groups=frozenset({"hr"}))).same
    shelf.ledger.remove(NAME)
    assert again(by, answer).changes[0].said == rights, "what may not be read is told as what is gone"


def test_a_file_that_cannot_be_read_now_is_told(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    shelf.ledger.hide([NAME], "permission denied")
    made = again(by, answer)
    assert kinds(made) == ["unreadable"] and "permission denied" in made.changes[0].said


def test_another_model_behind_the_name_is_told_by_its_digest(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    other = Repeating(says(TRUE))
    other.info = ModelInfo(name="scripted", digest="sha256:" + "6" * 64, runtime="embedded")
    made = again(replace(by, model=other), answer)
    assert kinds(made) == ["model"] and "sha256:666666" in made.changes[0].said
    assert kinds(again(replace(by, model=None), answer)) == ["model"]


def test_a_model_that_cannot_be_reached_is_told(shelf: Shelf) -> None:
    class Gone(Repeating):
        @property
        def info(self) -> ModelInfo:
            raise ModelUnavailable("Ollama does not answer.")

        @info.setter
        def info(self, value: ModelInfo) -> None:
            pass

    by = answerer(shelf)
    answer = asked(by)
    made = again(replace(by, model=Gone(says(TRUE))), answer)
    assert kinds(made) == ["model"] and "Ollama does not answer." in made.changes[0].said


def test_another_recipe_and_another_context_are_told(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    by = answerer(shelf)
    answer = asked(by)
    wider = Repeating(says(TRUE))
    wider.context_tokens = 8192
    assert kinds(again(replace(by, model=wider), answer)) == ["options"]
    monkeypatch.setattr(prompt, "_INSTRUCTIONS", prompt._INSTRUCTIONS + "\n- Be brief.")
    assert kinds(again(by, answer)) == ["recipe"]


def test_other_words_from_the_same_model_are_told_as_such(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    made = again(replace(by, model=Repeating(says("Der Urlaub beträgt 30 Arbeitstage."))), answer)
    assert kinds(made) == ["words"]
    assert made.answer is not None and made.answer.text != answer.text


def test_what_a_search_would_find_today_is_named_and_changes_nothing(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    shelf.put("urlaub-neu.txt", "Der Urlaub beträgt im Kalenderjahr ab sofort 32 Arbeitstage.")
    shelf.put("geheim.txt", "Der Urlaub der Leitung beträgt 40 Arbeitstage.", readers=("group:board",))
    made = again(by, answer)
    assert made.same and made.also == ("house:urlaub-neu.txt",)
    assert made.named == (shelf.ledger.entry(DocumentId("house:urlaub-neu.txt")).key,)  # type: ignore[union-attr]


def test_where_filters_narrowed_the_question_no_other_documents_are_named(shelf: Shelf) -> None:
    """The receipt does not say which filters, and what it had not asked for was not missing in it."""
    by = answerer(shelf)
    narrow = Filters(paths=frozenset({"urlaub.txt"}))
    *_, done = by.ask(QUESTION, principal=ANNA, channel=LOOPBACK, filters=narrow)
    assert isinstance(done, Done)
    made = again(by, done.answer)
    assert made.same and made.also == () and made.named == ()
    assert made.answer is not None
    assert again(by, made.answer).also == (), "nor where that is given again"


def test_why_it_was_given_again_is_recorded(shelf: Shelf) -> None:
    by = answerer(shelf)
    made = again(by, asked(by), acting="local", reason="Frau Beispiel beschwert sich")
    assert made.answer is not None
    opened, _ = by.audit.records(receipt=made.answer.receipt)
    assert opened["reason"] == by.audit.hash("Frau Beispiel beschwert sich") and "glass" not in opened


def test_documents_that_are_named_are_told_apart_from_those_that_are_only_counted(shelf: Shelf) -> None:
    shelf.put("urlaub-v1.txt", "Der Urlaub beträgt im Kalenderjahr 28 Arbeitstage, Fassung 1.")
    by = answerer(shelf)
    answer = asked(by)
    keys = {name: shelf.ledger.entry(DocumentId(f"house:{name}")) for name in ("urlaub.txt", "kantine.txt")}
    shelf.put("urlaub.txt", TRUE.replace("30", "31"))
    shelf.ledger.remove(DocumentId("house:kantine.txt"))
    made = again(by, answer)
    assert kinds(made) == ["removed", "version"]
    assert made.named == (keys["urlaub.txt"].key,), "what is gone is told by its key, as what may not be read"  # type: ignore[union-attr]
    shelf.put("urlaub-v2.txt", "Der Urlaub beträgt im Kalenderjahr 33 Arbeitstage, Fassung 2.")
    newer = shelf.ledger.entry(DocumentId("house:urlaub-v2.txt"))
    made = again(by, answer)
    assert "superseded" in kinds(made) and newer is not None and newer.key in made.named


def test_another_question_is_refused_and_a_follow_up_wants_to_be_given_as_it_was_read(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)
    with pytest.raises(SettingsError, match="not the question of this receipt"):
        again(by, answer, question=QUESTION + " ")
    with pytest.raises(SettingsError, match="There is no receipt"):
        receipt_of(by.audit, "20261126-abc")
    searched = by.audit.open(question="x", principal=ANNA, channel=LOOPBACK, passages=(), event="searched")
    with pytest.raises(SettingsError, match="no receipt of an answer"):
        receipt_of(by.audit, searched)


def test_without_a_record_nothing_is_given_again(shelf: Shelf) -> None:
    by = answerer(shelf)
    answer = asked(by)

    def full(entry: object) -> None:
        raise StoreError("The audit log is full.")

    shelf.audit.chain.append = full  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        again(by, answer)
    assert len(by.model.prompts) == 1  # type: ignore[union-attr]
