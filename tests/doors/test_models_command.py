"""`rag models`: what there is, which licence lets a company do what, and which version is used."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doors.conftest import Line, Writer, embed, version
from tests.models.scripted_server import Exchange, ScriptedServer

CHAT, WORDS = "qwen2.5:7b", "words:latest"
OLD, NEW = "1" * 64, "3" * 64
QWEN = {
    "details": {"family": "qwen2", "parameter_size": "7.6B", "quantization_level": "Q4_K_M"},
    "model_info": {"general.architecture": "qwen2", "qwen2.context_length": 32768},
    "capabilities": ["completion", "tools"],
    "license": "Apache License\nVersion 2.0, January 2004\nhttp://www.apache.org/licenses/",
    "template": "{{ .Prompt }}",
    "parameters": "temperature 0.7",
}
RESEARCH = "Qwen RESEARCH LICENSE AGREEMENT\n\nQwen RESEARCH LICENSE AGREEMENT Release Date: September 19, 2024"


class Ollama(ScriptedServer):
    """Two models; a test pulls another version of the first."""

    def __init__(self) -> None:
        self.digest, self.shown, self.size = OLD, dict(QWEN), 4_700_000_000
        super().__init__(
            {
                "GET /api/version": version,
                "GET /api/tags": lambda e: e.reply({"models": [self._chat(), tag(WORDS, "2" * 64, 1)]}),
                "POST /api/show": self._show,
                "POST /api/embed": embed,
                "GET /api/ps": lambda e: e.reply({"models": []}),
            }
        )

    def _chat(self) -> dict[str, Any]:
        return tag(CHAT, self.digest, self.size)

    def _show(self, exchange: Exchange) -> None:
        words = exchange.json["model"].startswith("words")
        exchange.reply({"capabilities": ["embedding"], "license": "MIT"} if words else self.shown)

    def pull(self, **changed: Any) -> None:
        self.digest, self.shown, self.size = NEW, {**QWEN, **changed}, 4_800_000_000


def tag(name: str, digest: str, size: int) -> dict[str, Any]:
    return {"name": name, "model": name, "digest": digest, "size": size, "details": {}}


@pytest.fixture
def server() -> Iterator[Ollama]:
    with Ollama() as server:
        yield server


@pytest.fixture
def line(tmp_path: Path, server: Ollama) -> Line:
    config = tmp_path / "rag.toml"
    config.write_text(
        f"""# Our settings.
[llm]  # on the GPU
provider = "ollama"
base_url = "{server.url}"
model = "{CHAT}"   # the one we measured
# digest = ""  # pinned digest

