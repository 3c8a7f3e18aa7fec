"""Another embedder in the settings, seen from the commands: from made-up vectors to a real model's and back."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.app import App
from rag.errors import ModelUnavailable
from rag.models.catalogue import default_directory
from rag.models.weights import find
from rag.service.operations import Service
from rag.settings import Settings
from rag.settings.file import load
from rag.settings.models import EmbedderSettings
from tests.doors.conftest import QUESTION, TRUE, Line, papers

pytestmark = pytest.mark.models


@pytest.fixture
def models() -> Path:
    directory = default_directory(os.environ)
    try:
        find("e5-small", directory=directory)
    except ModelUnavailable as error:
        pytest.skip(str(error))
    return directory


def call(app: App, operation: str, **arguments: Any) -> dict[str, Any]:
    *_, last = Service(app).call(operation, arguments)
    return last


def first(app: App) -> str:
    return str(call(app, "search", query=QUESTION)["passages"][0]["text"])


def test_the_one_before_answers_until_an_ingest_has_brought_the_other_in(fresh: Line, models: Path) -> None:
    made_up: Settings = load(config=fresh.config, home=fresh.home, environ={"RAG_MODELS": str(models)})
    e5 = replace(made_up, embedder=EmbedderSettings())
    with App(made_up) as app:
        call(app, "ingest", paths=[str(papers(fresh.folder / "papers"))])
        words = call(app, "status")["embedding"]
        assert words == {"in_use": app.embedder.fingerprint}
    with App(e5) as app:
        assert TRUE in first(app)
        before = app.retriever
        assert before.embedder.fingerprint == words["in_use"] != app.embedder.fingerprint
        standing = call(app, "status")["embedding"]
        assert (standing["in_use"], standing["coming"]) == (words["in_use"], app.embedder.fingerprint)
        assert (standing["embedded"], standing["texts"], standing["problem"]) == (0, 2, "")
        report = call(app, "ingest")
        assert (report["unchanged"], report["added"], report["replaced"]) == (3, 0, 0)
        assert TRUE in first(app)
        after = app.retriever
        assert after.embedder is app.embedder and after.vectors is not None and len(after.vectors) == 2
        assert after.languages.width != before.languages.width, "measured on the embedder in use"
        assert call(app, "status")["embedding"] == {"in_use": app.embedder.fingerprint}
        assert app.ledger.embedded(words["in_use"]) == 0
    with App(made_up) as app:
        assert call(app, "rebuild")["chunks"] == 2
        assert call(app, "status")["embedding"] == words
        assert TRUE in first(app)
        assert [path.name for path in fresh.home.iterdir() if path.name.startswith("chroma")] == [
            app.ledger.vectors_directory
        ]


def test_without_the_model_before_words_alone_answer_and_status_says_so(
    fresh: Line, models: Path, tmp_path: Path
) -> None:
    made_up = load(config=fresh.config, home=fresh.home, environ={"RAG_MODELS": str(models)})
    gone = replace(made_up, models=tmp_path / "empty")
    with App(replace(made_up, embedder=EmbedderSettings())) as app:
        call(app, "ingest", paths=[str(papers(fresh.folder / "papers"))])
    with App(gone) as app:
        assert TRUE in first(app)
        assert app.retriever.vectors is None
        assert "cannot be opened" in call(app, "status")["embedding"]["problem"]
        call(app, "ingest")
        assert app.retriever.vectors is not None
        assert TRUE in first(app)


def test_doctor_looks_at_every_row_and_mends_what_is_wrong(fresh: Line) -> None:
    with App(load(config=fresh.config, home=fresh.home, environ={"RAG_MODELS": str(fresh.folder)})) as app:
        call(app, "ingest", paths=[str(papers(fresh.folder / "papers"))])
        vectors = app.pipeline.vectors
        vectors.delete(sorted(vectors.ids())[:1])

        def rows() -> str:
            (found,) = [check["finding"] for check in call(app, "doctor")["checks"] if check["name"] == "index rows"]
            return str(found)

        assert rows() == "1 were wrong and are mended"
        assert len(vectors) == 2
        assert rows() == "as the ledger"
