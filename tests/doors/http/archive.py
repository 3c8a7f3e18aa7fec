"""A real App over real files, with the real parser children: only what makes vectors stands in. Who asks is named by a
header, as a reverse proxy on this machine does."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from starlette.testclient import TestClient

from rag.api.http import create_app
from rag.app import App
from rag.settings.file import load
from tests.standins import WordEmbedder

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
LEAVE, HANDBOOK = SAMPLE / "personal" / "urlaubsrichtlinie-2024.pdf", SAMPLE / "personal" / "employee-handbook.docx"
SETTINGS = """
[auth]
proxy_header = "X-Remote-User"
proxy_addresses = ["127.0.0.1"]
admins = ["boss"]
{auth}
[ingest]
ocr = {ocr}
max_upload_mb = 1
{ingest}
[groups]
staff = ["anna", "boss", "carla"]
[[sources]]
name = "haus"
path = "{base}/haus"
readers = ["group:staff"]
class = "internal"
[[sources]]
name = "tresor"
path = "{base}/tresor"
readers = ["user:boss"]
class = "strict"
[[sources]]
name = "eingang"
path = "{base}/eingang"
readers = ["group:staff"]
uploaders = ["user:anna", "user:boss", "user:stranger"]
exclude = ["*.exe"]
class = "internal"
{more}
"""


class RealApp(App):
    """The App with words for meaning."""

    @cached_property
    def embedder(self) -> WordEmbedder:  # type: ignore[override]
        return WordEmbedder()


class Archive:
    """A home over the folders ``haus``, ``tresor`` and ``eingang`` below `base`, until `close`."""

    def __init__(self, base: Path, *, ocr: bool = False, more: str = "", ingest: str = "", auth: str = "") -> None:
        self.base = base
        for name in ("haus", "tresor", "eingang"):
            (base / name).mkdir(exist_ok=True)
        config = base / "rag.toml"
        text = SETTINGS.format(base=base, ocr=str(ocr).lower(), more=more, ingest=ingest, auth=auth)
        config.write_text(text)
        settings = load(config=config, home=base / "home", environ={"RAG_MODELS": str(base / "no-models")})
        self.app = RealApp(settings)
        self.web = create_app(self.app)
        self._clients: list[TestClient] = []

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.__exit__(None, None, None)
        self.app.close()

    def put(self, place: str, content: bytes | str) -> Path:
        """A file: ``haus/name.pdf``."""
        path = self.base / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def sync(self, *names: str) -> None:
        self.app.ingest(frozenset(names) or None)

    def key(self, document: str) -> str:
        entry = self.app.ledger.entry(document)
        assert entry is not None, f"{document} is not indexed"
        return entry.key

    def as_(self, user: str, *, language: str = "en") -> TestClient:
        """A client that this person uses."""
        client = TestClient(
            self.web,
            base_url="http://localhost",
            client=("127.0.0.1", 50000),
            headers={"X-Remote-User": user, "Accept-Language": language, "X-Request-Id": "the-same-one"},
        )
        client.__enter__()
        self._clients.append(client)
        return client

    def send(self, client: TestClient, name: str, content: Any, *, source: str = "eingang", **more: Any) -> Any:
        """Upload a file."""
        return client.post(
            "/api/documents",
            params={"source": source, "name": name, **more},
            content=content,
            headers={"content-type": "application/octet-stream"},
        )


def until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    """Look until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.01)


def pdf(*pages: str | Callable[[Canvas], None]) -> bytes:
    """A PDF of these pages: lines of text from the top, or whatever draws one."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=True)
    for page in pages:
        if callable(page):
            page(canvas)
        else:
            canvas.setFont("Helvetica", 11)
            for number, line in enumerate(page.splitlines()):
                canvas.drawString(72, 770 - 16 * number, line)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def mail(*attachments: tuple[str, bytes], text: str = "Anbei das Angebot.") -> bytes:
    """A message with files attached."""
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Angebot", "a@firma.example", "b@firma.example"
    message["Date"] = "Tue, 05 Mar 2024 09:30:00 +0100"
    message.set_content(text)
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def packed(**members: bytes) -> bytes:
    """A zip of members by name; two underscores stand for a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return out.getvalue()