[embedder]
provider = "ollama"
model = "words"
base_url = "{server.url}"
[retrieval]
evidence = 0.0
[ingest]
parser = "fallback"
ocr = false
""",
        encoding="utf-8",
    )
    return Line(tmp_path, config)


def of(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(model for model in found["models"] if model["name"] == name)


def settings(line: Line) -> dict[str, Any]:
    return tomllib.loads(line.config.read_text(encoding="utf-8"))


def pinned(line: Line, digest: str = OLD, **more: str) -> None:
    text = line.config.read_text(encoding="utf-8")
    extra = "".join(f'{key} = "{value}"\n' for key, value in more.items())
    line.config.write_text(text.replace('# digest = ""', f'{extra}digest = "sha256:{digest}"'), encoding="utf-8")


def test_every_model_is_listed_with_what_it_can_do_and_its_licence(line: Line) -> None:
    found = line.json("models")
    model = of(found, CHAT)
    assert (model["family"], model["size"], model["quantisation"]) == ("qwen2", "7.6B", "Q4_K_M")
    assert (model["context_tokens"], model["capabilities"]) == (32768, ["chat", "tools"])
    assert (model["use"], model["licence"], model["digest"]) == ("free", "Apache-2.0", f"sha256:{OLD}")
    assert set(model["verdict"]["duties"]) == {"de", "en"}
    assert (model["used_for"], of(found, WORDS)["used_for"]) == (["answers"], ["embedding"])
    assert of(found, "e5-small")["weights"] == "not here"


def test_a_server_that_does_not_answer_is_named_and_the_catalogue_is_still_listed(line: Line) -> None:
    text = line.config.read_text(encoding="utf-8")
    text = text.replace("base_url", 'base_urls = ["http://127.0.0.1:9"]\n# base_url', 1)
    line.config.write_text(text, encoding="utf-8")
    found = line.json("models", code=1)
    assert "does not answer" in found["silent"]["http://127.0.0.1:9"]
    assert of(found, "e5-small")


def test_a_models_page_has_its_duties_and_its_licence_text(line: Line) -> None:
    page = line.json("models", "show", CHAT)
    assert page["licence_text"] == QWEN["license"]
    assert page["information"]["qwen2.context_length"] == 32768
    shown = line.run("models", "show", "words").stdout
    assert "embedding" in shown
    assert "Pflichten" in shown


def test_a_model_that_is_not_there_is_said_with_where_to_look(line: Line) -> None:
    done = line.run("models", "show", "llama9")
    assert done.returncode == 2
    assert "`rag models` lists" in done.stderr


def test_a_pin_is_written_and_every_comment_stays(line: Line) -> None:
    before = line.config.read_text(encoding="utf-8")
    told = line.json("models", "pin", CHAT)
    assert told == {"pinned": CHAT, "key": "llm.digest", "digest": f"sha256:{OLD}"}
    after = line.config.read_text(encoding="utf-8")
    assert settings(line)["llm"]["digest"] == f"sha256:{OLD}"
    assert after == before.replace('# digest = ""', f'digest = "sha256:{OLD}"')


def test_the_embedder_is_pinned_in_its_own_table(line: Line) -> None:
    assert line.json("models", "pin", "words")["key"] == "embedder.digest"
    assert settings(line)["embedder"]["digest"] == "sha256:" + "2" * 64


def test_without_a_file_there_is_nothing_to_pin_in(line: Line, server: Ollama) -> None:
    line.config.unlink()
    done = line.run("models", "pin", "e5-small", RAG_CONFIG="")
    assert done.returncode == 2
    assert "rag" in done.stderr


def test_a_model_that_is_as_pinned_needs_no_update(line: Line) -> None:
    line.json("models", "pin", CHAT)
    found = line.json("models", "update")
    assert (found["changed"], found["changes"]) == (False, {})


def test_an_update_shows_what_changed_and_leaves_the_pin(line: Line, server: Ollama) -> None:
    line.json("models", "pin", CHAT)
    server.pull(license=RESEARCH, template="{{ .System }}", parameters="temperature 1")
    pinned_before = line.config.read_text(encoding="utf-8")
    line.config.write_text(pinned_before + '[licences]\nallow = ["free", "research"]\n', encoding="utf-8")
    found = line.json("models", "update", CHAT, code=1)
    assert {"digest", "size_bytes", "licence", "licence_text", "template", "parameters"} == set(found["changes"])
    assert found["changes"]["licence"] == {"before": "Apache-2.0", "now": "Qwen Research License"}
    assert found["changes"]["parameters"] == {"before": "temperature 0.7", "now": "temperature 1"}
    assert settings(line)["llm"]["digest"] == f"sha256:{OLD}"


def test_an_update_to_a_licence_that_is_not_let_in_is_refused(line: Line, server: Ollama) -> None:
    line.json("models", "pin", CHAT)
    server.pull(license=RESEARCH)
    done = line.run("models", "update", CHAT)
    assert done.returncode == 1
    assert "licences.allow" in done.stderr


def corpus(folder: Path) -> Path:
    """One document and one question that it answers."""
    folder.mkdir()
    document = {"_id": "d1", "title": "Urlaub", "text": "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."}
    question = {"_id": "q1", "text": "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"}
    (folder / "corpus.jsonl").write_text(json.dumps(document), encoding="utf-8")
    (folder / "queries.jsonl").write_text(json.dumps(question), encoding="utf-8")
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n", encoding="utf-8")
    return folder


def test_it_is_the_new_version_that_is_measured_and_then_pinned(line: Line, server: Ollama, tmp_path: Path) -> None:
    line.json("models", "pin", CHAT)
    server.pull()
    server.routes["POST /api/chat"] = Writer().chat
    gate = tmp_path / "gate.toml"
    gate.write_text('[set]\n"answered" = 1.0\n', encoding="utf-8")
    found = line.json("models", "update", CHAT, f"set={corpus(tmp_path / 'set')}", "--gate", gate)
    assert found["pinned"] is True
    assert server.count("POST /api/chat") == 1
    assert settings(line)["llm"]["digest"] == f"sha256:{NEW}"


@pytest.mark.parametrize(("least", "code", "digest"), [(0.0, 0, "2"), (1.01, 1, "4")])
def test_the_embedders_new_version_is_pinned_only_once_it_passes_the_gate(
    line: Line, tmp_path: Path, least: float, code: int, digest: str
) -> None:
    text = line.config.read_text(encoding="utf-8")
    line.config.write_text(text.replace("[embedder]", f'[embedder]\ndigest = "sha256:{"4" * 64}"'), encoding="utf-8")
    gate = tmp_path / "gate.toml"
    gate.write_text(f'[set]\n"recall@5" = {least}\n', encoding="utf-8")
    found = line.json("models", "update", "words", f"set={corpus(tmp_path / 'set')}", "--gate", gate, code=code)
    assert found["pinned"] is (code == 0)
    assert bool(found["missed"]) is (code == 1)
    assert settings(line)["embedder"]["digest"] == f"sha256:{digest * 64}"


def test_servers_that_hold_different_versions_are_not_pinned(line: Line, server: Ollama) -> None:
    with Ollama() as other:
        other.digest = NEW
        text = line.config.read_text(encoding="utf-8")
        urls = f'base_urls = ["{server.url}", "{other.url}"]\n# '
        line.config.write_text(text.replace("base_url", urls + "base_url", 1), encoding="utf-8")
        done = line.run("models", "pin", CHAT)
    assert done.returncode == 1
    assert "different versions" in done.stderr
    assert other.url in done.stderr


def test_the_doctor_tells_the_licences_and_the_pins(line: Line, server: Ollama) -> None:
    pinned(line)
    checks = {check["name"]: check for check in line.json("doctor")["checks"]}
    assert checks["licence of llm.model"]["finding"] == f"{CHAT}: free, Apache-2.0"
    assert checks["pin llm.digest"]["well"]
    server.pull(license="Some terms nobody knows.")
    checks = {check["name"]: check for check in line.json("doctor", code=1)["checks"]}
    assert not checks["pin llm.digest"]["well"]
    assert "rag models update" in checks["pin llm.digest"]["advice"]
    assert "licences.accepted" in checks["licence of llm.model"]["advice"]


@pytest.mark.parametrize("command", ["serve", "watch"])
def test_a_service_with_a_model_that_is_not_let_in_does_not_start(line: Line, server: Ollama, command: str) -> None:
    server.shown["license"] = RESEARCH
    done = line.run(command, *(["--port", "0"] if command == "serve" else []))
    assert done.returncode == 1
    assert f"{CHAT} may not be used here" in done.stderr
    assert "llm.model" in done.stderr


def test_weights_with_a_licence_that_is_not_let_in_are_not_fetched(line: Line) -> None:
    text = line.config.read_text(encoding="utf-8")
    line.config.write_text(text + '[licences]\nallow = ["conditions"]\n', encoding="utf-8")
    done = line.run("models", "fetch", "e5-small")
    assert done.returncode == 1
    assert "licences.allow" in done.stderr
