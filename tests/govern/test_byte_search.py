"""The byte search finds exactly what stands there, in every form, wherever blocks end."""

from __future__ import annotations

import base64
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.govern import byte_search
from rag.govern.byte_search import search, standing_in
from rag.govern.canaries import STRETCH, name_needles, stretches_of, text_needles, vector_needles
from rag.govern.needles import LONGEST, SHORTEST, Kind, Needle, Needles

TEXT = "Die Prüfung der Straßenbeläge in Großenhain ergab 17 Mängel, sagte Frau Wörnsdörfer."


@settings(max_examples=200, deadline=None)
@given(
    content=st.binary(max_size=400),
    wanted=st.lists(st.binary(min_size=SHORTEST, max_size=40), min_size=1, max_size=8),
    places=st.lists(st.integers(0, 400), max_size=6),
)
def test_needles_are_found_just_where_bytes_find_finds_them(
    content: bytes, wanted: list[bytes], places: list[int]
) -> None:
    for number, place in enumerate(places):
        own = wanted[number % len(wanted)]
        content = content[:place] + own + content[place:]
    needles = Needles.of(Needle(own, Kind.TEXT, number) for number, own in enumerate(wanted))
    hits = needles.hits(np.frombuffer(content, np.uint8), needles.table())
    found = {(int(needles.stretches[n]), int(p)) for n, p in zip(hits.needles, hits.places, strict=True)}
    expected = {
        (number, place)
        for number, own in enumerate(wanted)
        for place in range(len(content))
        if content.startswith(own[:LONGEST], place)
    }
    assert found == expected


def test_a_set_outlives_its_process_and_holds_no_text() -> None:
    needles = Needles.of(text_needles(TEXT[:STRETCH], 0))
    kept = needles.as_bytes()
    assert TEXT[:8].encode() not in kept
    again = Needles.from_bytes(kept)
    content = np.frombuffer(TEXT.encode(), np.uint8)
    assert len(again.hits(content, again.table()).needles) == 1


FORMS = {
    "plain": TEXT.encode(),
    "decomposed": unicodedata.normalize("NFD", TEXT).encode(),
    "small": TEXT.lower().encode(),
    "utf-16-le": TEXT.encode("utf-16-le"),
    "utf-16-be": TEXT.encode("utf-16-be"),
    "latin-1": TEXT.encode("latin-1"),
    "json": json.dumps(TEXT).encode(),
    "hex": TEXT.encode().hex().encode(),
    "HEX": TEXT.encode().hex().upper().encode(),
    **{f"base64+{n}": base64.b64encode(b"x" * n + TEXT.encode()) for n in range(3)},
}


@pytest.mark.parametrize("form", FORMS)
def test_t_art_17_a_text_is_found_in_every_encoding(tmp_path: Path, form: str) -> None:
    (tmp_path / "tief" / "drin").mkdir(parents=True)
    (tmp_path / "tief" / "drin" / ".versteckt").write_bytes(b"\0" * 1001 + FORMS[form] + b"\xff" * 77)
    needles = Needles.of(n for number, s in enumerate(stretches_of(TEXT)) for n in text_needles(s, number))
    found = search(tmp_path, needles)
    assert list(found.found) == ["tief/drin/.versteckt"] and found.files == 1
    (tmp_path / "tief" / "drin" / ".versteckt").write_bytes(FORMS[form][::-1])
    assert not search(tmp_path, needles).found


@pytest.mark.parametrize("kind", ["<f4", "<f8", "<f2"])
def test_t_llm08_a_vector_is_found_in_every_precision_and_scaled(tmp_path: Path, kind: str) -> None:
    row = np.random.default_rng(3).standard_normal(384).astype(np.float32)
    row /= np.linalg.norm(row)
    (tmp_path / "v.bin").write_bytes(b"\1" * 13 + row.astype(kind).tobytes())
    needles = Needles.of(vector_needles(row, 0))
    assert search(tmp_path, needles).found
    longer = np.asarray(row * np.float32(1.0000001), np.float32)
    assert search(tmp_path, Needles.of(vector_needles(longer, 0))).found or kind != "<f4"
    (tmp_path / "v.bin").write_bytes(np.roll(row, 5)[::-1].astype(kind).tobytes())
    assert not search(tmp_path, needles).found


def test_nothing_is_lost_where_one_block_ends(tmp_path: Path) -> None:
    size = byte_search._BLOCK_BYTES
    needle = bytes(range(100, 100 + LONGEST))
    needles = Needles.of([Needle(needle, Kind.TEXT, 0)])
    for before in range(size - LONGEST, size + 1, 5):
        (tmp_path / "f").write_bytes(b"\0" * before + needle + b"\0" * 10)
        found = search(tmp_path, needles)
        assert found.found == {"f": {0}} and found.bytes == before + LONGEST + 10


def test_what_is_no_file_is_passed_over_and_said(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    found = search(tmp_path, Needles.of([Needle(b"12345678", Kind.TEXT, 0)]))
    assert found.passed_over == ["link"] and found.files == 0


def test_living_texts_are_told_apart() -> None:
    needles = Needles.of([Needle(b"gemeinsam hier", Kind.TEXT, 4), Needle(b"nirgends sonst", Kind.TEXT, 5)])
    texts = [("a", b"gemeinsam hie"), ("b", b"r und gemeinsam hier"), ("c", b"gemeinsam hier")]
    assert standing_in(texts, needles) == {4: {"b", "c"}}


def test_names_too_short_to_be_told_from_chance_are_not_looked_for() -> None:
    assert not list(name_needles("Datei 7", 0)) and list(name_needles("Erika Mustermann", 0))


def test_stretches_are_spread_and_tell_something() -> None:
    found = stretches_of(TEXT + " Danach wurde nichts mehr gemessen, und der Bericht kam zu den Akten nach Zwickau.")
    assert len(found) == 4 and all(len(stretch) == STRETCH for stretch in found)
    assert not stretches_of("-" * 200) and stretches_of("Kurzer Text") == ["Kurzer Text"]
