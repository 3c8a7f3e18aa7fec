"""A picture without words is found by what a vision model on the premises says of it, and says that a machine did."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from rag.errors import ModelUnavailable
from rag.models.describer import OllamaDescriber
from tests.doors.conftest import Line, embed, tag, version
from tests.models.scripted_server import Exchange, ScriptedServer

SEEN = "Ein Gabelstapler steht vor dem Lager Nord. Auf dem Schild steht: Durchfahrt verboten."
HEADING = "Bildbeschreibung (maschinell erstellt)"


class Seer:
    """A scripted vision model."""

    def __init__(self) -> None:
        self.pictures: list[bytes] = []
        self.asked: list[dict[str, Any]] = []
        self.status = 200
        self.capabilities = ["completion", "vision"]
        self.elsewhere: dict[str, str] = {}

    def chat(self, exchange: Exchange) -> None:
        asked = exchange.json
        self.asked.append(asked)
        self.pictures += [base64.b64decode(picture) for picture in asked["messages"][0]["images"]]
        if self.status != 200:
            exchange.reply({"error": "out of memory"}, status=self.status)
            return
        exchange.reply({"model": "seer:latest", "message": {"role": "assistant", "content": SEEN}, "done": True})

    def show(self, exchange: Exchange) -> None:
        kinds = ["embedding"] if exchange.json["model"].startswith("words") else self.capabilities
        exchange.reply({"capabilities": kinds, "model_info": {}, "details": {}, **self.elsewhere})


@pytest.fixture
def seer() -> Seer:
    return Seer()


@pytest.fixture
def server(seer: Seer) -> Iterator[ScriptedServer]:
    routes = {
        "GET /api/version": version,
        "GET /api/tags": lambda e: e.reply({"models": [tag("seer:latest", "1"), tag("words:latest", "2")]}),
        "POST /api/show": seer.show,
        "POST /api/embed": embed,
        "POST /api/chat": seer.chat,
    }
    with ScriptedServer(routes) as running:
        yield running


@pytest.fixture
def seeing(fresh: Line, server: ScriptedServer) -> Line:
    """A line whose settings name the vision model."""
    (fresh.folder / "seeing.toml").write_text(
        f"""
[embedder]
provider = "ollama"
model = "words"
base_url = "{server.url}"
[llm]
provider = "none"
base_url = "{server.url}"
[retrieval]
evidence = 0.0
[ingest]
ocr = false
vision_model = "seer"
"""
    )
    (fresh.folder / "papers").mkdir()
    return Line(fresh.folder, fresh.folder / "seeing.toml")


def picture(kind: str = "PNG") -> bytes:
    made = io.BytesIO()
    Image.radial_gradient("L").resize((300, 200)).convert("RGB").save(made, kind)
    return made.getvalue()


def scan(pages: int) -> bytes:
    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(200, 200)
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def test_a_picture_is_found_by_what_it_shows_and_the_citation_says_that_a_machine_saw_it(
    seeing: Line, seer: Seer
) -> None:
    (seeing.folder / "papers" / "hof.png").write_bytes(picture())
    assert seeing.json("ingest", "papers")["added"] == 1
    (passage,) = seeing.json("search", "Gabelstapler vor dem Lager")["passages"]
    assert passage["headings"] == [HEADING] and SEEN in passage["text"]
    assert "described by seer" in seeing.run("documents", "--json").stdout
    assert [Image.open(io.BytesIO(sent)).size for sent in seer.pictures] == [(300, 200)]
    assert seer.asked[0]["options"]["num_ctx"] and seer.asked[0]["options"]["temperature"] == 0
    assert seer.asked[0]["think"] is False, "else a model that thinks may spend all its tokens on that"


def test_a_scan_without_readable_text_is_described_page_by_page(seeing: Line, seer: Seer) -> None:
    (seeing.folder / "papers" / "scan.pdf").write_bytes(scan(pages=3))
    assert seeing.json("ingest", "papers")["added"] == 1
    found = seeing.json("search", "Gabelstapler", "-k", "5")["passages"]
    assert len(seer.pictures) == 3 and found[0]["page"] in (1, 2, 3)


def test_a_document_with_text_is_not_looked_at(seeing: Line, seer: Seer) -> None:
    (seeing.folder / "papers" / "a.txt").write_text("Der Gabelstapler wird geprüft.")
    seeing.json("ingest", "papers")
    assert seer.asked == []


def test_a_vision_model_that_fails_costs_the_picture_alone(seeing: Line, seer: Seer) -> None:
    seer.status = 500
    (seeing.folder / "papers" / "hof.png").write_bytes(picture())
    (seeing.folder / "papers" / "a.txt").write_text("Der Gabelstapler wird geprüft.")
    report = seeing.json("ingest", "papers", code=3)
    assert report["added"] == 1
    assert "not described" in report["failed"][0]["reason"] and "500" in report["failed"][0]["reason"]


@pytest.mark.parametrize("elsewhere", [{"remote_host": "https://ollama.com"}, {"remote_model": "seer"}])
def test_no_picture_is_sent_to_a_model_that_runs_elsewhere(
    server: ScriptedServer, seer: Seer, elsewhere: dict[str, str]
) -> None:
    seer.elsewhere = elsewhere
    with pytest.raises(ModelUnavailable, match="leave the building"):
        OllamaDescriber(server.url, model="seer").describe(picture())
    with pytest.raises(ModelUnavailable, match="leave the building"):
        OllamaDescriber(server.url, model="seer:cloud")
    assert seer.pictures == []


def test_a_model_that_sees_nothing_is_refused_before_a_picture_is_sent(server: ScriptedServer, seer: Seer) -> None:
    seer.capabilities = ["completion"]
    with pytest.raises(ModelUnavailable, match=r"ingest\.vision_model"):
        OllamaDescriber(server.url, model="seer").describe(picture())
    assert seer.pictures == []


def test_another_vision_model_reads_the_documents_anew(seeing: Line) -> None:
    (seeing.folder / "papers" / "hof.png").write_bytes(picture())
    seeing.json("ingest", "papers")
    path: Path = seeing.config
    path.write_text(path.read_text().replace('vision_model = "seer"\n', ""))
    report = seeing.json("ingest", "papers", code=3)
    assert report["failed"][0]["document"] == "papers:hof.png"
