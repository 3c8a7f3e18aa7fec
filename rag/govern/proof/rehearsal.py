"""The real stack, driven as a person would: ingest, serve, ask, search, look, stop, start again, idle.

Each command is a process of its own, the very one a user starts. They find themselves among proxies and credentials
that a library might be tempted by.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from rag.govern.proof.specimens import specimens

PORT: Final = 18088
_PROXY: Final = "http://203.0.113.99:3128"
_TEMPTING: Final = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), _PROXY),
    **dict.fromkeys(("OPENAI_API_KEY", "HF_TOKEN", "OLLAMA_API_KEY"), "planted"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://203.0.113.98:4318",
}
_KEPT: Final = ("PATH", "LANG", "LD_LIBRARY_PATH", "TESSDATA_PREFIX", "PYTHONPATH", "PYTHONHOME")
_QUESTIONS: Final = (
    "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?", "How many days of leave are there?",
    "Wer genehmigt Dienstreisen?", "What does a new badge cost?", "Wie hoch ist das Budget?",
    "Wann endet die Probezeit?", "Which form is needed for travel?", "Was steht im Arbeitsvertrag zur Kündigung?",
)  # fmt: skip


class NotRun(Exception):
    """A step did not do what it should, so that the proof would prove nothing; the message is a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is rehearsed. `settings` is the text of a rag.toml for the stack, `sample` a folder of documents or empty,
    `answers` the number of questions a model answers, `searches` that of searches, `idle_s` the quiet at the end."""

    settings: str
    models: str
    sample: str = ""
    answers: int = 2
    searches: int = 8
    idle_s: float = 15.0
    bare: bool = False


@dataclass
class Rehearsal:
    """What was done: the steps with their seconds, the documents by kind, what the guards stopped, who listened."""

    script: Script
    steps: list[dict[str, Any]] = field(default_factory=list)
    documents: dict[str, str] = field(default_factory=dict)
    stopped: dict[str, Any] = field(default_factory=dict)
    outcomes: list[str] = field(default_factory=list)
    listeners: set[str] = field(default_factory=set)
    local_sockets: set[str] = field(default_factory=set)

    def run(self) -> None:
        """All of it.

        Raises:
            NotRun: a step failed.
        """
        with tempfile.TemporaryDirectory(prefix="archivar-proof-") as room:
            place = Path(room)
            (place / "rag.toml").write_text(self.script.settings, encoding="utf-8")
            folder = place / "documents"
            folder.mkdir()
            for name, body in specimens().items():
                (folder / name).write_bytes(body)
            folders = [str(folder), *([self.script.sample] if self.script.sample else [])]
            self._command(place, "ingest", *folders, codes=(0, 3))
            with self._served(place):
                self._ask_over_http()
                self._use_the_commands(place)
            with self._served(place):
                self._command(place, "ask", _QUESTIONS[0], "--json", codes=(0, 4))
                self._idle()
                self._look_at_guards(place)

    def _ask_over_http(self) -> None:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{PORT}", trust_env=False, follow_redirects=False, timeout=300
        ) as door:
            with self._step("page"):
                _good(door.get("/"))
            with self._step(f"{self.script.searches} searches over HTTP"):
                for number in range(self.script.searches):
                    _good(door.post("/api/search", json={"query": _QUESTIONS[number % len(_QUESTIONS)]}))
            with self._step(f"{self.script.answers} questions over HTTP"):
                for number in range(self.script.answers):
                    answer = _good(door.post("/api/ask", json={"question": _QUESTIONS[number % len(_QUESTIONS)]}))
                    self.outcomes.append(str(answer.json()["outcome"]))

    def _use_the_commands(self, place: Path) -> None:
        self._command(place, "search", _QUESTIONS[1], "--json")
        listed = json.loads(self._command(place, "documents", "--json"))["documents"]
        for entry in listed:
            if str(entry["document_id"]).startswith("documents:"):
                kind = str(entry["document_id"]).rsplit(".", 1)[-1]
                self.documents[kind] = str(entry.get("reason") or entry["state"])
        self._command(place, "status", "--json")

    def _idle(self) -> None:
        with self._step(f"{self.script.idle_s:g} s idle"):
            time.sleep(self.script.idle_s)

    def _look_at_guards(self, place: Path) -> None:
        found = json.loads(self._command(place, "doctor", "--json", codes=(0, 1)))
        self.stopped = found["egress"]

    def _command(self, place: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        with self._step(f"rag {arguments[0]}"):
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                [*self._program(), *arguments], env=self._environment(place), cwd=place, capture_output=True,
                check=False, timeout=600, stdin=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        if done.returncode not in codes:
            raise NotRun(f"`rag {arguments[0]}` ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout

    @contextmanager
    def _served(self, place: Path) -> Iterator[None]:
        with (place / "serve.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*self._program(), "serve", "--port", str(PORT)], env=self._environment(place), cwd=place,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            with self._step("rag serve, until it answers"):
                self._until_ready(process, place / "serve.log")
            yield
            self._note_listeners()
            with self._step("stop"):
                process.send_signal(signal.SIGTERM)
                if process.wait(60) != 0:
                    raise NotRun(f"`rag serve` ended with {process.returncode}")
        finally:
            process.kill()
            process.wait()

    def _until_ready(self, process: subprocess.Popen[bytes], log: Path) -> None:
        until = time.monotonic() + 180
        while time.monotonic() < until and process.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{PORT}/readyz", trust_env=False, follow_redirects=False).is_success:
                    return
            except httpx.HTTPError:
                pass  # it does not listen yet
            time.sleep(0.2)
        raise NotRun(f"`rag serve` does not answer: {log.read_text(errors='replace').strip()[-300:]}")

    def _note_listeners(self) -> None:
        for name in ("tcp", "tcp6"):
            for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
                address, state = row.split()[1], row.split()[3]
                if state == "0A":
                    self.listeners.add(f"{name} port {int(address.rsplit(':', 1)[1], 16)}")
        rows = (row.split(maxsplit=7) for row in Path("/proc/net/unix").read_text().splitlines()[1:])
        self.local_sockets |= {Path(row[7]).name if row[7][0] == "/" else row[7] for row in rows if len(row) == 8}

    def _program(self) -> list[str]:
        return [sys.executable, "-m", "rag.cli.bare" if self.script.bare else "rag"]

    def _environment(self, place: Path) -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        own = {"HOME": str(place), "RAG_HOME": str(place / "home"), "RAG_CONFIG": str(place / "rag.toml")}
        return {**kept, **_TEMPTING, **own, "RAG_MODELS": self.script.models, "PYTHONDONTWRITEBYTECODE": "1"}

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.steps.append({"what": what, "seconds": round(time.monotonic() - began, 1)})


def _good(response: httpx.Response) -> httpx.Response:
    if not response.is_success:
        raise NotRun(f"{response.request.method} {response.request.url.path} gave {response.status_code}")
    return response
