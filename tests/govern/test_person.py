"""A person is found however documents write the name, and shown without the others."""

from __future__ import annotations

import unicodedata

import pytest

from rag.documents import Span
from rag.errors import SettingsError
from rag.govern.blacken import BAR, blacken
from rag.govern.person import person_of


def named(text: str, name: str, *aliases: str) -> list[str]:
    return [span.of(text) for span in person_of(name, aliases).places(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Frau Erika Müllers Gehalt", "Erika Müllers"),
        ("an ERIKA MÜLLER gerichtet", "ERIKA MÜLLER"),
        ("Erika Mueller bestätigt", "Erika Mueller"),
        ("Erika Muller", "Erika Muller"),
        (unicodedata.normalize("NFD", "für Erika Müller."), unicodedata.normalize("NFD", "Erika Müller")),
        ("Erika\nMüller", "Erika\nMüller"),
        ("Erika Mül-\nler kam", "Erika Mül-\nler"),
        ("Eri\xadka  Müller", "Eri\xadka  Müller"),
        ("Müller, Erika; Maier, Max", "Müller, Erika"),
        ("MUELLER ERIKA", "MUELLER ERIKA"),
        ("Erika M. Müller", "Erika M. Müller"),
        ("erika.mueller@firma.de", "erika.mueller"),
        ("personal/mueller_erika_zeugnis.pdf", "mueller_erika"),
        ("ErikaMüller.docx", "ErikaMüller"),
        ("die Erika Müllersche Regel", "Erika Müllersche"),
    ],
)
def test_a_name_is_found_in_every_way_it_is_written(text: str, found: str) -> None:
    assert named(text, "Erika Müller") == [found]


@pytest.mark.parametrize(
    "text",
    ["Ernst Müller", "Erika Müllermeister", "Erika und Max Müller", "Frederika Müller", "Erika. Ein Müller sagt"],
)
def test_another_name_is_not(text: str) -> None:
    assert not named(text, "Erika Müller")


def test_names_of_several_parts_are_found_in_either_order() -> None:
    assert named("von der Leyen, Ursula", "Ursula von der Leyen")
    assert named("Müller‑Lüdenscheidt, Anna-Lena", "Anna-Lena Müller-Lüdenscheidt")
    assert named("Anna-Lena Müller-\nLüdenscheidt", "Anna-Lena Müller-Lüdenscheidt")


def test_an_alias_is_found_beside_the_name_and_each_place_once() -> None:
    text = "Erika Müller (geb. Schmidt), E. Müller und Erika Schmidt"
    assert named(text, "Erika Müller", "E. Müller", "Erika Schmidt") == ["Erika Müller", "E. Müller", "Erika Schmidt"]


def test_a_name_of_two_letters_is_refused() -> None:
    with pytest.raises(SettingsError, match="at least 3 letters"):
        person_of("Xu")


def test_a_name_that_no_record_could_seal_is_refused() -> None:
    with pytest.raises(SettingsError, match="at most 254 bytes"):
        person_of("Erika " + "ü" * 130)


@pytest.mark.parametrize("name", ["ist", "Die", "die der das", "fuer", "FÜR", "i-st", "ist.", "Frau", "Herr Dr."])
def test_words_that_every_text_is_full_of_are_no_name(name: str) -> None:
    with pytest.raises(SettingsError, match="stands in every text"):
        person_of(name)
    with pytest.raises(SettingsError, match="stands in every text"):
        person_of("Erika Müller", [name])


@pytest.mark.parametrize("name", ["Anne Will", "Frau Freitag", "Mai", "Sonntag, Ulla", "Ursula von der Leyen"])
def test_who_is_called_like_a_word_is_found(name: str) -> None:
    assert named(f"Das schrieb {name} gestern.", name) == [name]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "Herr Peter Koch hat mit Frau Sabine Richter (s.richter@firma.de, 0171 2345678) den Vertrag P-4711 in "
            "Berlin nach § 5 Abs. 2 unterschrieben.",
            f"Herr Peter Koch hat mit Frau {BAR} {BAR} ({BAR}, {BAR}) den Vertrag P-4711 in Berlin nach § 5 Abs. 2 "
            "unterschrieben.",
        ),
        ("Peter Koch und Thomas Weber kamen.", f"Peter Koch und {BAR} {BAR} kamen."),
        ("Schmidt lobte Peter Koch.", f"{BAR} lobte Peter Koch."),
        ("Peter Koch met Alice Jones in March.", f"Peter Koch met {BAR} {BAR} in March."),
    ],
)
def test_other_peoples_names_addresses_and_numbers_are_blackened(text: str, shown: str) -> None:
    language = "en" if " met " in text else "de"
    assert blacken(text, person_of("Peter Koch").places(text), language=language) == shown


def test_nothing_of_the_person_is_blackened() -> None:
    text = "Peter Koch"
    assert blacken(text, [Span(start=0, end=10)], language="de") == text
