"""Text that nobody sees who opens its document: found, it says so, with the reason, in passages and citations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag.access import LOOPBACK
from rag.answers import Answer, Done
from rag.documents import Hiding, Parsed
from rag.identity import person
from rag.ingest.parse.html import HtmlParser
from rag.ingest.parse.ocr import OFF, Ocr
from tests.standins import ScriptedModel, Shelf, says

OPEN = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."
SECRET = "Der Urlaub beträgt im Kalenderjahr für Freunde 99 Arbeitstage."
PAGE = f'<p>{OPEN}</p><p style="color:#fff">{SECRET}</p>'


class Pages:
    """Reads everything as HTML, as the product does."""

    fingerprint = "pages-1"

    def recipe(self, *, ocr: bool = True) -> str:
        return self.fingerprint

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True) -> Parsed:
        return HtmlParser(ocr=Ocr(OFF)).parse(body, media_type=media_type, name=name)

    def until(self, stopped: object) -> Pages:
        return self


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path) as made:
        made.pipeline = replace(made.pipeline, parser=Pages())
        yield made


def ask(shelf: Shelf, *said: str) -> Answer:
    answerer = shelf.answerer(ScriptedModel(says(*said)), evidence=0.0)
    question = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"
    *_, done = answerer.ask(question, principal=person("anna", {}), channel=LOOPBACK)
    assert isinstance(done, Done)
    return done.answer


def test_a_passage_that_holds_hidden_text_says_so_with_the_reason(shelf: Shelf) -> None:
    shelf.put("urlaub.html", PAGE)
    (found,) = [passage.as_json() for passage in ask(shelf, OPEN).passages]
    assert (found["hidden_text"], found["hidden_because"]) == (True, [Hiding.SAME_COLOUR])


def test_a_citation_says_it_only_where_the_quote_itself_is_hidden(shelf: Shelf) -> None:
    shelf.put("urlaub.html", PAGE)
    seen, unseen = ask(shelf, OPEN, SECRET).citations
    assert (seen.quote, seen.as_json()["hidden_text"]) == (OPEN, False)
    assert (unseen.quote, unseen.as_json()["hidden_because"]) == (SECRET, [Hiding.SAME_COLOUR])


def test_a_passage_of_another_version_or_document_is_not_taken_for_hidden(shelf: Shelf) -> None:
    shelf.put("urlaub.html", PAGE)
    shelf.put("kantine.html", "<p>Im Kalenderjahr ist die Kantine an 200 Arbeitstagen geöffnet, im Urlaub nicht.</p>")
    by = {passage.chunk.document_id: bool(passage.hidden) for passage in ask(shelf, OPEN).passages}
    assert by == {"house:urlaub.html": True, "house:kantine.html": False}
    shelf.put("urlaub.html", f"<p>{OPEN}</p><p>{SECRET}</p>")
    assert not any(passage.hidden for passage in ask(shelf, OPEN).passages)


def test_the_ledger_keeps_hidden_stretches_with_the_document_and_forgets_them_with_it(shelf: Shelf) -> None:
    key = shelf.put("urlaub.html", PAGE)
    document = shelf.ledger.document(key)
    assert document is not None
    assert [(one.span.of(document.text), one.why) for one in document.hidden] == [(SECRET, Hiding.SAME_COLOUR)]
    shelf.ledger.remove(document.ref.id)
    assert shelf.ledger.hidden_in([key]) == {}
