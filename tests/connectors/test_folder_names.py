"""Names are bytes: whatever they are, a document's id names one file, and that file is fetched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.folder import Folder, readable, unreadable
from rag.access import NOBODY, Confidentiality
from rag.documents import DocumentRef

names = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.text(min_size=1, max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"100%.txt", b"%41.txt", b"%", b"%%", b"a!", b"!", b"\xc3\x28", b"\xed\xa0\x80"]),
)
paths = st.lists(
    names.filter(lambda name: not {0, ord("/")} & set(name) and name not in (b".", b"..")), min_size=1, max_size=3
).map(b"/".join)

NAMES = [
    b"Zeilen\numbruch.txt",
    b"tab\tname.txt",
    b"latin1_\xe4\xf6\xfc.txt",
    b"\xff.txt",
    "über.txt".encode(),
    "u\u0308ber.txt".encode(),
    "ÄRGER.txt".encode(),
    "ärger.txt".encode(),
    b"a" * 251 + b".txt",
    ("ä" * 125 + "x.txt").encode(),
    b"100%25.txt",
    b"100%.txt",
    b"-rf",
    b" spaces ",
    "name\u202etxt.exe".encode(),
    "📄\U0001f525.txt".encode(),
    b"a:b.txt",
    b"mail.eml!",
    b"back\\slash.txt",
]


@given(paths)
def test_a_path_comes_back_from_its_readable_form(path: bytes) -> None:
    assert unreadable(readable(path)) == path


@given(paths)
def test_a_readable_path_can_be_stored_and_breaks_no_line(path: bytes) -> None:
    text = readable(path)
    text.encode("utf-8")
    assert len(text.splitlines()) == 1
    assert not any(
        ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2069" for c in text
    )


@given(paths, paths)
def test_two_paths_never_share_a_readable_form(one: bytes, other: bytes) -> None:
    assert (readable(one) == readable(other)) == (one == other)


@given(paths)
def test_no_path_looks_like_a_part_of_a_container(path: bytes) -> None:
    assert "!/" not in readable(path)


def test_an_ordinary_path_reads_as_it_is() -> None:
    assert readable("Verträge/2026 – Müller & Söhne!.pdf".encode()) == "Verträge/2026 – Müller & Söhne!.pdf"


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_file_of_any_name_is_listed_and_fetched(tmp_path: Path, name: bytes) -> None:
    for other in {b"other.txt", *NAMES[4:8]}:
        (tmp_path / os.fsdecode(other)).write_bytes(other)
    (tmp_path / os.fsdecode(name)).write_bytes(name)
    source = Folder(name="docs", root=tmp_path, acl=NOBODY, confidentiality=Confidentiality.STRICT)
    found = {listing.id: listing for listing in source.listings()}
    listing = found[f"docs:{readable(name)}"]  # type: ignore[index]
    raw = source.fetch(listing, DocumentRef(id=listing.id, version=source.version(listing)))
    assert raw.body == name
    raw.title.encode("utf-8")
    raw.uri.encode("ascii")
