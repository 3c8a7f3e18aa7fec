"""Archives are what their directory says, whatever is packed in them; a packed file is a part."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator, Mapping

import pytest

from rag.documents import Parsed
from rag.errors import EmptyDocument, UnreadableDocument
from rag.ingest.parse import ParserPool, media_type_of
from tests.ingest.parse import makers
from tests.ingest.parse.makers import members_of

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture(scope="module", params=["default", "fallback"])
def pool(request: pytest.FixtureRequest) -> Iterator[ParserPool]:
    with ParserPool(profile=request.param) as opened:
        yield opened


def parse(pool: ParserPool, body: bytes, name: str) -> Parsed:
    return pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name)


def stored(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def streamed(members: Mapping[str, bytes]) -> bytes:
    """As programs write it that do not know a member's size before it is written."""

    class OneWay(io.RawIOBase):
        def __init__(self) -> None:
            self.taken = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.taken += bytes(data)  # type: ignore[call-overload]  # a buffer
            return len(bytes(data))  # type: ignore[call-overload]  # a buffer

    out = OneWay()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[type-var]  # it can be written to
        for name, content in members.items():
            archive.writestr(name, content)
    return bytes(out.taken)


@pytest.mark.parametrize("pack", [stored, streamed, makers.zipped])
@pytest.mark.parametrize("head", [4096, None])
def test_a_zip_with_an_unpacked_word_file_in_it_is_a_zip(pack: object, head: int | None) -> None:
    body = pack({"vertrag.docx": stored(members_of(makers.docx())), "x.txt": b"x"})  # type: ignore[operator]  # a function
    assert media_type_of("ablage", body[:head]) == "application/zip"
    assert media_type_of("ablage.zip", body[:head]) == "application/zip"


def test_the_word_file_in_a_zip_is_its_part(pool: ParserPool) -> None:
    parsed = parse(pool, stored({"vertrag.docx": makers.docx(), "liste": makers.xlsx()}), "ablage.zip")
    assert [(part.name, part.media_type) for part in parsed.parts] == [("vertrag.docx", DOCX), ("liste", XLSX)]


@pytest.mark.parametrize("pack", [stored, streamed, makers.zipped])
def test_a_word_file_without_a_name_is_read_as_one(pool: ParserPool, pack: object) -> None:
    body = pack(members_of(makers.docx()))  # type: ignore[operator]  # a function
    assert "Resttage verfallen am 31. März." in parse(pool, body, "ohne").text


def test_a_gzip_gives_the_file_in_it(pool: ParserPool) -> None:
    parsed = parse(pool, gzip.compress("Grüße aus Köln".encode()), "brief.txt.gz")
    assert [(part.name, part.media_type, part.body) for part in parsed.parts] == [
        ("brief.txt", "text/plain", "Grüße aus Köln".encode())
    ]


def test_a_gzip_of_several_runs_is_one_file(pool: ParserPool) -> None:
    parsed = parse(pool, gzip.compress(b"eins ") + gzip.compress(b"zwei"), "log.gz")
    assert parsed.parts[0].body == b"eins zwei"


def test_a_gzip_cut_off_or_empty_is_refused(pool: ParserPool) -> None:
    with pytest.raises(UnreadableDocument, match="damaged"):
        parse(pool, gzip.compress(b"x" * 5000)[:-12], "a.txt.gz")
    with pytest.raises(EmptyDocument, match="empty"):
        parse(pool, gzip.compress(b""), "a.txt.gz")


def test_a_calendar_gives_each_event_under_its_name(pool: ParserPool) -> None:
    body = (
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Betriebs\r\n versammlung\r\n"
        "DTSTART;TZID=Europe/Berlin:20250304T090000\r\nLOCATION:Halle 3\\, Werk Nord\r\n"
        'ORGANIZER;CN="Anna Berg":mailto:anna@x.example\r\nDESCRIPTION:Tagesordnung\\n1. Bericht\r\n'
        "BEGIN:VALARM\r\nDESCRIPTION:Wecker\r\nEND:VALARM\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nSUMMARY:Inventur\r\nDTSTART;VALUE=DATE:20251231\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    parsed = parse(pool, body.encode(), "termine.ics")
    assert [section.headings for section in parsed.sections] == [("Betriebsversammlung",), ("Inventur",)]
    assert parsed.sections[0].span.of(parsed.text).split("\n")[2:] == [
        "Start: 2025-03-04 09:00 (Europe/Berlin)", "Location: Halle 3, Werk Nord",
        "Organizer: Anna Berg <anna@x.example>", "Tagesordnung", "1. Bericht",
    ]  # fmt: skip
    assert "Start: 2025-12-31" in parsed.text


def test_an_address_card_is_read_in_old_and_new_writing(pool: ParserPool) -> None:
    old = (
        "BEGIN:VCARD\nVERSION:2.1\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=BCrgen M=C3=BCl=\nler\n"
        "TEL;WORK;VOICE:+49 30 1234\nADR;WORK:;;Hauptstr. 1;Berlin;;10115;DE\nEND:VCARD\n"
    )
    parsed = parse(pool, old.encode(), "karte.vcf")
    assert parsed.title == "Jürgen Müller"
    assert "Phone: +49 30 1234\nAddress: Hauptstr. 1, Berlin, 10115, DE" in parsed.text
    new = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Änne Groß\r\nitem1.EMAIL:aenne@x.example\r\nEND:VCARD\r\n"
    assert "Mail: aenne@x.example" in parse(pool, new.encode(), "karte.vcf").text


def test_a_drawing_gives_its_title_and_texts(pool: ParserPool) -> None:
    body = (
        '<svg xmlns="http://www.w3.org/2000/svg"><title>Lageplan</title><style>text{}</style>'
        "<g><text>Tor <tspan>Nord</tspan></text></g></svg>"
    )
    parsed = parse(pool, body.encode(), "plan.svg")
    assert (parsed.title, parsed.text) == ("Lageplan", "Lageplan\n\nTor Nord")
