"""What the door turns away, and what every response carries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from rag.api.guard import MAX_BODY_BYTES

ASK = {"question": "Wie lang ist der Urlaub?"}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost.evil.example", "localhost@evil.example", "x/healthz?", "localhost/healthz?", "",
        "localhost:80:80", "localhost:port", "127.0.0.1.nip.io", "[::1", "[::1]evil", "[::2]", "localhost evil",
    ],
)  # fmt: skip
def test_a_forged_host_reaches_nothing(client: TestClient, host: str) -> None:
    for path in ("/", "/healthz", "/api/documents/" + "a" * 24, "/static/page.js"):
        response = client.get(path, headers={"host": host})
        assert response.status_code in (400, 421)
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8088", "127.0.0.1:8088", "[::1]", "[::1]:8088"])
def test_our_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


def test_a_name_from_the_settings_is_answered(opened: Callable[..., TestClient]) -> None:
    client = opened(hosts=["Archivar.firma.example"])
    assert client.get("/healthz", headers={"host": "archivar.firma.example"}).status_code == 200
    assert client.get("/healthz", headers={"host": "localhost"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://localhost:9999"},
        {"origin": "file://"}, {"origin": ""}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    ],
)  # fmt: skip
def test_a_request_that_another_site_sends_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    for response in (
        client.post("/api/ask", json=ASK, headers=headers),
        client.get("/api/documents/" + "a" * 24 + "/text", headers=headers),
    ):
        assert response.status_code == 403
        assert response.json()["code"] == "foreign_origin"
        assert "access-control-allow-origin" not in response.headers


def test_a_link_from_elsewhere_opens_the_page_but_cannot_embed_it(client: TestClient) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/", headers={**link, "sec-fetch-dest": "iframe"}).status_code == 403
    assert client.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}).status_code == 403


def test_our_own_page_may_ask(client: TestClient) -> None:
    headers = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.post("/api/ask", json=ASK, headers=headers).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_another_site_cannot_ask(client: TestClient, kind: str) -> None:
    response = client.post("/api/ask", content=b'{"question": "x"}', headers={"content-type": kind})
    assert response.status_code == 415


def test_a_body_over_the_limit_is_refused_whether_announced_or_not(client: TestClient) -> None:
    large = b'{"question": "' + b"x" * MAX_BODY_BYTES + b'"}'

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(large), 1000):
            yield large[start : start + 1000]

    for content in (large, pieces()):
        response = client.post("/api/ask", content=content, headers={"content-type": "application/json"})
        assert response.status_code == 413


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 30000, b'{"question": "\\ud800"}'])
def test_a_body_that_is_no_json_is_a_problem_not_a_failure(client: TestClient, content: bytes) -> None:
    response = client.post("/api/ask", content=content, headers={"content-type": "application/json"})
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/problem+json"


def test_without_sign_in_only_this_machine_is_answered(opened: Callable[..., TestClient]) -> None:
    for address in ("192.168.0.7", "10.1.2.3", "2001:db8::1", "::ffff:192.168.0.7", "testclient"):
        away = opened(address=address)
        assert away.post("/api/ask", json=ASK).status_code == 403
        assert away.get("/api/documents/" + "a" * 24).status_code == 403
        assert away.get("/").status_code == 403
    for address in ("::1", "127.0.0.2", "::ffff:127.0.0.1"):
        assert opened(address=address).post("/api/ask", json=ASK).status_code == 200


def every_kind_of_response(client: TestClient) -> list[Any]:
    return [
        client.get("/"),
        client.get("/static/page.js"),
        client.get("/nothing"),
        client.get("/healthz", headers={"host": "evil.example"}),
        client.post("/api/ask", json=ASK),
        client.post("/api/ask", json={**ASK, "stream": True}),
        client.post("/api/ask", json={}),
        client.put("/api/ask", json={}),
    ]


def test_every_response_forbids_foreign_content_frames_and_guessing(client: TestClient) -> None:
    for response in every_kind_of_response(client):
        policy = response.headers["content-security-policy"]
        assert policy.startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
        )
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "server" not in response.headers
        assert "access-control-allow-origin" not in response.headers


def test_answers_are_kept_by_no_cache(client: TestClient) -> None:
    assert client.post("/api/ask", json=ASK).headers["cache-control"] == "no-store"
    assert client.get("/api/documents/" + "a" * 24 + "/text").headers["cache-control"] == "no-store"


def test_there_are_no_docs_pages_but_a_description(client: TestClient) -> None:
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
    paths = client.get("/api/openapi.json").json()["paths"]
    assert {"/api/ask", "/api/search", "/api/documents/{key}", "/api/documents/{key}/text"} <= set(paths)


@pytest.mark.parametrize(
    "path", ["/static/../http.py", "/static/%2e%2e/__init__.py", "/static//etc/passwd", "/static/"]
)
def test_only_the_files_of_the_page_are_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_ten_thousand_ranges_cost_no_time(client: TestClient) -> None:
    ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(10_000))
    began = time.process_time()  # whatever else the machine does meanwhile
    client.get("/static/page.js", headers={"range": ranges})
    assert time.process_time() - began < 1
