"""The description of the door at `/api/openapi.json`: what FastAPI knows of the requests, and here what each route
gives, with an example, and how it refuses. A route that is not in the table fails a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from rag.api.examples import ANSWERS, REQUESTS
from rag.api.problems import MEDIA_TYPE
from rag.api.schemas import answers, bots, chat, documents, problems, state
from rag.text.sentences import texts

_REF: Final = "#/components/schemas/{model}"
_BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}


def _events(*names: str) -> dict[str, Any]:
    """Server-sent events, each of these names if there are any, its data JSON in one line."""
    data: dict[str, Any] = {"type": "string", "contentMediaType": "application/json"}
    event: dict[str, Any] = {"event": {"enum": list(names)}} if names else {}
    needed = [*event, "data"]
    return {"schema": {"type": "object", "properties": {**event, "data": data}, "required": needed}}


_ALWAYS: Final = (400, 401, 403, 421, 429, 500, 503)
"""How any route may refuse: the guard, the doorkeeper, the desk, and what nobody expected."""
_WITH_BODY: Final = (413, 415, 422)
_STORES: Final = (507,)
_MODEL: Final = (502, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gives:
    """What an operation gives: a form, another `to_bots`, or other media types, and further statuses of its own that
    refuse."""

    form: type[BaseModel] | None = None
    to_bots: type[BaseModel] | None = None
    other: Mapping[str, Any] | None = None
    status: int = 200
    also: tuple[int, ...] = ()
    refuses: tuple[int, ...] = ()


_ASKED: Final = {"text/event-stream": _events("passages", "queue", "thinking", "sentence", "done", "error")}
_CHATTED: Final = {"text/event-stream": _events()}

TABLE: Final[Mapping[str, Gives]] = {
    "POST /api/ask": Gives(form=answers.Answer, to_bots=bots.BotAnswer, other=_ASKED, refuses=_MODEL),
    "POST /api/bots/standing": Gives(form=bots.Standing),
    "POST /api/bots/messages": Gives(status=204, refuses=(404,)),
    "GET /api/bots/withdrawals": Gives(form=bots.Withdrawals, refuses=(422,)),
    "POST /api/bots/withdrawn": Gives(status=204),
    "POST /api/search": Gives(form=answers.Found),
    "GET /api/filters": Gives(form=answers.Choices),
    "POST /api/feedback": Gives(form=answers.FeedbackKept, refuses=(404,)),
    "GET /api/documents": Gives(form=documents.DocumentList, refuses=(422,)),
    "POST /api/documents": Gives(form=documents.Uploaded, status=202, refuses=(404, 409)),
    "GET /api/documents/{key}": Gives(form=documents.DocumentKnown, refuses=(404, 422)),
    "DELETE /api/documents/{key}": Gives(form=documents.Removing, status=202, refuses=(404, 409, 415, 422)),
    "GET /api/documents/{key}/text": Gives(form=documents.DocumentText, refuses=(404, 422)),
    "GET /api/documents/{key}/original": Gives(other={"*/*": _BYTES}, also=(206, 304), refuses=(404, 409, 416, 422)),
    "GET /api/documents/{key}/pages/{n}": Gives(other={"image/png": _BYTES}, also=(304,), refuses=(404, 409, 422)),
    "GET /api/documents/{key}/pages/{n}/marks": Gives(form=documents.Marks, refuses=(404, 409, 422)),
    "GET /api/uploads": Gives(form=documents.UploadPlaces),
    "GET /api/uploads/{receipt}": Gives(form=documents.UploadState, refuses=(404, 422)),
    "GET /api/progress": Gives(form=state.Progress),
    "GET /api/status": Gives(form=state.State),
    "POST /api/sources/{name}/confirm-removals": Gives(form=state.Confirmed, status=202, refuses=(404, 409, 415, 422)),
    "GET /api/recent": Gives(form=state.Lately),
    "GET /metrics": Gives(other={"text/plain": {"schema": {"type": "string"}}}),
    "GET /healthz": Gives(form=state.Health),
    "GET /readyz": Gives(form=state.Ready),
    "GET /v1/models": Gives(form=chat.OpenAIModels),
    "GET /v1/models/{model}": Gives(form=chat.OpenAIModel, refuses=(404,)),
    "POST /v1/chat/completions": Gives(form=chat.OpenAICompletion, other=_CHATTED, refuses=(404, *_MODEL)),
    "POST /mcp": Gives(
        other={"application/json": {"schema": {"type": "object"}}, **_CHATTED}, also=(202,), refuses=(404, 406)
    ),
}
"""Operation → what it gives."""


def describe(web: FastAPI) -> Callable[[], dict[str, Any]]:
    """A function that gives the description of a door, to be its `openapi`."""
    made: dict[str, Any] = {}

    def described() -> dict[str, Any]:
        if not made:
            made.update(_described(web))
        return made

    return described


def operations(description: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each operation by the name it has in `TABLE`."""
    for path, ways in description["paths"].items():
        for method, operation in ways.items():
            yield f"{method.upper()} {path.replace(':path}', '}')}", operation


