"""Which rights classes let in whom, kept from one question to the next: there may be thousands of classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from rag.access import Acl, Principal, Token
from rag.store.rows import acl_of

Changes: TypeAlias = tuple[int, ...]
"""What is another whenever the classes are: their number, the newest, and what others have written to the file. Classes
are never changed, for what they say is their identity."""


class Readable:
    """Token → the classes that name it as a reader; and of those whose readers do not decide alone, the rights. Not for
    several threads: whoever asks holds the ledger."""

    def __init__(self) -> None:
        self._as_of: Changes | None = None
        self._classes: dict[Token, set[int]] = {}
        self._narrowed: dict[int, Acl] = {}

    def classes(
        self, person: Principal, *, as_of: Changes, passing: bool, read: Callable[[], Sequence[tuple[int, str]]]
    ) -> frozenset[int]:
        """The classes this person may read, and everybody who reads along. `read` gives (class, rights) of all;
        `passing`: what it gives now may yet be taken back, and is not kept."""
        kept = (self._classes, self._narrowed)
        classes, narrowed = kept if as_of == self._as_of else _by_token(read())
        if not passing:
            self._as_of, self._classes, self._narrowed = as_of, classes, narrowed
        named = frozenset[int]().union(*(classes.get(token, ()) for token in person.tokens))
        for held in {one.tokens for one in person.company}:
            named &= frozenset[int]().union(*(classes.get(token, ()) for token in held))
        return frozenset(number for number in named if number not in narrowed or narrowed[number].admits(person))


def _by_token(rows: Iterable[tuple[int, str]]) -> tuple[dict[Token, set[int]], dict[int, Acl]]:
    found: dict[Token, set[int]] = defaultdict(set)
    narrowed: dict[int, Acl] = {}
    for number, text in rows:
        acl = acl_of(text)
        for token in acl.readers:
            found[token].add(number)
        if not acl.plain:
            narrowed[number] = acl
    return dict(found), narrowed
