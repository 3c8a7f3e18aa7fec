"""Documents by the page, as somebody may read them: a listing that stays in step while documents come and go.

A page goes on after the last row of the one before, not after so many rows: what was added or removed meanwhile neither
repeats a document nor skips one. Counts are of what this person may read, and of nothing else.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from rag.access import Confidentiality, Principal
from rag.documents import DocumentId
from rag.store.ledger import Ledger
from rag.store.rows import acl_of, marks, source_of

_STATES = {"indexed": "d.reason IS NULL", "failed": "d.reason IS NOT NULL AND d.version IS NULL"} | {
    "outdated": "d.reason IS NOT NULL AND d.version IS NOT NULL"
}
STATES = tuple(_STATES)
_STATE = "CASE WHEN d.reason IS NULL THEN 'indexed' WHEN d.version IS NULL THEN 'failed' ELSE 'outdated' END"
_BATCH = 500
_LISTED = "documents d INDEXED BY documents_listed"


class Order(StrEnum):
    """How a listing is sorted: by place or title from A on, by date from the newest on."""

    PATH = "path"
    TITLE = "title"
    MODIFIED = "modified"
    INDEXED = "indexed"


_COLUMNS = {
    Order.PATH: ("d.id", ">", "ASC"),
    Order.TITLE: ("d.title COLLATE NOCASE", ">", "ASC"),
    Order.MODIFIED: ("d.modified_at", "<", "DESC"),
    Order.INDEXED: ("d.recorded_at", "<", "DESC"),
}


class Place(NamedTuple):
    """Where a page ended: its last row's value in the order, and its key."""

    value: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is listed. Nothing, or None, narrows nothing. `classes`: those the channel carries in full; `text` stands in
    the title or the path, in any case."""

    sources: frozenset[str] | None = None
    states: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    classes: frozenset[Confidentiality] = frozenset(Confidentiality)
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One row."""

    key: str
    id: DocumentId
    title: str
    uri: str
    media_type: str
    modified_at: datetime
    indexed_at: datetime
    language: str | None
    state: str
    reason: str | None
    notes: tuple[str, ...]
    version: str | None
    parent: str | None

    @property
    def source(self) -> str:
        """Its source's name."""
        return source_of(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page, and where the next one begins; None at the end."""

    rows: tuple[Listed, ...]
    after: Place | None


def page(
    ledger: Ledger,
    principal: Principal,
    wanted: Wanted,
    *,
    order: Order = Order.PATH,
    after: Place | None = None,
    limit: int = 50,
) -> Page:
    """The next `limit` documents after a place. Fewer where rights changed while it was made."""
    found: list[Place] = []
    for place, row in _candidates(ledger, principal, wanted, order=order, after=after, limit=limit):
        if _names(wanted.text, row["title"], row["id"]):
            found.append(place)
        if len(found) > limit:
            break
    shown = found[:limit]
    rows = _rows(ledger, principal, [place.key for place in shown])
    return Page(rows=rows, after=shown[-1] if len(found) > limit else None)


def _candidates(
    ledger: Ledger, principal: Principal, wanted: Wanted, *, order: Order, after: Place | None, limit: int
) -> Iterator[tuple[Place, Any]]:
    """(place, key, id and title) in their order, as far as the index tells; of a text that is not ASCII, too many."""
    column, beyond, direction = _COLUMNS[order]
    size = max(limit + 1, _BATCH if wanted.text else 0)
    while True:
        where, parameters = _where(ledger, principal, wanted)
        if after is not None:
            where += f" AND ({column} {beyond} ? OR ({column} = ? AND d.key > ?))"
            parameters += [after.value, after.value, after.key]
        batch = ledger.rows(
            f"SELECT d.key, d.id, d.title, {column} AS value FROM {_LISTED} WHERE {where}"
            f" ORDER BY {column} {direction}, d.key LIMIT ?",
            *parameters,
            size,
        )
        for row in batch:
            after = Place(row["value"], row["key"])
            yield after, row
        if len(batch) < size:
            return


def _rows(ledger: Ledger, principal: Principal, keys: Sequence[str]) -> tuple[Listed, ...]:
    """The rows of these keys, in their order, with the last word on who may read them."""
    found = {
        row["key"]: _listed(row)
        for row in ledger.rows(
            f"SELECT d.key, d.id, d.title, d.uri, d.media_type, d.modified_at, d.recorded_at, d.language, d.reason,"
            f" d.notes, d.version, d.parent, {_STATE} AS state, a.readers FROM documents d"
            f" JOIN acl_classes a ON a.id = d.acl_class WHERE d.key IN ({marks(keys)})",
            *keys,
        )
        if acl_of(row["readers"]).admits(principal)
    }
    return tuple(found[key] for key in keys if key in found)


def counts(ledger: Ledger, principal: Principal, wanted: Wanted) -> dict[str, int]:
    """How many there are in each state, of what this person may read and `wanted` leaves."""
    where, parameters = _where(ledger, principal, wanted)
    if wanted.text:
        rows = ledger.rows(f"SELECT d.title, d.id, {_STATE} AS state FROM {_LISTED} WHERE {where}", *parameters)
        found = Counter(row["state"] for row in rows if _names(wanted.text, row["title"], row["id"]))
    else:
        rows = ledger.rows(
            f"SELECT {_STATE} AS state, count(*) AS n FROM {_LISTED} WHERE {where} GROUP BY 1", *parameters
        )
        found = Counter({row["state"]: int(row["n"]) for row in rows})
    return {state: found[state] for state in STATES}


def sources_of(ledger: Ledger, principal: Principal, wanted: Wanted) -> dict[str, dict[str, int]]:
    """Source → state → how many, of the same; only sources that have any."""
    where, parameters = _where(ledger, principal, wanted)
    found: dict[str, dict[str, int]] = {}
    for row in ledger.rows(
        f"SELECT d.source, {_STATE} AS state, count(*) AS n FROM {_LISTED} WHERE {where} GROUP BY 1, 2 ORDER BY 1",
        *parameters,
    ):
        found.setdefault(row["source"], dict.fromkeys(STATES, 0))[row["state"]] = int(row["n"])
    return found


def reasons(ledger: Ledger) -> Iterator[tuple[str, int]]:
    """Every reason why a document failed, and how many did so; for administrators."""
    for row in ledger.rows("SELECT reason, count(*) AS n FROM documents WHERE reason IS NOT NULL GROUP BY reason"):
        yield row["reason"], int(row["n"])


def _where(ledger: Ledger, principal: Principal, wanted: Wanted) -> tuple[str, list[object]]:
    terms = ["d.acl_class IN (SELECT value FROM json_each(?))", "d.confidentiality IN (SELECT value FROM json_each(?))"]
    parameters: list[object] = [
        json.dumps(sorted(ledger.readable_classes(principal))),
        json.dumps(sorted(int(one) for one in wanted.classes)),
    ]
    named: Sequence[tuple[str, Collection[str] | None]] = (
        ("source", wanted.sources),
        ("media_type", wanted.types or None),
    )
    for column, names in named:
        if names is not None:
            terms.append(f"d.{column} IN (SELECT value FROM json_each(?))")
            parameters.append(json.dumps(sorted(names)))
    if wanted.states:
        terms.append("(" + " OR ".join(_STATES[state] for state in sorted(wanted.states)) + ")")
    if wanted.text:
        terms.append("(d.title LIKE ? ESCAPE '\\' OR d.id LIKE ? ESCAPE '\\')")
        parameters += [_pattern(wanted.text)] * 2
    return " AND ".join(terms), parameters


def _pattern(text: str) -> str:
    """What SQLite may find it by, which folds ASCII only: everything else may be any letter, and is looked at after."""
    return "%" + re.sub(r"[^\x00-\x7f]", "_", re.sub(r"([\\%_])", r"\\\1", text)) + "%"


def _names(text: str, title: str, document: str) -> bool:
    wanted = text.casefold()
    return wanted in title.casefold() or wanted in document.split(":", 1)[1].casefold()


def _listed(row: Any) -> Listed:
    return Listed(
        key=row["key"],
        id=DocumentId(row["id"]),
        title=row["title"],
        uri=row["uri"],
        media_type=row["media_type"],
        modified_at=datetime.fromisoformat(row["modified_at"]),
        indexed_at=datetime.fromisoformat(row["recorded_at"]),
        language=row["language"],
        state=row["state"],
        reason=row["reason"],
        notes=tuple(json.loads(row["notes"])),
        version=row["version"],
        parent=row["parent"],
    )
