"""`rag erase`: no byte is left, it is proven, and nothing comes back."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rag.documents import ChunkId
from rag.errors import SettingsError
from rag.govern import certificate
from rag.govern.byte_search import search
from rag.govern.erase import Premises, _needles, _noted, erase
from rag.govern.needles import Needles
from rag.govern.reapply import reapply
from rag.ingest.kept_out import KeptOut
from rag.ingest.sync import sync
from rag.store import journal
from rag.store.ledger import Ledger
from rag.store.mirror import Mirror
from rag.store.schema import VERSION
from rag.store.seen import Stretch
from rag.store.tombstones import Erasure
from tests.govern.dwelling import Canary, Dwelling, traces
from tests.ingest.room import DIMENSION, Counted, HashedWords, folder, packed


@pytest.fixture
def dwelling(tmp_path: Path) -> Iterator[Dwelling]:
    with Dwelling(tmp_path) as made:
        yield made


def filled(dwelling: Dwelling, count: int) -> list[str]:
    """So many canaries, some in mails and below folders, and as many documents that stay."""
    for number in range(count):
        part = "anlage.txt" if number % 5 == 4 else None
        dwelling.put(f"{number % 3}/akte{number}.{'eml' if part else 'txt'}", dwelling.canary(), part=part)
        (dwelling.docs / f"bleibt{number}.txt").write_text(dwelling.canary().text)
    names = sorted(dwelling.canaries)
    dwelling.sync()
    return names


@pytest.mark.parametrize(("count", "batches"), [(60, 3), pytest.param(1000, 20, marks=pytest.mark.soak)])
@pytest.mark.timeout(3600)
def test_no_byte_of_any_canary_is_left_after_any_batch_and_what_stays_is_found(
    tmp_path: Path, count: int, batches: int
) -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    print(f"SEED={seed}")
    with Dwelling(tmp_path, seed) as dwelling:
        names = filled(dwelling, count)
        dwelling.chance.shuffle(names)
        dwelling.learn(names)
        assert traces(dwelling.home, [dwelling.canaries[name] for name in names[:3]])
        gone: list[Canary] = []
        for batch in range(batches):
            own = names[batch::batches]
            made = dwelling.erase(*own)
            gone += [dwelling.canaries[name] for name in own]
            assert made["erased"], (made["remains"], made["searched"], made["terms"])
            assert made["counts"]["documents"] == len(own)
            assert made["terms"]["looked_up"] > 100
            assert not traces(dwelling.home, gone)
            assert not any(dwelling.finds(canary) for canary in gone[:10])
            assert dwelling.room.level()
        assert dwelling.room.ledger.counts()["chunks"] >= count, "what stays is there"
        report = dwelling.sync()
        assert report.kept_out and not report.added and not report.removed
        assert not traces(dwelling.home, gone)


def test_an_erasure_that_only_deletes_and_vacuums_fails_the_same_search(dwelling: Dwelling) -> None:
    """chroma#7662: every row is gone by every question one can ask, and every vector is there."""
    names = filled(dwelling, 20)[:10]
    dwelling.learn(names)
    room = dwelling.room
    keys = [entry.key for name in names if (entry := room.ledger.entry(name))]
    held = room.ledger.held(keys)
    needles = Needles.of(_needles(held, (), [0]))
    texts = [text for document in held for text in document.chunks]
    chunks: list[ChunkId] = sorted(room.ledger.chunks_of(keys))
    for name in names:
        room.ledger.remove(name)  # type: ignore[arg-type]  # an id
    room.pipeline.sweep()
    assert not room.vectors.ids() & set(chunks) and not room.words.ids() & set(chunks)
    room.ledger.scrub()
    with closing(sqlite3.connect(dwelling.home / "chroma" / "chroma.sqlite3", timeout=30)) as db:
        db.execute("VACUUM")
    found = traces(dwelling.home, [dwelling.canaries[name] for name in names])
    assert {line.split("/")[0] for line in found} == {"chroma"}, "the ledger is clean, Chroma is not"
    searched = search(dwelling.home, needles)
    assert searched.remains(needles, ())
    assert len(searched.stretches(needles)) >= len(names), "every vector is found"
    looked_up, left = room.words.orphans(texts)
    assert looked_up and left, "the dictionary still has their words"


