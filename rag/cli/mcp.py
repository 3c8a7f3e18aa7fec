"""`rag mcp`: the tools over stdin and stdout, for a program on this machine that starts it."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, cast

from rag.cli import OK
from rag.cli.door import Door, door, settings_of
from rag.errors import AccessError, DocumentError, RagError, StoreOwned
from rag.mcp.tools import NO_DOCUMENT, ToolError
from rag.settings import Settings


def serve(options: argparse.Namespace) -> int:
    """Speak MCP until stdin ends. Whoever owns the store is asked; if nobody does, this process owns it meanwhile."""
    import anyio
    from mcp.server.stdio import stdio_server

    from rag.mcp.server import server

    who = {"user": options.user, "reason": options.reason}
    with OwnersReading(settings_of(options), who) as reading:
        speaker = server(lambda request: reading)

        async def run() -> None:
            async with stdio_server() as (incoming, outgoing):
                await speaker.run(incoming, outgoing, speaker.create_initialization_options())

        anyio.run(run)
    return OK


class OwnersReading:
    """The documents as the owner of the home reads them; `who` names another reader, as `rag ask --as` does."""

    def __init__(self, settings: Settings, who: Mapping[str, Any]) -> None:
        self._settings, self._who = settings, dict(who)
        self._stack, self._opening = ExitStack(), threading.Lock()
        self._way: Door | None = None

    def __enter__(self) -> OwnersReading:
        self._opened()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    async def search(self, query: str, *, k: int, sources: Sequence[str] | None) -> Mapping[str, Any]:
        """See `Reading`."""
        found = await self._last("search", {"query": query, "k": k, "sources": _listed(sources)})
        return {**found, "passages": [_keyed(passage) for passage in found["passages"]]}

    async def ask(self, question: str, *, sources: Sequence[str] | None) -> Mapping[str, Any]:
        """See `Reading`."""
        answer = await self._last("ask", {"question": question, "sources": _listed(sources)})
        return {**answer, "citations": [_keyed(citation) for citation in answer["citations"]]}

    async def document(self, key: str) -> Mapping[str, Any]:
        """See `Reading`."""
        return await self._last("show", {"document": key})

    async def _last(self, operation: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
        """The last event of an operation; it ends early when nobody waits for it any more."""
        from anyio.to_thread import run_sync

        unwanted = threading.Event()
        try:
            return await run_sync(self._run, operation, {**self._who, **arguments}, unwanted, abandon_on_cancel=True)
        finally:
            unwanted.set()

    def _run(self, operation: str, arguments: dict[str, Any], unwanted: threading.Event) -> Mapping[str, Any]:
        try:
            try:
                return _drained(self._opened().call(operation, arguments), unwanted)
            except StoreOwned:  # whoever owned it has gone
                return _drained(self._opened(anew=True).call(operation, arguments), unwanted)
        except AccessError as error:
            raise ToolError(NO_DOCUMENT if operation == "show" else str(error)) from error
        except DocumentError as error:
            raise ToolError(str(error)) from error
        except RagError as error:
            raise ToolError(str(error)) from error

    def _opened(self, *, anew: bool = False) -> Door:
        with self._opening:
            if anew:
                self._stack.close()
                self._way = None
            if self._way is None:
                self._way = self._stack.enter_context(door(self._settings, listen=True))
            return self._way


def _drained(events: Iterator[dict[str, Any]], unwanted: threading.Event) -> Mapping[str, Any]:
    last: dict[str, Any] = {}
    with closing(cast(Any, events)):
        for event in events:
            last = event
            if unwanted.is_set():
                break
    return last


def _keyed(form: Mapping[str, Any]) -> dict[str, Any]:
    """Here a document is opened by its readable name."""
    return {**form, "key": form["document_id"]}


def _listed(sources: Sequence[str] | None) -> list[str] | None:
    return list(sources) if sources else None
