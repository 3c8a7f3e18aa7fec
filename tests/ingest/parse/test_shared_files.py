"""Real files in thirty formats and hostile ones, where the folder of test data is there."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.errors import DocumentError
from rag.ingest.parse import ParserPool, media_type_of
from rag.ingest.parse import ocr as ocr_engines

DATA = Path(__file__).resolve().parents[4] / "shared" / "testdata"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared test data are not on this machine")


def manifest(folder: str) -> list[dict[str, Any]]:
    path = DATA / folder / "manifest.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def letters(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    with ParserPool(timeout_s=120) as opened:
        yield opened


def text_of(pool: ParserPool, name: str, body: bytes, depth: int = 0) -> str:
    parsed = pool.parse(body, media_type=media_type_of(name, body[:8192]), name=name)
    texts = [parsed.text]
    for part in parsed.parts if depth < 3 else ():
        try:
            texts.append(text_of(pool, part.name, part.body, depth + 1))
        except DocumentError:
            continue
    return "\n\n".join(texts)


@pytest.mark.parametrize("entry", manifest("files"), ids=lambda entry: entry["file"])
def test_a_real_file_gives_the_text_that_is_in_it(pool: ParserPool, entry: dict[str, Any]) -> None:
    if entry["needs_ocr"] and ocr_engines.available() == ocr_engines.OFF:
        pytest.skip("no OCR engine on this machine")
    found = letters(text_of(pool, entry["file"], (DATA / "files" / entry["file"]).read_bytes()))
    assert [fragment for fragment in entry["expected_fragments"] if letters(fragment) not in found] == []
    assert [fragment for fragment in entry["must_not"] if letters(fragment) in found] == []


@pytest.mark.parametrize("entry", manifest("hostile"), ids=lambda entry: entry["file"])
def test_a_hostile_file_gives_text_or_a_reason(pool: ParserPool, entry: dict[str, Any]) -> None:
    path = DATA / "hostile" / "files" / entry["file"]
    try:
        text = text_of(pool, entry["file"], path.read_bytes())
    except DocumentError as error:
        assert str(error)
        assert entry["expect"] != "text"
    else:
        assert entry["expect"] != "skip_reported"
        assert all(letters(fragment) in letters(text) for fragment in entry["expected_fragments"])
