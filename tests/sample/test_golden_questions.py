"""The golden questions fit the sample documents they are asked of."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.sample.sample_text import Pages, load_document, load_mail, normalised, read_pages

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "sample"
GOLDEN = ROOT / "data" / "golden"

KINDS = {
    "plain",
    "table",
    "page",
    "version",
    "contradiction",
    "near_miss",
    "cross_language",
    "scan",
    "attachment",
    "notes",
    "personal",
    "multi",
}
KEYS = {"id", "text", "lang", "kind", "answerable", "gold", "answer"}
# The formats of the sample and how many documents of each there must be at least.
LEAST = {
    ".pdf": 8,
    ".docx": 6,
    ".pptx": 3,
    ".xlsx": 3,
    ".odt": 2,
    ".html": 3,
    ".md": 4,
    ".txt": 4,
    ".csv": 2,
    ".eml": 2,
}


def _load(name: str) -> list[dict[str, Any]]:
    lines = (GOLDEN / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


QUESTIONS = _load("questions.jsonl")
DEMO = _load("demo.jsonl")
ANSWERABLE = [q for q in QUESTIONS + DEMO if q["answerable"]]


@cache
def _pages(name: str) -> Pages:
    if name.partition("!/")[2].endswith(".pdf") or name.endswith(".pdf"):
        pytest.importorskip("pypdfium2")
    return read_pages(SAMPLE, name)


def _is_scan(name: str) -> bool:
    return name.endswith("-scan.pdf")


def _documents() -> list[Path]:
    return sorted(path for path in SAMPLE.rglob("*") if path.is_file())


def test_there_are_enough_documents_of_each_format_in_each_department() -> None:
    found = Counter(path.suffix for path in _documents())
    assert sum(found.values()) >= 40
    assert {suffix: found[suffix] for suffix, least in LEAST.items() if found[suffix] < least} == {}
    assert set(found) == set(LEAST)
    departments = {path.parent.name for path in _documents()}
    assert departments >= {"personal", "it", "qualitaet", "finanzen", "vertrieb", "betriebsrat"}


def test_the_sample_stays_below_six_megabytes() -> None:
    assert sum(path.stat().st_size for path in _documents()) < 6_000_000


def test_the_sample_holds_scans_windows_text_and_mails_with_attachments() -> None:
    assert sum(_is_scan(path.name) for path in _documents()) >= 2
    with_attachment = [p for p in SAMPLE.rglob("*.eml") if any(True for _ in load_mail(p).iter_attachments())]
    assert len(with_attachment) >= 2
    windows = [p for p in SAMPLE.rglob("*") if p.suffix in (".txt", ".csv") and not _is_utf8(p.read_bytes())]
    assert len(windows) >= 2


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_a_scan_has_no_text_layer() -> None:
    scans = [path.relative_to(SAMPLE).as_posix() for path in _documents() if _is_scan(path.name)]
    assert {text for name in scans for _, text in _pages(name)} == {""}


def test_every_question_has_the_agreed_form() -> None:
    for question in QUESTIONS + DEMO:
        assert set(question) == KEYS, question["id"]
        assert question["kind"] in KINDS, question["id"]
        assert question["lang"] in {"de", "en"}, question["id"]
        assert question["text"].strip(), question["id"]
        assert bool(question["gold"]) is question["answerable"], question["id"]
        assert bool(question["answer"]) is question["answerable"], question["id"]
        for gold in question["gold"]:
            assert set(gold) == {"document", "page", "quote"}, question["id"]


def test_ids_and_texts_are_unique() -> None:
    for questions in (QUESTIONS, DEMO):
        assert len({q["id"] for q in questions}) == len(questions)
    assert len({q["text"].casefold() for q in QUESTIONS}) == len(QUESTIONS)


def test_every_kind_is_asked_at_least_twice_and_enough_cannot_be_answered() -> None:
    answerable = [q for q in QUESTIONS if q["answerable"]]
    assert len(answerable) >= 75
    assert len(QUESTIONS) - len(answerable) >= 25
    kinds = Counter(q["kind"] for q in answerable)
    assert {kind for kind in KINDS if kinds[kind] < 2} == set()
    assert kinds["cross_language"] >= 15


def test_the_demo_shows_two_languages_a_crossing_and_an_abstention() -> None:
    assert len(DEMO) == 4
    assert [q["answerable"] for q in DEMO].count(False) == 1
    assert {q["lang"] for q in DEMO} == {"de", "en"}
    assert "cross_language" in {q["kind"] for q in DEMO}


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_every_quote_stands_in_its_document_on_its_page(question: dict[str, Any]) -> None:
    for gold in question["gold"]:
        name, page, quote = gold["document"], gold["page"], gold["quote"]
        suffix, data = load_document(SAMPLE, name)
        assert data, name
        assert (page is not None) is (suffix in (".pdf", ".pptx")), f"{name}: page {page}"
        texts = dict(_pages(name))
        assert page in texts, f"{name} has no page {page}"
        assert quote == normalised(quote)
        if not _is_scan(name):
            assert quote in texts[page], f"{name}, page {page}: {quote}"


def test_a_scanned_quote_stands_in_the_text_the_scan_was_made_from() -> None:
    for question in ANSWERABLE:
        for gold in question["gold"]:
            if _is_scan(gold["document"]):
                source = Path(__file__).parent / "texts" / f"{gold['document']}.md"
                parts = source.read_text(encoding="utf-8").split("\n<<<\n")
                assert gold["quote"] in normalised(parts[gold["page"] - 1]), gold
