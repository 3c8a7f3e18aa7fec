"""A reranker as the settings name it: it orders what is found, and breaks no question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.access import LOOPBACK
from rag.app import App
from rag.settings.file import load
from tests.doors.conftest import Line, owner
from tests.models.scripted_server import Exchange, ScriptedServer
from tests.models.test_reranker import tiny_cross_encoder

QUERY = "Urlaub im Kalenderjahr"
TEXTS = {
    "a.txt": "Der Urlaub im Kalenderjahr beträgt 30 Arbeitstage.",
    "b.txt": "Urlaub im Sommer ist abzusprechen.",
    "c.txt": "Die Kantine ist im Sommer geschlossen.",
}


def backwards(exchange: Exchange) -> None:
    """The last first."""
    count = len(exchange.json["documents"])
    exchange.reply({"results": [{"index": place, "relevance_score": place} for place in reversed(range(count))]})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer({"POST /v1/rerank": backwards}) as server:
        yield server


@pytest.fixture
def filled(fresh: Line) -> Line:
    """A home with three documents, found in order of their names."""
    papers = fresh.folder / "papers"
    papers.mkdir()
    for name, text in TEXTS.items():
        (papers / name).write_text(text)
    fresh.json("ingest", papers)
    return fresh


def named(line: Line, reranker: str, **more: Any) -> Line:
    """The same home, with a reranker in its settings."""
    keys = "".join(f"{key} = {value!r}\n" for key, value in {"reranker": reranker, **more}.items())
    config = line.folder / "with-reranker.toml"
    config.write_text(line.config.read_text().replace("[retrieval]\n", f"[retrieval]\n{keys}"))
    return Line(line.folder, config)


def found(line: Line, **options: Any) -> list[str]:
    return [passage["document_id"] for passage in line.json("search", QUERY, **options)["passages"]]


def check(line: Line) -> dict[str, Any]:
    checks = line.json("doctor", code=1)["checks"]
    (one,) = [check for check in checks if check["name"] == "reranker"]
    return dict(one)


def test_what_is_found_is_ordered_by_the_server_that_is_named(filled: Line, server: ScriptedServer) -> None:
    before = found(filled)
    assert len(before) == 3
    assert found(named(filled, server.url, reranker_model="ranker")) == before[::-1]
    ((_, exchange),) = server.asked
    assert (exchange.json["model"], exchange.json["query"]) == ("ranker", QUERY)
    assert {text.split("\n")[-1] for text in exchange.json["documents"]} == set(TEXTS.values())


def refused(exchange: Exchange) -> None:
    exchange.reply({"error": f"cannot read {exchange.json['query']}"}, status=500)


def halved(exchange: Exchange) -> None:
    exchange.reply({"results": [{"index": 0, "relevance_score": 1.0}]})


def silent(exchange: Exchange) -> None:
    exchange.hang()


@pytest.mark.parametrize("route", [refused, halved, silent])
def test_a_server_that_fails_breaks_no_question_and_is_named_in_the_log(
    filled: Line, server: ScriptedServer, route: Callable[[Exchange], None]
) -> None:
    before = found(filled)
    server.routes["POST /v1/rerank"] = route
    line = named(filled, server.url, reranker_timeout_s=0.5)
    done = line.run("--verbose", "search", QUERY, "--json")
    assert done.returncode == 0
    assert [document for document in before if document in done.stdout] == before
    assert found(line) == before
    assert "action=rerank_failed" in done.stderr
    assert QUERY not in done.stderr


def test_a_server_that_hangs_is_named_once_without_being_asked_for_it_and_then_left_alone(
    filled: Line, server: ScriptedServer
) -> None:
    server.routes["POST /v1/rerank"] = silent
    line = named(filled, server.url, reranker_timeout_s=0.5)
    batch = line.folder / "batch.jsonl"
    batch.write_text("".join(f'{{"id": "{number}", "text": "{QUERY}"}}\n' for number in range(6)))
    done = line.run("search", "--batch", batch)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 6
    (said,) = [entry for entry in done.stderr.splitlines() if "rerank" in entry]
    assert "warning" in said
    assert "raise retrieval.reranker_timeout_s" in said
    assert QUERY not in said
    assert server.count("POST /v1/rerank") <= 3  # 6 questions; a busy machine may outlast its first rest


def test_the_doctor_asks_a_server_that_is_left_alone(filled: Line, server: ScriptedServer) -> None:
    server.routes["POST /v1/rerank"] = refused
    line = named(filled, server.url)
    with owner(line):
        assert len(found(line)) == 3
        server.routes["POST /v1/rerank"] = backwards
        assert "puts the wrong one" in check(line)["finding"]
    assert server.count("POST /v1/rerank") == 2


def test_the_doctor_names_a_server_that_does_not_answer_and_what_to_do(fresh: Line, server: ScriptedServer) -> None:
    line = named(fresh, server.url)
    with owner(line):
        assert "puts the wrong one" in check(line)["finding"]
        server.routes.clear()
        assert "does not rerank there" in check(line)["advice"]


def test_no_reranker_is_no_finding(fresh: Line) -> None:
    assert all(check["name"] != "reranker" for check in fresh.json("doctor")["checks"])


def test_a_key_that_cannot_be_read_is_the_doctors_business_and_breaks_no_question(
    filled: Line, server: ScriptedServer
) -> None:
    line = named(filled, server.url, reranker_api_key_file="/nowhere/key")
    with owner(line):
        assert len(found(line)) == 3
        assert "retrieval.reranker_api_key_file" in check(line)["advice"]


def test_a_cross_encoder_loads_with_the_first_question_and_orders_it(filled: Line, tmp_path: Path) -> None:
    directory = tmp_path / "cross-encoder"
    directory.mkdir()
    line = named(filled, str(tiny_cross_encoder(directory)))
    with owner(line) as app:
        before = app.reranker
        assert getattr(before, "_model", "") is None
        assert len(found(line)) == 3
        assert getattr(before, "_model", None) is not None
    assert getattr(before, "_model", "") is None, "closing the app lets go of it"


def test_a_directory_with_nothing_in_it_breaks_no_question(filled: Line, tmp_path: Path) -> None:
    before = found(filled)
    line = named(filled, str(tmp_path / "nothing"))
    settings = load(config=line.config, home=line.home, environ={"RAG_MODELS": str(line.folder / "no-models")})
    with App(settings) as app:
        result = app.search(QUERY, principal=app.person("local"), channel=LOOPBACK, k=10)
    assert [passage.chunk.document_id for passage in result.passages] == before
