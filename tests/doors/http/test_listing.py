"""The list of documents: what a reader may read, page by page, and nothing that tells of the rest."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rag.text.advice import KINDS, advice, kind_of
from rag.text.sentences import texts
from tests.doors.http.archive import Archive


def filled(base: Path) -> Iterator[Archive]:
    with Archive(base) as opened:
        for number in range(23):
            opened.put(f"haus/blatt-{number:02}.txt", f"Blatt Nummer {number} über Urlaub.")
        opened.put("haus/Übersicht.md", "# Übersicht der Löhne\n\nText dazu.")
        opened.put("haus/leer.pdf", b"")
        opened.put("tresor/geheim.txt", "Das Gehalt beträgt 4711 Euro.")
        opened.put("tresor/kaputt.pdf", b"%PDF-1.4 nothing")
        opened.sync()
        yield opened


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """One that no test changes."""
    yield from filled(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[Archive]:
    yield from filled(tmp_path)


def every(client: TestClient, **asked: Any) -> list[dict[str, Any]]:
    """All pages, one after the other."""
    found, cursor = [], ""
    while True:
        page = client.get("/api/documents", params={**asked, "cursor": cursor}).json()
        found += page["documents"]
        if page["next"] is None:
            return found
        cursor = page["next"]


@pytest.mark.parametrize("sort", ["path", "title", "modified", "indexed"])
@pytest.mark.parametrize("limit", [1, 7, 25, 200])
def test_the_pages_together_hold_every_document_once(archive: Archive, sort: str, limit: int) -> None:
    found = [one["document_id"] for one in every(archive.as_("anna"), sort=sort, limit=limit)]
    assert len(found) == len(set(found)) == 25
    assert all(name.startswith("haus:") for name in found)


def test_a_row_tells_what_the_documents_page_shows(archive: Archive) -> None:
    row = archive.as_("anna").get("/api/documents", params={"text": "übersicht"}).json()["documents"][0]
    assert row["title"] == "Übersicht der Löhne"
    assert (row["source"], row["type"], row["state"], row["failure"]) == ("haus", "markdown", "indexed", None)
    assert row["key"] == archive.key("haus:Übersicht.md")
    assert row["indexed"] > row["modified"] > "2020"


def test_a_failed_document_says_why_and_what_to_do_in_the_readers_language(archive: Archive) -> None:
    failures = {}
    for language in ("de", "en"):
        rows = every(archive.as_("anna", language=language), state="failed")
        assert [row["document_id"] for row in rows] == ["haus:leer.pdf"]
        failures[language] = rows[0]["failure"]
    assert failures["de"]["said"] == "Die Datei ist leer."
    assert failures["en"]["said"] == "The file is empty."
    assert failures["de"]["advice"] != failures["en"]["advice"]
    assert failures["en"]["kind"] == failures["de"]["kind"] == "empty"


def test_pages_neither_repeat_nor_skip_while_documents_come_and_go(changing: Archive) -> None:
    chance = random.Random(seed := random.randrange(10**9))
    print("seed", seed)
    client, ledger = changing.as_("anna"), changing.app.ledger
    for sort in ("path", "title", "modified", "indexed"):
        steady = {one["document_id"] for one in every(client, limit=200)}
        found, keys = list[str](), list[str]()
        cursor = ""
        for step in range(100):
            page = client.get("/api/documents", params={"sort": sort, "limit": 3, "cursor": cursor}).json()
            found += [one["document_id"] for one in page["documents"]]
            keys += [one["key"] for one in page["documents"]]
            if page["next"] is None:
                break
            cursor = page["next"]
            gone = chance.choice(sorted(steady))
            if len(steady) > 8:
                steady.discard(gone)
                (changing.base / gone.replace(":", "/", 1)).unlink()  # else it is read again, as another document
                ledger.remove(gone)
            changing.put(f"haus/{chance.choice('abxyz')}-neu-{sort}-{step}.txt", f"Neues Blatt {step}")
            if step % 4 == 0:
                changing.sync("haus")
        assert len(found) == len(set(found)) == len(set(keys)), "a document came twice"
        assert steady <= set(found), "a document that was there all the time was left out"
        for path in (changing.base / "haus").glob("*-neu-*"):
            path.unlink()
        changing.app.ingest(frozenset({"haus"}), confirm_removals=True)


def test_filters_take_away_and_counts_follow_them(archive: Archive) -> None:
    client = archive.as_("anna")
    whole = client.get("/api/documents").json()
    assert whole["counts"] == {"indexed": 24, "failed": 1, "outdated": 0, "total": 25}
    assert whole["sources"] == {"haus": {"indexed": 24, "failed": 1, "outdated": 0}}
    text = client.get("/api/documents", params={"type": "text", "text": "BLATT-1"}).json()
    assert text["counts"]["total"] == len(text["documents"]) == 10
    assert client.get("/api/documents", params={"source": "eingang"}).json()["counts"]["total"] == 0
    both = client.get("/api/documents", params={"state": ["failed", "indexed"], "text": "LÖHNE"}).json()
    assert [one["document_id"] for one in both["documents"]] == ["haus:Übersicht.md"]


@pytest.mark.parametrize("text", ["%", "_", "\\", "b%t", "'", '"', "\x00", "a" * 200])
def test_what_is_looked_for_is_text_and_no_pattern(archive: Archive, text: str) -> None:
    found = archive.as_("anna").get("/api/documents", params={"text": text})
    assert found.status_code == 200
    assert found.json()["documents"] == []


def test_what_may_not_be_read_is_neither_listed_nor_counted(changing: Archive) -> None:
    """A reader sees byte for byte what they would see if the rest did not exist."""

    def look(user: str, **asked: Any) -> bytes:
        return changing.as_(user).get("/api/documents", params=asked).content

    asked: list[dict[str, Any]] = [
        {}, {"source": "tresor"}, {"text": "geheim"}, {"state": "failed"}, {"type": "pdf"}, {"sort": "modified"},
    ]  # fmt: skip
    before = [look("anna", **one) for one in asked]
    assert b"tresor" in look("boss") and b"geheim" in look("boss", text="geheim")
    assert look("anna", source="tresor") == look("anna", source="nirgends")
    assert look("anna", text="geheim") == look("anna", text="gibtesnicht")
    changing.app.remove_source("tresor")
    assert [look("anna", **one) for one in asked] == before
    stranger = changing.as_("stranger").get("/api/documents").json()
    assert stranger["documents"] == [] and stranger["sources"] == {} and stranger["counts"]["total"] == 0


def test_a_cursor_of_anothers_page_tells_nothing(archive: Archive) -> None:
    boss, anna = archive.as_("boss"), archive.as_("anna")
    page = boss.get("/api/documents", params={"limit": 1, "source": "tresor"}).json()
    found = every(anna, cursor=page["next"])
    assert all(one["source"] == "haus" for one in found)


@pytest.mark.parametrize(
    "asked",
    [
        {"cursor": "x"}, {"cursor": "W10"}, {"cursor": "bnVsbA"}, {"limit": 0}, {"limit": 201}, {"sort": "rights"},
        {"state": "secret"}, {"type": "nonsense"}, {"nobody": "knows"}, {"text": "x" * 201}, {"cursor": "A" * 9000},
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_not_ignored(archive: Archive, asked: dict[str, Any]) -> None:
    assert archive.as_("anna").get("/api/documents", params=asked).status_code == 422


def test_a_cursor_of_another_order_is_refused(archive: Archive) -> None:
    client = archive.as_("anna")
    cursor = client.get("/api/documents", params={"limit": 1, "sort": "title"}).json()["next"]
    refused = client.get("/api/documents", params={"cursor": cursor})
    assert (refused.status_code, refused.json()["code"]) == (422, "cursor_not_understood")


def test_who_saw_the_list_is_recorded_with_what_was_on_it(archive: Archive) -> None:
    archive.as_("anna").get("/api/documents", params={"limit": 2})
    record = [one for one in archive.app.audit.records() if one["event"] == "listed"][-1]
    assert record["user"] == archive.app.audit.pseudonym("anna")
    assert record["links"] == [archive.key("haus:blatt-00.txt"), archive.key("haus:blatt-01.txt")]


def test_every_kind_of_failure_has_words_in_both_languages() -> None:
    for language in ("de", "en"):
        said = texts(language)
        assert all(said[f"failure.{kind}"] and said[f"failure.{kind}.advice"] for kind in KINDS)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("encrypted: needs a password", "password"), ("over the 30 s limit", "slow"),
        ("over the memory limit", "memory"),
        ("over the limit of 200 MiB (ingest.max_body_mb)", "too_large"), ("over the limit of 5,000 pages", "too_long"),
        ("damaged: its XML is broken", "damaged"), ("something new", "other"),
    ],
)  # fmt: skip
def test_a_reason_has_one_kind_and_its_advice(reason: str, kind: str) -> None:
    assert kind_of(reason) == kind
    assert advice(reason)
