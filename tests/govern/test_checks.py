"""What the doctor looks at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag.documents import DocumentId, DocumentRef
from rag.egress import SWITCHES
from rag.errors import ModelChanged
from rag.govern import checks
from rag.store.ledger import Ledger
from tests.standins import ScriptedModel


def test_the_switches_are_well_as_long_as_nobody_turns_one_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SWITCHES.items():
        monkeypatch.setenv(name, value)
    assert checks.switches().well
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    found = checks.switches()
    assert not found.well
    assert "DO_NOT_TRACK" in found.advice


@pytest.mark.parametrize(("mode", "well"), [(0o700, True), (0o750, False), (0o701, False)])
def test_a_home_that_others_can_read_is_not_well(tmp_path: Path, mode: int, well: bool) -> None:
    tmp_path.chmod(mode)
    home, disk = checks.home(tmp_path)
    assert home.well is well
    assert bool(home.advice) is not well
    assert "GiB free" in disk.finding


def test_missing_weights_are_told_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    found = checks.weights("e5-small", tmp_path)
    assert not found.well
    assert "rag models fetch" in found.advice


def test_a_model_that_runs_is_named_with_its_digest() -> None:
    found = checks.language_model(lambda: ScriptedModel(), lambda: "")
    assert found.well
    assert found.finding.startswith("scripted (embedded), sha256:555")


@pytest.mark.parametrize(("problem", "advice"), [("Start Ollama.", "Start Ollama."), ("", "llm.provider is none")])
def test_no_model_is_not_well_and_says_why(problem: str, advice: str) -> None:
    found = checks.language_model(lambda: None, lambda: problem)
    assert not found.well
    assert advice in found.advice


def test_a_model_that_is_not_the_pinned_one_is_a_finding_and_no_failure() -> None:
    def changed() -> ScriptedModel:
        raise ModelChanged("It is another one.")

    found = checks.language_model(changed, lambda: "")
    assert (found.well, found.advice) == (False, "It is another one.")


def test_the_index_is_well_until_a_document_fails(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert checks.index(ledger).well
    ledger.record_failure(
        DocumentRef(id=DocumentId("a:b.pdf"), version="1"),
        reason="Locked.",
        stamp="",
        recipe="r",
        title="b",
        uri="",
        media_type="",
        modified_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    found = checks.index(ledger)
    assert (found.well, found.advice) == (False, "See `rag documents --failed`.")
    assert "1 failed" in found.finding
    ledger.close()
