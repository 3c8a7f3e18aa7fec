"""Which language model is chosen, and what is said when there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rag.errors import ModelChanged, ModelUnavailable
from rag.models.llm import open_language_model
from rag.models.weights import Weights
from tests.models.protocol_server import DIGEST, MODEL, tag
from tests.models.scripted_server import ScriptedServer

HEALTHY = {
    "GET /api/version": lambda exchange: exchange.reply({"version": "0"}),
    "GET /api/tags": lambda exchange: exchange.reply({"models": [tag()]}),
    "POST /api/show": lambda exchange: exchange.reply({"capabilities": ["completion"]}),
}
NOBODY = "http://127.0.0.1:9"


def test_ollama_is_taken_where_it_answers(tmp_path: Path) -> None:
    with ScriptedServer(HEALTHY) as server:
        info = open_language_model("auto", models=tmp_path, base_url=server.url).info
    assert (info.name, info.digest) == (MODEL, f"sha256:{DIGEST}")


def test_with_neither_server_nor_weights_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"(?s)`ollama serve`.*`rag models fetch qwen2.5-1.5b`"):
        open_language_model("auto", models=tmp_path, base_url=NOBODY)


def test_an_ollama_with_no_model_at_all_says_how_to_get_one(tmp_path: Path) -> None:
    routes = HEALTHY | {"GET /api/tags": lambda exchange: exchange.reply({"models": []})}
    with ScriptedServer(routes) as server, pytest.raises(ModelUnavailable, match="ollama pull"):
        open_language_model("auto", models=tmp_path, base_url=server.url)


def test_an_unknown_provider_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="ollama, openai-compatible, embedded"):
        open_language_model("cloud", models=tmp_path)


def test_a_server_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"llm\.base_url"):
        open_language_model("openai-compatible", models=tmp_path)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "letter.gguf"
    path.write_bytes(b"Sehr geehrte Damen und Herren" * 100)
    with pytest.raises(ModelUnavailable, match=r"letter\.gguf cannot be loaded"):
        open_language_model("embedded", models=tmp_path, model=str(path))


def test_a_library_that_the_system_lacks_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "libgomp.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "xllamacpp.py").write_text(f"raise ImportError({said!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    (tmp_path / "letter.gguf").touch()
    with pytest.raises(ModelUnavailable, match=r"libgomp\.so\.1.*Install the system's package .*libgomp1 on Debian"):
        open_language_model("embedded", models=tmp_path, model=str(tmp_path / "letter.gguf"))


@pytest.mark.models
def test_an_embedded_model_is_opened_by_path_and_tells_its_hash(tiny: Weights, tmp_path: Path) -> None:
    model = open_language_model("embedded", models=tmp_path, model=str(tiny.path), context_tokens=512, threads=1)
    assert model.info.digest == f"sha256:{tiny.sha256}"
    assert model.context_tokens == 512
    model.close()


@pytest.mark.models
@pytest.mark.timeout(120)
def test_a_model_that_is_closed_the_moment_it_is_open_does_not_hang(tiny: Weights, tmp_path: Path) -> None:
    for _ in range(8):  # one in two did
        open_language_model("embedded", models=tmp_path, model=str(tiny.path), context_tokens=512, threads=1).close()


@pytest.mark.models
def test_an_embedded_model_with_another_digest_than_the_pinned_is_refused(
    tiny: Weights, models_directory: Path
) -> None:
    with pytest.raises(ModelChanged, match="pinned"):
        open_language_model("embedded", models=models_directory, model="smollm2-135m", digest="sha256:" + "0" * 64)


@pytest.mark.models
def test_an_embedder_is_no_language_model(e5: Weights, models_directory: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no language model"):
        open_language_model("embedded", models=models_directory, model="e5-small")
