"""What is owed anew while a sweep is under way stays owed: another source's sync changes rights without waiting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rag.access import Confidentiality
from rag.documents import Chunk, DocumentId
from rag.store.rows import Facets
from tests.ingest.room import Room, folder
from tests.store.makers import acl

A = DocumentId("docs:a.txt")


def between(room: Room, monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Have something done by another between the first writing of the word index and what follows in the sweep."""
    put, left = room.words.put, [do]

    def watched(chunks: Sequence[Chunk], facets: Sequence[Facets]) -> None:
        put(chunks, facets)
        if left:
            left.pop()()

    monkeypatch.setattr(room.words, "put", watched)


def test_rights_that_change_during_a_sweep_reach_both_indexes(
    room: Room, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "a.txt").write_text("Vertrag und Gehalt")
    room.sync(folder(docs))
    room.ledger.reprotect(A, acl("user:both"), Confidentiality.INTERNAL)
    between(room, monkeypatch, lambda: room.ledger.reprotect(A, acl("user:ben"), Confidentiality.INTERNAL))
    room.pipeline.sweep()
    assert room.ledger.owed(), "the newer rights are still owed"
    room.pipeline.sweep()
    wanted = room.ledger.facets()
    assert room.vectors.facets() == wanted
    assert room.words.facets(["docs"]) == {name: (own.source, own.acl_class) for name, own in wanted.items()}
    assert room.level()


def test_a_document_removed_during_a_sweep_leaves_both_indexes(
    room: Room, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "a.txt").write_text("Vertrag und Gehalt")
    room.sync(folder(docs))
    room.ledger.reprotect(A, acl("user:both"), Confidentiality.INTERNAL)
    between(room, monkeypatch, lambda: room.ledger.remove(A))
    room.pipeline.sweep()
    room.pipeline.sweep()
    assert not room.vectors.ids() and not room.words.ids() and room.level()
