"""A document's own dates and author, from every format that names them; absurd dates are none."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import Parsed
from rag.ingest.parse import ParserPool, media_type_of
from rag.ingest.parse.compound import describe
from rag.ingest.parse.dates import credible, when
from rag.ingest.parse.draft import Draft
from rag.ingest.parse.wire import Garbled, decode, encode
from tests.ingest.parse import makers, outlook
from tests.ingest.parse.makers import Line

MADE = datetime(2024, 2, 29, 8, 5, 30, tzinfo=UTC)
SAVED = datetime(2025, 7, 1, 16, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29", (2024, 2, 29)),
        ("2024-02-29T08:05:30Z", (2024, 2, 29, 8, 5, 30)),
        ("2024-02-29 08:05", (2024, 2, 29, 8, 5)),
        ("2024-02-29T10:05:30.123456789+02:00", (2024, 2, 29, 8, 5, 30)),
        ("2024-02-29T03:05:30-0500", (2024, 2, 29, 8, 5, 30)),
        ("D:20240229090530+01'00'", (2024, 2, 29, 8, 5, 30)),
        ("D:20240229080530Z", (2024, 2, 29, 8, 5, 30)),
        ("D:20240229080530Z00'00'", (2024, 2, 29, 8, 5, 30)),
        ("D:20240229", (2024, 2, 29)),
        ("Thu, 29 Feb 2024 09:05:30 +0100", (2024, 2, 29, 8, 5, 30)),
        ("29.02.2024", (2024, 2, 29)),
        ("29. 2. 2024, 08:05 Uhr", (2024, 2, 29, 8, 5)),
        ("29. Februar 2024", (2024, 2, 29)),
        ("1. März 2024", (2024, 3, 1)),
        ("February 29, 2024", (2024, 2, 29)),
        ("31. Dezember 2023", (2023, 12, 31)),
    ],
)
def test_a_date_is_read_as_people_and_programs_write_it(text: str, moment: tuple[int, ...]) -> None:
    assert when(text) == datetime(*moment, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year to second


@pytest.mark.parametrize(
    "text", ["", None, "2024", "2024-02", "2023-02-29", "D:2024", "gestern", "99.99.2024", "0000-00-00", "29. Foo 2024"]
)
def test_what_names_no_whole_day_is_no_date(text: str | None) -> None:
    assert when(text) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader_of_dates(text: str) -> None:
    moment = when(text)
    assert moment is None or moment.tzinfo is not None


@given(st.datetimes(min_value=datetime(1971, 1, 1), timezones=st.just(UTC)))
def test_a_date_before_1970_or_after_tomorrow_is_dropped(moment: datetime) -> None:
    assert (credible(moment) is None) == (moment > datetime.now(UTC) + timedelta(days=1))
    assert credible(moment.replace(year=1969, day=1)) is None


def test_dates_travel_from_child_to_parent_as_they_are_and_lies_do_not() -> None:
    parsed = Parsed(text="", sections=(), created_at=MADE, modified_at=SAVED)
    assert _over_the_wire(parsed) == parsed
    for lie in ("2024-02-29T08:05:30", "soon", 5, "0001-01-01T00:00:00+23:59", ["2024"]):
        with pytest.raises(Garbled):
            _over_the_wire(parsed, created_at=lie)
    assert _over_the_wire(parsed, created_at="9000-01-01T00:00:00+00:00").created_at is None


def _over_the_wire(parsed: Parsed, **lies: Any) -> Parsed:
    import json

    _, header, *raw = encode(parsed)
    return decode(json.loads(header) | lies, b"".join(raw))


@pytest.fixture(scope="module", params=["default", "fallback"])
def pool(request: pytest.FixtureRequest) -> Iterator[ParserPool]:
    with ParserPool(profile=request.param) as opened:
        yield opened


def _pdf() -> bytes:
    info = "/Author (Gesa Weber) /CreationDate (D:20240229090530+01'00') /ModDate (D:20250701160000Z)"
    return makers.pdf([[Line("Text")]], info=info)


def _office(kind: str) -> bytes:
    import io

    import docx
    import openpyxl
    import pptx

    made: Any = {"docx": docx.Document, "pptx": pptx.Presentation, "xlsx": openpyxl.Workbook}[kind]()
    about = made.properties if kind == "xlsx" else made.core_properties
    if kind == "docx":
        made.add_paragraph("Text")
    elif kind == "pptx":
        made.slides.add_slide(made.slide_layouts[5]).shapes.title.text = "Text"
    else:
        made.active["A1"] = "Text"
    if kind == "xlsx":
        about.creator = "Gesa Weber"
    else:
        about.author = "Gesa Weber"
    about.created, about.modified = MADE.replace(tzinfo=None), SAVED.replace(tzinfo=None)
    out = io.BytesIO()
    made.save(out)
    if kind != "xlsx":
        return out.getvalue()
    with zipfile.ZipFile(out) as archive:  # the library puts its own time in
        members = {member: archive.read(member) for member in archive.namelist()}
    core = re.sub(
        rb"[^>]*</dcterms:modified>", b"2025-07-01T16:00:00Z</dcterms:modified>", members["docProps/core.xml"]
    )
    return makers.zipped(members | {"docProps/core.xml": core})


_META = (
    '<office:document-meta xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    ' xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<office:meta><meta:initial-creator>Gesa Weber</meta:initial-creator>"
    "<meta:creation-date>2024-02-29T08:05:30.123456789</meta:creation-date><dc:date>2025-07-01T16:00:00</dc:date>"
    "</office:meta></office:document-meta>"
)
_BOOK = (
    '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<dc:title>Buch</dc:title><dc:creator>Gesa Weber</dc:creator><dc:date>2024-02-29T08:05:30Z</dc:date>"
    '<meta property="dcterms:modified">2025-07-01T16:00:00Z</meta></metadata>'
    '<manifest><item id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/></spine></package>'
)
_CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="b.opf"/>'
    "</rootfiles></container>"
)
_EPUB = {"META-INF/container.xml": _CONTAINER, "b.opf": _BOOK, "a.xhtml": "<p>Text</p>"}
_HTML = (
    '<html><head><meta name="author" content="Gesa Weber"><meta property="article:published_time" '
    'content="2024-02-29T09:05:30+01:00"><meta name="dcterms.modified" content="2025-07-01T16:00:00Z"></head>'
    "<body><p>Text</p></body></html>"
)
_RTF = (
    r"{\rtf1\ansi\ansicpg1252{\info{\title Brief}{\author Gesa Weber}{\creatim\yr2024\mo2\dy29\hr8\min5}"
    r"{\revtim\yr2025\mo7\dy1\hr16\min0}}Text\par}"
)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.pdf", _pdf),
        ("a.docx", lambda: _office("docx")),
        ("a.pptx", lambda: _office("pptx")),
        ("a.xlsx", lambda: _office("xlsx")),
        ("a.odt", lambda: makers.odt(meta=_META)),
        ("a.epub", lambda: makers.zipped(_EPUB)),
        ("a.html", _HTML.encode),
        ("a.rtf", _RTF.encode),
        ("a.md", "---\nauthor: Gesa Weber\ndate: 2024-02-29 08:05:30\nupdated: 2025-07-01T16:00\n---\nText".encode),
        ("b.md", "---\nAutor:\n  - Gesa Weber\nErstellt: 29.02.2024 08:05\ngeändert: 1.7.2025 16:00\n---\nText".encode),
    ],
)  # fmt: skip
def test_a_document_says_who_wrote_it_and_when(pool: ParserPool, name: str, make: Any) -> None:
    body = make()
    parsed = pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name)
    assert parsed.author == "Gesa Weber"
    assert parsed.created_at in (MADE, MADE.replace(second=0))
    assert parsed.modified_at == SAVED


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.rst", "Titel\n=====\n\n:Author: Gesa Weber\n:Date: 2024-02-29\n\nText\n"),
        ("a.org", "#+TITLE: Titel\n#+AUTHOR: Gesa Weber\n#+DATE: 2024-02-29\n\n* Eins\nText\n"),
        ("a.adoc", "= Titel\n:author: Gesa Weber\n:revdate: 2024-02-29\n\nText\n"),
        ("a.tex", "\\documentclass{article}\\title{Titel}\\author{Gesa Weber}\\date{29. Februar 2024}\n"
                  "\\begin{document}\nText\n\\end{document}\n"),
    ],
)  # fmt: skip
def test_light_markup_says_who_wrote_it_and_when(pool: ParserPool, name: str, text: str) -> None:
    parsed = pool.parse(text.encode(), media_type=media_type_of(name, text.encode()), name=name)
    assert (parsed.title, parsed.author) == ("Titel", "Gesa Weber")
    assert parsed.created_at == datetime(2024, 2, 29, tzinfo=UTC)


def test_a_mail_was_written_when_its_date_says(pool: ParserPool) -> None:
    body = b"From: Gesa <gesa@x.example>\nDate: Thu, 29 Feb 2024 09:05:30 +0100\nSubject: a\n\nText\n"
    parsed = pool.parse(body, media_type="message/rfc822", name="a.eml")
    assert (parsed.created_at, parsed.modified_at) == (MADE, None)


@pytest.mark.parametrize("date", ["Thu, 1 Jan 1601 00:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 -0500", "irgendwann"])
def test_an_absurd_date_of_a_mail_is_none(pool: ParserPool, date: str) -> None:
    body = f"From: a@x.example\nDate: {date}\nSubject: a\n\nText\n".encode()
    assert pool.parse(body, media_type="message/rfc822", name="a.eml").created_at is None


def test_an_old_office_file_says_who_wrote_it_and_when() -> None:
    draft = Draft()
    said = outlook.summary(title="Prüfplan", author="Gesa Groß", created=MADE, saved=SAVED)
    describe(draft, outlook.compound({("\x05SummaryInformation",): said, ("Workbook",): b"x" * 5000}))
    assert (draft.title, draft.author) == ("Prüfplan", "Gesa Groß")
    assert (draft.created_at, draft.modified_at) == (MADE, SAVED)


def test_a_program_is_no_author_and_its_template_s_date_no_date(pool: ParserPool) -> None:
    import io

    import docx

    made, out = docx.Document(), io.BytesIO()
    made.add_paragraph("Text")
    made.save(out)
    parsed = pool.parse(out.getvalue(), media_type=media_type_of("a.docx", out.getvalue()), name="a.docx")
    assert (parsed.author, parsed.created_at, parsed.modified_at) == (None, None, None)
