"""From a question to passages: both searches, in either language, and what may be left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.ask.calibration import SHIPPED, Calibrations
from rag.ask.rank import READ
from rag.ask.searched import Retrieved
from rag.identity import person
from tests.standins import Shelf

ANNA = person("anna", {})
QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"


def found(shelf: Shelf, question: str = QUESTION, **options: object) -> Retrieved:
    return shelf.retriever.retrieve(question, principal=ANNA, k=5, **options)  # type: ignore[arg-type]  # by name


def documents(retrieved: Retrieved) -> list[str]:
    return [passage.chunk.document_id for passage in retrieved.passages]


def test_the_passage_that_answers_comes_first_and_scores_fall(shelf: Shelf) -> None:
    retrieved = found(shelf)
    assert documents(retrieved)[0] == "house:urlaub.txt"
    scores = [passage.score for passage in retrieved.passages]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.2 for score in scores)


def test_what_may_not_be_read_is_neither_found_nor_felt(shelf: Shelf) -> None:
    retrieved = found(shelf, "Welche Prämie bekommt Frau Beyer?")
    assert "house:geheim.txt" not in documents(retrieved)
    chef = shelf.retriever.retrieve("Welche Prämie bekommt Frau Beyer?", principal=person("chef", {}), k=5)
    assert documents(chef)[0] == "house:geheim.txt"
    assert retrieved.evidence < chef.evidence


def test_documents_can_be_masked_and_the_evidence_falls_with_them(shelf: Shelf) -> None:
    entry = shelf.ledger.entry("house:urlaub.txt")
    assert entry is not None
    masked = found(shelf, without=shelf.ledger.chunks_of([entry.key]))
    assert "house:urlaub.txt" not in documents(masked)
    assert masked.evidence < found(shelf).evidence


def test_both_scores_count_for_what_only_one_search_found(own_shelf: Shelf) -> None:
    """A passage that the words alone put on the list is weighed by its meaning too, and the other way round."""
    for number in range(60):
        own_shelf.put(f"fremd-{number}.txt", f"Etwas ganz anderes steht hier, Nummer {number}, ohne Belang.")
    own_shelf.put("urlaub.txt", "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage.")
    assert documents(found(own_shelf))[0] == "house:urlaub.txt"


def test_no_more_than_a_few_are_read_token_by_token(own_shelf: Shelf) -> None:
    asked: list[int] = []
    tokens = own_shelf.embedder.tokens

    class Counting(type(own_shelf.embedder)):  # type: ignore[misc]  # the stand-in of the shelf
        def tokens(self, texts, *, question):  # type: ignore[no-untyped-def]
            asked.append(0 if question else len(texts))
            return tokens(texts, question=question)

    for number in range(30):
        own_shelf.put(f"{number}.txt", f"Der Urlaub in Team {number} beträgt {number} Arbeitstage im Kalenderjahr.")
    retriever = replace(own_shelf.retriever, embedder=Counting())
    retriever.retrieve(QUESTION, principal=ANNA, k=20)
    assert max(asked) == READ


def test_what_stands_behind_many_copies_is_found_too(own_shelf: Shelf) -> None:
    for number in range(70):
        own_shelf.put(f"kopie-{number}.txt", "Der Urlaub im Kalenderjahr beträgt 30 Arbeitstage.")
    for number in range(4):
        own_shelf.put(f"{number}.txt", f"In Werk {number} wird Urlaub anders berechnet.")
    assert len(documents(found(own_shelf))) == 5


@pytest.mark.parametrize("shift", [-50.0, 50.0])
def test_a_calibration_decides_how_sure_the_evidence_is(shelf: Shelf, shift: float) -> None:
    own = Calibrations(reading=replace(SHIPPED.reading, shift=shift), plain=replace(SHIPPED.plain, shift=shift))
    retriever = replace(shelf.retriever, calibrations=own)
    evidence = retriever.retrieve(QUESTION, principal=ANNA, k=5).evidence
    assert evidence == pytest.approx(1.0 if shift > 0 else 0.0, abs=1e-6)


def test_an_empty_house_finds_nothing_and_says_so(own_shelf: Shelf) -> None:
    retrieved = found(own_shelf)
    assert (retrieved.passages, retrieved.evidence) == ((), 0.0)
