"""The documents that filters leave, kept from one question to the next: to look at every document of a large index
takes longer than the search."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from rag.documents import DocumentId
from rag.filters import Filters
from rag.text.patterns import within

_KEPT = 16

Changes: TypeAlias = tuple[int, ...]
"""What is another whenever anything in the ledger is."""


class Candidate(NamedTuple):
    """A document as filters see it."""

    key: str
    id: DocumentId
    media_type: str
    modified_at: str
    confidentiality: int


class Narrowing:
    """Filters → keys of the documents they leave. The same set is the same object, so that others may keep what they
    made of it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Filters, tuple[Changes | None, frozenset[str]]] = OrderedDict()

    def documents(
        self, filters: Filters, *, as_of: Changes | None, read: Callable[[], Iterable[Candidate]]
    ) -> frozenset[str]:
        """The keys of what `read` gives that the filters leave. `as_of` None: keep nothing of it."""
        with self._lock:
            known = self._kept.get(filters)
        if known is not None and as_of is not None and known[0] == as_of:
            return known[1]
        found = frozenset(candidate.key for candidate in read() if _left(candidate, filters))
        with self._lock:
            self._kept[filters] = (as_of, found)
            self._kept.move_to_end(filters)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def _left(candidate: Candidate, filters: Filters) -> bool:
    """Dates are ISO texts in UTC, so that they sort as they follow each other."""
    return (
        (not filters.types or candidate.media_type in filters.types)
        and (filters.classes is None or candidate.confidentiality in filters.classes)
        and (filters.since is None or candidate.modified_at >= filters.since.isoformat())
        and (not filters.paths or within(filters.paths)(_path(candidate.id)))
    )


def _path(document: DocumentId) -> str:
    """Below the source's root; a part of a container stands where the container does."""
    return document.split(":", 1)[-1].split("!/", 1)[0]
