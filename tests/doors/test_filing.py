"""Files that a command was told to write: each is written, or it is said why not and what to do."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.cli import bots, dpia, filing, init, proof
from rag.errors import SettingsError

ROOT = Path(__file__).parents[2]
SHUT = Path("/sys/archivar")  # nobody makes anything here, root neither
RECORDS: dict[str, Any] = {
    "made": "2026-11-26", "archivar": "1", "sources": [], "documents": {}, "recipients": [], "chats": [],
    "models": {
        "embedder": {"model": "e5", "provider": "local", "fingerprint": "", "server": ""},
        "language_model": {"provider": "none", "model": "", "digest": "", "server": ""},
        "reranker": {"server": "", "used": False}, "vision": {"model": "", "server": ""}, "speech": {"model": ""},
    },
    "retention": {}, "audit": {}, "egress": {}, "measures": {}, "risks": [],
}  # fmt: skip


def typed(folder: Path, **options: Any) -> argparse.Namespace:
    usual = {"config": None, "home": folder / "home", "json": False, "verbose": False, "out": None}
    return argparse.Namespace(**usual | options)


def manifest(folder: Path, platform: str = "slack", **options: Any) -> argparse.Namespace:
    return typed(folder, platform=platform, action="manifest", **options)


@pytest.mark.parametrize(
    "command",
    [
        lambda folder: init.init(typed(folder, config=folder / "missing" / "rag.toml", force=False)),
        lambda folder: bots.bot(manifest(folder, out=folder / "missing" / "slack.yaml")),
    ],
)
def test_a_missing_folder_is_told_with_its_name(tmp_path: Path, command: Callable[[Path], int]) -> None:
    with pytest.raises(SettingsError, match="cannot be written: No such file or directory") as told:
        command(tmp_path)
    assert f"There is no folder {tmp_path / 'missing'}: make it" in str(told.value)


def test_the_command_ends_in_that_sentence_and_the_code_of_wrong_usage(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "rag", "--config", str(tmp_path / "missing" / "rag.toml"), "init"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no folder" in done.stderr and "should not have happened" not in done.stderr


def test_a_proof_looks_first_whether_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_tried", lambda *given: pytest.fail("it was begun"))
    with pytest.raises(SettingsError, match=f"{SHUT} cannot be written"):
        proof.prove(typed(tmp_path, out=SHUT))


def test_a_folder_that_is_made_ready_is_there_and_empty(tmp_path: Path) -> None:
    filing.ready(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_the_record_of_processing_is_written_and_its_facts_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dpia, "single", lambda options, operation: RECORDS)
    assert dpia.dpia(typed(tmp_path, json=True, language="de", out=tmp_path / "vvt.md")) == 0
    assert (tmp_path / "vvt.md").read_text(encoding="utf-8").startswith("# Verzeichnis")


def test_a_manifest_as_json_is_one_object(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert bots.bot(manifest(tmp_path, json=True)) == 0
    assert "display_information:" in json.loads(capfd.readouterr().out)["manifest"]


def test_an_archive_is_not_put_into_json(tmp_path: Path) -> None:
    config = tmp_path / "rag.toml"
    ids = 'tenant = "11111111-2222-3333-4444-555555555555"\napp_id = "66666666-7777-8888-9999-000000000000"\n'
    config.write_text(f'[bots]\npage = "https://archivar.firma.de"\n[bots.teams]\n{ids}', encoding="utf-8")
    with pytest.raises(SettingsError, match="archive"):
        bots.bot(manifest(tmp_path, "teams", config=config, json=True))
