"""Who reads what of a source by its path: the rules of ``[[sources.rules]]``. Pure.

A rule means what lies at its path or below: ``hr/`` the folder with everything in it, ``hr/leave.pdf`` that file,
``hr`` either. The longest path wins: its readers take the place of the shorter ones'. A rule that names no readers
leaves them as they are. Whom any rule on the way denies stays denied, whatever a longer one says. Parts of a container
(an attachment) have the container's rights. Paths compare as NFC: it does not matter how a Mac wrote the folder.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from connectors.names import readable
from rag.access import Acl, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`path` as a person writes it, "" for the whole source. Readers None: as the next shorter rule says."""

    path: str = ""
    readers: frozenset[Token] | None = None
    from_filesystem: bool = False
    denied: frozenset[Token] = frozenset()

    @property
    def place(self) -> str:
        """The path as it stands in a document's id, composed."""
        return composed(readable(os.fsencode(self.path)))

    def means(self, path: str) -> bool:
        """Whether a composed path below the root, a file's or (ending in ``/``) a folder's, lies at or below it."""
        place = self.place
        return not place or path == place or path.startswith(place if place.endswith("/") else f"{place}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the rules come to at one path. `by` named the readers, `denied_by` each that denies somebody."""

    readers: frozenset[Token]
    from_filesystem: bool
    denied: frozenset[Token]
    by: Rule
    denied_by: tuple[Rule, ...] = ()

    @property
    def fixed(self) -> Acl:
        """The rights, where the file system has no say."""
        return Acl(readers=self.readers, denied=self.denied)


class Rules:
    """The rules of one source; the one for its whole comes first."""

    def __init__(self, whole: Rule, further: Iterable[Rule] = ()) -> None:
        self._whole = whole
        self._rules = [(rule.place, rule) for rule in sorted(further, key=lambda rule: len(rule.place.rstrip("/")))]

    @property
    def from_filesystem(self) -> bool:
        """Whether any of them asks the file system."""
        return any(rule.from_filesystem for rule in (self._whole, *(rule for _, rule in self._rules)))

    def at(self, path: str) -> Ruling:
        """What holds for the file at a path below the root, as in its id."""
        return self._at(composed(path))

    def naming_files(self, folder: str) -> bool:
        """Whether some rule means single files of this folder ("" or ending in ``/``)."""
        here = composed(folder)
        return any(
            place.startswith(here) and (name := place[len(here) :]) and "/" not in name for place, _ in self._rules
        )

    def _at(self, path: str) -> Ruling:
        ruling = Ruling(
            readers=self._whole.readers or frozenset(),
            from_filesystem=self._whole.from_filesystem,
            denied=self._whole.denied,
            by=self._whole,
            denied_by=(self._whole,) if self._whole.denied else (),
        )
        for rule in [rule for _, rule in self._rules if rule.means(path)]:
            names = rule.readers is not None or rule.from_filesystem
            ruling = Ruling(
                readers=(rule.readers or frozenset()) if names else ruling.readers,
                from_filesystem=rule.from_filesystem if names else ruling.from_filesystem,
                denied=ruling.denied | rule.denied,
                by=rule if names else ruling.by,
                denied_by=(*ruling.denied_by, rule) if rule.denied else ruling.denied_by,
            )
        return ruling


def composed(path: str) -> str:
    """A path as it compares."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)
