"""A server that reranks: both forms it may speak, and everything that can go wrong with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.errors import ModelError, ModelTimeout, ModelUnavailable
from rag.models.rerank_server import RerankServer
from rag.models.weights import Weights
from tests.models.protocol_server import openai_server
from tests.models.scripted_server import Exchange, ScriptedServer

PASSAGES = ["kurz", "länger", "am längsten"]
BY_LENGTH = [4.0, 6.0, 11.0]
PATIENT_S = 60.0
"""Where no time-out is meant, a busy machine may take its time."""


def asking(address: str, **options: Any) -> RerankServer:
    """A reranker that waits patiently."""
    return RerankServer(address, **{"timeout_s": PATIENT_S, **options})


def usual(exchange: Exchange) -> None:
    """The longer, the better; best first, as servers answer."""
    documents = exchange.json["documents"]
    results = [{"index": place, "relevance_score": len(text)} for place, text in enumerate(documents)]
    exchange.reply({"model": "m", "results": sorted(results, key=lambda result: -result["relevance_score"])})


def inference(exchange: Exchange) -> None:
    """As Text Embeddings Inference does."""
    if "texts" not in exchange.json:
        exchange.reply({"error": "missing field `texts`"}, status=422)
        return
    exchange.reply([{"index": place, "score": len(text)} for place, text in enumerate(exchange.json["texts"])])


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer({"POST /v1/rerank": usual}) as server:
        yield server


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "/v1/rerank"])
def test_the_usual_form_is_spoken_whichever_part_of_the_address_is_named(server: ScriptedServer, end: str) -> None:
    assert asking(server.url + end, model="m").scores("was?", PASSAGES) == BY_LENGTH
    ((_, exchange),) = server.asked
    assert exchange.json == {"model": "m", "query": "was?", "documents": PASSAGES, "top_n": 3}


def test_a_model_that_is_not_named_is_the_servers_own(server: ScriptedServer) -> None:
    asking(server.url).scores("was?", PASSAGES)
    assert "model" not in server.asked[0][1].json


@pytest.mark.parametrize("end", ["", "/rerank"])
def test_the_form_of_text_embeddings_inference_is_found_and_kept(end: str) -> None:
    with ScriptedServer({"POST /rerank": inference}) as server:
        reranker = asking(server.url + end)
        assert reranker.scores("was?", PASSAGES) == BY_LENGTH
        asked = len(server.asked)
        assert reranker.scores("was?", PASSAGES) == BY_LENGTH
        assert len(server.asked) == asked + 1


def test_a_server_that_became_another_one_is_found_again(server: ScriptedServer) -> None:
    reranker = asking(server.url)
    reranker.scores("was?", PASSAGES)
    server.routes = {"POST /rerank": inference}
    assert reranker.scores("was?", PASSAGES) == BY_LENGTH
    server.routes = {"POST /v1/rerank": usual}
    assert reranker.scores("was?", PASSAGES) == BY_LENGTH


def test_no_passages_need_no_server() -> None:
    assert asking("http://127.0.0.1:1").scores("was?", []) == []


def test_the_key_is_sent_to_the_server_that_is_configured(server: ScriptedServer) -> None:
    asking(server.url, api_key=lambda: "s3cret").scores("was?", PASSAGES)
    asking(server.url).scores("was?", PASSAGES)
    assert [exchange.headers.get("Authorization") for _, exchange in server.asked] == ["Bearer s3cret", None]


def results(*scores: Any) -> dict[str, Any]:
    return {"results": [{"index": place, "relevance_score": score} for place, score in enumerate(scores)]}


WRONG: dict[str, Any] = {
    "one too few": results(1, 2),
    "one too many": results(1, 2, 3, 4),
    "one said twice": {"results": [{"index": place, "relevance_score": 1} for place in (0, 1, 1)]},
    "one said again": {"results": [{"index": place, "relevance_score": 1} for place in (0, 1, 2, 2)]},
    "one of no passage": {"results": [{"index": place, "relevance_score": 1} for place in (0, 1, 3)]},
    "a negative place": {"results": [{"index": place, "relevance_score": 1} for place in (0, 1, -1)]},
    "a place that is no number": {"results": [{"index": place, "relevance_score": 1} for place in (0, 1, "2")]},
    "a place that is a truth": {"results": [{"index": place, "relevance_score": 1} for place in (0, True, 2)]},
    "not a number": b'{"results": [{"index":0,"score":1},{"index":1,"score":1},{"index":2,"score":NaN}]}',
    "endless": b'{"results": [{"index":0,"score":1},{"index":1,"score":1},{"index":2,"score":Infinity}]}',
    "too large": b'[{"index":0,"score":1},{"index":1,"score":1},{"index":2,"score":1' + b"0" * 400 + b"}]",
    "a text": results(1, 2, "3"),
    "none": results(1, 2, None),
    "no results": {},
    "results that are none": {"results": [1, 2, 3]},
    "a word": "ja",
    "no JSON": b"<html>",
    "deeper than deep": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe\xfa",
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_answer_is_not_believed(server: ScriptedServer, answer: Any) -> None:
    server.routes["POST /v1/rerank"] = lambda exchange: exchange.reply(answer)
    with pytest.raises(ModelUnavailable, match="not with one score for each passage"):
        asking(server.url).scores("was?", PASSAGES)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "refuses the key"),
        (403, "refuses the key"),
        (404, "does not rerank there"),
        (500, "Its own log"),
        (307, "307"),
    ],
)
def test_a_refusal_names_what_to_do(server: ScriptedServer, status: int, says: str) -> None:
    elsewhere = {"Location": "/v1/other"}
    server.routes["POST /v1/rerank"] = lambda e: e.reply({"error": "secret words"}, status=status, headers=elsewhere)
    server.routes["POST /v1/other"] = usual
    with pytest.raises(ModelUnavailable, match=says) as caught:
        asking(server.url).scores("was?", PASSAGES)
    assert "secret words" not in str(caught.value)
    assert server.count("POST /v1/other") == 0


def test_nothing_but_the_configured_server_is_reached(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert asking(server.url).scores("was?", PASSAGES) == BY_LENGTH


def slowly(exchange: Exchange) -> None:
    """A byte now and then, for ever: each one comes in time."""
    exchange.start()
    while not exchange.closing.wait(0.05):
        exchange.send(["x"])


def silent(exchange: Exchange) -> None:
    exchange.hang()


@pytest.mark.parametrize("route", [silent, slowly])
def test_a_slow_server_is_waited_for_no_longer_than_allowed(
    server: ScriptedServer, route: Callable[[Exchange], None]
) -> None:
    server.routes["POST /v1/rerank"] = route
    began = time.monotonic()
    with pytest.raises(ModelTimeout, match=r"retrieval\.reranker_timeout_s|Is it started"):
        asking(server.url, timeout_s=0.3).scores("was?", PASSAGES)
    assert time.monotonic() - began < 15


def test_a_server_that_was_too_slow_is_hung_up_on(server: ScriptedServer) -> None:
    gone = threading.Event()

    def dribble(exchange: Exchange) -> None:
        try:
            slowly(exchange)
        except OSError:
            gone.set()
            raise

    server.routes["POST /v1/rerank"] = dribble
    with pytest.raises(ModelTimeout):
        asking(server.url, timeout_s=0.3).scores("was?", PASSAGES)
    assert gone.wait(10) or not server.asked, "it was never even asked"


def endless(exchange: Exchange) -> None:
    exchange.start()
    exchange.send("x" * 60_000 for _ in range(40))
    exchange.finish()


def hung_up(exchange: Exchange) -> None:
    exchange.start()
    exchange.send(["{"])
    exchange.handler.close_connection = True


@pytest.mark.parametrize("route", [endless, hung_up])
def test_a_broken_answer_is_an_error_of_ours(server: ScriptedServer, route: Callable[[Exchange], None]) -> None:
    server.routes["POST /v1/rerank"] = route
    with pytest.raises(ModelUnavailable, match=r"more than scores|does not answer"):
        asking(server.url).scores("was?", PASSAGES)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://127.0.0.1:port", "http://[::1", "http://x\x00y"])
def test_an_address_where_nothing_answers_is_an_error_of_ours(address: str) -> None:
    with pytest.raises(ModelError, match=r"retrieval\.reranker"):
        asking(address).scores("was?", PASSAGES)


@pytest.mark.models
@pytest.mark.parametrize("end", ["", "/rerank"])
def test_llama_cpps_server_is_understood(tiny: Weights, end: str) -> None:
    """The wire form is real; the scores mean nothing, for the model was never made for it."""
    with openai_server(tiny.path, ranking=True) as url:
        scores = asking(url + end).scores("was?", PASSAGES)
    assert len(scores) == 3
    assert len(set(scores)) == 3
