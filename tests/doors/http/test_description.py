"""The description at `/api/openapi.json` is what is really taken and sent."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from rag.api.examples import ANSWERS, REQUESTS
from rag.api.openapi import TABLE, codes, operations
from rag.text.sentences import LANGUAGES, texts


@pytest.fixture
def description(client: TestClient) -> dict[str, Any]:
    return dict(client.get("/api/openapi.json").json())


def schema(description: dict[str, Any], name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": description["components"]}


def test_every_route_tells_what_it_gives_and_no_other_is_told_of(description: dict[str, Any]) -> None:
    assert {name for name, _ in operations(description)} == set(TABLE)


def test_every_json_body_and_every_form_has_an_example_that_keeps_to_its_schema(description: dict[str, Any]) -> None:
    for name, operation in operations(description):
        sent = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if sent is not None and sent["schema"] != {"type": "object"}:
            jsonschema.validate(REQUESTS[name], {**sent["schema"], "components": description["components"]})
            assert sent["examples"]["one"]["value"] == REQUESTS[name]
        for response in operation["responses"].values():
            for media in response.get("content", {}).values():
                for example in media.get("examples", {}).values():
                    whole = {**media["schema"], "components": description["components"]}
                    jsonschema.validate(example["value"], whole)
        for form in (TABLE[name].form, TABLE[name].to_bots):
            assert form is None or form.__name__ in ANSWERS


def test_what_is_sent_keeps_to_the_schema_and_nothing_is_sent_that_it_does_not_name(
    client: TestClient, description: dict[str, Any]
) -> None:
    question = {"question": "Wie lang ist der Urlaub?"}
    chat = {"model": "archivar", "messages": [{"role": "user", "content": "Urlaub?"}]}
    for name, response in {
        "Answer": client.post("/api/ask", json=question),
        "Found": client.post("/api/search", json={"query": "Urlaub"}),
        "Choices": client.get("/api/filters"),
        "DocumentList": client.get("/api/documents"),
        "DocumentKnown": client.get("/api/documents/" + "a" * 24),
        "DocumentText": client.get("/api/documents/" + "a" * 24 + "/text"),
        "UploadPlaces": client.get("/api/uploads"),
        "Progress": client.get("/api/progress"),
        "Lately": client.get("/api/recent"),
        "Health": client.get("/healthz"),
        "Ready": client.get("/readyz"),
        "OpenAIModels": client.get("/v1/models"),
        "OpenAIModel": client.get("/v1/models/archivar"),
        "OpenAICompletion": client.post("/v1/chat/completions", json=chat),
        "ProblemDetails": client.post("/api/ask", json={"question": ""}),
        "OpenAIError": client.post("/v1/chat/completions", json={}),
    }.items():
        jsonschema.validate(response.json(), schema(description, name))
    added = {**client.get("/api/filters").json(), "more": 1}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(added, schema(description, "Choices"))


def test_every_code_is_listed_and_said_in_every_language(description: dict[str, Any]) -> None:
    assert {"not_found", "invalid", "model_not_found", "scope_missing"} <= set(codes())
    for code in codes():
        assert f"`{code}`" in description["info"]["description"]
        for language in LANGUAGES:
            assert texts(language)[f"problem.{code}.title"]
    assert description["components"]["schemas"]["ProblemDetails"]["properties"]["code"]["enum"] == codes()


def test_no_description_page_and_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/docs", "/redoc", "/api/docs", "/openapi.json"):
        assert client.get(path).status_code == 404
    assert "http://" not in json.dumps(client.get("/api/openapi.json").json()).replace("http://json-schema.org", "")
