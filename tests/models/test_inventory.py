"""Which models there are, by server and on this disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rag.errors import ModelUnavailable
from rag.models.inventory import called, of_catalogue, of_ollama, of_openai
from tests.models.protocol_server import DIGEST
from tests.models.scripted_server import Exchange, ScriptedServer
from tests.models.test_licences import RIGHT, shown


def library(exchange: Exchange) -> None:
    exchange.reply({"models": [{"name": name, "digest": DIGEST, "size": 5} for name in RIGHT]})


def show(exchange: Exchange) -> None:
    exchange.reply(shown(exchange.json["model"]))


LIBRARY = {"GET /api/tags": library, "POST /api/show": show}


def test_every_recorded_model_is_listed_with_its_verdict() -> None:
    with ScriptedServer(LIBRARY) as server:
        found = of_ollama(server.url)
    assert {one.name: one.verdict.use for one in found} == {name: use for name, (use, _) in RIGHT.items()}
    assert all(one.digest == DIGEST and one.context_tokens and one.capabilities and one.size for one in found)
    assert {one.name for one in found if one.embeds_only} == {
        "embeddinggemma:300m",
        "nomic-embed-text:v1.5",
        "bge-m3:567m",
    }


def test_one_model_is_asked_for_alone() -> None:
    with ScriptedServer(LIBRARY) as server:
        assert [one.name for one in of_ollama(server.url, only="gemma3:4b")] == ["gemma3:4b"]
        assert server.count("POST /api/show") == 1


@pytest.mark.parametrize(
    "entry", [{"name": "m:latest", "remote_host": "https://ollama.com"}, {"name": "gpt-oss:120b-cloud"}]
)
def test_a_model_that_runs_in_a_cloud_is_listed_as_not_usable(entry: dict[str, Any]) -> None:
    routes = {
        "GET /api/tags": lambda e: e.reply({"models": [entry]}),
        "POST /api/show": lambda e: e.reply({"license": "MIT"}),
    }
    with ScriptedServer(routes) as server:
        (found,) = of_ollama(server.url)
    assert "cloud" in found.problem


def test_a_model_that_cannot_be_read_is_listed_with_the_reason() -> None:
    routes = {
        "GET /api/tags": lambda e: e.reply({"models": [{"name": "m:latest", "digest": DIGEST}]}),
        "POST /api/show": lambda e: e.reply({"error": "blob is missing"}, status=500),
    }
    with ScriptedServer(routes) as server:
        (found,) = of_ollama(server.url)
    assert "blob is missing" in found.problem
    assert found.verdict.use.value == "unknown"


def test_an_openai_compatible_server_tells_names_and_what_it_adds() -> None:
    meta = {"n_ctx_train": 32768, "n_params": 7_615_616_512, "size": 4_700_000_000}
    offers = [{"id": "Qwen/Qwen2.5-7B-Instruct", "meta": meta}, {"id": "google/gemma-3-4b-it", "max_model_len": 8192}]
    with ScriptedServer({"GET /v1/models": lambda e: e.reply({"data": offers})}) as server:
        one, other = of_openai(f"{server.url}/v1")
    assert (one.context_tokens, one.size, one.verdict.use.value) == (32768, "7.6B", "free")
    assert (other.context_tokens, other.verdict.use.value, other.digest) == (8192, "conditions", "")


def test_a_server_that_is_not_there_is_no_empty_list() -> None:
    with ScriptedServer() as gone:
        url = gone.url
    for ask in (of_ollama, of_openai):
        with pytest.raises(ModelUnavailable, match="does not answer"):
            ask(url)


def test_the_catalogue_is_listed_with_what_lies_on_the_disk(tmp_path: Path) -> None:
    found = of_catalogue(tmp_path)
    assert {one.weights for one in found} == {"not here"}
    assert {one.verdict.use.value for one in found} == {"free"}


def test_the_usual_tag_may_be_left_out(tmp_path: Path) -> None:
    with ScriptedServer({**LIBRARY, "GET /api/tags": lambda e: e.reply({"models": [{"name": "words:latest"}]}),
                         "POST /api/show": lambda e: e.reply({})}) as server:  # fmt: skip
        found = of_ollama(server.url, only="words")
    assert called("words", found) is found[0]
    assert called("words:7b", found) is None
