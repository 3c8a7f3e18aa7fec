"""Every phone-home switch is set before the library that reads it is imported: asked of a fresh interpreter each."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.egress.switches import SWITCHES

READ_BY = {
    "chromadb": ("ANONYMIZED_TELEMETRY", "CHROMA_OTEL_GRANULARITY", "DO_NOT_TRACK"),
    "opentelemetry": ("OTEL_SDK_DISABLED",),
    "onnxruntime": ("ORT_DISABLE_TELEMETRY",),
    "huggingface_hub": ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK", "DO_NOT_TRACK"),
    "transformers": ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "DISABLE_SAFETENSORS_CONVERSION"),
    "sentence_transformers": ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
    "tokenizers": ("TOKENIZERS_PARALLELISM",),
    "ollama": ("OLLAMA_NO_CLOUD",),
    "openvino": ("DO_NOT_TRACK",),
    "llama_index": ("DO_NOT_TRACK",),
    "xllamacpp": ("HF_HUB_OFFLINE",),
    "unstructured": ("SCARF_NO_ANALYTICS", "DO_NOT_TRACK"),
    "gradio": ("GRADIO_ANALYTICS_ENABLED",),
}
ROOMS = (
    "rag.app", "rag.cli", "rag.cli.serve", "rag.api.http", "rag.llamaindex", "rag.store.vectors", "rag.store.words",
    "rag.models.openvino_embedder", "rag.models.ollama", "rag.models.embedded", "rag.ingest.parse.child",
    "rag.evaluate.runs", "connectors", "rag.service.operations", "rag.govern.proof.trial",
)  # fmt: skip
ASKED = """
import json, os, sys
seen = {}
def watch(event, arguments):
    if event == "import":
        root = str(arguments[0]).split(".")[0]
        if root in wanted and root not in seen:
            seen[root] = {name: os.environ.get(name) for name in wanted[root]}
wanted = json.loads(sys.argv[1])
sys.addaudithook(watch)
__import__(sys.argv[2])
for name in wanted:
    if len(sys.argv) > 3 and name == sys.argv[3]:
        __import__(name)
print(json.dumps(seen))
"""


def seen(room: str, *more: str) -> dict[str, dict[str, str | None]]:
    """Library → its switches as they stood when it was first imported."""
    turned_on = dict.fromkeys(SWITCHES, "on")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASKED, json.dumps(READ_BY), room, *more],
        capture_output=True, text=True, check=False, timeout=240,
        env=os.environ | turned_on | {"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str | None]] = json.loads(done.stdout)
    return found


def right(found: dict[str, dict[str, str | None]]) -> bool:
    return all(value == SWITCHES[name] for switches in found.values() for name, value in switches.items())


@pytest.mark.parametrize("library", READ_BY)
def test_the_switches_of_a_library_stand_before_it_is_imported(library: str) -> None:
    assert set(READ_BY[library]) <= SWITCHES.keys()
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed here; its switch is set all the same")
    found = seen("rag", library)
    assert found[library] == {name: SWITCHES[name] for name in READ_BY[library]}


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_a_library_before_its_switches_stand(room: str) -> None:
    assert right(seen(room))


def test_the_order_is_what_is_looked_at() -> None:
    """The control: a library imported before `rag` is found to have been."""
    found = seen("ollama", "ollama")
    assert found["ollama"] == {"OLLAMA_NO_CLOUD": "on"}
    assert not right(found)


def test_importing_the_package_alone_imports_no_library() -> None:
    assert seen("rag") == {}


def test_a_default_of_llama_index_cannot_reach_openai() -> None:
    assert importlib.util.find_spec("llama_index.llms") is None or (
        importlib.util.find_spec("llama_index.llms.openai") is None
    )


def test_nothing_undoes_the_switches_but_the_proof_of_the_kernel_guard() -> None:
    users = [
        path.as_posix()
        for path in [*Path("rag").rglob("*.py"), *Path("connectors").rglob("*.py")]
        if "open_phone_home" in path.read_text()
    ]
    assert sorted(users) == ["rag/cli/bare.py", "rag/egress/switches.py"]
