"""What the audit log must not hold, and what can be erased: who a pseudonym is, what was asked, why.

It lies in the ledger. In works-council mode a person has another pseudonym each day, drawn at random, and the way back
is sealed for two people (`rag.store.sealing`): no statistics can be made of a person, and the service itself cannot
tell who it was.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rag.errors import SettingsError
from rag.store.ledger import Ledger
from rag.store.rows import now
from rag.store.sealing import KEY_BYTES, new_private, open_sealed, public_of, seal
from rag.store.verifying import Anchor

_ANCHOR = "audit anchor"


class Kept(NamedTuple):
    """A text that belongs to a record: `kind` is ``question``, ``asked`` (as it was read) or ``reason``."""

    receipt: str
    kind: str
    text: str
    at: str


class People:
    """Thread-safe. `questions`: whether the texts of questions are kept; reasons always are. `council`: works-council
    mode; `keys` is where the public halves of its two keys lie."""

    def __init__(self, ledger: Ledger, *, keys: Path, council: bool = False, questions: bool = False) -> None:
        self.council, self.questions = council, questions
        self._ledger, self._keys = ledger, keys
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], str] = {}
        if council and keys.exists():
            self._seal_names()

    # ---- pseudonyms ----

    def pseudonym(self, user: str, *, day: str, keyed: Callable[[str], str]) -> str:
        """What stands for this person in the log, the way back kept durably before it is used.

        Raises:
            SettingsError: works-council mode has no keys yet; nothing is answered then.
            StoreError: it cannot be kept.
        """
        with self._lock:
            name = (user, day if self.council else "")
            if name not in self._known:
                found = secrets.token_hex(16) if self.council else keyed(user)
                sealed = seal(user, self._publics()) if self.council else None
                self._ledger.change(
                    "INSERT OR IGNORE INTO audit_people VALUES (?, ?, ?, ?)",
                    (found, None if self.council else user, sealed, now()),
                )
                if self.council:
                    self._known = {known: was for known, was in self._known.items() if known[1] == day}
                self._known[name] = found
            return self._known[name]

    def known_as(self, user: str, *, day: str, keyed: str) -> str | None:
        """The same without making one; None where this process does not know it: in works-council mode the pseudonyms
        of other days, and of before it started."""
        with self._lock:
            return self._known.get((user, day)) if self.council else keyed

    def names(self) -> dict[str, str]:
        """Pseudonym → name, of those whose name is kept; none in works-council mode."""
        if self.council:
            return {}
        rows = self._ledger.rows("SELECT pseudonym, name FROM audit_people WHERE name IS NOT NULL")
        return {row["pseudonym"]: row["name"] for row in rows}

    def forget(self, name: str) -> int:
        """Erase the way back to this person; gives how many pseudonyms lost it. What is sealed cannot be searched, and
        goes when its time is up."""
        with self._lock:
            self._known = {known: found for known, found in self._known.items() if known[0] != name}
            return self._ledger.change("DELETE FROM audit_people WHERE name = ?", (name,))

    def keep_only(self, pseudonyms: Collection[str]) -> None:
        """Erase the way back from all others: no record is left of them."""
        with self._lock:
            held = {row["pseudonym"] for row in self._ledger.rows("SELECT pseudonym FROM audit_people")}
            used = {*pseudonyms, *self._known.values()}
            for gone in held - used:
                self._ledger.change("DELETE FROM audit_people WHERE pseudonym = ?", (gone,))

    def _seal_names(self) -> None:
        """Names that were kept before works-council mode was switched on."""
        publics = self._publics()
        for row in self._ledger.rows("SELECT pseudonym, name FROM audit_people WHERE name IS NOT NULL"):
            self._ledger.change(
                "UPDATE audit_people SET name = NULL, sealed = ? WHERE pseudonym = ?",
                (seal(row["name"], publics), row["pseudonym"]),
            )

    # ---- two keys ----

    def make_keys(self, one: Path, other: Path) -> None:
        """Two new keys, each in a file of its own, 0600, for two people; their public halves stay here.

        Raises:
            SettingsError: there are keys already, or a file is there already or cannot be written.
        """
        if self._keys.exists():
            raise SettingsError(
                "There are two keys already, and what was sealed for them opens for no others. Move "
                f"{self._keys} away only if both are lost."
            )
        privates = [new_private(), new_private()]
        for path, private in zip((one, other), privates, strict=True):
            _write(path, private.hex().encode() + b"\n")
        _write(self._keys, json.dumps([public_of(private).hex() for private in privates]).encode())

    def reidentify(self, pseudonym: str, privates: tuple[bytes, bytes]) -> str | None:
        """Whom a pseudonym stands for, where these are the two keys, in either order; None where they are not."""
        rows = self._ledger.rows("SELECT sealed FROM audit_people WHERE pseudonym = ?", pseudonym)
        if not rows or rows[0]["sealed"] is None:
            return None
        sealed = bytes(rows[0]["sealed"])
        return open_sealed(sealed, privates) or open_sealed(sealed, (privates[1], privates[0]))

    def _publics(self) -> tuple[bytes, bytes]:
        try:
            one, other = (bytes.fromhex(half) for half in json.loads(self._keys.read_bytes()))
        except FileNotFoundError as error:
            raise SettingsError(
                "Works-council mode needs its two keys first: `rag audit keys FILE FILE`, one for the employer, one "
                "for the works council. Until then nothing is answered."
            ) from error
        except (ValueError, TypeError) as error:
            raise SettingsError(f"{self._keys} is damaged. Restore it from a backup; nothing is answered.") from error
        return one, other

    # ---- texts ----

    def keep_texts(self, receipt: str, texts: Mapping[str, str]) -> None:
        """Keep the reason, and the question where that is wanted."""
        for kind, text in texts.items():
            if kind == "reason" or self.questions:
                self._ledger.change("INSERT INTO audit_texts VALUES (?, ?, ?, ?)", (receipt, kind, text, now()))

    def texts(self, receipt: str | None = None) -> Iterator[Kept]:
        """What was kept, of one record or of all."""
        where = "" if receipt is None else "WHERE receipt = ?"
        rows = self._ledger.rows(
            f"SELECT * FROM audit_texts {where} ORDER BY at", *(() if receipt is None else (receipt,))
        )
        return (Kept(*row) for row in rows)

    def forget_texts(self, texts: Collection[str]) -> int:
        """Erase these texts wherever they were kept; gives how many."""
        return sum(self._ledger.change("DELETE FROM audit_texts WHERE text = ?", (text,)) for text in set(texts))

    def purge_texts(self, *, before: str, reasons: bool) -> int:
        """Erase what was kept before this day, reasons or questions; gives how many."""
        which = "=" if reasons else "<>"
        return self._ledger.change(f"DELETE FROM audit_texts WHERE at < ? AND kind {which} 'reason'", (before,))

    # ---- anchors ----

    def remember_anchor(self, anchor: Anchor) -> None:
        """Have the ledger remember the last record."""
        self._ledger.remember(_ANCHOR, str(anchor))

    def anchors(self) -> list[Anchor]:
        """What the ledger remembers."""
        known = self._ledger.meta(_ANCHOR)
        number, _, found = (known or "").partition(":")
        return [Anchor(int(number), found, "the ledger")] if known else []


def read_key(path: Path) -> bytes:
    """A private key from its file.

    Raises:
        SettingsError: it cannot be read, or is none.
    """
    try:
        private = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise SettingsError(f"The key {path} cannot be read, or is none.") from error
    if len(private) != KEY_BYTES:
        raise SettingsError(f"{path} is no key that `rag audit keys` made.")
    return private


def _write(path: Path, content: bytes) -> None:
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SettingsError(f"The key file {path} cannot be made: {error.strerror}.") from error
    try:
        os.write(made, content)
        os.fsync(made)
    finally:
        os.close(made)