def test_it_is_found_by_nobody_the_moment_it_is_asked_for(dwelling: Dwelling, monkeypatch: pytest.MonkeyPatch) -> None:
    (name, *_) = filled(dwelling, 5)
    canary = dwelling.canaries[name]
    assert dwelling.finds(canary) == {name}
    seen: list[set[str]] = []
    monkeypatch.setattr("rag.govern.erase._remove", lambda *_: seen.append(dwelling.finds(canary)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        dwelling.erase(name)
    assert seen == [set()]
    assert dwelling.room.ledger.erasures()[0].facts["documents"]


def test_the_certificate_tells_how_soon_it_was_hidden_and_names_nothing(dwelling: Dwelling) -> None:
    dwelling.put("Personal/Mustermann_Kündigung.txt", dwelling.canary())
    dwelling.sync()
    made = dwelling.erase("docs:Personal/Mustermann_Kündigung.txt")
    assert 0 < made["hidden_s"] < 1
    for path in made["files"].values():
        content = Path(path).read_text()
        assert "Mustermann" not in content and "ndigung" not in content.replace("Auskündigung", "")
        assert Path(path).stat().st_mode & 0o077 == 0
    page = Path(made["files"]["page"]).read_text()
    assert '<html lang="de">' in page and "Löschbescheinigung" in page and "<script" not in page
    assert made["documents"][0]["key"] in page
    for word in ("Quelldateien", "Sicherungen", "Auslagerungsspeicher"):
        assert word in page, "what was not looked at is said"


def test_a_certificate_that_was_changed_is_known(dwelling: Dwelling) -> None:
    (name, *_) = filled(dwelling, 2)
    made = dwelling.erase(name)
    path, key = Path(made["files"]["json"]), dwelling.room.ledger.home_key
    assert certificate.verify(path, key)["erased"]
    changed = json.loads(path.read_text()) | {"erased": False}
    path.write_text(json.dumps(changed))
    with pytest.raises(SettingsError, match="was changed"):
        certificate.verify(path, key)


def test_a_container_takes_its_parts_along(dwelling: Dwelling) -> None:
    canary = dwelling.canary()
    dwelling.put("mail.eml", canary, part="anlage.txt")
    dwelling.sync()
    made = dwelling.erase("docs:mail.eml")
    assert made["counts"]["documents"] == 2
    assert [row["part_of"] for row in made["documents"]].count(None) == 1
    assert not dwelling.room.ledger.entries()


def test_a_part_that_was_erased_stays_away_when_its_container_is_read_again(dwelling: Dwelling) -> None:
    canary = dwelling.canary()
    dwelling.put("mail.eml", canary, part="anlage.txt")
    dwelling.sync()
    dwelling.erase("docs:mail.eml!/anlage.txt")
    (dwelling.docs / "mail.eml").write_bytes(
        packed("Neue Post", {"umbenannt.txt": canary.text, "neu.txt": "Neues Blatt"})
    )
    dwelling.sync()
    assert {entry.id for entry in dwelling.room.ledger.entries()} == {"docs:mail.eml", "docs:mail.eml!/neu.txt"}
    assert not dwelling.finds(canary)


def test_another_document_with_the_same_text_stays_and_is_named_by_its_key(dwelling: Dwelling) -> None:
    canary = dwelling.canary()
    dwelling.put("akte.txt", canary)
    dwelling.put("kopie/akte.txt", canary)
    dwelling.put("anders.txt", dwelling.canary())
    dwelling.sync()
    copy = dwelling.room.ledger.entry("docs:kopie/akte.txt")
    assert copy is not None
    made = dwelling.erase("docs:akte.txt")
    assert made["erased"], "what lives on is no trace"
    assert made["stays"] == [copy.key] and made["lives_on"]
    assert dwelling.finds(canary) == {"docs:kopie/akte.txt"}
    assert copy.key in Path(made["files"]["page"]).read_text()
    dwelling.room.reader.fingerprint = "json-2"  # all is read again
    for _ in range(2):
        dwelling.sync()
        assert dwelling.finds(canary) == {"docs:kopie/akte.txt"}, "the copy is read again, the erased one is not"


def test_it_does_not_come_back_moved_renamed_copied_or_touched(dwelling: Dwelling) -> None:
    canary = dwelling.canary()
    dwelling.put("akte.txt", canary)
    dwelling.put("anders.txt", dwelling.canary())
    dwelling.sync()
    dwelling.erase("docs:akte.txt")
    path = dwelling.docs / "akte.txt"
    path.touch()
    assert dwelling.sync().kept_out == 1
    shutil.copy(path, dwelling.docs / "kopie.txt")
    assert dwelling.sync().kept_out == 2
    path.rename(dwelling.docs / "neuer Name.txt")
    assert dwelling.sync().kept_out == 2
    counted = Counted(folder(dwelling.docs))
    room = dwelling.room
    assert not sync(KeptOut(counted, room.ledger), room.pipeline).failed
    assert not counted.fetched and not counted.versions, "each place is known by now, and not opened again"
    assert {entry.id for entry in dwelling.room.ledger.entries()} == {"docs:anders.txt"}
    (dwelling.docs / "anders.txt").write_text(canary.text)
    dwelling.sync()
    dwelling.sync()
    assert not dwelling.finds(canary), "nor over another file"
    assert not traces(dwelling.home, [canary])


def test_it_comes_back_once_its_file_has_changed_and_a_person_says_so(dwelling: Dwelling) -> None:
    canary, other = dwelling.canary(), dwelling.canary()
    dwelling.put("akte.txt", canary)
    dwelling.sync()
    dwelling.erase("docs:akte.txt")
    (dwelling.docs / "akte.txt").write_text(other.text)
    dwelling.sync()
    assert not dwelling.finds(other), "changed, and nobody said so"
    assert dwelling.room.ledger.allow("docs:akte.txt")
    (dwelling.docs / "akte.txt").write_text(canary.text)
    dwelling.sync()
    assert not dwelling.finds(canary), "somebody said so, and it is the very content that was erased"
    (dwelling.docs / "akte.txt").write_text(other.text)
    dwelling.sync()
    assert dwelling.finds(other) == {"docs:akte.txt"}
    assert not dwelling.room.ledger.allow("docs:nie da.txt")


def test_neither_ledger_nor_journal_names_what_was_erased(dwelling: Dwelling) -> None:
    dwelling.put("Personal/Mustermann_Abmahnung.txt", dwelling.canary())
    dwelling.put("Personal/Mueller.txt", dwelling.canary())
    dwelling.sync()
    name = "docs:Personal/Mustermann_Abmahnung.txt"
    dwelling.room.ledger.remember_stretches("docs", [Stretch("docs:", name, b"level until there")])
    dwelling.erase(name)
    dwelling.sync()
    assert not traces(dwelling.home, [Canary("Mustermann", ""), Canary("Abmahnung", "")])


def test_everything_that_lies_beside_the_ledger_goes_too(dwelling: Dwelling) -> None:
    names = filled(dwelling, 6)[:3]
    home = dwelling.home
    for copy in (f"ledger.sqlite.before-{VERSION}", "ledger.sqlite.before-2.new"):
        with closing(sqlite3.connect(home / "ledger.sqlite")) as db, closing(sqlite3.connect(home / copy)) as out:
            db.backup(out)
    for name in ("words.damaged", "chroma.damaged", "chroma.fresh", "chroma-0123abcd", "restoring"):
        shutil.copytree(home / "chroma", home / name)
    aside = home / "before-restore-1"
    aside.mkdir()
    with (
        closing(sqlite3.connect(home / "ledger.sqlite")) as db,
        closing(sqlite3.connect(aside / "ledger.sqlite")) as out,
    ):
        db.backup(out)
    shutil.copytree(home / "audit", aside / "audit")
    shutil.copytree(home / "chroma", aside / "chroma")
    dwelling.learn(names)
    made = dwelling.erase(*names)
    assert made["erased"] and len(made["leftovers"]) == 6, made["leftovers"]
    assert not [*home.glob("*.damaged"), *home.glob("*.fresh"), *home.glob("restoring"), *home.glob("before*/chroma*")]
    assert not traces(home, [dwelling.canaries[name] for name in names])
    with closing(Ledger(aside / "ledger.sqlite")) as old:
        assert old.counts()["documents"] == dwelling.room.ledger.counts()["documents"], "the rest of it is there"


def test_a_file_of_somebody_else_that_holds_the_text_is_found_and_said(dwelling: Dwelling) -> None:
    (name, *_) = filled(dwelling, 3)
    (dwelling.home / "notiz.txt").write_text(dwelling.canaries[name].text)
    made = dwelling.erase(name)
    assert not made["erased"] and set(made["remains"]) == {"notiz.txt"}
    assert "notiz.txt" in Path(made["files"]["page"]).read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_no_proof(dwelling: Dwelling) -> None:
    (name, *_) = filled(dwelling, 3)
    (dwelling.home / "zu.txt").write_text("x")
    (dwelling.home / "zu.txt").chmod(0)
    made = dwelling.erase(name)
    assert not made["erased"] and set(made["searched"]["unread"]) == {"zu.txt"}


def test_the_rows_in_memory_go(dwelling: Dwelling) -> None:
    names = filled(dwelling, 10)
    room = dwelling.room
    room.vectors.mirror = Mirror(DIMENSION, most_bytes=1 << 24)
    room.vectors.mirror.gather()
    with room.ledger.every_vector(HashedWords.fingerprint) as (_, pages):
        for page in pages:
            room.vectors.mirror.fill(*page)
    room.vectors.mirror.finish()
    dwelling.learn(names[:4])
    dwelling.erase(*names[:4])
    blocks = b"".join(block.tobytes() for block in room.vectors.mirror._now.blocks)
    gone = [row for name in names[:4] for row in dwelling.canaries[name].vectors]
    stays = room.ledger.vectors_of(sorted(room.ledger.chunk_ids()), embedder=HashedWords.fingerprint)
    assert gone and not any(row.tobytes() in blocks for row in gone)
    assert all(row.tobytes() in blocks for row in stays.values())


def test_memory_is_overwritten_from_then_on(dwelling: Dwelling, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is good for: tests/store/test_heap.py."""
    (name, *_) = filled(dwelling, 2)
    called: list[bool] = []
    monkeypatch.setattr("rag.govern.erase.overwrite_freed", lambda: called.append(True))
    dwelling.erase(name)
    assert called


def test_what_an_earlier_change_left_in_the_ledgers_pages_goes_too(dwelling: Dwelling) -> None:
    (name, *_) = filled(dwelling, 3)
    canary = dwelling.canaries[name]
    with closing(sqlite3.connect(dwelling.home / "ledger.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("CREATE TABLE earlier (text TEXT)")
        db.executemany("INSERT INTO earlier VALUES (?)", [(canary.text * 20,)] * 20)
        db.execute("DROP TABLE earlier")
    dwelling.room.ledger.empty_log()
    assert dwelling.erase(name)["erased"]
    assert not traces(dwelling.home, [canary])


def test_a_home_nobody_has_open_is_erased_without_any_model(dwelling: Dwelling) -> None:
    names = filled(dwelling, 8)
    dwelling.learn(names[:4])
    dwelling.room.words.close()
    dwelling.room.vectors.close()
    premises = Premises(home=dwelling.home, ledger=dwelling.room.ledger)
    keys = [entry.key for name in names[:4] if (entry := dwelling.room.ledger.entry(name))]
    made = erase(premises, keys)
    assert made["erased"] and made["terms"]["left"] == 0
    assert dwelling.room.ledger.seal_of("words") and dwelling.room.ledger.seal_of("chroma")
    assert not traces(dwelling.home, [dwelling.canaries[name] for name in names[:4]])


def test_the_last_document_of_all_goes_like_any_other(dwelling: Dwelling) -> None:
    canary = dwelling.canary()
    dwelling.put("einzig.txt", canary)
    dwelling.sync()
    dwelling.learn(["docs:einzig.txt"])
    assert dwelling.erase("docs:einzig.txt")["erased"]
    assert not traces(dwelling.home, [canary])
    assert not dwelling.room.vectors.ids() and not dwelling.room.words.ids()


def test_the_journal_outlives_the_home_and_erases_an_older_state_again(dwelling: Dwelling, tmp_path: Path) -> None:
    names = filled(dwelling, 8)
    older = tmp_path / "older"
    older.mkdir()
    with (
        closing(sqlite3.connect(dwelling.home / "ledger.sqlite")) as db,
        closing(sqlite3.connect(older / "ledger.sqlite")) as out,
    ):
        db.backup(out)
    shutil.copytree(dwelling.home / "audit", older / "audit")
    dwelling.learn(names[:5])
    dwelling.erase(*names[:3])
    dwelling.erase(*names[3:5])
    with closing(Ledger(older / "ledger.sqlite")) as ledger:
        stones = journal.read(dwelling.home / journal.NAME, ledger.home_key)
        assert reapply(ledger, ledger.home_key, stones) == 5
        assert ledger.kept_out(names[0], "another content")  # type: ignore[arg-type]  # an id
        assert not traces(older, [dwelling.canaries[name] for name in names[:5]])
        assert len(ledger.entries()) == len(dwelling.room.ledger.entries())


def test_a_copy_that_was_left_is_left_in_an_older_state_too(dwelling: Dwelling, tmp_path: Path) -> None:
    canary = dwelling.canary()
    dwelling.put("akte.txt", canary)
    dwelling.put("kopie.txt", canary)
    dwelling.sync()
    older = tmp_path / "older"
    older.mkdir()
    with (
        closing(sqlite3.connect(dwelling.home / "ledger.sqlite")) as db,
        closing(sqlite3.connect(older / "ledger.sqlite")) as out,
    ):
        db.backup(out)
    shutil.copytree(dwelling.home / "audit", older / "audit")
    assert dwelling.erase("docs:akte.txt")["stays"]
    with closing(Ledger(older / "ledger.sqlite")) as ledger:
        stones = journal.read(dwelling.home / journal.NAME, ledger.home_key)
        assert reapply(ledger, ledger.home_key, stones) == 1
        assert [entry.id for entry in ledger.entries()] == ["docs:kopie.txt"]


def test_a_journal_of_another_home_is_refused(dwelling: Dwelling, tmp_path: Path) -> None:
    (name, *_) = filled(dwelling, 2)
    dwelling.erase(name)
    with Dwelling(tmp_path / "other") as other, pytest.raises(SettingsError, match="belongs to another home"):
        journal.read(dwelling.home / journal.NAME, other.room.ledger.home_key)
    (tmp_path / "bad").write_text("[]\n")
    with pytest.raises(SettingsError, match="is damaged"):
        journal.read(tmp_path / "bad", dwelling.room.ledger.home_key)


def test_facts_are_added_to_and_not_replaced() -> None:
    erasure: Any = Erasure(id="e", asked_at="", state="asked", keys=(), facts={"a": 1})
    assert _noted(erasure, b=2).facts == {"a": 1, "b": 2}
