"""What administrators see and do, and how far the sources are: counts and kinds, for nobody more than is theirs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rag.documents import DocumentId
from tests.doors.http.archive import Archive, until

SECRETS = ("geheim", "4711", "Gehalt")


def filled(base: Path) -> Iterator[Archive]:
    with Archive(base, more='[llm]\nprovider = "none"\n') as opened:
        for number in range(15):
            opened.put(f"haus/blatt-{number:02}.txt", f"Blatt Nummer {number} über Urlaub.")
        opened.put("haus/leer.pdf", b"")
        opened.put("tresor/geheim.txt", "Das Gehalt beträgt 4711 Euro.")
        opened.put("tresor/leer.pdf", b"")
        opened.sync()
        yield opened


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """One that no test changes."""
    yield from filled(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[Archive]:
    yield from filled(tmp_path)


def names(client: TestClient) -> list[str]:
    return [source["name"] for source in client.get("/api/progress").json()["sources"]]


def test_an_administrator_sees_how_it_stands(archive: Archive) -> None:
    found = archive.as_("boss", language="de").get("/api/status").json()
    assert found["index"] == {"documents": 18, "failed": 2, "chunks": 16}
    assert found["model"] == {"name": None, "problem": None}
    assert {source["name"]: source["documents"] for source in found["sources"]} == {
        "haus": 16, "tresor": 2, "eingang": 0,
    }  # fmt: skip
    assert all(source["reached_at"] for source in found["sources"])
    assert found["failures"] == [
        {"kind": "empty", "said": "Die Datei ist leer.", "documents": 2,
         "advice": "Nichts zu tun, außer sie sollte nicht leer sein: Dann stellen Sie sie wieder her."},
    ]  # fmt: skip
    assert "guard" in found["guard"]


def test_an_administrator_is_no_reader(tmp_path: Path) -> None:
    with Archive(tmp_path, auth="") as archive:
        archive.put("haus/geheim-blatt.txt", "Das Gehalt beträgt 4711 Euro.")
        archive.sync()
        text = archive.as_("boss").get("/api/status").text
        assert not any(word in text for word in SECRETS)


@pytest.mark.parametrize("user", ["anna", "stranger"])
def test_nobody_else_sees_or_confirms_anything(archive: Archive, user: str) -> None:
    client = archive.as_(user)
    assert client.get("/api/status").json()["code"] == "scope_missing"
    for source in ("haus", "tresor", "nirgends"):
        refused = client.post(f"/api/sources/{source}/confirm-removals", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


def test_held_removals_are_carried_out_once_an_administrator_says_so(changing: Archive) -> None:
    boss = changing.as_("boss")
    for path in (changing.base / "haus").glob("blatt-*"):
        path.unlink()
    changing.sync("haus")
    held = {source["name"]: source["held"] for source in boss.get("/api/status").json()["sources"]}
    assert held == {"haus": 15, "tresor": 0, "eingang": 0}
    assert changing.app.ledger.size("haus") == 16
    answer = boss.post("/api/sources/haus/confirm-removals", json={})
    assert (answer.status_code, answer.json()["held"]) == (202, 15)
    until(lambda: changing.app.ledger.size("haus") == 1)
    until(lambda: changing.app.ledger.source_state("haus").held == 0)
    again = boss.post("/api/sources/haus/confirm-removals", json={})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_held")
    (record,) = [one for one in changing.app.audit.records() if one["event"] == "removals_confirmed"]
    assert (record["user"], record["held"]) == (changing.app.audit.pseudonym("boss"), 15)


def test_a_source_that_is_none_has_nothing_to_confirm(archive: Archive) -> None:
    assert archive.as_("boss").post("/api/sources/nirgends/confirm-removals", json={}).status_code == 404


def test_another_site_confirms_nothing(archive: Archive) -> None:
    boss, address = archive.as_("boss"), "/api/sources/haus/confirm-removals"
    assert boss.post(address, json={}, headers={"origin": "https://evil.example"}).status_code == 403
    assert boss.post(address, content="x=1", headers={"content-type": "text/plain"}).status_code == 415


def test_progress_tells_of_a_source_only_to_who_may_read_something_of_it(archive: Archive) -> None:
    assert names(archive.as_("anna")) == ["haus"]
    assert names(archive.as_("boss")) == ["haus", "tresor"]
    assert names(archive.as_("stranger")) == []
    (haus,) = archive.as_("anna").get("/api/progress").json()["sources"]
    assert haus["documents"] == {"indexed": 15, "failed": 1, "outdated": 0}
    assert haus["reached"] and haus["offline_since"] is None and haus["reading"] is None


def test_progress_of_a_sync_is_told_while_it_runs(changing: Archive) -> None:
    """How many others there are only who may read them all."""
    for number in range(3):
        changing.put(f"haus/neu-{number}.txt", f"Neu und anders {number}")
    go, there = threading.Event(), threading.Event()
    seen: dict[str, Any] = {}

    def reading(document: DocumentId) -> None:
        there.set()
        assert go.wait(60)

    thread = threading.Thread(target=lambda: changing.app.ingest(frozenset({"haus"}), reading=reading))
    thread.start()
    try:
        assert there.wait(60)
        for user in ("anna", "boss"):
            sources = changing.as_(user).get("/api/progress").json()["sources"]
            seen[user] = {source["name"]: source["reading"] for source in sources}
    finally:
        go.set()
        thread.join()
    assert seen["anna"]["haus"] == {"share": 0.0, "done": 0, "total": 3, "failed": 0}
    assert seen["boss"]["tresor"] is None
    assert changing.as_("anna").get("/api/progress").json()["sources"][0]["reading"] is None


def test_a_part_of_a_source_that_is_not_theirs_is_not_counted_for_them(tmp_path: Path) -> None:
    more = (
        f'[[sources]]\nname = "akten"\npath = "{tmp_path}/akten"\nreaders = ["group:staff"]\nclass = "internal"\n'
        '[[sources.rules]]\npath = "chef/"\nreaders = ["user:boss"]\n'
    )
    (tmp_path / "akten").mkdir()
    with Archive(tmp_path, more=more) as archive:
        for name in ("eins.txt", "chef/zwei.txt", "chef/drei.txt"):
            archive.put(f"akten/{name}", name)
        archive.sync()
        counts = {
            user: archive.as_(user).get("/api/progress").json()["sources"][0]["documents"]["indexed"]
            for user in ("anna", "boss")
        }
        assert counts == {"anna": 1, "boss": 3}
        go, there = threading.Event(), threading.Event()

        def reading(document: DocumentId) -> None:
            there.set()
            assert go.wait(60)

        archive.put("akten/vier.txt", "vier")
        thread = threading.Thread(target=lambda: archive.app.ingest(frozenset({"akten"}), reading=reading))
        thread.start()
        try:
            assert there.wait(60)
            told = {user: archive.as_(user).get("/api/progress").json()["sources"][0]["reading"] for user in counts}
        finally:
            go.set()
            thread.join()
        assert told == {"anna": {"share": 0.0}, "boss": {"share": 0.0}}


def test_a_share_that_is_gone_is_told_to_its_readers(changing: Archive) -> None:
    (changing.base / "haus").rename(changing.base / "weg")
    changing.sync("haus")
    (haus,) = changing.as_("anna").get("/api/progress").json()["sources"]
    assert haus["offline_since"] is not None
    assert haus["documents"]["indexed"] == 15
