"""Where a sentence ends, in German and English."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ask.sentences import sentences


def cut(text: str) -> list[str]:
    return [span.of(text) for span in sentences(text)]


@pytest.mark.parametrize(
    "sentence",
    [
        "Die Sitzung ist am 24. Dezember 2024 um 14:30 Uhr in Halle 3.",
        "Das gilt z. B. für Dienstreisen, d. h. für alle Fahrten.",
        "Nach § 5 Abs. 3 Satz 2 und Art. 6 DSGVO ist das erlaubt.",
        "Dr. Krahl und Prof. Beyer prüfen die Anlage Nr. 4 bzw. Abb. 7.",
        "Die Frist endet am 31. Kalendertag nach Zugang.",
        "Gültig ab 01.03. Quartal 2 ist davon ausgenommen",
        "Mr. Alder and Mrs. Birch sign for approx. 20 items, e.g. Badges.",
        "Bis zum 3. Tag, ca. Mittag, ist der Antrag bei Fa. Pohlert.",
        "Version 2.4.1 kostet 1.200,50 Euro.",
    ],
)
def test_a_point_inside_a_sentence_does_not_end_it(sentence: str) -> None:
    assert cut(sentence) == [sentence]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Das ist so. Jenes nicht.", ["Das ist so.", "Jenes nicht."]),
        ("Ist das so? Ja! „Gewiss.“ Gut.", ["Ist das so?", "Ja!", "„Gewiss.“", "Gut."]),
        ("Er ging 2024. Danach kam sie.", ["Er ging 2024.", "Danach kam sie."]),
        ("Es kostet 15 Euro. § 3 gilt.", ["Es kostet 15 Euro.", "§ 3 gilt."]),
        ("Wir warten … Dann gehen wir.", ["Wir warten …", "Dann gehen wir."]),
        ("Titel\n\nErster Satz\nläuft weiter.", ["Titel", "Erster Satz\nläuft weiter."]),
        ("Mitbringen:\n- Ausweis\n- Stift\n* Block", ["Mitbringen:", "- Ausweis", "- Stift", "* Block"]),
        ("1. Öffnen\n2. Prüfen\na) links\nb) rechts", ["1. Öffnen", "2. Prüfen", "a) links", "b) rechts"]),
        ("| Ort | Wochen |\n| Leeds | 10 |\nEnde.", ["| Ort | Wochen |", "| Leeds | 10 |", "Ende."]),
    ],
)
def test_a_sentence_ends_where_a_reader_sees_its_end(text: str, parts: list[str]) -> None:
    assert cut(text) == parts


def test_a_text_of_white_space_holds_no_sentence() -> None:
    assert cut(" \n\t\n ") == []


PIECES = st.lists(
    st.sampled_from(
        [
            "Das gilt",
            "z. B.",
            ". ",
            "! ",
            "? ",
            "\n\n",
            "\n- ",
            "\n| a | b |",
            " ",
            "24. Dezember",
            "A.",
            "…“ ",
            "§ 5 ",
            "\t",
            "ein",
            "\n1. ",
            "😀",
            "\u00a0",
            "Abs. ",
            "»",
            "x",
        ]
    ),
    max_size=30,
).map("".join)


@given(st.one_of(PIECES, st.text(max_size=80)))
def test_spans_are_ordered_disjoint_trimmed_and_hold_every_visible_character(text: str) -> None:
    spans = sentences(text)
    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
    assert all(span.of(text) and span.of(text) == span.of(text).strip() for span in spans)
    held = {place for span in spans for place in range(span.start, span.end)}
    assert all(place in held for place, character in enumerate(text) if not character.isspace())
