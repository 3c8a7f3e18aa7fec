"""A process that dies between two steps of a write: ``python -m tests.ingest.crash SCENARIO HOME…``.

It forks once a home; the n-th child writes the mail into its home and is gone, as if killed, before the n-th step.
Prints, for each home, the step it did not take, or ``done`` where there were fewer.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from rag.access import EVERYONE, Acl, Confidentiality
from rag.documents import DocumentId, DocumentRef, RawDocument
from rag.ingest.draft import Draft
from rag.ingest.one import Pipeline
from tests.ingest.room import Room, packed

NAME = DocumentId("docs:mail.eml")
OLD = packed("alte Fassung", {"bleibt.txt": "Anlage eins", "geht.txt": "Anlage alt", "bricht.txt": "war heil"})
NEW = packed("neue Fassung", {"bleibt.txt": "Anlage zwei", "kommt.txt": "Anlage neu", "bricht.txt": "BROKEN"})
STEPS = {
    "ledger": ("announce", "record", "record_failure", "remove", "settle"),
    "vectors": ("put", "delete"),
    "words": ("put", "delete", "commit"),
}


def drafts(room: Room, body: bytes) -> list[Draft]:
    """The mail with this content, under the key it has."""
    entry = room.ledger.entry(NAME)
    ref = DocumentRef(
        id=NAME,
        key=entry.key if entry else "",
        version=sha256(body).hexdigest(),
        acl=Acl(readers=frozenset({EVERYONE})),
        confidentiality=Confidentiality.INTERNAL,
    )
    raw = RawDocument(
        ref=ref,
        title="mail.eml",
        uri="file:///mail.eml",
        media_type="",
        modified_at=datetime(2026, 1, 1, tzinfo=UTC),
        body=body,
    )
    return room.pipeline.draft(raw, stamp="1")


class Step:
    """Does what it stands for, until it is the one before which the process ends."""

    left = 0

    def __init__(self, part: object, names: tuple[str, ...], told: int) -> None:
        self._part, self._names, self._told = part, names, told

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            Step.left -= 1
            if not Step.left:
                os.write(self._told, f"{type(self._part).__name__}.{name}\n".encode())
                os._exit(9)
        return getattr(self._part, name)

    def __len__(self) -> int:
        return len(self._part)  # type: ignore[arg-type]


def crash(home: Path, body: bytes, step: int) -> None:
    """Write the mail, but stop before a step; runs in a child."""
    room = Room(home)
    made = drafts(room, body)
    parts = {name: Step(getattr(room, name), names, 1) for name, names in STEPS.items()}
    Step.left = step
    whole: dict[str, Any] = {
        **parts,
        "parser": room.reader,
        "embedder": room.embedder,
        "media_type_of": room.pipeline.media_type_of,
    }
    Pipeline(**whole).write(made)
    os.write(1, b"done\n")
    os._exit(0)


def main(scenario: str, homes: list[str]) -> None:
    """One child a home, one after the other."""
    for step, home in enumerate(homes, 1):
        child = os.fork()
        if not child:
            try:
                crash(Path(home), OLD if scenario == "again" else NEW, step)
            finally:
                os._exit(1)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
