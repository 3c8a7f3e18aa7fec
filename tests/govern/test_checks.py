"""What the doctor looks at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag.answers import ModelInfo
from rag.documents import DocumentId, DocumentRef
from rag.egress import SWITCHES
from rag.errors import ModelChanged, ModelTimeout, ModelUnavailable, RagError, SettingsError
from rag.govern import checks
from rag.store.ledger import Ledger
from tests.models.scripted_server import Exchange, ScriptedServer
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


def test_no_model_is_not_well_and_says_why() -> None:
    found = checks.language_model(lambda: None, lambda: "Start Ollama.")
    assert (found.well, found.advice) == (False, "Start Ollama.")


def test_no_model_where_none_is_wanted_is_a_plain_line() -> None:
    found = checks.language_model(lambda: None, lambda: "")
    assert (found.well, found.advice) == (True, "")
    assert 'llm.provider = "none"' in found.finding and "extracts" in found.finding


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


class Scripted:
    """A reranker that says the given, or raises it."""

    def __init__(self, outcome: list[float] | RagError) -> None:
        self._outcome = outcome

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        if isinstance(self._outcome, RagError):
            raise self._outcome
        return self._outcome

    def close(self) -> None:
        pass


def test_a_reranker_that_puts_the_answer_first_is_well() -> None:
    found = checks.reranker(Scripted([0.9, -3.0]))
    assert found.well
    assert not found.advice


@pytest.mark.parametrize("scores", [[0.1, 0.2], [0.1, 0.1], [math.nan, 0.1]])
def test_a_reranker_that_does_not_is_told_with_what_to_do(scores: list[float]) -> None:
    found = checks.reranker(Scripted(scores))
    assert not found.well
    assert "retrieval.reranker" in found.advice


@pytest.mark.parametrize(
    "error", [ModelUnavailable("Start it."), ModelTimeout("Start it."), SettingsError("Start it.")]
)
def test_a_reranker_that_fails_is_told_with_its_reason(error: RagError) -> None:
    found = checks.reranker(Scripted(error))
    assert (found.well, found.advice) == (False, "Start it.")
    assert "keep the order" in found.finding


class Served:
    """A model that Ollama serves, as far as the doctor asks."""

    def __init__(self, runtime: str = "ollama") -> None:
        self.info = ModelInfo(name="tiny", digest="sha256:00", runtime=runtime)  # type: ignore[arg-type]


def ollama(version: str, *, strict: bool) -> ScriptedServer:
    def told(exchange: Exchange) -> None:
        host = exchange.handler.headers["Host"].partition(":")[0]
        refused = strict and host not in ("127.0.0.1", "localhost")
        exchange.reply({} if refused else {"version": version}, status=403 if refused else 200)

    return ScriptedServer({"GET /api/version": told})


@pytest.mark.parametrize(
    ("version", "strict", "advice"),
    [
        ("0.17.1", True, ""),
        ("0.18.0-rc1", True, ""),
        ("1.0.0", True, ""),
        ("0.17.0", True, "Update Ollama"),
        ("0.9.9", True, "Update Ollama"),
        ("", True, "Update Ollama"),
        ("0.17.1", False, "OLLAMA_HOST=127.0.0.1"),
    ],
)
def test_t05_an_ollama_with_known_holes_or_that_any_web_page_reaches_is_not_well(
    version: str, strict: bool, advice: str
) -> None:
    with ollama(version, strict=strict) as server:
        (found,) = checks.model_server(lambda: Served(), server.url, pinned=False)  # type: ignore[arg-type, return-value]
    assert found.well is not bool(advice)
    assert advice in found.advice
    assert "not pinned" in found.finding


def test_t05_only_a_model_that_ollama_serves_has_a_model_server() -> None:
    assert not list(checks.model_server(lambda: Served("embedded"), "http://127.0.0.1:1", pinned=True))  # type: ignore[arg-type, return-value]
    assert not list(checks.model_server(lambda: None, "http://127.0.0.1:1", pinned=True))


def test_an_anchor_that_cannot_be_written_is_not_well(tmp_path: Path) -> None:
    there, gone = tmp_path / "anchors.txt", tmp_path / "unmounted" / "anchors.txt"
    assert [check.well for check in checks.audit(anchor_file=str(there), keys=None)] == [True]
    (lost,) = checks.audit(anchor_file=str(gone), keys=None)
    assert not lost.well and "mount it" in lost.advice
    assert not list(checks.audit(anchor_file="", keys=None))


def test_a_works_council_without_keys_is_told_how_to_make_them(tmp_path: Path) -> None:
    keys = tmp_path / "council.json"
    (without,) = checks.audit(anchor_file="", keys=keys)
    assert not without.well and "rag audit keys FILE FILE" in without.advice
    keys.write_text("{}")
    assert next(iter(checks.audit(anchor_file="", keys=keys))).well
