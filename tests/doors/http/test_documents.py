"""Documents and the state of the service over HTTP."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

OPEN, CLOSED, UNKNOWN = "a" * 24, "c" * 24, "f" * 24


def test_a_document_tells_what_is_known_of_it(client: TestClient) -> None:
    assert client.get(f"/api/documents/{OPEN}").json() == {
        "key": OPEN,
        "document_id": "house:urlaub.pdf",
        "title": "Urlaubsordnung",
        "uri": "file:///srv/dokumente/urlaub.pdf",
        "media_type": "application/pdf",
        "modified": "2024-03-12T09:30:00+00:00",
        "language": "de",
        "state": "indexed",
        "pages": 2,
    }


def test_the_text_of_a_document_holds_every_quote_at_its_span(client: TestClient) -> None:
    text = client.get(f"/api/documents/{OPEN}/text").json()
    citation = client.post("/api/ask", json={"question": "Urlaub?"}).json()["citations"][0]
    start, end = citation["span"]
    assert text["text"][start:end] == citation["quote"]
    assert text["sections"] == [{"span": [0, len(text["text"])], "headings": ["§ 3 Dauer"], "page": 2, "table": False}]


@pytest.mark.parametrize("part", ["", "/text"])
@pytest.mark.parametrize("language", ["de", "en"])
def test_what_may_not_be_read_is_byte_for_byte_what_does_not_exist(
    client: TestClient, part: str, language: str
) -> None:
    headers = {"accept-language": language}
    closed = client.get(f"/api/documents/{CLOSED}{part}", headers=headers)
    unknown = client.get(f"/api/documents/{UNKNOWN}{part}", headers=headers)
    assert closed.status_code == unknown.status_code == 404
    assert closed.content == unknown.content
    assert closed.headers == unknown.headers


@pytest.mark.parametrize(
    "name", ["house:urlaub.pdf", "house:gehalt.xlsx", "' OR 1=1 --", "%00", "..%2f..%2fetc", "{{7*7}}", "x" * 5000]
)
def test_only_a_key_opens_a_document(client: TestClient, name: str) -> None:
    assert client.get(f"/api/documents/{name}").status_code == 404
    assert client.get(f"/api/documents/{name}/text").status_code == 404


def test_health_is_told_without_asking_the_stores(client: TestClient, house: object) -> None:
    house.ledger.close()  # type: ignore[attr-defined]
    assert client.get("/healthz").json() == {"status": "ok"}


def test_readiness_tells_the_index_and_the_model(client: TestClient) -> None:
    ready = client.get("/readyz").json()
    assert ready["index"] == {"documents": 2, "failed": 0, "chunks": 2}, "what the caller may read"
    assert ready["model"] is None
