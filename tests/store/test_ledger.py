from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.access import NOBODY, Confidentiality, Grant, Principal
from rag.documents import ChunkId, DocumentId, DocumentRef
from rag.errors import StoreError
from rag.store.ledger import Ledger
from tests.store.makers import EMBEDDER, acl, unit, version

ANNA = Principal(user="anna")
A = ChunkId("a-v1")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def test_what_is_recorded_comes_back_as_it_was(ledger: Ledger) -> None:
    given_version = version("a", "Ein Text", headings=("§ 1", "Absatz"), readers=["user:anna", "group:hr"])
    ledger.record([given_version])
    assert ledger.document("a") == given_version.document
    ((chunk, facets, vector),) = ledger.indexed(embedder=EMBEDDER)
    assert chunk == given_version.chunks[0]
    assert (facets.source, facets.language) == ("docs", "de")
    assert np.array_equal(vector, given_version.vectors[0])
    entry = ledger.entry("docs:a.txt")
    assert entry and (entry.state, entry.chunks, entry.notes) == ("indexed", 1, ("eine Notiz",))


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).map(
    lambda text: f"\0{text}\U0001f512שלום"
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, texts)
def test_any_text_comes_back_code_point_for_code_point(ledger: Ledger, text: str, title: str) -> None:
    ledger.record([version("a", text, title=title, headings=(title,))])
    document = ledger.document("a")
    assert document and (document.text, document.title) == (text, title)
    (passage,) = ledger.passages({A: 1.0}, ANNA)
    assert passage.chunk.span.of(document.text) == passage.chunk.text == text


def test_it_outlives_its_process(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "l")
    first.record([version("a", "bleibt")])
    first.close()
    second = Ledger(tmp_path / "l")
    document = second.document("a")
    second.close()
    assert document and document.text == "bleibt"


def test_a_new_version_makes_the_old_chunks_owed_removals(ledger: Ledger) -> None:
    ledger.record([version("a", "alt")])
    ledger.record([version("a", "neu", number="v2")])
    assert ledger.owed() == {A: "remove"}
    assert ledger.passages({A: 1.0, ChunkId("a-v2"): 0.5}, ANNA)[0].chunk.text == "neu"
    ledger.settle([A])
    assert ledger.owed() == {}


def test_a_batch_with_one_bad_version_records_none_of_it(ledger: Ledger) -> None:
    twin = version("b", "zwei", name="docs:a.txt")
    with pytest.raises(StoreError):
        ledger.record([version("a", "eins"), twin])
    assert ledger.counts() == {"documents": 0, "failed": 0, "chunks": 0}


def test_steps_inside_a_transaction_hold_together_or_not_at_all(ledger: Ledger) -> None:
    ledger.record([version("a", "eins")])
    with pytest.raises(RuntimeError), ledger.transaction():
        ledger.remove(DocumentId("docs:a.txt"))
        ledger.record([version("b", "zwei")])
        raise RuntimeError
    assert [entry.key for entry in ledger.entries()] == ["a"]
    assert ledger.owed() == {}


def test_removing_a_document_removes_its_parts_and_owes_their_chunks(ledger: Ledger) -> None:
    ledger.record([version("a", "Mail"), version("b", "Anlage", name="docs:a.txt!/b", parent="a")])
    ledger.remove(DocumentId("docs:a.txt"))
    assert ledger.entries() == []
    assert ledger.owed() == {A: "remove", ChunkId("b-v1"): "remove"}


def test_readers_are_interned_once_whatever_their_order(ledger: Ledger) -> None:
    one, same = ledger.acl_class(acl("user:a", "user:b")), ledger.acl_class(acl("user:b", "user:a"))
    assert one == same
    assert len({one, ledger.acl_class(acl("user:a")), ledger.acl_class(NOBODY)}) == 3


def test_closing_a_document_holds_at_once_before_any_index_knows(ledger: Ledger) -> None:
    ledger.record([version("a", "Gehalt")])
    assert ledger.passages({A: 1.0}, ANNA)
    ledger.reprotect(DocumentId("docs:a.txt"), acl("user:berta"), Confidentiality.STRICT)
    assert ledger.passages({A: 1.0}, ANNA) == []
    assert ledger.owed() == {A: "protect"}


def test_a_document_without_readers_is_read_by_nobody(ledger: Ledger) -> None:
    ledger.record([version("a", "Tresor", readers=[])])
    assert ledger.readable_classes(ANNA) == frozenset()
    assert ledger.passages({A: 1.0}, ANNA) == []


def test_a_new_home_is_closed_to_other_accounts(tmp_path: Path) -> None:
    opened = Ledger(tmp_path / "l")
    opened.record([version("a", "geheim")])
    modes = {file.name: file.stat().st_mode & 0o077 for file in tmp_path.iterdir()}
    opened.close()
    assert set(modes) == {"l", "l-wal", "l-shm"}
    assert set(modes.values()) == {0}


