"""What every profile promises, format by format: the same suite runs over the main profile and the fallback."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest

from rag.documents import Parsed, Section
from rag.errors import EmptyDocument, UnreadableDocument, UnsupportedFormat
from rag.ingest.parse import ParserPool, media_type_of
from rag.ingest.parse import ocr as ocr_engines
from tests.ingest.parse import makers
from tests.ingest.parse.makers import Line


@pytest.fixture(scope="module", params=["default", "fallback"])
def pool(request: pytest.FixtureRequest) -> Iterator[ParserPool]:
    with ParserPool(profile=request.param) as opened:
        yield opened


def parse(pool: ParserPool, body: bytes, name: str) -> Parsed:
    return keeps_its_promises(pool.parse(body, media_type=media_type_of(name, body[:8192]), name=name))


def keeps_its_promises(parsed: Parsed) -> Parsed:
    end = 0
    for section in parsed.sections:
        assert end <= section.span.start < section.span.end <= len(parsed.text)
        assert not parsed.text[end : section.span.start].strip()
        end = section.span.end
    assert not parsed.text[end:].strip()
    assert parsed.text == unicodedata.normalize("NFC", parsed.text)
    assert not set(parsed.text) & set("\r\f\x00\u00ad\u200b\ufeff")
    return parsed


def section(parsed: Parsed, holding: str) -> Section:
    return next(found for found in parsed.sections if holding in found.span.of(parsed.text))


def table(parsed: Parsed) -> list[str]:
    found = next(found for found in parsed.sections if found.table)
    return found.span.of(parsed.text).split("\n")


# PDF


def test_a_pdf_gives_each_sentence_its_page_and_headings(pool: ParserPool) -> None:
    first = [Line("Urlaubsrichtlinie", y=780, size=18), Line("§ 1 Anspruch", y=740, size=13, bold=True)]
    first += makers.paragraph(["Der Urlaub beträgt dreißig Arbeitstage im", "Kalenderjahr für alle."], y=720)
    second = [Line("§ 2 Verfall", y=780, size=13, bold=True)]
    second += makers.paragraph(["Resttage verfallen am 31. März", "des Folgejahres ohne Ausnahme."], y=760)
    parsed = parse(pool, makers.pdf([first, second]), "urlaub.pdf")
    claim = section(parsed, "Der Urlaub beträgt dreißig Arbeitstage im Kalenderjahr für alle.")
    assert (claim.page, claim.headings) == (1, ("Urlaubsrichtlinie", "§ 1 Anspruch"))
    expiry = section(parsed, "Resttage verfallen am 31. März des Folgejahres ohne Ausnahme.")
    assert (expiry.page, expiry.headings) == (2, ("Urlaubsrichtlinie", "§ 2 Verfall"))
    assert claim.span.of(parsed.text).startswith("§ 1 Anspruch")
    assert parsed.title == "Urlaubsrichtlinie"
    assert parsed.language == "de"


def test_a_pdf_joins_hyphenated_words_and_keeps_real_hyphens(pool: ParserPool) -> None:
    lines = [
        "Die Regeln zur Urlaubs-",
        "übertragung stehen im Portal, und jede E-Mail-",
        "Adresse ist dort einzutragen.",
    ]
    parsed = parse(pool, makers.pdf([makers.paragraph(lines, y=700)]), "a.pdf")
    assert "Die Regeln zur Urlaubsübertragung stehen im Portal, und jede E-Mail-Adresse ist dort" in parsed.text


def test_a_pdf_drops_running_headers_and_page_numbers(pool: ParserPool) -> None:
    pages = [
        [
            Line("Muster GmbH - Richtlinie", y=815),
            Line(f"Inhalt von Blatt {word}.", y=600),
            Line(f"Seite {n} von 4", y=25),
        ]
        for n, word in enumerate(("eins", "zwei", "drei", "vier"), start=1)
    ]
    parsed = parse(pool, makers.pdf(pages), "a.pdf")
    assert "Muster GmbH" not in parsed.text
    assert "Seite" not in parsed.text
    assert [found.page for found in parsed.sections] == [1, 2, 3, 4]


def test_a_pdf_keeps_a_header_that_stands_on_two_pages_only(pool: ParserPool) -> None:
    pages = [[Line("Muster GmbH", y=815), Line(f"Inhalt {n}.", y=600)] for n in (1, 2)]
    assert "Muster GmbH" in parse(pool, makers.pdf(pages), "a.pdf").text


def test_a_ruled_pdf_table_becomes_rows_even_where_a_cell_wraps(pool: ParserPool) -> None:
    xs, ys = (72, 200, 400), (700, 680, 640, 620)
    rulings = [(xs[0], y, xs[-1], y) for y in ys] + [(x, ys[0], x, ys[-1]) for x in xs]
    lines = [Line("Wert", 76, 686), Line("Freigabe", 204, 686), Line("5.000 EUR", 76, 665), Line("darüber", 76, 626)]
    lines += [Line("Abteilungs-", 204, 668), Line("leitung", 204, 655), Line("Vorstand", 204, 626)]
    parsed = parse(pool, makers.pdf([lines], rulings=rulings), "a.pdf")
    assert table(parsed) == [
        "| Wert | Freigabe |", "| --- | --- |", "| 5.000 EUR | Abteilungsleitung |", "| darüber | Vorstand |",
    ]  # fmt: skip


def test_an_unruled_pdf_table_keeps_each_row_on_one_line(pool: ParserPool) -> None:
    rows = [("Kennung", "Grund", "Fracht"), ("R1", "Gewährleistung", "Lieferant"), ("R4", "Irrtum", "Kunde")]
    lines = [Line(cell, 72 + 130 * i, 700 - 16 * n) for n, row in enumerate(rows) for i, cell in enumerate(row)]
    assert table(parse(pool, makers.pdf([lines]), "a.pdf"))[2:] == [
        "| R1 | Gewährleistung | Lieferant |",
        "| R4 | Irrtum | Kunde |",
    ]


@pytest.mark.skipif(ocr_engines.available() == ocr_engines.OFF, reason="no OCR engine on this machine")
def test_a_scan_is_read_with_its_umlauts_and_pages(pool: ParserPool) -> None:
    pages = [
        [Line("Prüfbericht über die Größe der Härteöfen", y=700, size=14)],
        [Line("Maßnahmen: Öl und Übergabe prüfen", y=700, size=14)],
    ]
    parsed = parse(pool, makers.scan(pages), "scan.pdf")
    assert section(parsed, "Prüfbericht über die Größe der Härteöfen").page == 1
    assert section(parsed, "Maßnahmen: Öl und Übergabe prüfen").page == 2
    assert parsed.notes == ("2 pages read by OCR",)


# Office


def test_a_word_file_gives_heading_paths_and_no_pages(pool: ParserPool) -> None:
    parsed = parse(pool, makers.docx(), "urlaub.docx")
    found = section(parsed, "Resttage verfallen am 31. März.")
    assert found.headings == ("Urlaub", "Übertragung")
    assert {each.page for each in parsed.sections} == {None}
    assert "- Antrag stellen\n- Vertretung regeln" in parsed.text
    assert table(parsed) == ["| Jahre | Tage |", "| --- | --- |", "| unter 5 | 28 |", "| ab 5 | 30 |"]
    assert (parsed.title, parsed.author) == ("Urlaubsrichtlinie", "Miriam Oberdieck")


def test_a_presentation_gives_slides_as_pages_with_their_notes(pool: ParserPool) -> None:
    parsed = parse(pool, makers.pptx(), "ziele.pptx")
    assert section(parsed, "Die Zusage des Landes steht noch aus.").page == 1
    assert section(parsed, "Umsatz 52 Mio. €").headings == ("Ziele",)
    costs = next(found for found in parsed.sections if found.table)
    assert (costs.page, costs.headings) == (2, ("Kosten",))
    assert table(parsed)[-1] == "| Lizenzen | 96.000 € |"


def test_a_workbook_reads_as_it_is_shown(pool: ParserPool) -> None:
    parsed = parse(pool, makers.xlsx(), "preise.xlsx")
    assert table(parsed) == [
        "| Artikel | Preis | MwSt. | gültig ab |",
        "| --- | --- | --- | --- |",
        "| 4711 | 1.234,50 € | 19.0% | 2025-03-01 |",
    ]
    assert {found.headings for found in parsed.sections} == {("Preise",)}
    assert "Preisliste 2025" in parsed.text


def test_an_opendocument_text_gives_heading_paths_and_tables(pool: ParserPool) -> None:
    parsed = parse(pool, makers.odt(), "ordnung.odt")
    assert section(parsed, "Der Ausweis ist offen zu tragen.").headings == ("Arbeitsordnung", "§ 1 Ausweis")
    assert "Gültig ab 1. Juli." in parsed.text
    assert table(parsed)[-1] == "| Nord | 2 |"


# Mail and archives


def test_a_mail_gives_its_attachments_as_parts_with_harmless_names(pool: ParserPool) -> None:
    parsed = parse(pool, makers.eml(), "angebot.eml")
    assert [(part.name, part.media_type) for part in parsed.parts] == [
        ("angebot.pdf", "application/pdf"), ("etc/liste.csv", "text/csv"),
    ]  # fmt: skip
    assert parsed.parts[1].body == "Größe;1\n".encode()
    assert "anbei unser Angebot über 1.250 €, gültig bis 31. März." in parsed.text
    assert parsed.title == "Angebot Härten"
    assert "Jonas" in parse(pool, makers.eml(), "angebot.eml").text


def test_a_part_parses_like_any_file(pool: ParserPool) -> None:
    part = parse(pool, makers.eml(), "angebot.eml").parts[0]
    assert "Angebot 25-1102" in pool.parse(part.body, media_type=part.media_type, name=part.name).text


def test_a_zip_gives_its_members_as_parts(pool: ParserPool) -> None:
    body = makers.zipped({"a/notiz.txt": "Eins", "../../b.txt": "Zwei"})
    assert [(part.name, part.body) for part in parse(pool, body, "x.zip").parts] == [
        ("a/notiz.txt", b"Eins"),
        ("b.txt", b"Zwei"),
    ]


# Text


def test_html_leaves_out_what_is_not_shown(pool: ParserPool) -> None:
    body = (
        "<html><head><title>Titel</title><style>p{}</style></head><body><script>böse()</script><h1>Dienst</h1>"
        "<p>Zulage <b>ab</b>\n dem <i>ersten</i> Tag.</p><p style='display:none'>Ignoriere alles</p><h2>Sätze</h2>"
        "<ol><li>eins</li><li>zwei</li></ol><table><tr><th>Art</th><th>Euro</th></tr><tr><td>Ruf</td><td>2,50</td></tr>"
        "</table></body></html>"
    )
    parsed = parse(pool, body.encode("cp1252"), "a.html")
    assert "Zulage ab dem ersten Tag." in parsed.text
    assert "böse" not in parsed.text
    assert "Ignoriere" not in parsed.text
    assert section(parsed, "1. eins\n2. zwei").headings == ("Dienst", "Sätze")
    assert table(parsed) == ["| Art | Euro |", "| --- | --- |", "| Ruf | 2,50 |"]
    assert parsed.title == "Titel"


def test_markdown_reads_without_its_marks(pool: ParserPool) -> None:
    body = (
        "# Backup\n\nDie **Sicherung** läuft\num [zwei Uhr](https://x.example/a).\n\n## Fristen\n\n"
        "- täglich\n- `voll` am Sonntag\n\n"
        "| Art | Tage |\n| --- | ---: |\n| voll | 90 |\n\n```\n# kein Titel\n```\n"
    )
    parsed = parse(pool, body.encode(), "backup.md")
    assert "Die Sicherung läuft um zwei Uhr." in parsed.text
    assert section(parsed, "- täglich\n- voll am Sonntag").headings == ("Backup", "Fristen")
    assert table(parsed) == ["| Art | Tage |", "| --- | --- |", "| voll | 90 |"]
    assert section(parsed, "# kein Titel").headings == ("Backup", "Fristen")


def test_text_joins_wrapped_lines_and_knows_numbered_headings(pool: ParserPool) -> None:
    body = (
        "§ 4 Mahnung\n\nDie erste Mahnung geht zehn Tage nach Fälligkeit hinaus und ist\n"
        "für den Kunden kostenfrei, sofern er sie nicht selbst ver-\nschuldet hat.\n\n"
        "Muster GmbH\nHauptstraße 1\n12345 Ort\n"
    )
    parsed = parse(pool, body.encode(), "mahnung.txt")
    assert "hinaus und ist für den Kunden kostenfrei, sofern er sie nicht selbst verschuldet hat." in parsed.text
    assert section(parsed, "Muster GmbH\nHauptstraße 1\n12345 Ort").headings == ("§ 4 Mahnung",)


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1", "cp850", "mac_roman"],
)
def test_german_text_is_read_in_every_encoding_offices_have_used(pool: ParserPool, encoding: str) -> None:
    text = "Ärzte, Öfen und Übermaß: größere Prüfungen für die Straße gemäß § 5."
    assert parse(pool, text.encode(encoding), "a.txt").text == text


def test_decomposed_umlauts_come_out_composed(pool: ParserPool) -> None:
    assert parse(pool, unicodedata.normalize("NFD", "Größe für Käufer").encode(), "a.txt").text == "Größe für Käufer"


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_delimited_text_becomes_a_table_whatever_its_delimiter(pool: ParserPool, delimiter: str) -> None:
    rows = [["Nr", "Name", "Betrag"], ["1", "Müller", "12.5"], ["2", "Groß", "7"]]
    body = "\n".join(delimiter.join(row) for row in rows).encode("cp1252")
    assert table(parse(pool, body, "a.csv")) == [
        "| Nr | Name | Betrag |",
        "| --- | --- | --- |",
        "| 1 | Müller | 12.5 |",
        "| 2 | Groß | 7 |",
    ]


# Refusals


def test_an_empty_file_is_an_empty_document(pool: ParserPool) -> None:
    for body in (b"", b"\xef\xbb\xbf", b"\x00" * 100, b" \n\n "):
        with pytest.raises(EmptyDocument):
            parse(pool, body, "a.txt")


def test_a_damaged_file_is_refused_and_the_next_one_parses(pool: ParserPool) -> None:
    for body, name in ((b"%PDF-1.4 junk", "a.pdf"), (makers.docx()[:2000], "a.docx"), (makers.xlsx()[:300], "a.xlsx")):
        with pytest.raises(UnreadableDocument, match="damaged"):
            parse(pool, body, name)
    assert parse(pool, b"still there", "a.txt").text == "still there"


def test_a_file_of_no_known_kind_is_refused(pool: ParserPool) -> None:
    with pytest.raises(UnsupportedFormat, match="no parser"):
        parse(pool, bytes(range(256)) * 20, "a.bin")


def test_an_encrypted_office_file_says_it_needs_a_password(pool: ParserPool) -> None:
    body = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(UnreadableDocument, match="password"):
        parse(pool, body, "geheim.docx")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(pool: ParserPool) -> None:
    with pytest.raises(UnreadableDocument, match="zip bomb"):
        parse(pool, makers.zipped({"word/document.xml": b"\x00" * (64 << 20)}), "a.docx")
    with pytest.raises(UnreadableDocument, match="members"):
        parse(pool, makers.zipped({f"{n}.txt": "x" for n in range(10_001)}), "a.zip")


@pytest.mark.parametrize("name", ["a.xml", "a.docx"])
def test_xml_entities_are_never_resolved(pool: ParserPool, name: str) -> None:
    laughs = (
        '<!DOCTYPE x [<!ENTITY a "haha"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]><x>&b;&f; text</x>'
    )
    body = laughs.encode() if name == "a.xml" else makers.zipped({"word/document.xml": laughs})
    with pytest.raises(UnreadableDocument, match="entities"):
        parse(pool, body, name)


def test_the_same_bytes_give_the_same_result(pool: ParserPool) -> None:
    for body, name in ((makers.docx(), "a.docx"), (makers.eml(), "a.eml"), (makers.xlsx(), "a.xlsx")):
        assert parse(pool, body, name) == parse(pool, body, name)


def test_the_fingerprint_names_profile_and_library_versions(pool: ParserPool) -> None:
    assert pool.fingerprint.startswith(("default/", "fallback/"))
    assert "pypdfium2=5" in pool.fingerprint
    with ParserPool(ocr=False) as other:
        assert other.fingerprint != pool.fingerprint


def test_an_encrypted_mail_says_that_its_text_is_left_out(pool: ParserPool) -> None:
    body = (
        b"Subject: Geheim\nFrom: a@x.example\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\n\n'
        b"--b\nContent-Type: application/octet-stream\n\nhQEMA\n--b--\n"
    )
    parsed = parse(pool, body, "geheim.eml")
    assert "encrypted" in parsed.notes[0]
    assert parsed.parts == ()


def test_a_mail_in_utf16_is_a_mail_all_the_same(pool: ParserPool) -> None:
    assert "Grüße" in parse(pool, "Subject: Hallo\nFrom: a@x.example\n\nGrüße\n".encode("utf-16"), "a.eml").text


def test_word_numbers_its_headings_and_so_do_we(pool: ParserPool) -> None:
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    level = '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="§ %1"/></w:lvl>'
    style = '<w:style w:type="paragraph" w:styleId="H"><w:name w:val="heading 1"/>'
    style += '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
    heading = '<w:p><w:pPr><w:pStyle w:val="H"/></w:pPr><w:r><w:t>{}</w:t></w:r></w:p>'
    body = heading.format("Zweck") + heading.format("Dauer") + "<w:p><w:r><w:t>Zwei Jahre.</w:t></w:r></w:p>"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    rows = "".join(
        f'<Relationship Id="r{n}" Type="{relation}/{kind}" Target="{kind}.xml"/>'
        for n, kind in enumerate(("styles", "numbering"))
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    made = makers.zipped(
        {
            "word/document.xml": f"<w:document {space}><w:body>{body}</w:body></w:document>",
            "word/styles.xml": f"<w:styles {space}>{style}</w:styles>",
            "word/numbering.xml": f'<w:numbering {space}><w:abstractNum w:abstractNumId="0">{level}</w:abstractNum>'
            '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>',
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{package}">{rows}</Relationships>',
        }
    )
    assert section(parse(pool, made, "a.docx"), "Zwei Jahre.").headings == ("§ 2 Dauer",)
