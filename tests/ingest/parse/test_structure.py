"""Headings, tables with their header row, notes and comments survive, format by format; a page break cuts neither a
table from its header nor a sentence in two."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from rag.documents import Parsed, Section
from rag.ingest.parse import ParserPool, media_type_of
from tests.ingest.parse import makers
from tests.ingest.parse.makers import Line, members_of

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@pytest.fixture(scope="module", params=["default", "fallback"])
def pool(request: pytest.FixtureRequest) -> Iterator[ParserPool]:
    with ParserPool(profile=request.param) as opened:
        yield opened


def parse(pool: ParserPool, body: bytes, name: str) -> Parsed:
    return pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name)


def section(parsed: Parsed, holding: str) -> Section:
    return next(found for found in parsed.sections if holding in found.span.of(parsed.text))


def tables(parsed: Parsed) -> list[tuple[int | None, list[str]]]:
    return [(found.page, found.span.of(parsed.text).split("\n")) for found in parsed.sections if found.table]


# PDF


def test_a_sentence_over_a_page_break_stays_whole_on_the_page_it_begins_on(pool: ParserPool) -> None:
    first = makers.paragraph(
        ["Die Kündigung ist nur wirksam, wenn sie dem anderen Teil", "spätestens am dritten Werk-"], y=700
    )
    second = makers.paragraph(
        ["tag eines Monats zugegangen ist. Sie bedarf der Schriftform,", "eine Mail genügt nicht."], y=780
    )
    parsed = parse(pool, makers.pdf([first, second]), "a.pdf")
    whole = section(parsed, "spätestens am dritten Werktag eines Monats zugegangen ist.")
    assert whole.page == 1
    rest = section(parsed, "Sie bedarf der Schriftform, eine Mail genügt nicht.")
    assert rest.page == 2
    assert parsed.text.count("zugegangen ist") == 1


def test_a_page_number_between_does_not_part_a_sentence(pool: ParserPool) -> None:
    first = [
        *makers.paragraph(["Die Kündigung ist nur wirksam, wenn sie dem anderen Teil"], y=700),
        Line("- 1 -", 280, 30),
    ]
    second = [*makers.paragraph(["rechtzeitig zugegangen ist. Das ist alles."], y=780), Line("- 2 -", 280, 30)]
    parsed = parse(pool, makers.pdf([first, second]), "a.pdf")
    assert section(parsed, "dem anderen Teil rechtzeitig zugegangen ist.").page == 1


def test_a_new_sentence_a_list_or_a_heading_stays_on_its_page(pool: ParserPool) -> None:
    first = makers.paragraph(["Die Kündigung ist wirksam, wenn sie dem anderen Teil", "zugegangen ist."], y=700)
    for text in ("a) sie ist schriftlich erklärt worden und unterschrieben.", "Danach gilt die Frist von vier Wochen."):
        parsed = parse(pool, makers.pdf([first, makers.paragraph([text], y=780)]), "a.pdf")
        assert section(parsed, text).page == 2
    head = [Line("b) Fristen", y=780, size=15, bold=True), *makers.paragraph(["Es gelten die Fristen."], y=750)]
    open_end = makers.paragraph(["Die Kündigung ist wirksam, wenn sie dem anderen Teil"], y=700)
    assert section(parse(pool, makers.pdf([open_end, head]), "a.pdf"), "b) Fristen").page == 2


def grid(rows: list[tuple[str, str]], *, top: float) -> tuple[list[Line], list[tuple[float, float, float, float]]]:
    xs, height = (72.0, 200.0, 400.0), 20.0
    ys = [top - height * n for n in range(len(rows) + 1)]
    lines = [Line(cell, xs[i] + 4, ys[n] - 14) for n, row in enumerate(rows) for i, cell in enumerate(row)]
    return lines, [(xs[0], y, xs[-1], y) for y in ys] + [(x, ys[0], x, ys[-1]) for x in xs]


def two_pages(one: list[tuple[str, str]], two: list[tuple[str, str]], *, below: float = 810) -> bytes:
    (first, ruled), (second, also) = grid(one, top=120), grid(two, top=below)
    return makers.pdf([first, second], rulings=[ruled, also])


def test_a_table_that_goes_on_over_the_page_keeps_its_header_row_on_both(pool: ParserPool) -> None:
    body = two_pages([("Werk", "Tor"), ("Nord", "2"), ("Süd", "5")], [("Ost", "7"), ("West", "9")])
    assert tables(parse(pool, body, "a.pdf")) == [
        (1, ["| Werk | Tor |", "| --- | --- |", "| Nord | 2 |", "| Süd | 5 |"]),
        (2, ["| Werk | Tor |", "| --- | --- |", "| Ost | 7 |", "| West | 9 |"]),
    ]


def test_a_header_row_that_is_repeated_on_the_page_is_not_doubled(pool: ParserPool) -> None:
    body = two_pages([("Werk", "Tor"), ("Nord", "2")], [("Werk", "Tor"), ("Ost", "7")])
    assert tables(parse(pool, body, "a.pdf"))[1][1] == ["| Werk | Tor |", "| --- | --- |", "| Ost | 7 |"]


def test_a_table_further_down_the_next_page_is_one_of_its_own(pool: ParserPool) -> None:
    body = two_pages([("Werk", "Tor"), ("Nord", "2")], [("Halle", "Platz"), ("A", "7")], below=400)
    assert tables(parse(pool, body, "a.pdf"))[1][1][0] == "| Halle | Platz |"


# Word and its kin


def word(body: str, parts: dict[str, str]) -> bytes:
    """A Word file of this body with these parts, named by their kind."""
    rows = "".join(f'<Relationship Id="r{n}" Type="{REL}/{kind}" Target="{kind}.xml"/>' for n, kind in enumerate(parts))
    return makers.zipped(
        {
            "[Content_Types].xml": "<Types/>",
            "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{makers.PACKAGE}">{rows}</Relationships>',
            **{f"word/{kind}.xml": xml for kind, xml in parts.items()},
        }
    )


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_a_word_file_keeps_footnotes_endnotes_comments_and_margins(pool: ParserPool) -> None:
    notes = f'<w:footnotes {W}><w:footnote w:type="separator" w:id="-1">{paragraph("Strich")}</w:footnote>'
    notes += f'<w:footnote w:id="1">{paragraph("Gilt nicht für Azubis.")}</w:footnote></w:footnotes>'
    parts = {
        "footnotes": notes,
        "endnotes": f'<w:endnotes {W}><w:endnote w:id="1">{paragraph("Siehe Anlage 3.")}</w:endnote></w:endnotes>',
        "comments": f'<w:comments {W}><w:comment w:author="Gesa">{paragraph("Bitte prüfen")}</w:comment></w:comments>',
        "header": f"<w:hdr {W}>{paragraph('Muster GmbH, Personalabteilung')}</w:hdr>",
    }
    text = parse(pool, word(paragraph("Der Urlaub beträgt 30 Tage."), parts), "a.docx").text
    for expected in ("30 Tage.", "Gilt nicht für Azubis.", "Siehe Anlage 3.", "[Gesa] Bitte prüfen", "Muster GmbH"):
        assert expected in text
    assert "Strich" not in text


def test_an_opendocument_text_keeps_footnotes_and_comments(pool: ParserPool) -> None:
    body = (
        '<text:h text:outline-level="1">Urlaub</text:h><text:p>Dreißig Tage<text:note text:note-class="footnote">'
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>Nicht für Azubis.</text:p></text:note-body>"
        "</text:note> im Jahr.<office:annotation><dc:creator>Gesa</dc:creator><text:p>Bitte prüfen</text:p>"
        "</office:annotation></text:p>"
    )
    parsed = parse(pool, makers.odt(body=body), "a.odt")
    assert "Dreißig Tage [Nicht für Azubis.] im Jahr." in parsed.text
    assert section(parsed, "Bitte prüfen").headings == ("Urlaub",)


# Slides


def test_a_presentation_keeps_old_and_new_comments(pool: ParserPool) -> None:
    made = members_of(makers.pptx())
    p, a = (
        "http://schemas.openxmlformats.org/presentationml/2006/main",
        "http://schemas.openxmlformats.org/drawingml/2006/main",
    )
    new = "http://schemas.microsoft.com/office/powerpoint/2018/8/main"
    rows = (
        f'<Relationship Id="c1" Type="{REL}/comments" Target="../comments/old.xml"/><Relationship Id="c2" '
        'Type="http://schemas.microsoft.com/office/2018/10/relationships/comments" Target="../comments/new.xml"/>'
    )
    made |= {
        "ppt/comments/old.xml": f'<p:cmLst xmlns:p="{p}"><p:cm><p:text>Zahl prüfen</p:text></p:cm></p:cmLst>'.encode(),
        "ppt/comments/new.xml": f'<n:cmLst xmlns:n="{new}" xmlns:a="{a}"><n:cm><n:txBody><a:p><a:r>'
        "<a:t>Quelle fehlt</a:t></a:r></a:p></n:txBody></n:cm></n:cmLst>".encode(),
    }
    path = "ppt/slides/_rels/slide1.xml.rels"
    made[path] = made[path].replace(b"</Relationships>", rows.encode() + b"</Relationships>")
    parsed = parse(pool, makers.zipped(made), "a.pptx")
    assert section(parsed, "Zahl prüfen").page == section(parsed, "Quelle fehlt").page == 1


def test_an_opendocument_presentation_keeps_titles_tables_notes_and_comments(pool: ParserPool) -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    rows = "".join(
        f"<table:table-row>{cell.format(a)}{cell.format(b)}</table:table-row>"
        for a, b in (("Werk", "Tor"), ("Nord", "2"))
    )
    body = (
        '<draw:page draw:name="1"><draw:frame presentation:class="title"><draw:text-box><text:p>Ziele</text:p>'
        "</draw:text-box></draw:frame><draw:frame><draw:text-box><text:list><text:list-item><text:p>Umsatz</text:p>"
        "</text:list-item></text:list></draw:text-box></draw:frame>"
        "<office:annotation><dc:creator>Gesa</dc:creator><text:p>Zahl prüfen</text:p></office:annotation>"
        "<presentation:notes><draw:frame><draw:text-box><text:p>Zusage steht aus.</text:p></draw:text-box></draw:frame>"
        "</presentation:notes></draw:page>"
        '<draw:page draw:name="2"><draw:frame presentation:class="title"><draw:text-box><text:p>Werke</text:p>'
        f"</draw:text-box></draw:frame><draw:frame><table:table>{rows}</table:table></draw:frame></draw:page>"
    )
    parsed = parse(pool, makers.odt(body=body, kind="presentation"), "a.odp")
    for text in ("Umsatz", "Zusage steht aus.", "Zahl prüfen"):
        assert (section(parsed, text).page, section(parsed, text).headings) == (1, ("Ziele",))
    assert tables(parsed) == [(2, ["| Werk | Tor |", "| --- | --- |", "| Nord | 2 |"])]


# Sheets


def test_a_workbook_keeps_the_comments_on_its_cells(pool: ParserPool) -> None:
    import openpyxl
    from openpyxl.comments import Comment

    made, out = openpyxl.Workbook(), io.BytesIO()
    made.active.title = "Preise"
    for row in (("Artikel", "Preis"), ("Ring", 12)):
        made.active.append(row)
    made.active["B2"].comment = Comment("gilt bis März", "Gesa")
    made.save(out)
    parsed = parse(pool, out.getvalue(), "a.xlsx")
    assert tables(parsed)[0][1] == ["| Artikel | Preis |", "| --- | --- |", "| Ring | 12 |"]
    assert section(parsed, "B2 [Gesa]: gilt bis März").headings == ("Preise",)


def test_an_opendocument_workbook_reads_as_it_is_shown_with_its_comments(pool: ParserPool) -> None:
    body = (
        '<table:table table:name="Preise"><table:table-header-rows><table:table-row>'
        "<table:table-cell><text:p>Artikel</text:p></table:table-cell><table:table-cell><text:p>Preis</text:p>"
        "</table:table-cell></table:table-row></table:table-header-rows><table:table-row>"
        '<table:table-cell><text:p>Ring</text:p></table:table-cell><table:table-cell office:value-type="currency" '
        'office:value="1234.5"><office:annotation><dc:creator>Gesa</dc:creator><text:p>gilt bis März</text:p>'
        "</office:annotation><text:p>1.234,50 €</text:p></table:table-cell>"
        '<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        '<table:table-row table:number-rows-repeated="2"><table:table-cell table:number-columns-repeated="2">'
        "<text:p>x</text:p></table:table-cell></table:table-row>"
        '<table:table-row table:number-rows-repeated="1000000"><table:table-cell/></table:table-row></table:table>'
    )
    parsed = parse(pool, makers.odt(body=body, kind="spreadsheet"), "a.ods")
    assert tables(parsed)[0][1] == [
        "| Artikel | Preis |", "| --- | --- |", "| Ring | 1.234,50 € |", "| x | x |", "| x | x |",
    ]  # fmt: skip
    assert section(parsed, "B2 [Gesa]: gilt bis März").headings == ("Preise",)


# Light markup and data


MARKUP = {
    "a.rst": "Titel\n=====\n\nUrlaub\n------\n\nDreißig Tage.\n\n====  ===\nWerk  Tor\n====  ===\nNord  2\n====  ===\n",
    "b.rst": "======\nUrlaub\n======\n\nDreißig Tage.\n\n+------+-----+\n| Werk | Tor |\n+======+=====+\n"
             "| Nord | 2   |\n+------+-----+\n",
    "a.org": "* Urlaub\n** Dauer\nDreißig Tage.\n\n| Werk | Tor |\n|------+-----|\n| Nord | 2 |\n",
    "a.adoc": "= Titel\n\n== Urlaub\n\nDreißig Tage.\n\n|===\n|Werk |Tor\n\n|Nord |2\n|===\n",
    "a.tex": "\\documentclass{article}\n\\begin{document}\n\\section{Urlaub}\nDreißig Tage.\n\n\\begin{tabular}{ll}\n"
             "Werk & Tor \\\\\nNord & 2 \\\\\n\\end{tabular}\n\\end{document}\n",
    "a.html": "<h1>Urlaub</h1><p>Dreißig Tage.</p><table><tr><th>Werk</th><th>Tor</th></tr>"
              "<tr><td>Nord</td><td>2</td></tr></table>",
    "a.md": "# Urlaub\n\nDreißig Tage.\n\n| Werk | Tor |\n|---|---|\n| Nord | 2 |\n",
    "a.ipynb": '{"cells": [{"cell_type": "markdown", "source": ["# Urlaub\\n", "\\n", "Dreißig Tage.\\n", "\\n", '
               '"| Werk | Tor |\\n", "|---|---|\\n", "| Nord | 2 |"]}], "metadata": {}}',
}  # fmt: skip


@pytest.mark.parametrize("name", MARKUP)
def test_light_markup_gives_headings_and_tables(pool: ParserPool, name: str) -> None:
    parsed = parse(pool, MARKUP[name].encode(), name)
    assert "Urlaub" in section(parsed, "Dreißig Tage.").headings
    assert [rows for _, rows in tables(parsed)] == [["| Werk | Tor |", "| --- | --- |", "| Nord | 2 |"]]


@pytest.mark.parametrize(("name", "between"), [("a.tsv", "\t"), ("a.csv", ";"), ("a.tab", "\t")])
def test_delimited_text_is_a_table(pool: ParserPool, name: str, between: str) -> None:
    body = f"Werk{between}Tor\nNord{between}2\n".encode()
    assert tables(parse(pool, body, name))[0][1] == ["| Werk | Tor |", "| --- | --- |", "| Nord | 2 |"]
