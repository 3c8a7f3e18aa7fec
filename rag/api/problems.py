"""Errors as RFC 9457 problem details: the one place where an HTTP status is chosen.

A problem has a stable `code` for programs and a sentence for the person in front of the page, in their language. What
an error says of itself (addresses, paths, traces) goes to the log only. Below `/v1` the same problem is told in the
form that clients of OpenAI's protocol read.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from rag import errors
from rag.api.language import language_of
from rag.logs import REQUEST
from rag.text.sentences import texts

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


NOTES: ContextVar[dict[str, str] | None] = ContextVar("notes", default=None)
"""What is noted of the request under way: ``problem``, the code it was answered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong. `fields` says which part of the request, where that is known; `headers` go with it;
    `retry_after_s` when it is worth asking again, 0 where nobody knows."""

    status: int
    code: str
    fields: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    retry_after_s: int = 0

    def as_json(self, language: str) -> dict[str, Any]:
        """The public form; `title` and `detail` are in the reader's language."""
        said = texts(language)
        if (notes := NOTES.get()) is not None:
            notes["problem"] = self.code
        form: dict[str, Any] = {
            "type": f"urn:archivar:problem:{self.code}",
            "title": said[f"problem.{self.code}.title"],
            "status": self.status,
            "detail": said[f"problem.{self.code}"].replace("{seconds}", str(self.retry_after_s)),
            "code": self.code,
        }
        if request := REQUEST.get():
            form["request_id"] = request
        if self.retry_after_s:
            form["retry_after_s"] = self.retry_after_s
        if self.fields:
            form["errors"] = [{"field": name, "detail": why} for name, why in self.fields]
        return form

    def response(self, language: str) -> Response:
        """The problem as an answer to a request."""
        body = json.dumps(self.as_json(language), ensure_ascii=False).encode()
        headers = {"Content-Language": language, **dict(self.headers)}
        if self.retry_after_s:
            headers["Retry-After"] = str(self.retry_after_s)
        return Response(body, status_code=self.status, media_type=MEDIA_TYPE, headers=headers)


class Refused(Exception):
    """Raised where a request is turned away."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


INTERNAL = Problem(status=500, code="internal")
NOT_FOUND = Problem(status=404, code="not_found")

_OF_ERROR: Sequence[tuple[type[errors.RagError], Problem]] = (
    (errors.ModelTimeout, Problem(status=504, code="model_timeout")),
    (errors.ModelChanged, Problem(status=503, code="model_changed")),
    (errors.ModelUnavailable, Problem(status=503, code="model_unavailable")),
    (errors.ModelError, Problem(status=502, code="model_failed")),
    (errors.StoreFull, Problem(status=507, code="store_full")),
    (errors.EmbedderChanged, Problem(status=503, code="index_outdated")),
    (errors.StoreError, Problem(status=503, code="store_unavailable")),
    (errors.SignInUnavailable, Problem(status=503, code="sign_in_unavailable")),
    (errors.AccessError, Problem(status=401, code="who_is_asking")),
    (errors.SourceError, Problem(status=503, code="source_unavailable")),
)
"""The first line that fits decides; what fits none is `internal`."""

_OF_STATUS = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "not_json",
    421: "unknown_host",
}


def problem_of(error: Exception) -> Problem:
    """The problem an error is to whoever asked."""
    if isinstance(error, Refused):
        return error.problem
    return next((problem for kind, problem in _OF_ERROR if isinstance(error, kind)), INTERNAL)


def register(web: FastAPI) -> None:
    """Have the errors of the routes answered as problems; the guard answers what nobody expected."""

    async def failed(request: Request, error: Exception) -> Response:
        return reply(logged(error), request)

    async def unknown(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code = _OF_STATUS.get(status, "bad_request" if status < 500 else "internal")
        return reply(Problem(status=status, code=code), request)

    async def invalid(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        return reply(_of_validation(found), request)

    for kind in (Refused, errors.RagError):
        web.add_exception_handler(kind, failed)
    web.add_exception_handler(HTTPException, unknown)
    web.add_exception_handler(RequestValidationError, invalid)


def reply(problem: Problem, request: HTTPConnection) -> Response:
    """The problem in the form of the protocol it was asked by."""
    language = language_of(request)
    told = problem.response(language)
    if not request.scope["path"].startswith("/v1/"):
        return told
    status = 400 if problem.status == 422 else problem.status
    headers = {name: value for name, value in told.headers.items() if name not in ("content-length", "content-type")}
    body = json.dumps(openai_error(problem, language), ensure_ascii=False).encode()
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def openai_error(problem: Problem, language: str) -> dict[str, Any]:
    """``{"error": {"message", "type", "param", "code"}}``, as OpenAI's clients read it; `code` is ours."""
    said = problem.as_json(language)
    faults = "; ".join(f"{name}: {why}" for name, why in problem.fields)
    kind = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
        problem.status, "server_error" if problem.status >= 500 else "invalid_request_error"
    )
    return {
        "error": {
            "message": said["detail"] + (f" ({faults})" if faults else ""),
            "type": kind,
            "param": problem.fields[0][0] if problem.fields else None,
            "code": problem.code,
        }
    }


def logged(error: Exception) -> Problem:
    """The problem of an error, its own words written to the log."""
    problem = problem_of(error)
    if problem.status >= 500:
        unexpected = problem is INTERNAL
        extra = {"action": "request_failed", "code": problem.code, "kind": type(error).__name__}
        said = str(error) if isinstance(error, errors.RagError) else "see the trace"
        _log.error("A request failed: %s", said, extra=extra, exc_info=error if unexpected else None)
    return problem


_OF_FIELD = {
    ("question", "string_too_short"): "question_empty",
    ("query", "string_too_short"): "question_empty",
    ("question", "string_too_long"): "question_too_long",
    ("query", "string_too_long"): "question_too_long",
    ("conversation", "too_long"): "conversation_too_long",
    ("conversation", "string_too_long"): "conversation_too_long",
}


def _of_validation(found: Sequence[Any]) -> Problem:
    """The first fault decides the code; all of them are listed, never with what was sent."""
    fields = tuple((_field(fault["loc"]), str(fault["msg"])) for fault in found[:20])
    code = "invalid"
    for fault in found:
        if fault["type"] == "json_invalid":
            return Problem(status=422, code="not_json_body")
        field = "conversation" if "conversation" in fault["loc"][:2] else _field(fault["loc"])
        code = _OF_FIELD.get((field, fault["type"]), code)
        if field.split(".")[0] == "filters":
            code = "filters_not_understood"
    return Problem(status=422, code=code, fields=fields)


def _field(place: Sequence[Any]) -> str:
    return ".".join(str(part) for part in place if part != "body")[:100]
