"""An HTTP server that does exactly what a test tells it: the edge of the machine, and all that can go wrong there."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass
class Exchange:
    """One request and the means to answer it."""

    handler: BaseHTTPRequestHandler
    body: bytes
    closing: threading.Event
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    def reply(self, content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.handler.send_header(name, value)
        self.handler.send_header("Content-Length", str(len(raw)))
        self.handler.end_headers()
        self.handler.wfile.write(raw)

    def redirect(self, location: str) -> None:
        self.reply(b"", status=307, headers={"Location": location})

    def start(self) -> None:
        self.handler.send_response(200)
        self.handler.send_header("Content-Type", "application/x-ndjson")
        self.handler.send_header("Transfer-Encoding", "chunked")
        self.handler.end_headers()

    def send(self, lines: Iterable[str]) -> None:
        for line in lines:
            raw = line.encode() + b"\n"
            self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
            self.handler.wfile.flush()

    def finish(self) -> None:
        self.handler.wfile.write(b"0\r\n\r\n")

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.closing.wait(20)


Route = Callable[[Exchange], None]


class ScriptedServer:
    """Answers `"METHOD /path"` by the given function; everything else is 404. Remembers what it was asked."""

    def __init__(self, routes: Mapping[str, Route] | None = None) -> None:
        self.routes: dict[str, Route] = dict(routes or {})
        self.asked: list[tuple[str, Exchange]] = []
        self._closing = threading.Event()

    def __enter__(self) -> ScriptedServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: Any) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                exchange = Exchange(self, body, outer._closing, dict(self.headers))
                name = f"{self.command} {self.path}"
                outer.asked.append((name, exchange))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    outer.routes.get(name, lambda e: e.reply({"error": "404 page not found"}, status=404))(exchange)
                if name.endswith(("/api/chat", "/completions")):
                    self.close_connection = True

            do_GET = do_POST = answer  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def count(self, name: str) -> int:
        """How often that was asked."""
        return sum(asked == name for asked, _ in self.asked)
