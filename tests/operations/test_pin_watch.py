"""Pinned models are looked at again and again while a service runs, and a change is told once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.models_in_use.pinning import PinWatch, looked
from rag.settings import Settings
from rag.settings.models import EmbedderSettings, LlmSettings
from tests.models.protocol_server import DIGEST, MODEL, tag
from tests.models.scripted_server import Exchange, ScriptedServer

OTHER = "f" * 64


class Ollama(ScriptedServer):
    """One model, whose version a test changes."""

    def __init__(self) -> None:
        self.digest = DIGEST
        super().__init__(
            {
                "GET /api/tags": lambda e: e.reply({"models": [tag(digest=self.digest)]}),
                "POST /api/show": lambda e: e.reply({"capabilities": ["completion"], "license": "MIT"}),
            }
        )


@pytest.fixture
def server() -> Iterator[Ollama]:
    with Ollama() as server:
        yield server


def named(folder: Path, *urls: str, digest: str = DIGEST, embedder: str = "") -> Settings:
    llm = LlmSettings(provider="ollama", base_urls=urls, model=MODEL, digest=f"sha256:{digest}" if digest else "")
    own = EmbedderSettings(provider="ollama", model=MODEL, base_url=urls[0], digest=embedder)
    return Settings(home=folder / "home", models=folder / "models", llm=llm, embedder=own)


def test_every_server_is_looked_at(tmp_path: Path, server: Ollama) -> None:
    with Ollama() as other, Ollama() as gone:
        other.digest = OTHER
        url = gone.url
        gone.__exit__(None, None, None)
        one, two, three = looked(named(tmp_path, server.url, other.url, url))
    assert (one.problem, one.changed) == ("", False)
    assert two.changed and "rag models update" in two.problem and two.place == other.url
    assert not three.changed and "does not answer" in three.problem


def test_what_is_not_pinned_is_not_looked_at(tmp_path: Path, server: Ollama) -> None:
    assert not list(looked(named(tmp_path, server.url, digest="")))
    assert server.asked == []


def test_the_embedders_pin_is_looked_at_too(tmp_path: Path, server: Ollama) -> None:
    (found,) = looked(named(tmp_path, server.url, digest="", embedder=OTHER))
    assert (found.pin.key, found.changed) == ("embedder.digest", True)


def test_a_pinned_model_that_went_is_said_to_be_gone(tmp_path: Path, server: Ollama) -> None:
    server.routes["GET /api/tags"] = lambda exchange: exchange.reply({"models": []})
    (found,) = looked(named(tmp_path, server.url))
    assert "is not there" in found.problem


def test_a_change_is_logged_once_and_once_more_when_it_is_back(
    tmp_path: Path, server: Ollama, caplog: pytest.LogCaptureFixture
) -> None:
    watch = PinWatch(named(tmp_path, server.url))
    caplog.set_level(logging.INFO)
    actions = []
    for digest in (DIGEST, OTHER, OTHER, DIGEST, DIGEST):
        server.digest = digest
        watch.look()
        actions += [getattr(record, "action", "") for record in caplog.records]
        caplog.clear()
    assert [action for action in actions if action] == ["model_changed", "model_as_pinned"]
    assert watch.changed == ()


def test_a_server_that_does_not_answer_is_not_said_to_have_the_pinned_version_back(
    tmp_path: Path, server: Ollama, caplog: pytest.LogCaptureFixture
) -> None:
    watch = PinWatch(named(tmp_path, server.url))
    caplog.set_level(logging.INFO)
    answers = server.routes["GET /api/tags"]
    told = []
    for digest in (OTHER, "", OTHER, "", DIGEST):
        server.digest = digest
        server.routes["GET /api/tags"] = answers if digest else lambda e: e.reply({"error": "busy"}, status=503)
        watch.look()
        told.append([action for record in caplog.records if (action := getattr(record, "action", ""))])
        caplog.clear()
    assert told == [["model_changed"], [], [], [], ["model_as_pinned"]]


def test_it_looks_at_once_and_again_until_it_is_closed(tmp_path: Path, server: Ollama) -> None:
    looks = threading.Semaphore(0)

    def listed(exchange: Exchange) -> None:
        looks.release()
        exchange.reply({"models": [tag()]})

    server.routes["GET /api/tags"] = listed
    watch = PinWatch(named(tmp_path, server.url), every_s=0.01)
    watch.start()
    assert all(looks.acquire(timeout=20) for _ in range(3))
    watch.close()
    assert watch.last[0].digest == DIGEST
