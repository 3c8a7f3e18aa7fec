"""Homes made for an evaluation: real stores and pipeline, an embedder that a scripted server counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag.access import LOOPBACK
from rag.errors import SettingsError
from rag.evaluate import homes, report, sets
from rag.settings import Settings
from rag.settings.file import load
from rag.settings.sources import SourceSettings
from tests.evaluate.house import OWNER, QUESTIONS, written
from tests.evaluate.test_sets import corpus
from tests.models.scripted_server import ScriptedServer

DOCUMENTS = [
    {"id": "leave", "title": "St. Gallen 1.5", "text": "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."},
    {"id": "lunch/a", "title": "Kantine", "text": "Ein Mittagessen in der Kantine kostet 6,50 Euro."},
    {"id": "blank", "title": "Leer", "text": " "},
]
ASKED = [
    {"id": "q1", "text": "Wie viele Arbeitstage beträgt der Urlaub?", "lang": "de"},
    {"id": "q2", "text": "Was kostet ein Mittagessen in der Kantine?", "lang": "de"},
    {"id": "q3", "text": "Wann wurde der Mond entdeckt?", "lang": "de"},
]
QRELS = "q1\tleave\t1\nq2\tlunch/a\t1\n"


@pytest.fixture
def settings(config: Path, tmp_path: Path) -> Settings:
    return load(config=config, home=tmp_path / "own-home", environ={"RAG_MODELS": str(tmp_path / "no-models")})


@pytest.fixture
def embedded(ollama: ScriptedServer) -> Iterator[list[str]]:
    """Every text that is embedded, in order."""
    texts: list[str] = []
    before = ollama.routes["POST /api/embed"]

    def counting(exchange: object) -> None:
        asked = exchange.json["input"]  # type: ignore[attr-defined]
        texts.extend([asked] if isinstance(asked, str) else asked)
        before(exchange)  # type: ignore[arg-type]

    ollama.routes["POST /api/embed"] = counting
    yield texts
    ollama.routes["POST /api/embed"] = before


def beir(folder: Path, documents: object = DOCUMENTS) -> sets.QuestionSet:
    return sets.read(corpus(folder, documents, ASKED, QRELS))


def test_a_corpus_is_asked_in_a_home_of_its_own(settings: Settings, tmp_path: Path) -> None:
    summary = report.measure(beir(tmp_path / "beir"), settings, baselines=True)
    assert summary.figures["recall@1"].value == 1
    assert summary.baselines["bm25"]["recall@1"].value == 1
    assert not settings.home.exists(), "the user's home was touched"


def test_a_corpus_line_keeps_its_title_and_its_number_is_not_embedded(settings: Settings, tmp_path: Path) -> None:
    with homes.opened(beir(tmp_path / "beir"), settings) as app:
        found = app.search("Urlaub", principal=OWNER, channel=LOOPBACK, k=1).passages[0]
        assert found.title == "St. Gallen 1.5"
        assert found.chunk.indexed_text == f"St. Gallen 1.5\n{DOCUMENTS[0]['text']}"
        assert [entry.reason for entry in app.ledger.entries() if entry.reason] == ["there is no text in it"]


def test_a_kept_index_is_used_again_and_nothing_embedded_twice(
    settings: Settings, tmp_path: Path, embedded: list[str]
) -> None:
    keep = tmp_path / "keep"
    with homes.opened(beir(tmp_path / "beir"), settings, keep=keep):
        assert any("30 Arbeitstage" in text for text in embedded)
    embedded.clear()
    with homes.opened(beir(tmp_path / "beir"), settings, keep=keep) as app:
        assert app.search("Urlaub im Kalenderjahr", principal=OWNER, channel=LOOPBACK, k=1).passages
    assert not any("30 Arbeitstage" in text for text in embedded)


def test_a_corpus_that_shares_texts_with_a_kept_one_borrows_their_vectors(
    settings: Settings, tmp_path: Path, embedded: list[str]
) -> None:
    keep = tmp_path / "keep"
    with homes.opened(beir(tmp_path / "beir"), settings, keep=keep):
        pass
    embedded.clear()
    more = [*DOCUMENTS, {"id": "new", "title": "Neu", "text": "Der Parkplatz liegt hinter dem Haus und ist frei."}]
    with homes.opened(beir(tmp_path / "more", more), settings, keep=keep) as app:
        assert app.ledger.counts()["chunks"] == 3
    assert any("Parkplatz" in text for text in embedded)
    assert not any("30 Arbeitstage" in text for text in embedded)


def test_a_kept_index_made_in_another_way_is_made_anew(settings: Settings, tmp_path: Path) -> None:
    keep, asked = tmp_path / "keep", beir(tmp_path / "beir")
    with homes.opened(asked, settings, keep=keep) as app:
        before = app.ledger.entries()[0].key
    with homes.opened(asked, settings, keep=keep) as app:
        assert app.ledger.entries()[0].key == before
    other = replace(settings, ingest=replace(settings.ingest, max_chunks=7))
    with homes.opened(asked, other, keep=keep) as app:
        assert app.ledger.entries()[0].key != before


def test_an_interrupted_making_is_continued(settings: Settings, tmp_path: Path) -> None:
    keep, asked = tmp_path / "keep", beir(tmp_path / "beir")
    with homes.opened(asked, settings, keep=keep) as app:
        pipeline = homes.reader_of(app.pipeline)
        app.ledger.remove(homes.corpus_document("leave"))
        pipeline.sweep()
        kept = {entry.id: entry.key for entry in app.ledger.entries()}
    with homes.opened(asked, settings, keep=keep) as app:
        after = {entry.id: entry.key for entry in app.ledger.entries()}
    assert after.keys() - kept.keys() == {homes.corpus_document("leave")}
    assert kept.items() <= after.items()


def test_a_tree_is_read_as_an_ingest_would(settings: Settings, tmp_path: Path) -> None:
    tree = corpus(tmp_path / "docs", asked=ASKED, qrels="q1\thr/leave.txt\t1\nq2\tlunch.md\t1\n", prefix="docs__")
    (tree / "hr").mkdir()
    (tree / "hr/leave.txt").write_text(DOCUMENTS[0]["text"])
    (tree / "lunch.md").write_text(f"# Kantine\n\n{DOCUMENTS[1]['text']}")
    asked = sets.read(tree)
    for _ in range(2):
        assert report.measure(asked, settings, keep=tmp_path / "keep").figures["recall@1"].value == 1
    (tree / "hr/leave.txt").unlink()
    with homes.opened(asked, settings, keep=tmp_path / "keep") as app:
        assert [entry.id for entry in app.ledger.entries()] == ["docs:lunch.md"]


def test_nothing_of_the_users_own_sources_is_read_for_a_tree(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "private"
    own.mkdir()
    (own / "salaries.txt").write_text("Die Gehälter im Kalenderjahr.")
    configured = replace(settings, sources=(SourceSettings(name="private", path=str(own), readers=("everyone",)),))
    tree = corpus(tmp_path / "docs", asked=ASKED[:1], qrels="q1\tleave.txt\t1\n", prefix="docs__")
    (tree / "leave.txt").write_text(DOCUMENTS[0]["text"])
    with homes.opened(sets.read(tree), configured) as app:
        assert [entry.id for entry in app.ledger.entries()] == ["docs:leave.txt"]


def test_the_users_own_home_is_never_taken_for_one_to_keep(settings: Settings, tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match="--keep"),
        homes.opened(beir(tmp_path / "beir"), settings, keep=settings.home),
    ):
        pass


def test_questions_over_a_home_are_asked_of_what_it_holds(settings: Settings, tmp_path: Path) -> None:
    asked = sets.read(written(tmp_path / "golden", *QUESTIONS))
    with pytest.raises(SettingsError, match="rag ingest"):
        report.measure(asked, settings)


def test_first_of_a_set_are_its_first_questions(tmp_path: Path) -> None:
    asked = beir(tmp_path / "beir")
    assert [question.id for question in asked.first(2).questions] == ["q1", "q2"]
    assert asked.first(None) is asked
