"""`rag models fit` as it is typed, with a model file and with an Ollama that is asked."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.fit_files import write_gguf
from tests.models.protocol_server import MODEL, tag
from tests.models.scripted_server import ScriptedServer
from tests.models.test_fit import LLAMA

ROOT = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "small.gguf", LLAMA, [("token_embd.weight", (4096, 1000), 12)])


def settings(tmp_path: Path, url: str) -> Path:
    path = tmp_path / "rag.toml"
    path.write_text(f'[llm]\nprovider = "ollama"\nbase_url = "{url}"\ncontext_tokens = 2048\n')
    return path


def fit(*arguments: object) -> tuple[int, str, str]:
    """In a process of its own: a command sets up the log of the one it runs in."""
    done = subprocess.run(
        [sys.executable, "-m", "rag", "models", "fit", "--quick", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_file_is_judged_and_settings_are_recommended(model: Path, tmp_path: Path) -> None:
    code, out, _ = fit(model, "--config", settings(tmp_path, NOBODY), "--context", 4096)
    assert code == 0
    assert "Recommended" in out
    assert "context_tokens = 4096" in out
    assert "threads = " in out


def test_as_json_every_part_of_the_memory_is_told(model: Path, tmp_path: Path) -> None:
    code, out, _ = fit(model, "--config", settings(tmp_path, NOBODY), "--json")
    said = json.loads(out)
    assert code == 0
    assert said["context_tokens"] == 2048
    (row,) = said["models"]
    assert row["memory_bytes"] == sum(row["memory_parts"].values())
    assert row["place"] in ("fits in memory", "fits in GPU")
    assert row["memory_parts"]["cache"] == 256 * 2**20
    assert said["recommended"]["model"] == str(model)
    assert said["machine"]["bandwidth_bytes_s"] > 0


def test_ollama_s_models_are_judged_by_what_it_shows(tmp_path: Path) -> None:
    routes = {
        "GET /api/tags": lambda exchange: exchange.reply({"models": [tag(size=5 * 10**9)]}),
        "POST /api/show": lambda exchange: exchange.reply(
            {"model_info": LLAMA, "details": {"quantization_level": "Q4_K_M"}}
        ),
        "GET /api/ps": lambda exchange: exchange.reply(
            {"models": [{"name": MODEL, "size": 6 * 10**9, "size_vram": 3 * 10**9, "context_length": 4096}]}
        ),
    }
    with ScriptedServer(routes) as server:
        code, out, _ = fit(MODEL, "--config", settings(tmp_path, server.url), "--json")
    said = json.loads(out)
    assert code == 0
    assert said["models"][0]["memory_parts"]["weights"] == 5 * 10**9
    assert said["models"][0]["runtime"] == "ollama"
    assert said["ollama_running"] == [
        {"name": MODEL, "size": 6 * 10**9, "size_vram": 3 * 10**9, "context_length": 4096}
    ]


def test_a_model_that_is_not_there_is_said_and_the_others_are_judged(model: Path, tmp_path: Path) -> None:
    code, out, err = fit(model, tmp_path / "gone.gguf", "--config", settings(tmp_path, NOBODY))
    assert code == 1
    assert "gone.gguf cannot be read" in err.replace("\n", " ")
    assert "small" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GGUF", "it is cut off"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "it holds no model"),
        (None, "there is no such file"),
    ],
)
def test_a_file_that_holds_no_model_is_neither_recommended_nor_advised_on(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.gguf"
    if content is not None:
        path.write_bytes(content)
    code, out, err = fit(path, "--config", settings(tmp_path, NOBODY))
    assert code == 1
    assert said in " ".join(err.split())
    assert "Recommended" not in out and "Free memory" not in out


def test_a_part_of_a_model_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    tensors = [("token_embd.weight", (4096, 1000), 12)]
    part = write_gguf(tmp_path / "m-00001-of-00003.gguf", {**LLAMA, "split.count": 3}, tensors)
    code, _, err = fit(part, "--config", settings(tmp_path, NOBODY))
    assert code == 1
    assert "one of 3 parts" in err
