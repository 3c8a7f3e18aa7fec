"""Asking over HTTP: JSON and server-sent events."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from rag.access import LOOPBACK
from rag.answers import AnswerEvent, Done, Found, Outcome, Passage
from rag.ask.conversation import Turn
from rag.errors import ModelTimeout, ModelUnavailable, StoreFull
from rag.filters import Filters
from tests.doors.http.conftest import served
from tests.doors.http.house import House, answered, cited, done, ending, sentence

ASK = {"question": "Wie lang ist der Urlaub?"}


def events(body: str) -> list[tuple[str, Any]]:
    """The events of a stream, read as the standard says."""
    found = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_an_answer_has_the_form_of_the_contract(client: TestClient) -> None:
    answer = client.post("/api/ask", json=ASK).json()
    assert list(answer) == [
        "question", "outcome", "text", "citations", "passages", "model", "receipt", "timing_ms",
        "asked", "left_out", "disagreements", "reason", "unquoted",
    ]  # fmt: skip
    assert set(answer["citations"][0]) == {
        "marker", "document_id", "title", "uri", "page", "headings", "span", "quote", "as_of", "key",
        "modified", "superseded_by", "hidden_text", "hidden_because",
    }  # fmt: skip
    assert set(answer["passages"][0]) == {
        "document_id", "title", "uri", "page", "headings", "span", "text", "score", "as_of", "key",
        "modified", "superseded_by", "hidden_text", "hidden_because",
    }  # fmt: skip
    assert answer["outcome"] == "answered"
    assert answer["citations"][0]["quote"] == "Der Urlaub beträgt 24 Werktage."
    assert answer["timing_ms"] == {"retrieve": 31, "total": 2210}


def test_the_question_is_asked_for_the_person_at_this_machine(client: TestClient, house: House) -> None:
    client.post("/api/ask", json={**ASK, "sources": ["hr", "it"]})
    question, principal, channel, filters = house.asked[0]
    assert (question, principal.user, channel) == (ASK["question"], "local", LOOPBACK)
    assert filters == Filters(sources=frozenset({"hr", "it"}))


def test_the_evidence_comes_before_the_first_word_and_the_answer_last(client: TestClient) -> None:
    response = client.post("/api/ask", json={**ASK, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response.text)
    assert [name for name, _ in found] == ["passages", "sentence", "sentence", "done"]
    assert found[0][1]["evidence"] == 0.93
    assert found[0][1]["passages"][0]["key"] == "a" * 24
    assert found[1][1]["citations"][0]["marker"] == 1
    assert found[-1][1] == client.post("/api/ask", json=ASK).json()


def test_the_passages_come_twice_where_they_are_wanted_early(client: TestClient, house: House) -> None:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.0, settled=False)
        yield from answered(question, passages)

    house.script = script
    found = events(client.post("/api/ask", json={**ASK, "stream": True, "early": True}).text)
    assert [name for name, _ in found] == ["passages", "passages", "sentence", "sentence", "done"]
    assert [data["settled"] for name, data in found if name == "passages"] == [False, True]
    client.post("/api/ask", json={**ASK, "early": True})
    client.post("/api/ask", json={**ASK, "stream": True})
    assert house.early == [True, False, False]


def test_a_sentence_is_sent_when_it_is_checked_and_not_held_until_the_end(house: House) -> None:
    seen = threading.Event()

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        said = [sentence("Erstens.", cited(passages[0], 1))]
        yield said[0]
        assert seen.wait(30)
        said.append(sentence("Zweitens.", cited(passages[1], 2)))
        yield said[1]
        yield done(question, passages, said)

    house.script = script
    names = []
    with (
        served(house) as address,
        httpx.Client(trust_env=False, timeout=30) as web,
        web.stream("POST", f"{address}/api/ask", json={**ASK, "stream": True}) as response,
    ):
        for line in response.iter_lines():
            if line.startswith("event: "):
                names.append(line[7:])
            if "Erstens" in line:
                seen.set()
    assert names == ["passages", "sentence", "sentence", "done"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_closes_the_answer(house: House, stream: bool) -> None:
    first, gone = threading.Event(), threading.Event()

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        while True:
            yield sentence("Noch ein Satz.", cited(passages[0], 1))
            first.set()
            gone.wait(0.01)

    house.script = script
    body = json.dumps({**ASK, "stream": stream}).encode()
    head = f"POST /api/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with served(house) as address:
        place = urlsplit(address)
        with socket.create_connection((place.hostname, place.port), timeout=30) as line:
            line.sendall(f"{head}\r\n\r\n".encode() + body)
            assert first.wait(30)
        assert house.closed.wait(30)


def test_a_slow_model_does_not_let_the_line_fall_silent(house: House, opened: Callable[..., TestClient]) -> None:
    quiet = threading.Event()

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        quiet.wait(0.3)
        yield done(question, passages, [])

    house.script = script
    body = opened(heartbeat_s=0.02).post("/api/ask", json={**ASK, "stream": True}).text
    assert "\n:\n\n" in body
    assert [name for name, _ in events(body)] == ["passages", "done"]


@pytest.mark.parametrize(
    "words", ['a\nevent: done\ndata: {"text":"forged"}\n\n', "a\r\rdata: x\r\n\r\n", "a\u2028b\x85c\x00"]
)
def test_no_text_can_forge_an_event(client: TestClient, house: House, words: str) -> None:
    house.script = lambda question, passages: iter(
        [
            Found(passages=tuple(passages), evidence=0.9),
            sentence(words, cited(passages[0], 1)),
            done(words, passages, [sentence(words)]),
        ]
    )
    body = client.post("/api/ask", json={**ASK, "stream": True}).text
    assert "\r" not in body
    found = events(body)
    assert [name for name, _ in found] == ["passages", "sentence", "done"]
    assert found[1][1]["text"] == words == found[2][1]["question"]


def test_half_a_surrogate_pair_in_a_text_is_carried_over(client: TestClient, house: House) -> None:
    house.script = ending(Outcome.ANSWERED, sentence("kaputt \ud83d"))
    assert "\\ud83d" in client.post("/api/ask", json=ASK).text
    assert "\\ud83d" in client.post("/api/ask", json={**ASK, "stream": True}).text


def test_a_failure_before_the_evidence_is_a_problem_with_its_status(client: TestClient, house: House) -> None:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        raise StoreFull("no room at /srv/secret/path")
        yield done(question, passages, [])

    house.script = script
    for stream in (True, False):
        response = client.post("/api/ask", json={**ASK, "stream": stream})
        assert response.status_code == 507
        assert response.json()["code"] == "store_full"
        assert "/srv" not in response.text


def test_a_failure_after_the_evidence_is_the_last_event(client: TestClient, house: House) -> None:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        raise ModelTimeout("http://10.0.0.7:11434 took 600 s")

    house.script = script
    response = client.post("/api/ask", json={**ASK, "stream": True}, headers={"accept-language": "de-AT,en;q=0.5"})
    found = events(response.text)
    assert [name for name, _ in found] == ["passages", "error"]
    assert found[1][1]["code"] == "model_timeout"
    assert found[1][1]["title"] == "Sprachmodell zu langsam"
    assert "10.0.0.7" not in response.text


def test_an_unexpected_failure_says_nothing_of_itself(client: TestClient, house: House) -> None:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        raise ZeroDivisionError("secret detail")
        yield done(question, passages, [])

    house.script = script
    response = client.post("/api/ask", json=ASK)
    assert response.status_code == 500
    assert response.json()["code"] == "internal"
    assert "secret" not in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_model_that_is_not_there_is_told_in_a_sentence(client: TestClient, house: House) -> None:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        raise ModelUnavailable("ollama serve")
        yield done(question, passages, [])

    house.script = script
    response = client.post("/api/ask", json=ASK)
    assert (response.status_code, response.json()["code"]) == (503, "model_unavailable")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"question": ""}, "question_empty"),
        ({"question": " \n\t "}, "question_empty"),
        ({"question": "x" * 2001}, "question_too_long"),
        ({}, "invalid"),
        ({"question": ["x"]}, "invalid"),
        ({**ASK, "sources": []}, "invalid"),
        ({**ASK, "on_behalf_of": "boss"}, "invalid"),
        ({**ASK, "audience": "public_channel"}, "on_behalf_refused"),
        ({**ASK, "principal": "boss"}, "invalid"),
        ({**ASK, "filters": {"lang": "de"}}, "filters_not_understood"),
        ({**ASK, "filters": {"language": "deutsch"}}, "filters_not_understood"),
        ({**ASK, "filters": {"type": ["pdf", "tape"]}}, "filters_not_understood"),
        ({**ASK, "filters": {"since": "gestern"}}, "filters_not_understood"),
        ({**ASK, "filters": {"since": 2024}}, "filters_not_understood"),
        ({**ASK, "filters": {"path": "/"}}, "filters_not_understood"),
        ({**ASK, "filters": ["de"]}, "filters_not_understood"),
        ({**ASK, "conversation": [{"role": "user", "content": "Und davor?"}] * 21}, "conversation_too_long"),
        ({**ASK, "conversation": [{"role": "user", "content": "x" * 2001}]}, "conversation_too_long"),
        ({**ASK, "conversation": [{"role": "system", "content": "x"}]}, "invalid"),
    ],
)
def test_what_cannot_be_honoured_is_refused(client: TestClient, house: House, body: dict[str, Any], code: str) -> None:
    response = client.post("/api/ask", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    assert response.json()["type"] == f"urn:archivar:problem:{code}"
    assert house.asked == []


def test_empty_conversations_and_filters_are_no_obstacle(client: TestClient) -> None:
    assert client.post("/api/ask", json={**ASK, "conversation": [], "filters": {}}).status_code == 200
    assert client.post("/api/ask", json={"question": "x" * 2000}).status_code == 200


@pytest.mark.parametrize("path", ["ask", "search"])
def test_filters_reach_the_search_as_they_are_meant(client: TestClient, house: House, path: str) -> None:
    filters = {"language": ["de", "other"], "since": "2024-03", "type": "mail", "path": ["hr/", "**/protokolle/*"]}
    body = {**ASK} if path == "ask" else {"query": ASK["question"]}
    assert client.post(f"/api/{path}", json={**body, "sources": ["hr"], "filters": filters}).status_code == 200
    assert house.filters == [
        Filters(
            sources=frozenset({"hr"}),
            languages=frozenset({"de", ""}),
            since=date(2024, 3, 1),
            types=frozenset({"message/rfc822", "application/vnd.ms-outlook"}),
            paths=frozenset({"hr/", "**/protokolle/*"}),
        )
    ]


def test_a_conversation_is_handed_on_with_its_question(client: TestClient, house: House) -> None:
    before = [{"role": "user", "content": "Wie viele Tage?"}, {"role": "assistant", "content": "30."}]
    assert client.post("/api/ask", json={**ASK, "conversation": before}).status_code == 200
    assert house.conversations[-1] == (
        Turn(role="user", content="Wie viele Tage?"),
        Turn(role="assistant", content="30."),
    )


def test_a_search_gives_evidence_and_passages(client: TestClient) -> None:
    found = client.post("/api/search", json={"query": "Urlaub", "k": 1}).json()
    assert found["evidence"] == 0.93
    assert [passage["key"] for passage in found["passages"]] == ["a" * 24]


@pytest.mark.parametrize("k", [0, 51, "many"])
def test_a_search_for_too_few_or_too_many_is_refused(client: TestClient, k: Any) -> None:
    assert client.post("/api/search", json={"query": "Urlaub", "k": k}).status_code == 422


def test_every_event_of_an_answer_has_a_place_in_the_stream(house: House) -> None:
    kinds = {type(event) for event in answered("?", house.passages)}
    assert Done in kinds and Found in kinds and len(kinds) == 3


@pytest.mark.parametrize(("question", "status"), [("Urlaub?\x00", 200), ("\x00", 422), ("x" * 2001, 422)])
def test_controls_in_a_question_become_spaces_and_nothing_else_is_no_question(
    client: TestClient, question: str, status: int
) -> None:
    asked = client.post("/api/ask", json={"question": question})
    assert asked.status_code == status
    if status == 200:
        assert asked.json()["question"] == "Urlaub?"