def _described(web: FastAPI) -> dict[str, Any]:
    description = get_openapi(
        title=web.title,
        version=web.version,
        summary="Ask your company's documents; nothing leaves the building.",
        description=_about(),
        routes=web.routes,
    )
    kept = description.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which is never sent
        kept.pop(name, None)
    kept.update(_schemas())
    description["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "an API key; none is needed where there are none"}
    }
    for name, operation in operations(description):
        if name in TABLE:
            _complete(name, operation, TABLE[name])
        operation["security"] = [{"bearer": []}, {}]
    return description


def _schemas() -> dict[str, Any]:
    forms = {form for gives in TABLE.values() for form in (gives.form, gives.to_bots) if form} | {
        problems.ProblemDetails,
        chat.OpenAIError,
    }
    wanted = [(form, "serialization") for form in sorted(forms, key=lambda form: form.__name__)]
    _, found = models_json_schema(wanted, ref_template=_REF)  # type: ignore[arg-type]  # a literal, lost in the list
    named: dict[str, Any] = found["$defs"]
    named["ProblemDetails"]["properties"]["code"]["enum"] = codes()
    named["ErrorOfOpenAI"]["properties"]["code"]["enum"] = codes()
    return named


def codes() -> list[str]:
    """Every code a problem can have."""
    said = texts("en")
    return sorted(name.split(".")[1] for name in said if name.startswith("problem.") and name.count(".") == 1)


def _about() -> str:
    said = texts("en")
    lines = [f"| `{code}` | {said[f'problem.{code}']} |" for code in codes()]
    return "Errors are problem details (RFC 9457), below `/v1` in OpenAI's form. Their stable codes:\n\n" + "\n".join(
        ["| code | means |", "|---|---|", *lines]
    )


def _complete(name: str, operation: dict[str, Any], gives: Gives) -> None:
    below_v1 = "/v1/" in name
    if name == "POST /mcp" or (not name.startswith("GET") and "requestBody" not in operation):
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    body = "requestBody" in operation
    if body and name in REQUESTS:
        for media in operation["requestBody"]["content"].values():
            media["examples"] = {"one": {"value": REQUESTS[name]}}
    refuses = {*_ALWAYS, *gives.refuses, *_STORES, *(_WITH_BODY if body else ())}
    if below_v1:  # what is no valid request is 400 there
        refuses -= {422}
    responses = {str(gives.status): _given(gives), **{str(also): {"description": _WORDS[also]} for also in gives.also}}
    if 206 in gives.also:
        responses["206"]["content"] = dict(gives.other or {})
    operation["responses"] = responses | {str(status): _refused(status, below_v1) for status in sorted(refuses)}
    if name == "POST /mcp":  # the protocol answers what is no message of it in its own form
        for status in (400, 404, 406, 500):
            operation["responses"][str(status)]["content"]["application/json"] = {"schema": {"type": "object"}}


def _given(gives: Gives) -> dict[str, Any]:
    content: dict[str, Any] = dict(gives.other or {})
    if gives.form is not None:
        names = [form.__name__ for form in (gives.form, gives.to_bots) if form]
        refs = [{"$ref": _REF.format(model=name)} for name in names]
        examples = dict(zip(("one", "bot"), ({"value": ANSWERS[name]} for name in names), strict=False))
        content["application/json"] = {"schema": {"anyOf": refs} if refs[1:] else refs[0], "examples": examples}
    return {"description": _WORDS[gives.status], "content": content}


def _refused(status: int, below_v1: bool) -> dict[str, Any]:
    name = "OpenAIError" if below_v1 else "ProblemDetails"
    media = "application/json" if below_v1 else MEDIA_TYPE
    content: dict[str, Any] = {"schema": {"$ref": _REF.format(model=name)}}
    if status == 404:
        content["examples"] = {"one": {"value": ANSWERS[name]}}
    return {"description": _WORDS[status], "content": {media: content}}


_WORDS: Final = {
    200: "As asked for", 202: "Taken; it is done in the background", 204: "Done; there is nothing to tell",
    206: "The part asked for", 304: "Not changed",
    400: "Not understood", 401: "Nothing, or nothing good, says who is asking", 403: "Not allowed this way",
    404: "Not there, or not for the caller, in the same words", 406: "Not in a form the client takes",
    409: "Not possible as things stand", 413: "Too large", 415: "Not of the right media type",
    416: "No such part", 421: "The service is not known by this name", 422: "A field does not fit; `errors` says which",
    429: "Too many; `Retry-After` says when to try again", 500: "Unexpected; it is in the log",
    502: "The language model failed", 503: "Not now: a model, the index or a source cannot be reached",
    504: "The language model was too slow", 507: "No room to record it",
}  # fmt: skip
