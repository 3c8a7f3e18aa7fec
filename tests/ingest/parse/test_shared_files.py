"""Real files in thirty formats and hostile ones, where the folder of test data is there."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rag.errors import DocumentError, UnsupportedFormat
from rag.ingest.parse import ParserPool, media_type_of
from rag.ingest.parse import ocr as ocr_engines

DATA = Path(__file__).resolve().parents[4] / "shared" / "testdata"
PROFILES = ("default", "fallback")
TIMEOUT_S = 60.0
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data are not on this machine")


def manifest(folder: str) -> list[dict[str, Any]]:
    path = DATA / folder / "manifest.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def letters(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


@functools.cache
def open_pool(profile: str) -> ParserPool:
    return ParserPool(profile=profile, timeout_s=TIMEOUT_S)


@pytest.fixture(scope="module", autouse=True)
def pools() -> Iterator[None]:
    yield
    for profile in PROFILES:
        open_pool(profile).close()
    open_pool.cache_clear()


def text_of(pool: ParserPool, name: str, body: bytes, depth: int = 0) -> str:
    parsed = pool.parse(body, media_type=media_type_of(name, body[:4096]), name=name)
    texts = [parsed.text]
    for part in parsed.parts if depth < 3 else ():
        try:
            texts.append(text_of(pool, part.name, part.body, depth + 1))
        except DocumentError:
            continue
    return "\n\n".join(texts)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("entry", manifest("files"), ids=lambda entry: entry["file"])
def test_a_real_file_gives_the_text_that_is_in_it(profile: str, entry: dict[str, Any]) -> None:
    if entry["needs_ocr"] and ocr_engines.available() == ocr_engines.OFF:
        pytest.skip("no OCR engine on this machine")
    if entry["needs_ocr"] and profile == "fallback":
        pytest.skip("scans are read by the same parsers in both profiles")
    body = (DATA / "files" / entry["file"]).read_bytes()
    if profile == "fallback" and entry["format"] in ("doc", "ppt"):
        with pytest.raises(UnsupportedFormat, match="no parser for this kind of file"):
            text_of(open_pool(profile), entry["file"], body)
        return
    found = letters(text_of(open_pool(profile), entry["file"], body))
    assert [fragment for fragment in entry["expected_fragments"] if letters(fragment) not in found] == []
    assert [fragment for fragment in entry["must_not"] if letters(fragment) in found] == []


@dataclass(frozen=True)
class Outcome:
    """What became of a file, and what it took."""

    text: str | None
    reason: str
    seconds: float
    most_mb: int
    """The most memory its child ever had; 0 where the child is gone."""


@functools.cache
def outcome(profile: str, name: str) -> Outcome:
    pool, body = open_pool(profile), (DATA / "hostile" / "files" / name).read_bytes()
    began, text, reason = time.monotonic(), None, ""
    try:
        text = text_of(pool, name, body)
    except DocumentError as error:
        reason = str(error)
    seconds = time.monotonic() - began
    return Outcome(text, reason, seconds, max((_peak_mb(child._process.pid) for child in pool._idle), default=0))


def _peak_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) >> 10


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("entry", manifest("hostile"), ids=lambda entry: entry["file"])
def test_a_hostile_file_gives_text_or_a_reason(profile: str, entry: dict[str, Any]) -> None:
    found = outcome(profile, entry["file"])
    if found.text is None:
        assert found.reason
        assert entry["expect"] != "text"
    else:
        assert entry["expect"] != "skip_reported"
        assert all(letters(fragment) in letters(found.text) for fragment in entry["expected_fragments"])


def _most_s(name: str) -> float:
    """Each page that is read as a picture begins the clock anew; what bounds 400 of them is the processor's time."""
    return 3 * TIMEOUT_S if name == "unstr__pdf_pdf2image-memory-error-test-400p.pdf" else TIMEOUT_S + 5


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("profile", PROFILES)
def test_no_hostile_file_takes_more_time_or_memory_than_it_may(profile: str) -> None:
    took = {entry["file"]: outcome(profile, entry["file"]) for entry in manifest("hostile")}
    late = {name: found.seconds for name, found in took.items() if found.seconds > _most_s(name)}
    large = {name: found.most_mb for name, found in took.items() if found.most_mb > 1024}
    assert (late, large) == ({}, {})


@pytest.mark.parametrize("profile", PROFILES)
def test_hostile_files_leave_nothing_behind_and_good_ones_beside_them_are_read(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.chdir(tmp_path / "home")
    small = [entry["file"] for entry in manifest("hostile") if entry["bytes"] < 100_000]
    with ParserPool(profile=profile, timeout_s=TIMEOUT_S) as pool:
        for name in small:
            try:
                text_of(pool, name, (DATA / "hostile" / "files" / name).read_bytes())
            except DocumentError as error:
                assert str(error)
            assert text_of(pool, "gut.txt", name.encode()) == name
        scratch = [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]
        assert scratch == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["home", "scratch"]


def test_every_readable_file_of_the_hostile_tree_is_read_whatever_its_name(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(DATA / "hostile" / "make_tree.py"), str(tmp_path / "tree")], check=True, cwd=tmp_path
    )
    try:
        files = list((tmp_path / "tree" / "namen").iterdir())
        assert len(files) >= 19
        for file in files:
            label = os.fsencode(file.name).decode("utf-8", "replace")
            assert "Quittungsnummer 4711" in text_of(open_pool("default"), label, file.read_bytes()), label
        deep = next((tmp_path / "tree").rglob("ganz_unten.txt"))
        assert "sechzig Ebenen" in text_of(open_pool("default"), deep.name, deep.read_bytes())
    finally:
        (tmp_path / "tree" / "noperm_dir").chmod(0o700)
