"""`rag models compare` and `vote`, `rag tune`: as commands, before a scripted Ollama."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.app import App
from rag.ask.calibration import SHIPPED
from rag.models.adapter import Adapter
from rag.models_in_use import adapting
from rag.service.operations import Service
from rag.settings import Settings
from rag.settings.file import load
from rag.store.backup import CALIBRATION
from tests.doors.conftest import QUESTION, TRUE, Line, papers

ONE, OTHER = "ollama:writer:latest", "ollama:writer"


def readable(folder: Path) -> Path:
    """The papers without the one that cannot be read."""
    (papers(folder) / "kaputt.pdf").unlink()
    return folder


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Line:
    """A home with papers, and one golden question about them."""
    fresh = Line(tmp_path_factory.mktemp("asked"), config)
    fresh.json("ingest", readable(fresh.folder / "papers"))
    name = next(one["document_id"] for one in fresh.json("search", QUESTION)["passages"] if TRUE in one["text"])
    golden = {"id": "g1", "text": QUESTION, "lang": "de", "gold": [{"document": name, "quote": TRUE}], "facts": ["30"]}
    nothing = {"id": "g2", "text": "Wie hoch ist der Turm?", "lang": "de", "answerable": False}
    (fresh.folder / "asked.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (golden, nothing)))
    return fresh


def compared(line: Line, *more: str, code: int = 0) -> dict[str, object]:
    found = line.json("models", "compare", ONE, OTHER, "--questions", "asked.jsonl", "--out", "out", *more, code=code)
    return dict(found)


def test_the_same_model_under_two_names_comes_out_the_same_and_everything_is_written(asked: Line) -> None:
    found = compared(asked)
    one, other = found["models"]  # type: ignore[misc]
    assert one["figures"] == other["figures"]
    assert one["figures"]["right_fact"]["value"] == 1.0
    assert one["digest"] == other["digest"] != ""
    assert one["size_bytes"] == 1, "as the server tells"
    assert found["questions"] == 2
    for name in ("compare.json", "times.json", "answers.jsonl", "compare.html"):
        mode = (asked.folder / "out" / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
    rows = [json.loads(row) for row in (asked.folder / "out/answers.jsonl").read_text().splitlines()]
    assert {(row["model"], row["id"]) for row in rows} == {(m, q) for m in (ONE, OTHER) for q in ("g1", "g2")}


def test_models_of_ollama_are_compared_where_answers_are_written_in_this_process(asked: Line, tmp_path: Path) -> None:
    """The settings' own model needs no server; one that is named does, and is found where the embedder's is."""
    own = tmp_path / "embedded.toml"
    llm = asked.config.read_text().partition("[llm]")[2].partition("[retrieval]")[0]
    own.write_text(asked.config.read_text().replace(llm, '\nprovider = "embedded"\n'))
    found = compared(Line(asked.folder, own))
    assert {one["digest"] for one in found["models"]} == {"sha256:" + "1" * 64}  # type: ignore[attr-defined]


def test_ranking_the_same_answers_again_writes_the_same_bytes_and_asks_no_model(asked: Line) -> None:
    compared(asked)
    names = ("compare.json", "answers.jsonl")
    before = [(asked.folder / "out" / name).read_bytes() for name in names]
    asked.json("models", "compare", "--again", "--questions", "asked.jsonl", "--out", "out")
    assert [(asked.folder / "out" / name).read_bytes() for name in names] == before


def test_a_gate_names_the_smallest_model_or_ends_with_1(asked: Line) -> None:
    gate = asked.folder / "gate.toml"
    gate.write_text("[models]\nhelpful = 0.9\n")
    assert compared(asked, "--gate", "gate.toml")["smallest_that_passes"] in (ONE, OTHER)
    gate.write_text("[models]\ncareful = { least = 1, most = 1 }\n")
    assert compared(asked, "--gate", "gate.toml", code=1)["smallest_that_passes"] is None


def test_what_the_others_answered_is_kept_where_a_models_file_is_broken(asked: Line) -> None:
    (asked.folder / "broken.gguf").write_bytes(b"GGUF cut short")
    typed = ("models", "compare", ONE, "embedded:broken.gguf", "--questions", "asked.jsonl", "--out", "kept", "--json")
    done = asked.run(*typed)
    assert done.returncode == 1
    assert "embedded:broken.gguf could not be asked, the others were" in done.stderr
    found = json.loads(done.stdout)
    assert list(found["failed"]) == ["embedded:broken.gguf"]
    assert [one["model"] for one in found["models"]] == [ONE]
    assert (asked.folder / "kept/answers.jsonl").read_text().count(ONE) == 2


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (f"models compare {ONE}", "Name two models or more"),
        (f"models compare {ONE} embedded:nothing", "rag models fetch nothing"),
        (f"models compare {ONE} {OTHER} --judge {ONE}", f"--judge {ONE}@sha256:1111"),
        (f"models compare {ONE} {OTHER} --questions none.jsonl", "There is no none.jsonl"),
        (f"models compare --again {ONE}", "it asks no model"),
        ("models vote nowhere", "questions.jsonl"),
        ("tune embedder", "too few"),
        ("tune export --out out", "0 pairs"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(asked: Line, typed: str, said: str) -> None:
    done = asked.run(*typed.split())
    assert said in done.stdout + done.stderr


def test_questions_are_made_where_none_are_given(asked: Line) -> None:
    done = asked.run("models", "compare", ONE, OTHER, "--count", "2")
    assert "Look through them and compare again" in done.stderr
    made = (asked.home / "compare/questions.jsonl").read_text()
    assert '"reviewed": false' in made
    again = asked.run("models", "compare", ONE, OTHER)
    assert 'still marked "reviewed": false' in again.stderr
    assert (asked.home / "compare/questions.jsonl").read_text() == made


def test_an_adapter_is_put_in_place_by_the_next_ingest_and_taken_back(fresh: Line) -> None:
    fresh.json("ingest", readable(fresh.folder / "papers"))
    settings = load(config=fresh.config, home=fresh.home, environ={"RAG_MODELS": str(fresh.folder / "none")})
    base = _adopted(settings)
    with App(settings) as app:
        assert app.retriever.embedder.fingerprint == base, "the one before answers until the ingest"
        assert [*Service(app).call("ingest", {})]
        turned = app.ledger.embedder
        assert turned is not None
        assert turned.startswith(f"{base}+adapter:")
        assert app.retriever.embedder.fingerprint == turned
    assert TRUE in str(fresh.json("search", QUESTION)), "another process opens it with its adapter"
    assert fresh.json("tune", "revert") == {"reverted": turned.rpartition(":")[2]}
    fresh.json("ingest")
    with App(settings) as app:
        assert app.retriever.embedder.fingerprint == app.ledger.embedder == base
    assert fresh.json("tune", "revert") == {"reverted": None}


def test_a_calibration_holds_without_an_adapter_not_with_it_and_again_when_that_is_taken_back(fresh: Line) -> None:
    fresh.json("ingest", readable(fresh.folder / "papers"))
    settings = load(config=fresh.config, home=fresh.home, environ={"RAG_MODELS": str(fresh.folder / "none")})
    with App(settings) as app:
        base = app.retriever.embedder.fingerprint
    own = replace(SHIPPED.reading, shift=-2.0, origin="our questions", embedder=base)
    (fresh.home / CALIBRATION).write_text(own.as_json())
    with App(settings) as app:
        assert app.retriever.calibrations.reading == own
    _adopted(settings)
    with App(settings) as app:
        assert [*Service(app).call("ingest", {})]
        assert app.retriever.calibrations == SHIPPED, "in the process that puts it in place too"
    checks = {one["name"]: one for one in fresh.json("doctor", code=1)["checks"]}
    assert "rag eval calibrate" in checks["evidence"]["advice"]
    fresh.json("tune", "revert")
    fresh.json("ingest")
    with App(settings) as app:
        assert app.retriever.calibrations.reading == own


def _adopted(settings: Settings) -> str:
    with App(settings) as app:
        base = app.embedder.fingerprint
        turn = np.asarray(0.01 * np.eye(app.embedder.dimension), np.float32)
        adapting.adopt(app.ledger, Adapter(base=base, turn=turn))
    return base


def test_none_in_the_settings_leaves_an_adopted_adapter_out(fresh: Line, tmp_path: Path) -> None:
    fresh.json("ingest", readable(fresh.folder / "papers"))
    settings = load(config=fresh.config, home=fresh.home, environ={"RAG_MODELS": str(tmp_path)})
    base = _adopted(settings)
    config = tmp_path / "none.toml"
    config.write_text(fresh.config.read_text().replace('model = "words"', 'model = "words"\nadapter = "none"'))
    with App(load(config=config, home=fresh.home, environ={"RAG_MODELS": str(tmp_path)})) as app:
        assert app.embedder.fingerprint == base
