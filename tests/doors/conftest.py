"""The command as a process of its own, before a scripted Ollama that embeds by words and says what it is told."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import rag
from rag.api.local import LocalDoor
from rag.app import App
from rag.service.operations import Service
from rag.settings.file import load
from tests.models.scripted_server import Exchange, ScriptedServer
from tests.standins import says, vector_of

ROOT = Path(rag.__file__).parents[1]
TRUE = "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."
QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"


@dataclass
class Writer:
    """What the scripted model says next."""

    pieces: Sequence[str] = (says(TRUE),)
    between: Callable[[int], None] = lambda number: None
    prompts: list[str] = field(default_factory=list)

    def chat(self, exchange: Exchange) -> None:
        messages = exchange.json["messages"]
        told = "\n".join(message["content"] for message in messages)
        self.prompts.append(told)
        exchange.start()
        for number, piece in enumerate(self.pieces):
            self.between(number)
            exchange.send([json.dumps({"model": "writer:latest", "message": {"role": "assistant", "content": piece}})])
        ending = {"done": True, "done_reason": "stop", "prompt_eval_count": 2 * len(told.split()), "eval_count": 9}
        exchange.send(
            [json.dumps({"model": "writer:latest", "message": {"role": "assistant", "content": ""}, **ending})]
        )
        exchange.finish()


def embed(exchange: Exchange) -> None:
    asked = exchange.json["input"]
    texts = [asked] if isinstance(asked, str) else asked
    exchange.reply({"model": "words:latest", "embeddings": [vector_of(text) for text in texts]})


def show(exchange: Exchange) -> None:
    kind = "embedding" if exchange.json["model"].startswith("words") else "completion"
    exchange.reply({"capabilities": [kind], "model_info": {}, "details": {}, "license": "MIT"})


def tag(name: str, digit: str) -> dict[str, Any]:
    return {"name": name, "model": name, "digest": digit * 64, "size": 1, "details": {"family": "scripted"}}


@pytest.fixture(scope="session")
def writer() -> Writer:
    return Writer()


def version(exchange: Exchange) -> None:
    """As the real one on this machine, under its own name alone."""
    ours = exchange.handler.headers["Host"].partition(":")[0] in ("127.0.0.1", "localhost")
    exchange.reply({"version": "0.17.1"}, status=200 if ours else 403)


@pytest.fixture(scope="session")
def ollama(writer: Writer) -> Iterator[ScriptedServer]:
    routes = {
        "GET /api/version": version,
        "GET /api/tags": lambda e: e.reply({"models": [tag("writer:latest", "1"), tag("words:latest", "2")]}),
        "POST /api/show": show,
        "POST /api/embed": embed,
        "POST /api/chat": writer.chat,
    }
    with ScriptedServer(routes) as server:
        yield server


@pytest.fixture
def said(writer: Writer) -> Iterator[Writer]:
    """The scripted model, asked nothing so far and to be told what to say; afterwards it says the usual again."""
    writer.prompts.clear()  # a test that let it say the usual left its prompt behind
    yield writer
    writer.pieces, writer.between = (says(TRUE),), lambda number: None
    writer.prompts.clear()


@dataclass
class Line:
    """A folder to stand in, a home, and the command."""

    folder: Path
    config: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "PYTHONPATH": str(ROOT), "RAG_HOME": str(self.home), "RAG_CONFIG": str(self.config)} | {
            "RAG_MODELS": str(self.folder / "no-models"),
            "OMP_NUM_THREADS": "1",
        }

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "rag", *map(str, arguments)]

    def run(self, *arguments: str | Path, told: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        """The finished command. Its stderr never holds a traceback."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environ | environ,
            input=told,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        """The one object on stdout, and nothing but it."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stderr
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout)

    @contextmanager
    def start(self, *arguments: str | Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """The command while it runs; it does not outlive the test."""
        with subprocess.Popen(
            self.command(*arguments), cwd=self.folder, env=self.environ, encoding="utf-8", text=True, **options
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory, ollama: ScriptedServer) -> Path:
    """Settings that name the scripted Ollama for everything, and a fallback parser that starts quickly."""
    path = tmp_path_factory.mktemp("config") / "settings.toml"
    path.write_text(
        f"""
[embedder]
provider = "ollama"
model = "words"
base_url = "{ollama.url}"
[llm]
provider = "ollama"
base_url = "{ollama.url}"
[retrieval]
evidence = 0.0
[ingest]
parser = "fallback"
ocr = false
[groups]
hr = ["anna"]
"""
    )
    return path


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Line:
    """One home for the tests of a module."""
    return Line(tmp_path_factory.mktemp("line"), config)


@contextmanager
def owner(line: Line) -> Iterator[App]:
    """This process owns the home and answers for it: a command goes through its socket and starts quickly."""
    settings = load(config=line.config, home=line.home, environ={"RAG_MODELS": str(line.folder / "no-models")})
    with App(settings) as app, LocalDoor(Service(app), settings.home):
        yield app


@pytest.fixture
def fresh(tmp_path: Path, config: Path) -> Line:
    """A home of the test's own."""
    return Line(tmp_path, config)


def papers(folder: Path) -> Path:
    """Three documents, one of which cannot be read."""
    folder.mkdir(parents=True)
    (folder / "urlaub.txt").write_text(f"{TRUE} Übertragene Tage müssen bis zum 30. Juni genommen sein.")
    (folder / "badges.md").write_text("# Badges \x1b[2J\x1b]0;owned\x07\n\nA new badge costs 15 euros for everyone.\n")
    (folder / "kaputt.pdf").write_bytes(b"%PDF-1.7 this is no such thing")
    return folder


def readme(language: str) -> list[str]:
    """The blocks of code of the README in this language, as they stand there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
