"""Erases again, in a ledger that does not know of it: one that came from an older backup, or that was set aside.

A document goes by a key it had, by the place that was erased, or by its content; those that were left at the time
because they held the same text are left again.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from rag.documents import DocumentId
from rag.store.home_key import HomeKey
from rag.store.ledger import Ledger
from rag.store.rows import now
from rag.store.tombstones import Erasure, Tombstone


def reapply(ledger: Ledger, key: HomeKey, stones: Sequence[Tombstone], *, bury: bool = True) -> int:
    """Remove what these tombstones stand for, and remember them (`bury`); returns how many documents there were. The
    ledger is scrubbed afterwards."""
    found = _meant(ledger, key, stones)
    held = ledger.held(ledger.with_parts(found))
    with ledger.transaction():
        ledger.forget_stretches(document.id for document in held)
        if bury:
            ledger.bury(stones)
            ledger.bury(
                replace(
                    found.get(document.key, stones[0]),
                    path=key.hashed(document.id),
                    documents=(document.key,),
                    contents=tuple(key.hashed(version) for version in document.versions),
                    allowed_at=None,
                )
                for document in held
                if found.get(document.key, stones[0]).allowed_at is None
            )
            ledger.keep_erasure(
                Erasure(
                    id=secrets.token_hex(8),
                    asked_at=now(),
                    state="reapplied",
                    keys=tuple(document.key for document in held),
                )
            )
        for document in held:
            ledger.remove(DocumentId(document.id))
    ledger.scrub()
    return len(held)


def _meant(ledger: Ledger, key: HomeKey, stones: Sequence[Tombstone]) -> dict[str, Tombstone]:
    """Document key → the tombstone that means it."""
    by_key = {name: stone for stone in stones for name in stone.documents}
    by_path = {stone.path: stone for stone in stones if stone.allowed_at is None}
    by_content = {content: stone for stone in stones for content in stone.contents}
    meant: dict[str, Tombstone] = {}
    for row in ledger.places():
        stone = by_key.get(row.key) or by_path.get(key.hashed(row.id))
        for version in row.versions:
            copy = by_content.get(key.hashed(version))
            if stone is None and copy is not None and row.key not in copy.stays:
                stone = copy
        if stone is not None:
            meant[row.key] = stone
    return meant
