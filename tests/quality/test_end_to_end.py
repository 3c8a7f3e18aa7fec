"""A few documents, a real embedder and a small real language model: the main job from folder to citation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.access import LOOPBACK
from rag.answers import Answer, Done
from rag.app import App
from rag.ask import cite
from rag.settings import Settings
from rag.settings.answers import RetrievalSettings
from rag.settings.ingest import IngestSettings
from rag.settings.models import LlmSettings

pytestmark = pytest.mark.models

PAPERS = {
    "urlaub.txt": "Urlaubsordnung\n\nDer Erholungsurlaub beträgt bei einer Vollzeitstelle 30 Arbeitstage im "
    "Kalenderjahr. Übertragene Tage müssen bis zum 30. Juni des Folgejahres genommen sein.",
    "kantine.md": "# Kantine\n\nDie Kantine ist von 11:30 bis 14:00 Uhr geöffnet. Ein Mittagessen kostet 6,50 Euro.",
    "badges.txt": "Lost badges\n\nReport a lost badge to the front desk within 24 hours. A new badge costs 15 euros.",
    "drucker.txt": "Drucker\n\nEin Papierstau wird über die hintere Klappe behoben. Toner liegt im Lager, Regal 4.",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("papers")
    for name, text in PAPERS.items():
        (folder / name).write_text(text, encoding="utf-8")
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        models=weights,
        llm=LlmSettings(provider="embedded", model="qwen2.5-0.5b", max_answer_tokens=40),
        retrieval=RetrievalSettings(prompt_tokens=60),
        ingest=IngestSettings(parser="fallback", ocr=False),
    )
    with App(settings) as app:
        app.sources.register(folder)
        assert app.ingest().added == len(PAPERS)
        yield app


def answer(app: App, question: str) -> Answer:
    *_, last = app.ask(question, principal=app.person("anna"), channel=LOOPBACK)
    assert isinstance(last, Done)
    return last.answer


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("Wie viele Urlaubstage habe ich bei einer Vollzeitstelle?", "urlaub.txt"),
        ("Was kostet das Mittagessen?", "kantine.md"),
        ("What do I have to pay for a new badge?", "badges.txt"),
        ("How do I clear a paper jam in the printer?", "drucker.txt"),
        ("Wie schnell muss ich einen verlorenen Ausweis melden?", "badges.txt"),
    ],
)
def test_the_right_document_is_found_first_in_either_language(app: App, question: str, document: str) -> None:
    found = app.search(question, principal=app.person("anna"), channel=LOOPBACK, k=3)
    assert found.passages[0].chunk.document_id.endswith(document)


def test_a_question_about_something_else_has_less_evidence_than_any_about_the_documents(app: App) -> None:
    anna = app.person("anna")
    about = [
        app.search(question, principal=anna, channel=LOOPBACK, k=3).evidence
        for question in ("Urlaub Vollzeitstelle?", "new badge?")
    ]
    other = app.search("Welche Moleküle binden an Serotoninrezeptoren?", principal=anna, channel=LOOPBACK, k=3).evidence
    assert other < min(about)


def test_whatever_a_real_model_says_is_cited_word_for_word_or_not_at_all(app: App) -> None:
    made = answer(app, "Wie viele Arbeitstage beträgt der Erholungsurlaub bei einer Vollzeitstelle?")
    assert made.outcome in ("answered", "unsupported", "nothing_found", "incomplete")
    assert made.model.name
    assert all(cite.verify(citation, app.ledger.document(citation.key)) for citation in made.citations)
    assert (made.outcome == "answered") <= bool(made.citations)
    assert app.audit.verify() is None
