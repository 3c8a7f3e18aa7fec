"""Every client is made without proxies and redirects, and nothing else that dials out can be imported unnoticed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CLIENTS = {"Client", "AsyncClient", "get", "post", "put", "head", "patch", "delete", "request", "stream"}
FETCHES_WEIGHTS = "rag/models/from_home.py"
"""`rag models fetch` is the one command that may use the user's proxies; it takes them only where asked to."""


def made(source: str) -> Iterator[tuple[int, set[str]]]:
    """Line of each client, and what of it is not as it must be."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        known = name.startswith("httpx.") and name.split(".", 1)[1] in CLIENTS
        if known or name in ("Client", "AsyncClient", "ollama.Client", "ollama.AsyncClient"):
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            wrong = {word for word in ("trust_env", "follow_redirects") if given.get(word) != "False"}
            yield node.lineno, wrong
        elif name in ("httpx.HTTPTransport", "httpx.AsyncHTTPTransport"):
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            yield node.lineno, set() if given.get("trust_env") == "False" else {"trust_env"}


SOURCES = sorted([*Path("rag").rglob("*.py"), *Path("connectors").rglob("*.py")])


def test_every_client_is_made_without_proxies_and_redirects() -> None:
    wrong = {}
    for path in SOURCES:
        if path.as_posix() == "rag/cli/door.py":
            continue  # its Client is our own, over the home's socket
        for line, missing in made(path.read_text(encoding="utf-8")):
            if path.as_posix() == FETCHES_WEIGHTS:
                missing -= {"trust_env"}
            if missing:
                wrong[f"{path}:{line}"] = missing
    assert wrong == {}


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("httpx.Client()", {"trust_env", "follow_redirects"}),
        ("httpx.get(url, trust_env=False)", {"follow_redirects"}),
        ("httpx.AsyncClient(trust_env=False, follow_redirects=True)", {"follow_redirects"}),
        ("httpx.HTTPTransport(uds=path)", {"trust_env"}),
        ("Client(url, trust_env=False, follow_redirects=False)", set()),
    ],
)
def test_a_client_made_otherwise_is_found(code: str, missing: set[str]) -> None:
    assert [found for _, found in made(code)] == [missing]


@pytest.mark.parametrize(
    "line",
    [
        "import requests", "import urllib.request", "from urllib.request import urlopen", "import http.client",
        "import smtplib", "import ftplib", "import telnetlib", "import urllib3", "import aiohttp", "import webbrowser",
        "import imaplib", "import openai", "import huggingface_hub", "import nltk", "import tiktoken", "import pickle",
        "import chromadb\nchromadb.HttpClient()", "from chromadb import HttpClient", "import chromadb.server",
        "import chromadb\nchromadb.CloudClient()", "from chromadb.utils import embedding_functions",
        "import ollama\nollama.web_search('x')", "from ollama import web_fetch", "import ollama\nollama.chat()",
    ],
)  # fmt: skip
def test_t01_what_dials_out_cannot_be_imported(line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--stdin-filename", "rag/new.py", "-"],
        input=f"{line}\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "TID251" in done.stdout, done.stdout + done.stderr


def test_t01_no_code_of_a_model_is_trusted() -> None:
    said = [
        f"{path}: {ast.unparse(word.value)}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == "trust_remote_code"
    ]
    assert all(entry.endswith(": False") for entry in said), said


def test_t20_nothing_evaluates_text_or_asks_a_shell() -> None:
    banned = {"eval", "exec", "os.system", "os.popen", "pty.spawn", "compile"}
    used = [
        f"{path}:{node.lineno} {ast.unparse(node.func)}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (ast.unparse(node.func) in banned or any(w.arg == "shell" for w in node.keywords))
    ]
    assert used == []
