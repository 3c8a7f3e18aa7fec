"""What a vision model could not say of a picture is asked again by the next run, and what is left out is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from rag.documents import Parsed, Part
from rag.errors import ContextOverflow, DocumentWaits, EmptyDocument, ModelError, ModelUnavailable
from rag.ingest.parse import ParserPool, media_type_of
from rag.ingest.parse.media import PDF
from rag.ingest.parse.shown import PagePicture
from rag.ingest.perceiving import Perceiving
from tests.ingest.room import JsonReader, Room, folder

SEEN = "Ein Gabelstapler steht vor dem Lager."


class Scans:
    """Files of some pages without text; archives that hold one."""

    def __init__(self, pages: int = 3) -> None:
        self.pages = pages

    def recipe(self, *, ocr: bool = True) -> str:
        return "scans"

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True, stopped: object = None) -> Parsed:
        if name.endswith(".zip"):
            part = Part(name="innen.png", media_type="image/png", body=body)
            return replace(JsonReader().parse(b"Ein Archiv", media_type=media_type, name=name), parts=(part,))
        raise EmptyDocument("no text in it")

    def picture(self, body: bytes, *, page: int, width: int) -> PagePicture:
        return PagePicture(png=b"drawn" if page <= self.pages else b"", pages=self.pages)


class Seer:
    """A vision model that is there, or not."""

    name, language, fingerprint = "seer", "de", "vision=seer/de"

    def __init__(self) -> None:
        self.asked, self.fails_from = 0, 1_000
        self.failure: ModelError = ModelUnavailable("Ollama does not answer")
        self.says = (SEEN, False)

    def describe(self, picture: bytes) -> tuple[str, bool]:
        self.asked += 1
        if self.asked > self.fails_from:
            raise self.failure
        return self.says


def perceiving(seer: Seer, *, pages: int = 3) -> Perceiving:
    return Perceiving(documents=cast(ParserPool, cast(Any, Scans(pages))), describer=seer)


@contextmanager
def seeing(home: Path, seer: Seer) -> Iterator[Room]:
    with Room(home, cast(Any, perceiving(seer))) as room:
        room.pipeline = replace(room.pipeline, media_type_of=media_type_of)
        yield room


def test_what_was_not_described_is_by_the_next_run_once_the_model_is_back(tmp_path: Path, docs: Path) -> None:
    (docs / "hof.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (docs / "bilder.zip").write_bytes(b"1")
    seer = Seer()
    seer.fails_from = 0
    with seeing(tmp_path / "home", seer) as room:
        report = room.sync(folder(docs))
        assert {entry["document"] for entry in report.failed} == {"docs:hof.png", "docs:bilder.zip!/innen.png"}
        seer.fails_from = 1_000
        assert room.sync(folder(docs)).failed == []
        assert room.found("Gabelstapler") == {"docs:hof.png", "docs:bilder.zip!/innen.png"}
        asked = seer.asked
        assert room.sync(folder(docs)).unchanged == 2 and seer.asked == asked
        assert room.level()


def test_a_scan_whose_model_failed_half_way_is_described_whole_by_the_next_run(tmp_path: Path, docs: Path) -> None:
    (docs / "scan.pdf").write_bytes(b"%PDF-")
    seer = Seer()
    seer.fails_from = 2
    with seeing(tmp_path / "home", seer) as room:
        assert room.sync(folder(docs)).added == 1
        seer.fails_from = 1_000
        assert room.sync(folder(docs)).replaced == 1
        document = room.texts()["docs:scan.pdf"]
        assert document and document.count(SEEN) == 3


def test_pages_seen_before_the_model_failed_are_kept_and_the_rest_waits() -> None:
    seer = Seer()
    seer.fails_from = 2
    parsed = perceiving(seer).parse(b"%PDF-", media_type=PDF, name="scan.pdf")
    assert len(parsed.sections) == 2 and parsed.unfinished
    with pytest.raises(DocumentWaits, match="Ollama does not answer"):
        perceiving(seer).parse(b"%PDF-", media_type=PDF, name="scan.pdf")


def test_pages_that_are_not_described_are_said() -> None:
    parsed = perceiving(Seer(), pages=50).parse(b"%PDF-", media_type=PDF, name="scan.pdf")
    assert parsed.notes[0] == "20 pages described by seer" and "last 30 pages" in parsed.notes[1]
    assert not parsed.unfinished
    assert len(perceiving(Seer(), pages=20).parse(b"%PDF-", media_type=PDF, name="scan.pdf").notes) == 1


def test_a_description_that_was_cut_short_is_said() -> None:
    seer = Seer()
    seer.says = (SEEN, True)
    parsed = perceiving(seer).parse(b"%PDF-", media_type=PDF, name="scan.pdf")
    assert "3 of the descriptions cut short" in parsed.notes[1]
    seer.says = ("", True)
    with pytest.raises(EmptyDocument, match="used up its words"):
        perceiving(seer).parse(b"%PDF-", media_type=PDF, name="scan.pdf")


def test_a_picture_that_is_too_much_for_the_model_is_not_tried_again() -> None:
    seer = Seer()
    seer.fails_from, seer.failure = 0, ContextOverflow("too long")
    with pytest.raises(EmptyDocument, match="too long"):
        perceiving(seer).parse(b"%PDF-", media_type=PDF, name="scan.pdf")
