"""`POST /mcp`: the tools over MCP's Streamable HTTP, without sessions.

A call is one request with its own credential, resolved as on any route, so no caller can get at another's. The guard
before it has checked Host and Origin already.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from rag.api import documents
from rag.api.answering import answer_of
from rag.api.caller import Caller, app_of, needs
from rag.api.desk import Desk
from rag.api.forms import answer_form, found_form
from rag.api.language import language_of
from rag.api.problems import Refused, logged
from rag.credentials.identified import ASK, DOCUMENTS, SEARCH
from rag.errors import RagError
from rag.filters import NONE, Filters
from rag.mcp.server import server
from rag.mcp.tools import NO_DOCUMENT, ToolError

router = APIRouter(tags=["MCP"])

UserOf = Annotated[Caller, Depends(needs(SEARCH, ASK, DOCUMENTS))]
"""Whoever may use one of the tools; each asks for its own scope."""


@router.post("/mcp", response_model=None)
async def mcp(request: Request, caller: UserOf) -> Response:
    """Messages of the Model Context Protocol (Streamable HTTP): tools `search`, `ask` and `get_document`."""
    request.scope["archivar.caller"] = caller
    return _Handed()


class _Handed(Response):
    """The protocol's own answer. Whatever it set going ends with it, also when the client goes away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def kept_nowhere(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Cache-Control"] = "no-store"
            await send(message)

        speaker = StreamableHTTPSessionManager(_SERVER, stateless=True)
        async with speaker.run():
            await speaker.handle_request(scope, receive, kept_nowhere)


class CallersReading:
    """The documents as the caller of a request may read them."""

    def __init__(self, request: Request) -> None:
        self._request, self._app = request, app_of(request)
        self._desk: Desk = request.app.state.desk
        self._caller = cast(Caller, request.scope["archivar.caller"])

    async def search(self, query: str, *, k: int, sources: Sequence[str] | None) -> Mapping[str, Any]:
        """See `Reading`."""
        self._insist(SEARCH)
        look = functools.partial(
            self._app.search,
            query,
            principal=self._caller.principal,
            channel=self._caller.channel,
            k=k,
            filters=self._filters(sources),
        )
        try:
            self._desk.pace(self._caller)
            found = await run_sync(look)
        except (RagError, Refused) as error:
            raise self._told(error) from error
        return found_form(found)

    async def ask(self, question: str, *, sources: Sequence[str] | None) -> Mapping[str, Any]:
        """See `Reading`. A client that goes away stops the model."""
        self._insist(ASK)
        make = functools.partial(
            self._app.ask,
            question,
            principal=self._caller.principal,
            channel=self._caller.channel,
            filters=self._filters(sources),
        )
        try:
            events = self._desk.ask(make, caller=self._caller)
        except Refused as error:
            raise self._told(error) from error
        try:
            return answer_form(await answer_of(events))
        except (RagError, Refused) as error:
            raise self._told(error) from error
        finally:
            events.close()

    async def document(self, key: str) -> Mapping[str, Any]:
        """See `Reading`."""
        self._insist(DOCUMENTS)
        try:
            return await run_sync(documents.text_of, key, self._app, self._caller)
        except Refused:
            raise ToolError(NO_DOCUMENT) from None
        except RagError as error:
            raise self._told(error) from error

    def _filters(self, sources: Sequence[str] | None) -> Filters:
        return self._caller.narrowed(Filters(sources=frozenset(sources)) if sources else NONE)

    def _insist(self, scope: str) -> None:
        if scope not in self._caller.scopes:
            raise ToolError(
                f"The credential of this connection is not for {scope}. Use another tool, or tell the person."
            )

    def _told(self, error: Exception) -> ToolError:
        problem = logged(error)
        return ToolError(str(problem.as_json(language_of(self._request))["detail"]))


_SERVER = server(CallersReading)
