"""A photo in the container that films come in is no recording."""

from __future__ import annotations

import pytest

from rag.ingest.parse.media import M4A, MP4, RECORDINGS, media_type_of


def container(brand: bytes) -> bytes:
    return b"\x00\x00\x00\x18ftyp" + brand + b"\x00\x00\x00\x00mif1heic" + bytes(100)


@pytest.mark.parametrize(
    ("brand", "kind"),
    [(b"heic", "image/heic"), (b"mif1", "image/heic"), (b"avif", "image/avif"), (b"crx ", "image/x-canon-cr3")],
)
@pytest.mark.parametrize("name", ["IMG_0042.HEIC", "IMG_0042", "IMG_0042.mp4"])
def test_a_photo_is_known_by_its_brand_whatever_its_name(brand: bytes, kind: str, name: str) -> None:
    assert media_type_of(name, container(brand)) == kind and kind not in RECORDINGS


def test_films_and_sound_are_what_they_were() -> None:
    assert media_type_of("film.mov", container(b"qt  ")) == MP4
    assert media_type_of("film", container(b"isom")) == MP4
    assert media_type_of("memo", container(b"M4A ")) == M4A
    assert media_type_of("memo.m4a", container(b"isom")) == M4A
