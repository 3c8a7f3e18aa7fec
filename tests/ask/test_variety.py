"""A list that does not say one thing many times."""

from __future__ import annotations

from rag.ask.variety import distinct, varied
from rag.identity import person
from tests.ask.test_rank import passage, texts
from tests.standins import Shelf

LONG = (
    "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage und wird in Abstimmung mit der Abteilung genommen, sofern keine "
    "dringenden betrieblichen Gründe dagegen stehen; über Ausnahmen entscheidet die Leitung nach Anhörung der anderen"
)


def test_a_copy_of_a_text_is_shown_once() -> None:
    given = [passage(LONG, 0.9, document="a"), passage(LONG, 0.8, document="b"), passage("Anderes", 0.7)]
    assert texts(list(distinct(given))) == [LONG, "Anderes"]


def test_nearly_the_same_text_in_another_document_is_shown_once() -> None:
    given = [passage(LONG, 0.9, document="a.pdf"), passage(f"{LONG} werden", 0.8, document="a.docx")]
    assert texts(list(distinct(given))) == [LONG]


def test_a_version_with_another_figure_is_no_copy() -> None:
    given = [passage(LONG, 0.9, document="2024"), passage(LONG.replace("30", "28"), 0.8, document="2022")]
    assert len(list(distinct(given))) == 2


def test_like_chunks_of_one_document_are_all_shown() -> None:
    given = [passage(LONG, 0.9, document="a"), passage(f"{LONG} werden", 0.8, document="a")]
    assert len(list(distinct(given))) == 2


def test_no_document_crowds_the_list() -> None:
    given = [passage("eins", 0.60, document="a"), passage("zwei", 0.595, document="a"), passage("drei", 0.59)]
    assert texts(varied(given)) == ["eins", "drei", "zwei"]


def test_a_clearly_better_passage_of_the_same_document_stays_first() -> None:
    given = [passage("eins", 0.60, document="a"), passage("zwei", 0.59, document="a"), passage("drei", 0.40)]
    assert texts(varied(given)) == ["eins", "zwei", "drei"]


def test_one_file_repeated_a_thousand_times_gets_its_share_only(own_shelf: Shelf) -> None:
    """THREATS LLM04: the copies would fill both lists, and what else there is would not be found."""
    for number in range(70):
        own_shelf.put(f"kopie-{number}.txt", "Der Urlaub im Kalenderjahr: siehe Aushang.")
    own_shelf.put("urlaub.txt", "Im Kalenderjahr gibt es dreißig Arbeitstage.")
    found = own_shelf.retriever.retrieve("Urlaub im Kalenderjahr", principal=person("anna", {}), k=8)
    assert len(found.passages) == 2
    assert any("dreißig" in one.chunk.text for one in found.passages)
