"""Which of several versions of one document speaks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rag.answers import Passage
from rag.ask.versions import newest_first, series_of, superseded
from rag.ask.versions import speaking as speaking_of
from rag.documents import Chunk, ChunkId, DocumentId, Span


def passage(name: str) -> Passage:
    chunk = Chunk(
        id=ChunkId(name), document_id=DocumentId(name), version="1", span=Span(start=0, end=4), ordinal=0, text="Text"
    )
    return Passage(chunk=chunk, title=name, uri="", score=1.0)


OLD, NEW, OTHER = passage("s:hr/urlaub-2022.pdf"), passage("s:hr/urlaub-2024.pdf"), passage("s:hr/reisen.pdf")


def speaking(passages: list[Passage], question: str) -> list[Passage]:
    """Those that speak, as they were given."""
    kept = {entry.title for entry in speaking_of(superseded(passages, {}, {}), question)}
    return [entry for entry in passages if entry.title in kept]


def names(passages: list[Passage]) -> list[str]:
    return [entry.title for entry in passages]


def test_only_the_newest_version_speaks_and_the_order_stays() -> None:
    assert speaking([OLD, OTHER, NEW], "Wie viel Urlaub?") == [OTHER, NEW]


def test_an_old_version_alone_speaks() -> None:
    assert speaking([OLD, OTHER], "Wie viel Urlaub?") == [OLD, OTHER]


def test_a_version_the_question_names_speaks_beside_the_newest() -> None:
    assert speaking([OLD, NEW], "Wie viel Urlaub galt 2022?") == [OLD, NEW]


@pytest.mark.parametrize(
    ("question", "order"),
    [
        ("Wie viele Tage?", [2024, 2022, 2023]),
        ("Wie viele Tage waren es 2022?", [2022, 2024, 2023]),
        ("Wie viele Tage waren es früher?", [2022, 2023, 2024]),
    ],
)
def test_older_versions_stand_behind_the_newest_unless_they_are_asked_for(question: str, order: list[int]) -> None:
    given = [passage(f"urlaub-{year}.pdf") for year in (2022, 2023, 2024)]
    given = [replace(one, score=1.0 - place / 10) for place, one in enumerate(given)]
    found = newest_first(superseded(given, {}, {}), question)
    assert names(found) == [f"urlaub-{year}.pdf" for year in order]
    assert [one.score for one in found] == [1.0, 0.9, 0.8]


def test_an_old_version_stays_where_it_is_if_the_newest_is_not_there() -> None:
    given = [passage("urlaub-2022.pdf"), passage("kantine.pdf")]
    newer = {given[0].key: DocumentId("docs:urlaub-2024.pdf")}
    assert names(newest_first(superseded(given, {}, newer), "Wie viele Tage?")) == ["urlaub-2022.pdf", "kantine.pdf"]


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


TODAY = datetime(2024, 11, 26, tzinfo=UTC)
CURRENT, COMING = passage("hr/urlaub-2024.pdf"), passage("hr/urlaub-2025.pdf")


def superseding(passages: list[Passage], beginnings: dict[str, str]) -> dict[str, str | None]:
    keyed = [replace(one, key=one.title) for one in passages]
    return {one.title: one.superseded_by for one in superseded(keyed, beginnings, {}, today=TODAY)}


@pytest.mark.parametrize(
    ("beginning", "by"),
    [
        ("", None),
        ("Urlaubsrichtlinie, gültig ab 1. Januar 2025", None),
        ("Urlaubsrichtlinie, gültig ab 1. Oktober 2024", COMING.title),
    ],
)
def test_a_version_that_counts_from_a_day_to_come_takes_no_place_before(beginning: str, by: str | None) -> None:
    found = superseding([CURRENT, COMING], {COMING.title: beginning})
    assert found == {CURRENT.title: by, COMING.title: None}


def test_between_what_was_and_what_is_to_come_the_current_one_takes_the_place() -> None:
    found = superseding([passage("hr/urlaub-2022.pdf"), CURRENT, COMING], {})
    assert found["hr/urlaub-2022.pdf"] == CURRENT.title
