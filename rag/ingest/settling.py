"""Which changed places have been quiet long enough to be read. Pure: no thread, and the time is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile
from os.path import commonprefix

_MOST = 500  # scopes of one sync; more are cheaper to compare as the folder that holds them


class Settling:
    """Scopes from their first note until they are due: quiet for `settle_s`, or noted `longest_s` ago for the first
    time and never quiet since.

    A *scope* is a path below the root of a source as in a document's id: ``hr/leave.pdf`` is what stands there,
    ``hr/`` a folder with everything below, ``""`` the whole source. Every `now` is of one clock that never goes back.
    """

    def __init__(self, settle_s: float = 2.0, longest_s: float = 60.0) -> None:
        self._settle_s, self._longest_s = settle_s, longest_s
        self._last: dict[str, float] = {}  # in order of the last note
        self._first: dict[str, float] = {}  # in order of the first
        self._taken: dict[str, float] = {}  # what `due` gave last, with the first note each stands for
        self._overdue: frozenset[str] = frozenset()

    def note(self, scope: str, now: float) -> None:
        """Something changed there."""
        self._first.setdefault(scope, now)
        self._last.pop(scope, None)
        self._last[scope] = now

    def due(self, now: float) -> list[str]:
        """Take out what is due, sorted: no scope lies below another, and of more than 500 only the folder that holds
        them all is given. What lies in such a folder and is not due stays noted."""
        overdue = list(takewhile(lambda scope: now >= self._first[scope] + self._longest_s, self._first))
        quiet = list(takewhile(lambda scope: now >= self._last[scope] + self._settle_s, self._last))
        firsts = {scope: self._first[scope] for scope in {*overdue, *quiet}}
        for scope in firsts:
            del self._first[scope], self._last[scope]
        self._overdue, self._taken = frozenset(overdue), merged(firsts)
        return list(self._taken)

    def next_due(self, now: float) -> float | None:
        """The moment from which `due` gives something, `now` if it does so already; None: nothing is noted."""
        if not self._last:
            return None
        last, first = next(iter(self._last.values())), next(iter(self._first.values()))
        return max(now, min(last + self._settle_s, first + self._longest_s))

    def restless(self, path: str, now: float) -> bool:
        """Whether this very path was noted less than `settle_s` ago: it is better left until `due` gives it. A path
        that `due` has just given because it is never quiet is not."""
        last = self._last.get(path)
        if last is None or path in self._overdue:
            return False
        return now < last + self._settle_s and now < self._first[path] + self._longest_s

    @property
    def oldest(self) -> float | None:
        """When the oldest change was first noted that waits; None: nothing does."""
        return next(iter(self._first.values()), None)

    def first(self, scope: str) -> float | None:
        """When the change was first noted that a scope stands for, be it waiting or just given by `due`."""
        return self._taken.get(scope, self._first.get(scope))


def merged(firsts: Mapping[str, float]) -> dict[str, float]:
    """Scopes with a moment each → the least scopes that cover them, sorted, with the earliest moment of what each
    covers; more than 500 become the one folder that holds them all."""
    found: dict[str, float] = {}
    for scope in sorted(firsts):
        cover = next((folder for folder in _folders(scope) if folder in firsts), scope)
        found[cover] = min(firsts[scope], found.get(cover, firsts[scope]))
    return found if len(found) <= _MOST else {common_folder(found): min(found.values())}


def common_folder(scopes: Iterable[str]) -> str:
    """The innermost folder that holds all the scopes, ending in ``/``; ``""`` is the root."""
    shared = commonprefix(list(scopes))  # noqa: RUF071 (letter by letter is meant: it is cut at a slash)
    return shared[: shared.rfind("/") + 1]


def _folders(scope: str) -> Iterable[str]:
    """The folders a scope lies in, from the root on, itself among them if it is one."""
    yield ""
    yield from (scope[: at + 1] for at, letter in enumerate(scope) if letter == "/")
