"""A secret planted in every setting that can hold one shows up nowhere: not in doctor, status, errors or logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import SettingsError
from rag.secret_files import secret
from rag.settings.file import load
from tests.doors.conftest import QUESTION, Line, config, ollama, papers, writer
from tests.models.scripted_server import Exchange, ScriptedServer

__all__ = ["config", "ollama", "writer"]

CANARY = "sk-canary-4f1d8e7a"


@pytest.fixture
def line(tmp_path: Path, config: Path) -> Line:
    return Line(tmp_path, config)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_secret_that_others_can_read_is_refused_with_what_mends_it(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    file.write_text(f"{CANARY}\n")
    file.chmod(mode)
    with pytest.raises(SettingsError, match=rf"llm\.api_key_file .*mode {mode:04o}\): chmod 600") as caught:
        secret(str(file), key="llm.api_key_file")
    assert CANARY not in str(caught.value)
    for closed in (0o600, 0o400):
        file.chmod(closed)
        assert secret(str(file), key="llm.api_key_file") == CANARY


@pytest.mark.parametrize("what", ["nowhere", "folder", "binary"])
def test_a_secret_that_cannot_be_read_is_told_by_its_key_and_not_by_its_value(tmp_path: Path, what: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    with pytest.raises(SettingsError, match=r"The file that llm\.api_key_file names cannot be read") as caught:
        secret(str(tmp_path / what), key="llm.api_key_file")
    assert caught.value.key == "llm.api_key_file"


PASTED = (
    f"[llm]\nprovider = 'openai-compatible'\nbase_url = 'http://anna:{CANARY}@127.0.0.1:9/v1'\n",
    f"[llm]\nbase_url = 'http://127.0.0.1:9/v1?key={CANARY}'\n",
    f"[llm]\nbase_url = 'http://anna:{CANARY}@[::1'\n",
    f"[retrieval]\nreranker = 'https://{CANARY}@127.0.0.1:9/rerank'\n",
    f"[embedder]\nbase_url = 'http://127.0.0.1:9/#{CANARY}'\n",
    f"[llm]\napi_key = '{CANARY}'\n",
    f"[llm]\napi_key_file = ['{CANARY}']\n",
    f"[llm]\napi_key_file = {{ value = '{CANARY}' }}\n",
)


@pytest.mark.parametrize("text", PASTED)
def test_a_secret_pasted_into_the_settings_is_refused_and_not_repeated(line: Line, text: str) -> None:
    path = line.folder / "pasted.toml"
    path.write_text(text)
    done = line.run("status", "--config", path, "--verbose")
    assert done.returncode == 2
    assert ", line " in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_a_key_pasted_in_place_of_its_file_is_not_repeated(line: Line) -> None:
    path = line.folder / "pasted.toml"
    path.write_text(f"[llm]\napi_key_file = '{CANARY}'\n[retrieval]\nreranker_api_key_file = '{CANARY}'\n")
    settings = load(config=path, home=line.home, environ={})
    for read in (settings.api_key, settings.reranker_api_key):
        with pytest.raises(SettingsError) as caught:
            read()
        assert CANARY not in str(caught.value)


def test_planted_secrets_show_up_nowhere(line: Line) -> None:
    """The server echoes the key it was sent, as an error, in every answer."""
    keys: list[str] = []

    def echo(exchange: Exchange) -> None:
        told = {name.lower(): value for name, value in exchange.headers.items()}.get("authorization", "")
        keys.append(told)
        exchange.reply({"error": {"message": f"Incorrect key provided: {told}"}}, status=401)

    routes = {f"{method} /v1/{path}": echo for method in ("GET", "POST") for path in (
        "models", "chat/completions", "chat/completions/input_tokens", "rerank"
    )}  # fmt: skip
    key = line.folder / "key"
    key.write_text(CANARY)
    key.chmod(0o600)
    with ScriptedServer(routes) as server:
        path = line.folder / "rag.toml"
        usual = line.config.read_text().split("[llm]")[0]
        rest = line.config.read_text().split("[ingest]")[1]
        path.write_text(
            f"{usual}\n[llm]\nprovider = 'openai-compatible'\nbase_url = '{server.url}/v1'\nmodel = 'x'\n"
            f"api_key_file = '{key}'\n[retrieval]\nevidence = 0.0\nreranker = '{server.url}'\n"
            f"reranker_api_key_file = '{key}'\n[ingest]{rest}"
        )
        said = ""
        environ = dict.fromkeys(("OPENAI_API_KEY", "HF_TOKEN", "OLLAMA_API_KEY"), CANARY)
        for command in (
            ("ingest", papers(line.folder / "papers")), ("ask", QUESTION), ("ask", QUESTION, "--json"),
            ("search", QUESTION, "--json"), ("doctor",), ("doctor", "--json"), ("status", "--json"), ("dpia", "--json"),
            ("audit", "show"), ("sources",), ("init", "--force", "--config", line.folder / "new.toml"),
        ):  # fmt: skip
            done = line.run(*command, "--verbose", RAG_CONFIG=str(path), **environ)
            said += done.stdout + done.stderr
        assert f"Bearer {CANARY}" in keys, "the server got it"
    assert CANARY not in said
    written = b"".join(path.read_bytes() for path in line.home.rglob("*") if path.is_file())
    assert CANARY.encode() not in written
