"""What a search may touch: rights as classes, filters as documents. Both are kept from one question to the next, and
never beyond a change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from sqlite3 import Row

from rag.access import Confidentiality, Grant, Principal
from rag.filters import NONE, Choices, Filters, name_of
from rag.store.narrowing import Candidate, Narrowing
from rag.store.readable import Readable
from rag.store.reading import Reading
from rag.store.rows import acl_of, marks


class Granting(Reading):
    """The ledger's word on what may be searched, before a search; `passages` is its word after it."""

    def grant(self, principal: Principal, filters: Filters = NONE) -> Grant:
        """What a search for this person may touch, narrowed by filters."""
        return Grant(
            acl_classes=self.readable_classes(principal),
            sources=filters.sources,
            languages=filters.languages or None,
            documents=self._left_by(filters) if filters.by_document else None,
        )

    def standing(self, keys: Collection[str], principal: Principal) -> Mapping[str, Confidentiality]:
        """Of these documents, by key, those that are there and that this person may read now → how secret they are."""
        rows = self._all(
            "SELECT d.key, d.confidentiality, a.readers FROM documents d JOIN acl_classes a ON a.id = d.acl_class"
            f" WHERE d.version IS NOT NULL AND d.key IN ({marks(keys)})",
            *keys,
        )
        return {
            row["key"]: Confidentiality(row["confidentiality"])
            for row in rows
            if acl_of(row["readers"]).admits(principal)
        }

    def state(self) -> tuple[int, ...] | None:
        """What is another one after anything in the ledger has changed; None while it is being changed."""
        with self._lock:
            (others,) = self._all("PRAGMA data_version")
            return None if self._db.in_transaction else (self._db.total_changes, *others)

    def _left_by(self, filters: Filters) -> frozenset[str]:
        as_of = self.state()
        wanted = replace(filters, sources=None, languages=frozenset())
        return self._narrowing.documents(wanted, as_of=as_of, read=self._candidates)

    def _candidates(self) -> list[Candidate]:
        with self._beside() as ask:
            rows = ask(
                "SELECT key, id, media_type, modified_at, confidentiality FROM documents WHERE version IS NOT NULL"
            )
        return [Candidate(*row) for row in rows]

    def media_types(self, principal: Principal) -> list[str]:
        """Every kind of document that this person may read."""
        rows = self._all("SELECT DISTINCT media_type, acl_class FROM documents ORDER BY 1")
        readable = self.readable_classes(principal)
        return list(dict.fromkeys(kind for kind, acl_class in rows if acl_class in readable))

    def counts_for(
        self,
        principal: Principal,
        *,
        sources: Collection[str] | None = None,
        classes: Collection[Confidentiality] | None = None,
    ) -> dict[str, int]:
        """``documents``, ``failed``, ``chunks`` of what this person may read, in these sources or in all, of these
        classes or of all: how much more there is, is not theirs to know."""
        readable = self.readable_classes(principal)
        rows = self._all(
            "SELECT d.acl_class, d.source, d.confidentiality, count(*) AS documents, count(d.reason) AS failed,"
            " sum((SELECT count(*) FROM chunks c WHERE c.document = d.key)) AS chunks FROM documents d"
            " GROUP BY d.acl_class, d.source, d.confidentiality"
        )
        theirs = [row for row in rows if row["acl_class"] in readable and _of(row, sources, classes)]
        return {name: sum(int(row[name]) for row in theirs) for name in ("documents", "failed", "chunks")}

    def may_ask(
        self,
        principal: Principal,
        *,
        sources: Collection[str] | None = None,
        classes: Collection[Confidentiality] | None = None,
    ) -> bool:
        """Whether there is anything at all that this person may read, in these sources and of these classes."""
        return bool(self.choices(principal, sources=sources, classes=classes).sources)

    def choices(
        self,
        principal: Principal,
        *,
        sources: Collection[str] | None = None,
        classes: Collection[Confidentiality] | None = None,
    ) -> Choices:
        """What of the current documents this person may read can be told apart by: in these sources or in all, of
        these classes or of all."""
        readable = self.readable_classes(principal)
        with self._beside() as ask:
            rows = ask(
                "SELECT DISTINCT acl_class, source, media_type, confidentiality FROM documents"
                " WHERE version IS NOT NULL"
            )
        held = [
            (row["source"], row["media_type"])
            for row in rows
            if row["acl_class"] in readable and _of(row, sources, classes)
        ]
        return Choices(
            sources=tuple(sorted({source for source, _ in held})),
            types=tuple(sorted({name_of(media_type) for _, media_type in held if media_type})),
        )

    @cached_property
    def _narrowing(self) -> Narrowing:
        return Narrowing()

    @cached_property
    def _readable(self) -> Readable:
        return Readable()

    def readable_classes(self, principal: Principal) -> frozenset[int]:
        """The rights classes this person may read."""
        with self._lock:
            (newest,) = self._all("SELECT count(*), coalesce(max(id), 0) FROM acl_classes")
            (others,) = self._all("PRAGMA data_version")
            return self._readable.classes(
                principal,
                as_of=(*newest, *others),
                passing=self._db.in_transaction,
                read=lambda: [(int(row[0]), str(row[1])) for row in self._all("SELECT id, readers FROM acl_classes")],
            )


def _of(row: Row, sources: Collection[str] | None, classes: Collection[Confidentiality] | None) -> bool:
    within = sources is None or row["source"] in sources
    return within and (classes is None or Confidentiality(row["confidentiality"]) in classes)
