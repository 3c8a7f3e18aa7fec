"""Whatever happens to a folder, whatever is hinted or not in between: after a full sync the index equals it.

$FAULT_SHRINK looks for the shortest way to a failure, which takes minutes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from rag.documents import DocumentRef, Listing, RawDocument
from rag.errors import UnreadableDocument
from rag.ingest.report import Report
from rag.ingest.sync import sync
from tests.faults.recovery import whole
from tests.faults.scenario import NEVER_HELD
from tests.faults.seeds import fresh
from tests.ingest.room import Counted, Room, folder, packed

NAMES = ("a.txt", "b.txt", "a", "b", "a!", "ä%.txt")
names = st.sampled_from(NAMES)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
picks = st.integers(0, 10**6)
turns = st.permutations(range(3))


class Denying(Counted):
    """A folder of which some files may not be read."""

    def __init__(self, root: Path, denied: set[str]) -> None:
        super().__init__(folder(root))
        self._denied = denied

    def version(self, listing: Listing) -> str:
        self._refuse(listing)
        return super().version(listing)

    def fetch(self, listing: Listing, ref: DocumentRef) -> RawDocument:
        self._refuse(listing)
        return super().fetch(listing, ref)

    def _refuse(self, listing: Listing) -> None:
        if (self.folder.root / path_of(listing.id)).stat().st_ino in self._denied:
            raise UnreadableDocument("no permission to read the file")


def path_of(document: str) -> str:
    return document.split(":", 1)[1].replace("%21", "!").replace("%25", "%")


def id_of(path: str) -> str:
    return "docs:" + path.replace("%", "%25").replace("!/", "%21/")


def ending(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2] if "." in path.rpartition("/")[2] else ""


class Life(RuleBasedStateMachine):
    """A folder and a room; `words` is every word ever written, each in one text only."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="life-"))
        self.docs = self.base / "docs"
        self.docs.mkdir()
        self.room = Room(self.base / "home")
        self.denied: set[int] = set()
        self.words: list[str] = []
        self.touched: list[str] = []  # paths since the last full sync

    def teardown(self) -> None:
        try:
            self.full()
        finally:
            self.room.__exit__(None, None, None)
            shutil.rmtree(self.base)

    # what happens to the folder

    def word(self) -> str:
        self.words.append(f"wort{len(self.words)}ende")
        return self.words[-1]

    def files(self) -> list[str]:
        return sorted(path.relative_to(self.docs).as_posix() for path in self.docs.rglob("*") if path.is_file())

    def folders(self) -> list[str]:
        return sorted(path.relative_to(self.docs).as_posix() for path in self.docs.rglob("*") if path.is_dir())

    def free(self, path: str) -> bool:
        """Whether a file or folder may be put there."""
        place = self.docs / path
        if place.exists() or any(above.is_file() for above in place.parents if self.docs in above.parents):
            return False
        place.parent.mkdir(parents=True, exist_ok=True)
        return True

    @initialize(some=st.lists(paths, max_size=5))
    def begin(self, some: list[str]) -> None:
        for path in some:
            self.write(path, "text")
        self.full()

    @rule(path=paths, kind=st.sampled_from(("text", "text", "long", "mail", "broken", "empty", "twin")))
    def write(self, path: str, kind: str) -> None:
        if not ((self.docs / path).is_file() or self.free(path)):
            return
        body = {
            "text": lambda: f"Inhalt {self.word()} hier".encode(),
            "long": lambda: "\n\n".join(f"{self.word()} " + "und mehr " * 60 for _ in range(3)).encode(),
            "mail": lambda: packed(self.word(), {"eins.txt": self.word(), "zwei!.txt": self.word()}),
            "broken": lambda: b"BROKEN",
            "empty": lambda: b"EMPTY",
            "twin": lambda: b"an vielen Orten derselbe Text",
        }[kind]()
        (self.docs / path).write_bytes(body)
        self.touched.append(path)

    @rule(pick=picks)
    def touch(self, pick: int) -> None:
        if files := self.files():
            path = files[pick % len(files)]
            (self.docs / path).touch()
            self.touched.append(path)

    @rule(pick=picks, to=paths, whole=st.booleans())
    def move(self, pick: int, to: str, whole: bool) -> None:
        if things := self.folders() if whole else self.files():
            path = things[pick % len(things)]
            if not f"{to}/".startswith(f"{path}/") and self.free(to):
                (self.docs / path).rename(self.docs / to)
                self.touched += [path, to]

    @rule(pick=picks, other=picks)
    def overwrite(self, pick: int, other: int) -> None:
        if files := self.files():
            path, to = files[pick % len(files)], files[other % len(files)]
            (self.docs / path).rename(self.docs / to)
            self.touched += [path, to]

    @rule(pick=picks, order=turns)
    def turn_round(self, pick: int, order: list[int]) -> None:
        """Up to three files change places in a chain or a circle."""
        if files := self.files()[pick % 3 :][:3]:
            aside = [self.base / f"aside{number}" for number in range(len(files))]
            for path, place in zip(files, aside, strict=True):
                (self.docs / path).rename(place)
            for path, number in zip(files, [number for number in order if number < len(files)], strict=True):
                aside[number].rename(self.docs / path)
            self.touched += files

    @rule(pick=picks, whole=st.booleans())
    def delete(self, pick: int, whole: bool) -> None:
        if things := self.folders() if whole else self.files():
            path = things[pick % len(things)]
            shutil.rmtree(self.docs / path) if whole else (self.docs / path).unlink()
            self.touched.append(path)

    @rule(pick=picks)
    def deny_or_allow(self, pick: int) -> None:
        if files := self.files():
            path = files[pick % len(files)]
            self.denied ^= {(self.docs / path).stat().st_ino}
            self.touched.append(path)
            (self.docs / path).touch()

    @rule(pick=picks, kind=st.sampled_from(("text", "mail", "")))
    def change_while_denied(self, pick: int, kind: str) -> None:
        """What was hidden comes back, as it was or changed."""
        if files := self.files():
            path = files[pick % len(files)]
            number = (self.docs / path).stat().st_ino
            for denied in (self.denied | {number}, self.denied - {number}):
                self.denied = denied
                (self.docs / path).touch()
                self.full()
                if kind:
                    self.write(path, kind)
            self.full()

    # what is synced

    def sync(self, *scopes: str) -> Report:
        return sync(Denying(self.docs, self.denied), self.room.pipeline, scopes=scopes, hold=NEVER_HELD)  # type: ignore[arg-type]

    @rule(data=st.data())
    def hints(self, data: st.DataObject) -> None:
        """Any of what was hinted, in any order, twice or not at all; and what was not."""
        true = st.sampled_from(self.touched) if self.touched else paths
        scopes = data.draw(st.lists(true | paths | paths.map(lambda path: f"{path}/"), min_size=1, max_size=4))
        self.sync(*(id_of(scope).removeprefix("docs:") for scope in scopes))

    @rule()
    def full(self) -> None:
        self.sync("")
        self.touched.clear()
        self.equal()

    def plain(self) -> dict[str, tuple[str, bytes]]:
        """Key → where it stands and what is there, of files that can be read."""
        keys = {str(entry.id): entry.key for entry in self.room.ledger.entries() if entry.reason is None}
        places = {path: (self.docs / path) for path in self.files() if id_of(path) in keys}
        return {keys[id_of(path)]: (path, place.read_bytes()) for path, place in places.items()}

    @rule(data=st.data(), kind=st.sampled_from(("move", "turn_round", "edit")))
    def keys_stay(self, data: st.DataObject, kind: str) -> None:
        if self.denied:  # what cannot be read cannot be recognised elsewhere
            return
        self.full()
        before = self.plain()
        self.room.embedder.embedded.clear()
        if kind == "edit" and before:
            path = data.draw(st.sampled_from(sorted(path for path, _ in before.values())))
            self.write(path, "text")
            self.full()
            assert {key: path for key, (path, _) in self.plain().items()} == {k: p for k, (p, _) in before.items()}
            return
        if kind == "move":
            self.move(data.draw(picks), data.draw(paths), data.draw(st.booleans()))
        else:
            self.turn_round(data.draw(picks), data.draw(turns))
        self.full()
        after = self.plain()
        once = [body for _, body in before.values() if [b for _, b in before.values()].count(body) == 1]
        assert {k: b for k, (_, b) in after.items() if b in once} == {k: b for k, (_, b) in before.items() if b in once}
        if all(ending(path) == ending(after[key][0]) for key, (path, _) in before.items() if key in after):
            assert not self.room.embedder.embedded, "a move embeds nothing"

    # what must hold

    @invariant()
    def is_whole(self) -> None:
        whole(self.room)

    def equal(self) -> None:
        found = self.room.texts()
        wanted: dict[str, str | None] = {}
        for path in self.files():
            body, name = (self.docs / path).read_bytes(), id_of(path)
            if (self.docs / path).stat().st_ino in self.denied or body in (b"BROKEN", b"EMPTY"):
                wanted |= {other: text for other, text in found.items() if other == name or f"{name}!/" in other}
                assert name in found, f"{name} is not even known"
                assert found[name] is None or body in (b"BROKEN", b"EMPTY"), f"{name} may not be read and is shown"
            elif body.startswith(b"{"):
                word = int(body.split(b"wort")[1].split(b"ende")[0])
                texts = [f"wort{number}ende" for number in range(word, word + 3)]
                wanted |= dict(zip((name, f"{name}!/eins.txt", f"{name}!/zwei!.txt"), texts, strict=True))
            else:
                wanted[name] = body.decode()
        assert found == wanted
        for word in self.words[-12:]:
            holding = {name for name, text in found.items() if text and word in text}
            assert self.room.found(word) == holding, f"{word} is found where it is not"


def live(examples: int, steps: int) -> None:
    number = fresh()
    print(f"FAULT_SEED={number} (any order)")
    run_state_machine_as_test(
        seed(number)(Life),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink] if "FAULT_SHRINK" in os.environ else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_after_any_changes_and_hints_the_index_equals_the_folder() -> None:
    live(60, 8)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_after_very_many_changes_and_hints_the_index_equals_the_folder() -> None:
    live(2000, 12)
