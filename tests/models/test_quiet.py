"""What opening a model must not do: load libraries early, call home, open a port, talk on stderr."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.models.weights import Weights

ROOT = Path(__file__).parents[2]


def run(code: str, *, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The code in a Python of its own, as nothing else has been imported there."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
    )


def test_importing_the_choice_loads_no_model_library() -> None:
    done = run(
        "import sys, rag.models.llm, rag.models.embedder, rag.models.weights, rag.models.reranker\n"
        "heavy = {'torch', 'sentence_transformers', 'openvino', 'xllamacpp', 'ollama', 'tokenizers'}\n"
        "print(*heavy & set(sys.modules))"
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.models
def test_openvino_is_loaded_without_its_telemetry(e5: Weights, tmp_path: Path) -> None:
    """`import openvino` alone sends a usage event unless its conversion tools stay out."""
    done = run(
        "import pathlib, socket, sys\n"
        "asked = []\n"
        "sys.addaudithook(lambda event, _: event.startswith('socket.') and asked.append(event))\n"
        "from rag.models.embedder import open_embedder\n"
        f"embedder = open_embedder('openvino', models=pathlib.Path({str(e5.directory.parent)!r}))\n"
        "embedder.embed_question('Urlaub')\n"
        "loaded = [name for name, module in sys.modules.items() if 'telemetry' in name and module is not None]\n"
        "sys.exit(f'{loaded} {asked}' if loaded or asked else 0)",
        environ={"HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []  # no consent file, no client id


PORTS = """
import os, pathlib
from rag.models.llm import open_language_model
from rag.ports import Generation, Message

def listening():
    held = set()
    for entry in pathlib.Path("/proc/self/fd").iterdir():
        if entry.is_symlink():
            held.add(os.readlink(entry))
    rows = []
    for name in ("tcp", "tcp6"):
        rows += [line.split() for line in pathlib.Path("/proc/self/net", name).read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and "socket:[" + row[9] + "]" in held]

model = open_language_model("embedded", models=pathlib.Path({models!r}), model="smollm2-135m", threads=1)
list(model.stream([Message(role="user", content="Hallo")], Generation(max_tokens=3)))
ports = listening()
model.close()
raise SystemExit(str(ports) if ports else 0)
"""


@pytest.mark.models
@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="reads the ports from /proc")
def test_the_embedded_model_opens_no_port_and_says_nothing(tiny: Weights) -> None:
    done = run(PORTS.format(models=str(tiny.directory.parent)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
