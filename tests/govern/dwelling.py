"""A home with documents to erase, and a search of its bytes that shares no line with the product's."""

from __future__ import annotations

import base64
import json
import mmap
import os
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rag.govern.erase import Premises, erase
from rag.ingest.kept_out import KeptOut
from rag.ingest.renewing import Opened
from rag.ingest.report import Report
from rag.ingest.sync import sync
from rag.ports import Vector
from rag.store.audit import AuditLog
from tests.ingest.room import DIMENSION, HashedWords, Room, folder, packed

WORDS = (
    "Vertrag Gehalt Urlaub Bürostuhl Prüfung Straße Schlüssel Maschine Angebot Übergabe Lager Kunde Rechnung".split()
)


@dataclass
class Canary:
    """A token that stands nowhere else, and what was made of it."""

    token: str
    text: str
    vectors: list[Vector] = field(default_factory=list)


class Dwelling:
    """A folder, a home of it, and both open as the service has them."""

    def __init__(self, root: Path, seed: int = 0) -> None:
        self.chance = random.Random(seed)
        self.docs, self.home = root / "docs", root / "home"
        self.docs.mkdir(parents=True, exist_ok=True)
        self.canaries: dict[str, Canary] = {}
        self.room = Room(self.home)
        self.audit = AuditLog(self.home / "audit")
        self.room.ledger.adopt(HashedWords.fingerprint, made_by="{}", own=True)

    def __enter__(self) -> Dwelling:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.audit.close()
        self.room.__exit__(None, None, None)

    @property
    def premises(self) -> Premises:
        room = self.room
        opened = Opened(words=room.words, serving=room.vectors, writing=room.pipeline.writing)
        return Premises(home=self.home, ledger=room.ledger, opened=opened, language="de")

    def canary(self) -> Canary:
        """A text of many words, of which one is the token's."""
        token = "".join(self.chance.choice("bcdfghklmnprstvwxz") + self.chance.choice("aeiouäöü") for _ in range(9))
        made = "".join(self.chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(9))
        words = [self.chance.choice(WORDS) for _ in range(30)]
        words[self.chance.randrange(5, 25)] = token
        words[self.chance.randrange(26, 30)] = made
        return Canary(token, " ".join(words) + ".")

    def put(self, name: str, canary: Canary, *, part: str | None = None) -> None:
        """Write a file that holds the canary, within a container's `part` or as it is."""
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed("Post", {part: canary.text}) if part else canary.text.encode())
        self.canaries[f"docs:{name}" + (f"!/{part}" if part else "")] = canary

    def sync(self) -> Report:
        source = KeptOut(folder(self.docs), self.room.ledger)
        report = sync(source, self.room.pipeline, confirm_removals=True)
        report.kept_out = source.count
        return report

    def learn(self, names: Sequence[str]) -> None:
        """What the vectors of these documents are, before they go."""
        for name in names:
            entry = self.room.ledger.entry(name)
            assert entry is not None
            chunks = sorted(self.room.ledger.chunks_of([entry.key]))
            found = self.room.ledger.vectors_of(chunks, embedder=HashedWords.fingerprint)
            self.canaries[name].vectors = list(found.values())

    def erase(self, *names: str) -> dict[str, Any]:
        keys = [entry.key for name in names if (entry := self.room.ledger.entry(name))]
        assert len(keys) == len(names)
        return erase(self.premises, keys)

    def finds(self, canary: Canary) -> set[str]:
        return self.room.found(canary.token)


def traces(home: Path, canaries: Sequence[Canary]) -> list[str]:
    """Where anything of these canaries stands: ``file: token``. Looked for in a child: to close a file that SQLite has
    open in this process would drop its locks."""
    sender, receiver = os.pipe()[::-1]
    child = os.fork()
    if not child:
        try:
            os.write(sender, json.dumps(_traces(home, canaries)[:50]).encode())
        finally:
            os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as told:
        content = told.read()
    os.waitpid(child, 0)
    found: list[str] = json.loads(content)
    return found


def _traces(home: Path, canaries: Sequence[Canary]) -> list[str]:
    found = []
    for path, content in files(home):
        for canary in canaries:
            if any(content.find(form) >= 0 for form in forms(canary.token)):
                found.append(f"{path}: {canary.token}")
            found += [f"{path}: vector of {canary.token}" for row in canary.vectors if holds(content, row)]
    return found


def files(home: Path) -> Iterator[tuple[str, mmap.mmap]]:
    for path in sorted(home.rglob("*")):
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                yield str(path.relative_to(home)), content


def forms(token: str) -> list[bytes]:
    """The token as bytes may hold it."""
    texts = {token, unicodedata.normalize("NFD", token), token.upper(), json.dumps(token)[1:-1]}
    made = [text.encode(code) for text in texts for code in ("utf-8", "utf-16-le", "utf-16-be")]
    made.append(token.encode("latin-1"))
    made += [base64.b64encode(bytes(offset) + token.encode())[4:-4] for offset in (3, 4, 5)]
    return [*made, token.encode().hex().encode()]


def holds(content: mmap.mmap, row: Vector) -> bool:
    """Any four neighbours of the vector, in single or double precision."""
    parts = [np.asarray(row[start : start + 4]) for start in range(0, DIMENSION, 8)]
    return any(content.find(part.astype(kind).tobytes()) >= 0 for part in parts for kind in ("<f4", "<f8"))
