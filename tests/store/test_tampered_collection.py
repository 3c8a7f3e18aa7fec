"""T02: Chroma rebuilds an embedding function from what stands in its own file. Whoever can write there must not get a
model loaded, code run or a connection made by it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rag.store.vectors import VectorIndex
from tests.store.makers import DIMENSION, chunk, facets, unit

EVIL = {
    "type": "known",
    "name": "sentence_transformer",
    "config": {
        "model_name": "attacker/model",
        "device": "cpu",
        "normalize_embeddings": False,
        "trust_remote_code": True,
        "kwargs": {"trust_remote_code": True},
    },
}
OPEN = """
import sys
seen = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.exec"):
        seen.append(event)
    if event == "import" and arguments[0].partition(".")[0] in ("sentence_transformers", "transformers", "torch"):
        seen.append(arguments[0])
sys.addaudithook(hook)
from pathlib import Path
from rag.access import Grant
from rag.errors import StoreError
from rag.store.vectors import VectorIndex
from tests.store.makers import DIMENSION, chunk, facets, unit
try:
    index = VectorIndex(Path(sys.argv[1]), fingerprint="model@1", dimension=DIMENSION)
    hits = index.search(unit(1)[0], grant=Grant(acl_classes=frozenset({1})), language="de", k=3)
    index.put([chunk("2")], unit(2), [facets(1, "docs", "de")])
    print("found", *[name for name, _ in hits])
    index.close()
except StoreError as error:
    print("refused", error)
print("seen", *seen)
"""


@pytest.mark.parametrize("column", ["config_json_str", "schema_str", "both"])
def test_t02_an_embedding_function_written_into_the_index_is_not_loaded(tmp_path: Path, column: str) -> None:
    folder = tmp_path / "chroma"
    index = VectorIndex(folder, fingerprint="model@1", dimension=DIMENSION)
    index.put([chunk("1")], unit(1), [facets(1, "docs", "de")])
    index.close()
    tamper(folder / "chroma.sqlite3", ("config_json_str", "schema_str") if column == "both" else (column,))
    done = subprocess.run([sys.executable, "-c", OPEN, folder], capture_output=True, text=True, timeout=120, check=True)
    outcome, seen = done.stdout.strip().splitlines()
    assert seen == "seen", f"opening it did this: {seen}"
    assert outcome == "found 1" or outcome.startswith("refused")


def tamper(path: Path, columns: tuple[str, ...]) -> None:
    with sqlite3.connect(path) as database:
        ((config, schema),) = database.execute("SELECT config_json_str, schema_str FROM collections")
        evil = json.dumps(EVIL)
        changed = {
            "config_json_str": json.dumps(json.loads(config or "{}") | {"embedding_function": EVIL}),
            "schema_str": schema.replace('{"type":"legacy"}', evil),
        }
        assert evil in changed["schema_str"] and changed["config_json_str"] != config
        for column in columns:
            database.execute(f"UPDATE collections SET {column} = ?", (changed[column],))
    database.close()
