"""The small decisions of parsing, each as a function of its own: file kinds, encodings, line ends, number formats."""

from __future__ import annotations

import pytest

from rag.ingest.parse import media_type_of
from rag.ingest.parse.charset import decode
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.headings import numbered_level
from rag.ingest.parse.lines import join_two
from rag.ingest.parse.number_formats import show
from rag.text.language import language_of


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.pdf", b"%PDF-1.7", "application/pdf"),
        ("rechnung.txt", b"%PDF-1.7", "application/pdf"),
        ("a.docx", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("BERICHT.DOCM", b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.pdf", b"<!DOCTYPE html><html>", "text/html"),
        ("README", b"Plain words", "text/plain"),
        ("kaputt.pdf", b"\n\njunk %PDF-1.7", "application/pdf"),
        ("kaputt", b"\n\njunk %PDF-1.7", "application/pdf"),
        ("notiz.md", b"Eine Datei beginnt mit %PDF-1.7, so die Norm.", "text/markdown"),
        ("mail.msg", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 %PDF-1.7", "application/vnd.ms-outlook"),
        ("plan", b'<svg xmlns="http://www.w3.org/2000/svg">', "image/svg+xml"),
        ("termin", b"BEGIN:VCALENDAR\r\n", "text/calendar"),
        ("karte.vcf", b"BEGIN:VCARD\r\n", "text/vcard"),
        ("a.txt", b"RIFF\x00\x00\x00\x00WAVE", "audio/wav"),
        ("a.txt", "Größe".encode("utf-16-be"), "text/plain"),
        ("a.txt", bytes(range(32)) * 20, "application/octet-stream"),
        ("a.txt", bytes((37 * i * i + 11 * i) % 251 for i in range(4000)), "application/octet-stream"),
        ("a.txt", b"Absatz eins\x00\x01\x02\x1b[31mrot\x1b[0m\x07 Absatz zwei \xff\xfe\x80 Ende", "text/plain"),
        ("~$brief.docx", b"PK\x03\x04", "application/octet-stream"),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/octet-stream"),
        ("geheim.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
        ("ohne", b"From: a@x.example\nTo: b@x.example\nSubject: c\n\n", "message/rfc822"),
    ],
)
def test_a_file_is_what_its_bytes_say_and_else_its_name(name: str, head: bytes, expected: str) -> None:
    assert media_type_of(name, head) == expected


@pytest.mark.parametrize("encoding", ["cp1252", "cp850", "mac_roman"])
@pytest.mark.parametrize(
    "text", ["für", "Straße", "Ähnlich wie Öl", "„Über“ – 5 %", "§ 3 Größe", "Grüße aus Köln, Preis 5 €"]
)
def test_even_a_few_umlauts_decide_the_encoding(encoding: str, text: str) -> None:
    try:
        body = text.encode(encoding)
    except UnicodeEncodeError:
        pytest.skip(f"{encoding} has no such letters")
    assert decode(body) == text


def test_utf8_cut_off_in_the_middle_of_a_letter_stays_utf8() -> None:
    assert decode(("ä" * 200).encode()[:-1])[:199] == "ä" * 199


def test_a_declared_encoding_is_believed_if_it_fits() -> None:
    assert decode("Привет, мир".encode("koi8-r"), declared="koi8-r") == "Привет, мир"
    assert decode("Grüße".encode(), declared="ascii") == "Grüße"


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("Urlaubs-", "übertragung", "Urlaubsübertragung"),
        ("E-Mail-", "Adresse", "E-Mail-Adresse"),
        ("die IT-", "gestützte Suche", "die IT-gestützte Suche"),
        ("Ein-", "und Ausgang", "Ein- und Ausgang"),
        ("Haupt- und Neben-", "eingang", "Haupt- und Nebeneingang"),
        ("von 2020-", "2024", "von 2020-2024"),
        ("Gedanken -", "strich", "Gedanken - strich"),
        ("ohne", "Trennung", "ohne Trennung"),
        ("weich\u00ad", "getrennt", "weichgetrennt"),
    ],
)
def test_a_line_end_hyphen_goes_or_stays(first: str, second: str, joined: str) -> None:
    assert join_two(first, second) == joined


@pytest.mark.parametrize(
    ("value", "pattern", "shown"),
    [
        ("1234.5", '#,##0.00\\ "€"', "1.234,50 €"),
        ("1234.5", "#,##0.00 [$€-407]", "1.234,50 €"),
        ("1234.5", "#,##0.00", "1,234.50"),
        ("0.19", "0%", "19%"),
        ("42", "General", "42"),
        ("42.0", "", "42"),
        ("0.1", "", "0.1"),
        ("0.30000000000000004", "", "0.3"),
        ("45321", "dd.mm.yyyy", "2024-01-30"),
        ("45321.5", "dd.mm.yyyy hh:mm", "2024-01-30 12:00"),
        ("0.5", "hh:mm", "12:00"),
        ("1.5", "[h]:mm", "36:00"),
        ("-3", '0" Stück";[Red]-0" Stück"', "-3 Stück"),
        ("7", '0" Tage"', "7 Tage"),
        ("1e-7", "", "0.0000001"),
        ("words", "0.00", "words"),
    ],
)
def test_a_number_reads_as_its_format_shows_it(value: str, pattern: str, shown: str) -> None:
    assert show(value, pattern) == shown


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("§ 3 Dauer des Urlaubs", 2),
        ("2 Geltungsbereich", 1),
        ("2.1.3 Fristen", 3),
        ("Kapitel 4", 1),
        ("Anlage 2 Muster", 1),
        ("3. der Antrag ist zu stellen", None),
        ("2 Stück sind vorrätig.", None),
        ("Einfach ein Satz", None),
    ],
)
def test_numbering_makes_a_heading(line: str, level: int | None) -> None:
    assert numbered_level(line) == level


def test_a_language_is_told_by_its_small_words() -> None:
    assert language_of("Der Urlaub ist bis zum 31. März zu nehmen und wird nicht übertragen.") == "de"
    assert language_of("The leave must be taken by the end of March and will not be carried over.") == "en"
    assert language_of("4711 0815 MKS-6") is None


def test_what_no_reader_sees_reaches_no_index() -> None:
    draft = Draft()
    draft.paragraph("sicht\u00adbar\u200b\x00 \U000e0049\U000e0067nichts\ud800")
    assert draft.parsed().text == "sichtbar nichts\ufffd"