def test_a_ledger_of_a_newer_version_is_refused_in_words_and_left_alone(tmp_path: Path) -> None:
    Ledger(tmp_path / "l").close()
    with sqlite3.connect(tmp_path / "l") as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = (tmp_path / "l").read_bytes()
    with pytest.raises(StoreError, match=r"newer Archivar \(ledger version 99.*Install the newer version"):
        Ledger(tmp_path / "l")
    assert (tmp_path / "l").read_bytes() == before


@pytest.mark.parametrize(
    "table", ["documents", "chunks", "acl_classes", "owed", "sources", "meta", "vectors", "source_states"]
)
def test_every_table_is_strict(ledger: Ledger, table: str) -> None:
    (row,) = ledger._all("SELECT strict FROM pragma_table_list WHERE name = ?", table)
    assert row["strict"] == 1


def test_a_file_that_is_no_ledger_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "l"
    path.write_text("no database at all " * 300)
    with pytest.raises(StoreError, match="cannot be opened: file is not a database"):
        Ledger(path)


def test_a_damaged_page_is_told_in_words_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "l"
    first = Ledger(path)
    first.record([version(f"k{number}", f"Text {number} " * 500) for number in range(60)])
    first.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"could not be read|cannot be opened"):
        broken = Ledger(path)
        try:
            broken.entries()
        finally:
            broken.close()


def test_a_home_that_is_no_directory_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be opened: Not a directory"):
        Ledger(tmp_path / "file" / "l")


def test_threads_read_whole_versions_while_another_writes(ledger: Ledger) -> None:
    ledger.record([version("a", "0" * 50, number="v0")])
    stop, seen, problems, begun = threading.Event(), set[str](), list[BaseException](), threading.Semaphore(0)

    def read() -> None:
        try:
            while not stop.is_set():
                document = ledger.document("a")
                assert document is not None
                assert set(document.text) == {document.ref.version[-1]}
                seen.add(document.ref.version)
                begun.release()
        except BaseException as error:
            problems.append(error)
            begun.release()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    assert begun.acquire(timeout=60), "nobody reads"
    for number in range(60):
        ledger.record([version("a", str(number % 10) * 50, number=f"v{number}")])
    stop.set()
    for reader in readers:
        reader.join()
    assert not problems
    assert seen


def test_a_failure_without_an_earlier_version_is_failed_with_one_it_is_outdated(ledger: Ledger) -> None:
    ledger.record([version("a", "alt")])
    for key in ("a", "b"):
        made = version(key, "x", number="v2")
        ledger.record_failure(
            made.document.ref,
            reason="damaged",
            stamp="s2",
            recipe="r",
            title="t",
            uri="u",
            media_type="m",
            modified_at=made.document.modified_at,
        )
    assert {entry.key: entry.state for entry in ledger.entries()} == {"a": "outdated", "b": "failed"}
    assert ledger.passages({A: 1.0}, ANNA)


def test_a_version_needs_a_key(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="new_key"):
        ledger.record([version("", "x")])


def test_the_ledger_remembers_what_was_seen_of_each_top_document(ledger: Ledger) -> None:
    ledger.record(
        [version("a", "x"), version("b", "y", name="docs:a.txt!/b", parent="a"), version("c", "z", name="o:c")]
    )
    (known,) = ledger.scan("docs")
    assert (known.id, known.stamp, known.version) == ("docs:a.txt", "s", "v1")
    assert ledger.recorded([known])[known.id].ref == DocumentRef(
        id=DocumentId("docs:a.txt"),
        key="a",
        version="v1",
        acl=acl("everyone"),
        confidentiality=Confidentiality.INTERNAL,
    )


def test_the_ledgers_own_search_keeps_to_the_chunks_and_documents_of_a_grant(ledger: Ledger) -> None:
    one, two = version("a", "Erstes"), version("b", "Zweites")
    more = replace(one.chunks[0], id=ChunkId("more"), ordinal=1, text="Mehr")
    ledger.record([replace(one, chunks=(*one.chunks, more), vectors=np.concatenate([unit(1), unit(2)])), two])
    rights = ledger.readable_classes(ANNA)

    def found(**narrowing: frozenset[str]) -> set[str]:
        grant = Grant(acl_classes=rights, **narrowing)
        hits = ledger.nearest(unit(1)[0], embedder=EMBEDDER, grant=grant, languages=("de", ""), k=9)
        return {name for own in hits.values() for name, _ in own}

    assert found() == {"a-v1", "more", "b-v1"}
    assert found(chunks=frozenset({"more", "unknown"})) == {"more"}
    assert found(documents=frozenset({"b"})) == {"b-v1"}
    assert found(documents=frozenset({"b"}), chunks=frozenset({"more"})) == set()
    assert found(languages=frozenset({"en"})) == set()


def test_what_is_owed_anew_after_it_was_taken_stays_owed(ledger: Ledger) -> None:
    ledger.announce([A, ChunkId("b")])
    taken = ledger.take_owed()
    ledger.announce([A])
    ledger.settle(taken)
    assert ledger.owed() == {A: "remove"}
    ledger.settle(ledger.take_owed())
    assert ledger.owed() == {}
