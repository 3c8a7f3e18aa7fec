"""Which of several versions of one document speaks."""

from __future__ import annotations

import pytest

from rag.answers import Passage
from rag.ask.versions import series_of, speaking
from rag.documents import Chunk, ChunkId, DocumentId, Span


def passage(name: str) -> Passage:
    chunk = Chunk(
        id=ChunkId(name), document_id=DocumentId(name), version="1", span=Span(start=0, end=4), ordinal=0, text="Text"
    )
    return Passage(chunk=chunk, title=name, uri="", score=1.0)


OLD, NEW, OTHER = passage("s:hr/urlaub-2022.pdf"), passage("s:hr/urlaub-2024.pdf"), passage("s:hr/reisen.pdf")


def names(passages: list[Passage]) -> list[str]:
    return [entry.title for entry in passages]


def test_only_the_newest_version_speaks_and_the_order_stays() -> None:
    assert speaking([OLD, OTHER, NEW], "Wie viel Urlaub?") == [OTHER, NEW]


def test_an_old_version_alone_speaks() -> None:
    assert speaking([OLD, OTHER], "Wie viel Urlaub?") == [OLD, OTHER]


def test_a_version_the_question_names_speaks_beside_the_newest() -> None:
    assert speaking([OLD, NEW], "Wie viel Urlaub galt 2022?") == [OLD, NEW]


def test_the_same_name_in_another_folder_is_another_document() -> None:
    elsewhere = passage("s:it/urlaub-2023.pdf")
    assert speaking([OLD, elsewhere], "?") == [OLD, elsewhere]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("s:a/plan-v1.2.docx", "s:a/plan-v1.10.docx"),
        ("s:a/bericht-2024-03.pdf", "s:a/bericht-2024-11.pdf"),
        ("s:a/Plan 2023.md", "s:a/plan 2024.md"),
    ],
)
def test_versions_are_ordered_as_numbers(older: str, newer: str) -> None:
    assert names(speaking([passage(newer), passage(older)], "?")) == [newer]


def test_a_number_that_is_no_year_is_no_version() -> None:
    assert series_of(DocumentId("s:a/qm-va-07.pdf"))[1] == ()
    kept = [passage("s:a/qm-va-07.pdf"), passage("s:a/qm-va-11.pdf")]
    assert speaking(kept, "?") == kept
