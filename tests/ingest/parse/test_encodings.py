"""The law on paid leave in every text format and every encoding German offices have used says 24 Werktage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rag.ingest.parse import ParserPool, media_type_of

NARROW = ["latin-1", "cp1252", "cp850", "mac_roman"]
WIDE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
LAW = "§ 3 Dauer: Der Urlaub beträgt jährlich mindestens 24 Werktage für größere Betriebe, Änderungen über § 13."
WORDS = ["beträgt jährlich mindestens 24 Werktage", "für größere Betriebe, Änderungen über § 13"]


@pytest.fixture(scope="module", params=["default", "fallback"])
def pool(request: pytest.FixtureRequest) -> Iterator[ParserPool]:
    with ParserPool(profile=request.param) as opened:
        yield opened


FORMS = {
    "gesetz.txt": LAW,
    "gesetz.md": f"# Gesetz\n\n{LAW}\n",
    "gesetz.csv": f"Nr;Text\n3;{LAW}\n",
    "gesetz.tsv": f"Nr\tText\n3\t{LAW}\n",
    "gesetz.html": f"<!DOCTYPE html><html><body><p>{LAW}</p></body></html>",
    "gesetz.xml": f"<?xml version='1.0'?><gesetz><absatz>{LAW}</absatz></gesetz>",
    "gesetz.eml": f"From: a@x.example\nTo: b@x.example\nSubject: Urlaub\n\n{LAW}\n",
    "gesetz.json": f'[{{"text": "{LAW}"}}]',
    "gesetz.rst": f"Gesetz\n======\n\n{LAW}\n",
    "gesetz.org": f"* Gesetz\n{LAW}\n",
    "gesetz.tex": f"\\documentclass{{article}}\n\\begin{{document}}\n{LAW}\n\\end{{document}}\n",
    "gesetz.adoc": f"= Gesetz\n\n{LAW}\n",
    "gesetz.ics": f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Gesetz\nDESCRIPTION:{LAW}\nEND:VEVENT\nEND:VCALENDAR\n",
}  # fmt: skip


@pytest.mark.parametrize("encoding", WIDE + NARROW)
@pytest.mark.parametrize("name", FORMS)
def test_the_law_is_read_in_every_encoding_that_nobody_names(pool: ParserPool, name: str, encoding: str) -> None:
    check(pool, FORMS[name].encode(encoding), name)


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252", "cp850", "macintosh", "utf-16"])
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("gesetz.html", '<html><head><meta charset="{0}"></head><body><p>{1}</p></body></html>'),
        ("gesetz.xml", '<?xml version="1.0" encoding="{0}"?><gesetz><absatz>{1}</absatz></gesetz>'),
        ("gesetz.eml", "From: a@x.example\nSubject: Urlaub\nContent-Type: text/plain; charset={0}\n"
                       "Content-Transfer-Encoding: 8bit\n\n{1}\n"),
    ],
)  # fmt: skip
def test_the_law_is_read_in_the_encoding_it_names(pool: ParserPool, name: str, form: str, encoding: str) -> None:
    check(pool, form.format(encoding, LAW).encode(encoding), name)


@pytest.mark.parametrize("encoding", NARROW)
def test_a_wrong_name_of_an_encoding_does_not_win_over_valid_utf8(pool: ParserPool, encoding: str) -> None:
    check(
        pool, f'<html><head><meta charset="{encoding}"></head><body><p>{LAW}</p></body></html>'.encode(), "gesetz.html"
    )


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("\\ansi\\ansicpg1252", "cp1252"), ("\\ansi", "latin-1"), ("\\ansi\\ansicpg850", "cp850"),
        ("\\pca", "cp850"), ("\\mac", "mac_roman"), ("\\ansi\\ansicpg10000", "mac_roman"), ("\\ansi", "unicode"),
    ],
)  # fmt: skip
def test_the_law_in_rich_text_is_read_in_every_code_page(pool: ParserPool, head: str, encoding: str) -> None:
    if encoding == "unicode":
        text = "".join(char if char < "\x80" else f"\\u{ord(char)}?" for char in LAW)
    else:
        text = "".join(char if char < "\x80" else f"\\'{char.encode(encoding)[0]:02x}" for char in LAW)
    check(pool, f"{{\\rtf1{head}{{\\fonttbl{{\\f0 Arial;}}}}\\f0 {text}\\par}}".encode("ascii"), "gesetz.rtf")


@pytest.mark.parametrize("encoding", ["utf-8", *NARROW])
def test_a_subject_with_bare_umlauts_is_read(pool: ParserPool, encoding: str) -> None:
    body = f"From: a@x.example\nSubject: Änderung der Übertragungsfrist für März\n\n{LAW}\n".encode(encoding)
    parsed = pool.parse(body, media_type="message/rfc822", name="a.eml")
    assert parsed.title == "Änderung der Übertragungsfrist für März"


def check(pool: ParserPool, body: bytes, name: str) -> None:
    text = pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name).text
    assert [words for words in WORDS if words not in text] == []
