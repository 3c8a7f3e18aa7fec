"""Outlook mail says what the same mail would say as EML, and its attachments come out as that one's do."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rag.documents import Parsed
from rag.errors import UnreadableDocument
from rag.ingest.parse import ParserPool, media_type_of
from tests.ingest.parse import makers, outlook
from tests.ingest.parse.makers import Line

SENT = datetime(2025, 3, 4, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module", params=["default", "fallback"])
def pool(request: pytest.FixtureRequest) -> Iterator[ParserPool]:
    with ParserPool(profile=request.param) as opened:
        yield opened


def parse(pool: ParserPool, body: bytes, name: str = "mail.msg") -> Parsed:
    return pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name)


def offer(**more: object) -> bytes:
    return outlook.compound(
        outlook.message(
            subject="Angebot Härten", body="anbei unser Angebot über 1.250 €, gültig bis 31. März.\r\n", sent=SENT,
            sender=("Jonas Weiß", "jonas@x.example"), to=[("Gesa Groß", "gesa@x.example")], **more,  # type: ignore[arg-type]  # as named
        )
    )  # fmt: skip


def test_an_outlook_mail_gives_subject_people_date_and_text(pool: ParserPool) -> None:
    parsed = parse(pool, offer())
    assert parsed.title == "Angebot Härten"
    assert parsed.author == "Jonas Weiß <jonas@x.example>"
    assert parsed.created_at == SENT
    assert "To: Gesa Groß <gesa@x.example>" in parsed.text
    assert "anbei unser Angebot über 1.250 €, gültig bis 31. März." in parsed.text


def test_an_outlook_mail_gives_its_attachments_as_parts(pool: ParserPool) -> None:
    pdf = makers.pdf([[Line("Angebot 25-1102")]]) + b"\n" * 9000  # longer than a mini stream holds
    parsed = parse(pool, offer(attachments=[("angebot.pdf", pdf), ("liste.csv", "Größe;1\n".encode())]))
    assert [(part.name, part.media_type) for part in parsed.parts] == [
        ("angebot.pdf", "application/pdf"), ("liste.csv", "text/csv"),
    ]  # fmt: skip
    assert parsed.parts[0].body == pdf
    assert parsed.parts[1].body == "Größe;1\n".encode()


def test_a_mail_in_an_outlook_mail_is_a_part_with_parts_of_its_own(pool: ParserPool) -> None:
    inner = outlook.message(
        subject="Weitergeleitet", body="Der Ofen steht still.", attachments=[("foto.txt", b"Bild")],
        at=outlook.attached(0),
    )  # fmt: skip
    part = parse(pool, offer(mails=[inner])).parts[0]
    assert part.media_type == "message/rfc822"
    forwarded = pool.parse(part.body, media_type=part.media_type, name=part.name)
    assert forwarded.title == "Weitergeleitet"
    assert "Der Ofen steht still." in forwarded.text
    assert [(each.name, each.body) for each in forwarded.parts] == [("foto.txt", b"Bild")]


def test_an_outlook_mail_in_html_or_rich_text_alone_is_read(pool: ParserPool) -> None:
    html = outlook.message(subject="a", html="<p>Grüße aus <b>Köln</b></p>".encode("cp1252"))
    assert "Grüße aus Köln" in parse(pool, outlook.compound(html)).text
    rich = b"{\\rtf1\\ansi\\ansicpg1252 Gr\\'fc\\'dfe aus Bonn\\par}"
    stored = struct.pack("<II4sI", len(rich) + 12, len(rich), b"MELA", 0) + rich
    assert "Grüße aus Bonn" in parse(pool, outlook.compound(outlook.message(subject="a", rtf=stored))).text


def test_compressed_rich_text_is_unpacked(pool: ParserPool) -> None:
    # The example of [MS-OXRTFCP] 3.1.1: a reference into the preset dictionary, one into what was just written
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232 0af32068656c090020627705b06c647d0a800fa0".replace(
            " ", ""
        )
    )
    found = parse(pool, outlook.compound(outlook.message(subject="a", rtf=packed)))
    assert "hello world" in found.text


def test_an_encrypted_outlook_mail_says_so(pool: ParserPool) -> None:
    body = outlook.compound(outlook.message(subject="Geheim", kind="IPM.Note.SMIME", attachments=[("smime.p7m", b"0")]))
    with pytest.raises(UnreadableDocument, match="encrypted"):
        parse(pool, body)


def test_an_outlook_file_that_points_at_itself_ends(pool: ParserPool) -> None:
    body = bytearray(offer())
    fat = 512 + 512 * struct.unpack_from("<I", body, 0x4C)[0]
    for at in range(fat, fat + 512, 4):
        struct.pack_into("<I", body, at, 0)
    with pytest.raises(UnreadableDocument, match="damaged"):
        parse(pool, bytes(body))


@pytest.mark.parametrize("cut", [20, 511, 513, 1024, 2000])
def test_an_outlook_mail_cut_short_is_refused_or_read_in_part(pool: ParserPool, cut: int) -> None:
    try:
        assert parse(pool, offer()[:cut], "a.msg").text
    except UnreadableDocument as error:
        assert "damaged" in str(error)
