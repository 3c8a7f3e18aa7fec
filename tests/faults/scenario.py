"""Rounds of changes to a folder, each followed by a sync; what the index must hold after each of them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rag.documents import DocumentId, DocumentRef, Listing, RawDocument
from rag.errors import UnreadableDocument
from rag.ingest.survey import Hold
from rag.ingest.sync import sync
from rag.ports import IngestProgress
from rag.store.ledger import Ledger
from tests.ingest.room import Counted, Room, folder, packed

EVERYONE, BERTA = ("everyone",), ("user:berta",)
NEVER_HELD = Hold(count=10**9, share=1.0, least=10**9)
OLD = ""  # whatever could be read of it last, or nothing

State = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The files after a round and how they are synced. `moved` is new → old path of files whose key stays."""

    files: State
    moved: Mapping[str, str]
    readers: Sequence[str] = EVERYONE
    scopes: Sequence[str] = ("",)
    denied: frozenset[str] = frozenset()
    recipe: str = "json-1"

    def texts(self) -> dict[str, str | None]:
        """Document → its text, None where it is known and not readable, OLD where an older text may serve."""
        found: dict[str, str | None] = {}
        for path, body in self.files.items():
            found |= dict(_documents(f"docs:{path}", body))
            if path in self.denied:
                found |= dict.fromkeys([name for name in found if name.startswith(f"docs:{path}")])
        return found


def _documents(name: str, body: bytes) -> Iterator[tuple[str, str | None]]:
    if body.startswith((b"BROKEN", b"EMPTY")):
        yield name, OLD
        return
    content = json.loads(body) if body.startswith(b"{") else {"text": body.decode(), "parts": {}}
    yield name, content["text"]
    for part, inner in content["parts"].items():
        yield from _documents(f"{name}!/{part}", inner.encode() if isinstance(inner, str) else packed(**inner))


def rounds(seed: int) -> list[Round]:
    """Adds, edits, moves along chains, rights, removals, containers, failures, denials, another recipe."""
    chance = random.Random(seed)

    def text(topic: str) -> str:
        word = f"{topic}{chance.randrange(10**9)}"
        return f"Fassung {word} der Akte. " + " ".join(f"{word}x{n}" for n in range(chance.randrange(3, 30)))

    def long(topic: str) -> bytes:
        return "\n\n".join(f"Absatz {n}: {text(topic)} " + f"wort{n} " * 60 for n in range(5)).encode()

    def mail(*names: str) -> bytes:
        return packed(text("mail"), {name: text("teil") for name in names})

    files: dict[str, bytes] = {f"hr/{n}.txt": text("hr").encode() for n in range(4)}
    files |= {f"it/{n}.txt": text("it").encode() for n in range(3)}
    files |= {"lang.txt": long("lang"), "post/mail.eml": mail("a.txt", "b.txt", "c.txt"), "kaputt.txt": b"BROKEN 1"}
    files |= {"leer.txt": b"EMPTY", "daten.dat": text("dat").encode(), "x.txt": text("x").encode()}
    made = [Round(files=dict(files), moved={})]

    def then(changes: Mapping[str, bytes | None], moves: Mapping[str, str] | None = None, **how: object) -> None:
        now, moves = dict(made[-1].files), dict(moves or {})
        for old in moves.values():
            now.pop(old, None)
        now |= {new: made[-1].files[old] for new, old in moves.items()}
        for path, body in changes.items():
            now.pop(path, None) if body is None else now.__setitem__(path, body)
        made.append(replace(made[-1], files=now, moved=moves, scopes=("",), denied=frozenset(), **how))  # type: ignore[arg-type]

    container = packed(text("mail"), {"a.txt": text("teil"), "b.txt": "BROKEN", "neu.txt": {"text": text("tief")}})
    then({"hr/0.txt": text("hr").encode(), "lang.txt": long("lang"), "neu.txt": text("neu").encode()})
    then({"post/mail.eml": container, "kaputt.txt": text("heil").encode(), "x.txt": b"BROKEN 2"})
    chain = {"it/1.txt": "it/0.txt", "it/2.txt": "it/1.txt", "it/weg.txt": "it/2.txt"}
    swap = {"hr/0.txt": "hr/1.txt", "hr/1.txt": "hr/0.txt"}
    then({}, {**chain, **swap, "ablage/mail.eml": "post/mail.eml", "daten.txt": "daten.dat"})
    then({"hr/2.txt": text("hr").encode()}, readers=BERTA)
    then({"hr/3.txt": None, "hr/9.txt": text("hr").encode()})
    made[-1] = replace(made[-1], scopes=chance.choice([("hr",), ("hr/9.txt", "hr/3.txt"), ("it/", "hr/", "hr/")]))
    then({"hr/0.txt": None, "leer.txt": None}, readers=EVERYONE)
    touched = {path: made[-1].files[path] for path in ("lang.txt", "ablage/mail.eml")}
    then({path: body + b" " for path, body in touched.items()})
    made[-1] = replace(made[-1], denied=frozenset(touched))
    then(touched)
    then({"ablage/mail.eml": mail("a.txt", "z.txt"), "it/1.txt": text("it").encode()}, {"hr/fern.txt": "hr/2.txt"})
    then({"lang.txt": None}, recipe="json-2")
    return made


class Source(Counted):
    """The folder, with files that may not be read."""

    def __init__(self, root: Path, step: Round) -> None:
        super().__init__(folder(root, readers=step.readers))
        self.ocr = self.folder.ocr
        self._denied = {f"docs:{path}" for path in step.denied}

    def version(self, listing: Listing) -> str:
        self._refuse(listing.id)
        return super().version(listing)

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        self._refuse(listing.id)
        return super().fetch(listing, ref)

    def _refuse(self, document: DocumentId) -> None:
        if document in self._denied:
            raise UnreadableDocument("no permission to read the file")


def apply(root: Path, step: Round) -> None:
    """Make the folder what the round says, moving what it moves."""
    for number, old in enumerate(step.moved.values()):
        (root / old).rename(root.parent / f"moving-{number}")
    for number, new in enumerate(step.moved):
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / new).unlink(missing_ok=True)
        (root.parent / f"moving-{number}").rename(root / new)
    force(root, step)


def force(root: Path, step: Round) -> None:
    """Make the folder what the round says, from wherever it is."""
    there = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    for path in there - step.files.keys():
        (root / path).unlink()
    for path, body in step.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if path not in there or (root / path).read_bytes() != body:
            (root / path).write_bytes(body)


def run(room: Room, root: Path, step: Round, progress: IngestProgress = lambda step: None) -> None:
    """One round's sync."""
    room.reader.fingerprint = step.recipe
    sync(Source(root, step), room.pipeline, scopes=step.scopes, hold=NEVER_HELD, workers=2, progress=progress)


def keys(room: Room) -> dict[str, str]:
    """Document → key."""
    return {str(entry.id): entry.key for entry in room.ledger.entries()}


def start(directory: Path, seed: int) -> None:
    """A home and a folder where the first round is done."""
    root = directory / "docs"
    root.mkdir(parents=True)
    first = rounds(seed)[0]
    apply(root, first)
    with Room(directory / "home") as room:
        run(room, root, first)
        (directory / "keys").write_text(json.dumps(keys(room)))


def copied(start: Path, to: Path) -> Path:
    """A copy of home and folder, as they are on disk. The copy is another folder: the home is told, or it would hold
    what is removed from there."""
    shutil.copytree(start, to)
    ledger = Ledger(to / "home" / "ledger.sqlite")
    ledger.source_reached("docs", folder(to / "docs").roots(), held=None)
    ledger.close()
    return to
