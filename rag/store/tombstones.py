"""What was erased and must not come back: tombstones that name nothing, and the erasures they belong to.

A tombstone holds keyed hashes of a document's place and of its contents, and the opaque keys it had. While a place has
one, nothing is read there, until a person allows it; an erased content is never read again, wherever it turns up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from rag.documents import DocumentId
from rag.store.contents import Contents
from rag.store.home_key import HomeKey
from rag.store.rows import now


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """One place that was erased. `path` and `contents` are keyed hashes, `documents` and `stays` document keys."""

    path: str
    erasure: str
    documents: tuple[str, ...]
    contents: tuple[str, ...]
    stays: tuple[str, ...] = ()
    erased_at: str
    allowed_at: str | None = None

    def joined(self, older: Tombstone) -> Tombstone:
        """The newer of two for one place, with everything either knows."""
        new, old = (self, older) if self.erased_at >= older.erased_at else (older, self)
        allowed = max((at for at in (new.allowed_at, old.allowed_at) if at and at >= new.erased_at), default=None)
        return replace(
            new,
            documents=tuple(dict.fromkeys((*new.documents, *old.documents))),
            contents=tuple(dict.fromkeys((*new.contents, *old.contents))),
            stays=tuple(dict.fromkeys((*new.stays, *old.stays))),
            allowed_at=allowed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One erasure: ``asked`` → ``removed`` (from the ledger) → ``cleared`` (no byte left) → ``proven``. `facts` is what
    the certificate will say, as far as it is known."""

    id: str
    asked_at: str
    state: str
    keys: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    needles: bytes | None = None


class Graveyard:
    """The tombstones of a ledger at one moment, for looking up."""

    def __init__(self, key: HomeKey | None, stones: Iterable[Tombstone]) -> None:
        self._key = key
        kept = list(stones) if key is not None else []
        self.paths = frozenset(stone.path for stone in kept if stone.allowed_at is None)
        self.contents = frozenset(content for stone in kept for content in stone.contents)

    def __bool__(self) -> bool:
        return bool(self.paths or self.contents)

    def has_place(self, document: str) -> bool:
        """Whether nothing is read under this id."""
        return self._key is not None and bool(self.paths) and self._key.hashed(document) in self.paths

    def has_content(self, version: str) -> bool:
        """Whether this very content was erased."""
        return self._key is not None and bool(self.contents) and self._key.hashed(version) in self.contents


class Tombstones(Contents):
    """The part of the ledger that remembers erasures."""

    @cached_property
    def home_key(self) -> HomeKey:
        """The key of the home this ledger lies in."""
        return HomeKey(self.path.parent)

    @property
    def graveyard(self) -> Graveyard:
        """What must not come back."""
        known = self.__dict__.get("_graveyard")
        if known is None:
            stones = self.tombstones()
            known = self.__dict__["_graveyard"] = Graveyard(self.home_key if stones else None, stones)
        return known

    def kept_out(self, document: DocumentId, version: str) -> bool:
        """Whether this content must not be read at this place. What is there already, with this content, stays."""
        graves = self.graveyard
        if not graves:
            return False
        if graves.has_place(document):
            return True
        return graves.has_content(version) and not self._all(
            "SELECT 1 FROM documents WHERE id = ?1 AND (version = ?2 OR hidden_version = ?2)", document, version
        )

    def tombstones(self) -> list[Tombstone]:
        """All of them, the oldest first."""
        rows = self._all("SELECT * FROM tombstones ORDER BY erased_at, path")
        return [
            Tombstone(
                path=row["path"],
                erasure=row["erasure"],
                documents=tuple(json.loads(row["documents"])),
                contents=tuple(json.loads(row["contents"])),
                stays=tuple(json.loads(row["stays"])),
                erased_at=row["erased_at"],
                allowed_at=row["allowed_at"],
            )
            for row in rows
        ]

    def bury(self, stones: Iterable[Tombstone]) -> None:
        """Remember these; what is known of the same places stays known."""
        known = {stone.path: stone for stone in self.tombstones()}
        with self.transaction():
            for stone in stones:
                own = stone.joined(known[stone.path]) if stone.path in known else stone
                known[own.path] = own
                self._db.execute(
                    "INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        own.path,
                        own.erasure,
                        *(json.dumps(names) for names in (own.documents, own.contents, own.stays)),
                        own.erased_at,
                        own.allowed_at,
                    ),
                )
        self._forget_graveyard()

    def bury_copy(self, document: DocumentId, version: str) -> None:
        """An erased content turned up at another place: nothing is read there either, and it is not looked at again. A
        place that a person allowed stays allowed."""
        path, content = self.home_key.hashed(document), self.home_key.hashed(version)
        known = self.tombstones()
        if any(stone.path == path for stone in known):
            return
        for stone in known:
            if content in stone.contents:
                self.bury([replace(stone, path=path, documents=(), contents=(content,), allowed_at=None)])
                return

    def allow(self, document: str) -> bool:
        """Let a place (an id, or a key it had) be read again once its content is another; False: none was erased."""
        path = self.home_key.hashed(document)
        found = [stone for stone in self.tombstones() if stone.path == path or document in stone.documents]
        with self.transaction():
            for stone in found:
                self._db.execute("UPDATE tombstones SET allowed_at = ? WHERE path = ?", (now(), stone.path))
        self._forget_graveyard()
        return bool(found)

    def erasures(self, *, unfinished: bool = False) -> list[Erasure]:
        """Every erasure, the oldest first; `needles` only of those that are unfinished."""
        where = "WHERE state NOT IN ('proven', 'reapplied')" if unfinished else ""
        rows = self._all(f"SELECT * FROM erasures {where} ORDER BY asked_at, id")
        return [
            Erasure(
                id=row["id"],
                asked_at=row["asked_at"],
                state=row["state"],
                keys=tuple(json.loads(row["keys"])),
                facts=json.loads(row["facts"]),
                needles=row["needles"],
            )
            for row in rows
        ]

    def keep_erasure(self, erasure: Erasure) -> None:
        """Write an erasure, or write it again."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO erasures VALUES (?, ?, ?, ?, ?, ?)",
                (
                    erasure.id,
                    erasure.asked_at,
                    erasure.state,
                    json.dumps(erasure.keys),
                    json.dumps(erasure.facts),
                    erasure.needles,
                ),
            )

    def _forget_graveyard(self) -> None:
        self.__dict__.pop("_graveyard", None)
