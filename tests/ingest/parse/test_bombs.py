"""Rows T13, T16 and T17 of the threat list: what blows up, loops or nests for ever costs one file."""

from __future__ import annotations

import functools
import io
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.documents import Parsed
from rag.errors import DocumentError, UnreadableDocument
from rag.ingest.parse import ParserPool, media_type_of
from rag.ingest.parse.sheets import DelimitedParser
from tests.ingest.parse import makers
from tests.ingest.parse.makers import members_of


@pytest.fixture(scope="module", params=["default", "fallback"])
def pool(request: pytest.FixtureRequest) -> Iterator[ParserPool]:
    with ParserPool(profile=request.param, timeout_s=20, memory_mb=512) as opened:
        yield opened


def parse(pool: ParserPool, body: bytes, name: str) -> Parsed:
    return pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name)


def refused_or_read(pool: ParserPool, body: bytes, name: str) -> str:
    """Its text or the reason; either way in time, and the next file is read at once (`test_neighbours` bounds it)."""
    began = time.monotonic()
    try:
        said = parse(pool, body, name).text
    except DocumentError as error:
        said = str(error)
    assert time.monotonic() - began < 30
    assert parse(pool, b"next", "a.txt").text == "next"
    return said


# T13: recursion, links


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.json", b"[" * 100_000 + b"]" * 100_000),
        ("a.json", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        ("a.ipynb", b'{"cells":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("a.xml", b"<a>" * 100_000 + b"</a>" * 100_000),
        ("a.html", b"<div>" * 100_000 + b"text" + b"</div>" * 100_000),
        ("a.rtf", b"{\\rtf1 " + b"{" * 100_000 + b"text" + b"}" * 100_000),
        ("a.md", b">" * 100_000 + b" text"),
        ("a.eml", b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: message/rfc822\n\n" * 3000),
        ("a.org", b"*" * 100_000 + b" text\n" + b"|" * 100_000),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_t13_nesting_a_hundred_thousand_deep_costs_one_file(pool: ParserPool, name: str, body: bytes) -> None:
    assert refused_or_read(pool, body, name)


def test_t13_a_link_in_an_archive_is_not_followed(pool: ParserPool, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("geheim")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("lohn.txt")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, str(secret))
    part = parse(pool, out.getvalue(), "a.zip").parts[0]
    assert part.body == str(secret).encode()  # the link's own text
    assert "geheim" not in parse(pool, part.body, part.name).text


# T16: PDF bombs


def raw_pdf(*objects: bytes, trailer: bytes = b"/Root 1 0 R", prev: bool = False) -> bytes:
    """A PDF of these objects; with `prev` its cross-reference table names itself as the one before."""
    out, offsets = io.BytesIO(), []
    out.write(b"%PDF-1.7\n")
    for number, body in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    loop = b" /Prev %d" % start if prev else b""
    out.write(b"trailer << /Size %d %s%s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, loop, start))
    return out.getvalue()


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


def one_page(content: bytes, *more: bytes, resources: bytes = b"") -> bytes:
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << %s >> >>" % resources
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", page, content, *more
    )


@functools.cache
def flate(megabytes: int, times: int = 1) -> bytes:
    """Zeroes that unpack to so much, packed again and again."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()
    for _ in range(times - 1):
        packed = zlib.compress(packed, 9)
    return stream(packed, b"/Filter [%s]" % (b"/FlateDecode " * times))


_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
_IMAGE = b"/Type /XObject /Subtype /Image /Width 60000 /Height 60000 /ColorSpace /DeviceRGB /BitsPerComponent 8"
PDF_BOMBS: dict[str, Callable[[], bytes]] = {
    "circular_prev": lambda: raw_pdf(_CATALOG, b"<< /Type /Pages /Count 0 /Kids [] >>", prev=True),
    "page_tree_that_holds_itself": lambda: raw_pdf(_CATALOG, b"<< /Type /Pages /Count 9 /Kids [2 0 R 2 0 R] >>"),
    "a_milliard_pages": lambda: raw_pdf(_CATALOG, b"<< /Type /Pages /Count 1000000000 /Kids [] >>"),
    "a_gigabyte_in_a_stream": lambda: one_page(flate(1024)),
    "a_gigabyte_packed_thrice": lambda: one_page(flate(1024, 3)),
    "a_form_that_draws_itself": lambda: one_page(
        stream(b"/F Do"), stream(b"/F Do /F Do", b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources "
        b"<< /XObject << /F 5 0 R >> >>"), resources=b"/XObject << /F 5 0 R >>"
    ),
    "a_picture_of_ten_gigabytes": lambda: one_page(
        stream(b"500 0 0 500 0 0 cm /I Do"), stream(zlib.compress(bytes(1 << 20)), _IMAGE + b" /Filter /FlateDecode"),
        resources=b"/XObject << /I 5 0 R >>"
    ),
    "a_predictor_of_a_milliard_columns": lambda: one_page(
        stream(zlib.compress(bytes(1000)), b"/Filter /FlateDecode /DecodeParms << /Predictor 15 /Columns 1000000000 >>")
    ),
    "lzw_that_unpacks_to_much": lambda: one_page(stream(b"\x80\x0b\x60\x50" * 500_000, b"/Filter /LZWDecode")),
    "filters_a_thousand_deep": lambda: one_page(stream(b"x>", b"/Filter [%s]" % (b"/ASCIIHexDecode " * 1000))),
    "arrays_a_hundred_thousand_deep": lambda: one_page(stream(b"[" * 100_000 + b"]" * 100_000)),
    "dictionaries_a_hundred_thousand_deep": lambda: raw_pdf(b"<< /A " * 100_000 + b"1" + b">>" * 100_000),
    "a_content_of_ten_million_operators": lambda: one_page(
        stream(zlib.compress(b"q Q BT ET " * 5_000_000), b"/Filter /FlateDecode")
    ),
    "a_table_of_a_milliard_objects": lambda: b"%PDF-1.7\nxref\n0 1000000000\ntrailer << /Size 1000000000 "
    b"/Root 1 0 R >>\nstartxref\n9\n%%EOF",
}  # fmt: skip


@pytest.mark.parametrize("kind", PDF_BOMBS)
def test_t16_a_pdf_bomb_costs_one_file(pool: ParserPool, kind: str) -> None:
    assert refused_or_read(pool, PDF_BOMBS[kind](), "bombe.pdf")


def one_page_over_and_over(pages: int, letters: int) -> bytes:
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>"
    )
    text = b"BT /F 9 Tf 9 TL " + b"(Zeile mit Text) Tj T* " * (letters // 14) + b"ET"
    tree = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, b"3 0 R " * pages)
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    packed = stream(zlib.compress(text), b"/Filter /FlateDecode")
    return raw_pdf(b"<< /Type /Catalog /Pages 2 0 R >>", tree, page, packed, font)


@pytest.mark.parametrize("profile", ["default", "fallback"])
def test_t16_a_small_pdf_that_would_take_hours_or_all_memory_ends_at_its_limit(profile: str) -> None:
    body = one_page_over_and_over(4900, 280_000)
    assert len(body) < 100_000
    with ParserPool(profile=profile, timeout_s=8, memory_mb=512) as pool:
        with pytest.raises(UnreadableDocument, match=r"over the (8 s|512 MB memory|memory) limit"):
            parse(pool, body, "lang.pdf")
        assert parse(pool, b"next", "a.txt").text == "next"


# T17: XML and zip bombs

LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "haha">'
    + "".join(f'<!ENTITY {two} "{f"&{one};" * 10}">' for one, two in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY j SYSTEM "{}">]>'
PLACES = {
    "a.docx": ("word/document.xml", makers.docx), "b.docx": ("word/styles.xml", makers.docx),
    "a.pptx": ("ppt/slides/slide1.xml", makers.pptx), "a.xlsx": ("xl/sharedStrings.xml", makers.xlsx),
    "a.odt": ("content.xml", makers.odt),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("name", [*PLACES, "a.svg", "a.xml"])
@pytest.mark.parametrize(
    "bomb", [LAUGHS, OUTSIDE.format("file:///etc/passwd"), OUTSIDE.format("http://127.0.0.1:9/x")],
    ids=["laughs", "file", "http"],
)  # fmt: skip
def test_t17_entities_in_xml_are_refused_wherever_it_lies(
    pool: ParserPool, bomb: str, name: str, encoding: str
) -> None:
    if name in PLACES:
        path, make = PLACES[name]
        members = members_of(make())
        root = members[path].decode().split("?>", 1)[-1].lstrip()
        members[path] = (f"{bomb}{root}").replace("<w:t>", "<w:t>&j;").encode(encoding)
        body = makers.zipped(members)
    else:
        body = f"{bomb}<svg xmlns='http://www.w3.org/2000/svg'><text>&j; Text</text></svg>".encode(encoding)
    with pytest.raises(UnreadableDocument, match="entities"):
        parse(pool, body, name)


def test_t17_a_zip_of_zips_is_opened_one_level_at_a_time(pool: ParserPool) -> None:
    body = makers.zipped({"0.txt": bytes(4 << 20)})
    for level in range(5):
        body = makers.zipped({f"{level}-{n}.zip": body for n in range(16)})
    parsed = parse(pool, body, "42.zip")
    assert len(parsed.parts) == 16
    assert sum(len(part.body) for part in parsed.parts) < 10 << 20


@pytest.mark.parametrize("name", ["a.zip", "a.docx", "a.xlsx", "a.odt", "a.epub"])
def test_t17_a_container_that_unpacks_to_far_more_than_it_is_is_refused(pool: ParserPool, name: str) -> None:
    member = {"a.docx": "word/document.xml", "a.xlsx": "xl/workbook.xml", "a.odt": "content.xml"}.get(name, "a.txt")
    with pytest.raises(UnreadableDocument, match="zip bomb"):
        parse(pool, makers.zipped({member: bytes(64 << 20)}), name)


def test_t17_members_that_lie_over_each_other_are_refused(pool: ParserPool) -> None:
    """One packed stretch, named a thousand times in the directory."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0000.txt", "".join(f"{n * n} " for n in range(3000)))
        first = archive.infolist()[0]
        for number in range(1, 1000):
            info = zipfile.ZipInfo(f"{number:04}.txt")
            for field in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(info, field, getattr(first, field))
            archive.filelist.append(info)
    with pytest.raises(UnreadableDocument, match="lie over each other"):
        parse(pool, out.getvalue(), "a.zip")


def test_t17_a_million_members_are_refused_before_they_are_looked_at(pool: ParserPool) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("0.txt")
        archive.writestr(info, b"")
    body = out.getvalue()
    start = body.index(b"PK\x01\x02")
    end = body.index(b"PK\x05\x06")
    row = body[start:end]
    rows = row * 1_000_000
    tail = bytearray(body[end:])
    tail[8:12] = b"\xff\xff\xff\xff"
    tail[12:16] = len(rows).to_bytes(4, "little")
    began = time.monotonic()
    with pytest.raises(UnreadableDocument, match=r"1,000,000 members"):
        parse(pool, body[:start] + rows + bytes(tail), "a.zip")
    assert time.monotonic() - began < 5


def test_t17_a_gzip_bomb_is_refused(pool: ParserPool) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(600)) + packer.flush()
    with pytest.raises(UnreadableDocument, match="zip bomb"):
        parse(pool, body, "a.txt.gz")


def test_t16_a_table_of_millions_of_rows_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Early: no cell has been cleaned by then."""
    body = b"id;wert\n" + b"".join(b"%d;%d\n" % (n, 7 * n) for n in range(2_000_000))
    cleaned: list[str] = []
    monkeypatch.setattr("rag.ingest.parse.draft.one_line", lambda text: cleaned.append(text) or text)
    with pytest.raises(UnreadableDocument, match="over the limit of 20,000,000 characters"):
        DelimitedParser().parse(body, media_type="text/csv", name="a.csv")
    assert cleaned == []
