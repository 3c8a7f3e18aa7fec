"""The Teams bot as a process of its own that can be killed: ``python -m tests.bots.teams_bot CLOUD SERVICE HOME PORT``.

Everything that it would send to Microsoft goes to CLOUD, an address on loopback, with the host it was meant for in a
header.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from rag.bots.client import Service
from rag.bots.inbox import Inbox
from rag.bots.riding import Patience
from rag.bots.runner import Limits, Runner
from rag.bots.speaking import Patiences
from rag.bots.teams import TeamsAdapter
from rag.bots.teams_settings import Checked
from tests.bots.house import KEY, PAGE
from tests.bots.teams_cloud import APP, TENANT, Cloud

MEANT_FOR = "x-meant-for"
_SOON = Patience(whole_s=60, first_s=0.05, longest_s=0.5)


class Detour(httpx.AsyncBaseTransport):
    """Sends everything to one address."""

    def __init__(self, address: str) -> None:
        self._to, self._inner = httpx.URL(address), httpx.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        url = request.url.copy_with(scheme="http", host=self._to.host, port=self._to.port)
        sent = httpx.Request(
            request.method, url, headers=headers | {MEANT_FOR: request.url.host}, content=await request.aread()
        )
        return await self._inner.handle_async_request(sent)


@asynccontextmanager
async def reached(cloud: Cloud, *, after: Callable[[httpx.Request], Awaitable[None]]) -> AsyncIterator[str]:
    """The cloud at an address on loopback; `after` comes between what it does and its answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (piece := await receive())["type"] == "http.request":
            body += piece.get("body", b"")
            if not piece.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = scope["raw_path"].decode() + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        url = f"https://{headers.pop(MEANT_FOR)}{path}"
        request = httpx.Request(scope["method"], url, headers=headers | {"host": httpx.URL(url).host}, content=body)
        answer = await cloud.handle_async_request(request)
        await after(request)
        kind = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": kind})
        await send({"type": "http.response.body", "body": await answer.aread()})

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


async def main(cloud: str, address: str, home: Path, port: int) -> None:
    settings = Checked(
        tenant=TENANT,
        app_id=APP,
        secret="s3cret",
        hosts=("smba.trafficmanager.net",),
        listen=("127.0.0.1", port),
    )
    adapter = TeamsAdapter(settings, home=home, transport=Detour(cloud))
    limits = Limits(poll_s=1, patiences=Patiences(service=_SOON, platform=_SOON, attempts=50))
    async with Service(address, key=KEY) as service:
        with Inbox(home) as inbox:
            await Runner(adapter, service, inbox, page=PAGE, limits=limits).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
