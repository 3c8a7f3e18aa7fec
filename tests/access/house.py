"""The house in which leaks are looked for: the real App over four folders and a malicious model, and what the oracle
knows of them. Weights stand in (`tests.standins`), parsers run in this process; everything else is as in service.

`House` changes the folders, their rights, the groups and the settings, brings the index level, and starts again.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import rag.models_in_use.perceiving
from rag.access import Channel
from rag.app import App
from rag.documents import DocumentId, Parsed
from rag.files.sources import Sources
from rag.identity import Memberships
from rag.ingest.parse.ocr import OFF, Ocr
from rag.ingest.parse.profiles import Workbench, fingerprint
from rag.settings.file import load
from rag.system_accounts import Account
from tests.access.papers import Paper, written
from tests.access.parrot import Parrot
from tests.access.readers import CLASSES, Person, Rules, Shelved, tokens, under_way
from tests.connectors.kernel import Numbered
from tests.standins import WordEmbedder

GROUPS: Mapping[str, tuple[str, ...]] = {
    "staff": ("group:hr", "u20002", "u20004"),
    "hr": ("u20001", "group:circle"),
    "circle": ("group:board",),
    "board": ("u20003", "group:circle"),
    "g30001": ("group:hr",),
}
SOURCES: Mapping[str, Rules] = {
    "haus": Rules(
        ("group:staff",),
        1,
        ("user:u20004",),
        {
            "hr/": (("group:hr",), ()),
            "hr/offen/": (("everyone",), ()),
            "hr/offen/b/": (None, ("group:board",)),
        },
    ),
    "akten": Rules(("from-filesystem",), 2, ("user:local",), {"a/": (None, ("group:circle",))}),
    "aushang": Rules(("everyone",), 0),
    "tresor": Rules(("user:u20001", "group:board"), 3),
}
FOLDERS: Mapping[str, tuple[str, ...]] = {
    "haus": ("", "hr", "hr/offen", "hr/offen/b"),
    "akten": ("", "a", "a/b", "c"),
    "aushang": ("",),
    "tresor": ("",),
}
PEOPLE = (
    Person("u20001", frozenset({"g30002"})),
    Person("u20002", frozenset({"g30002", "g30003"})),
    Person("u20003"),
    Person("u20004", frozenset({"g30003"})),
    Person("fremd", known=False),
    Person("local", known=False),
)
READERS = ("everyone", "group:staff", "group:hr", "group:board", "user:u20002", "user:u20004")
IS_ROOT = os.geteuid() == 0


class InProcess:
    """The fallback parsers without their children: what is looked for here is not what they do."""

    def __init__(self, **options: object) -> None:
        self._bench = Workbench("fallback", ocr=Ocr(OFF))

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *of: object) -> None:
        pass

    def recipe(self, *, ocr: bool = True) -> str:
        return fingerprint("fallback", ocr=OFF)

    def parse(self, body: bytes, *, media_type: str, name: str, ocr: bool = True, stopped: object = None) -> Parsed:
        return self._bench.parse(body, media_type=media_type, name=name, ocr=False)


class HouseApp(App):
    """The App with words for meaning, file numbers for names, and the people of the house for the system's."""

    def __init__(self, settings: Any, people: Callable[[str], Account | None]) -> None:
        self._people = people
        super().__init__(settings)

    @cached_property
    def embedder(self) -> WordEmbedder:  # type: ignore[override]
        return WordEmbedder()

    @cached_property
    def memberships(self) -> Memberships:
        return Memberships(self.settings.groups, system=self._people, keep_s=0)

    @cached_property
    def sources(self) -> Sources:
        found = Sources(self.settings, self.ledger)
        found._accounts = Numbered()
        return found


class House:
    """One home, its folders, and the oracle. `sources` are the settings as they are running; `shelf` is, by source,
    what was last looked at; `made` counts canaries."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.base = Path(tempfile.mkdtemp(prefix="leaks-", dir="/tmp"))  # every folder above it lets everybody pass
        self.base.chmod(0o755)
        self.home = Path(tempfile.mkdtemp(prefix="leaks-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.parrot = Parrot(chance)
        self.people = {person.name: person for person in PEOPLE}
        self.groups: dict[str, tuple[str, ...]] = dict(GROUPS)
        self.sources = dict(SOURCES)
        self.papers: dict[tuple[str, str], Paper] = {}
        self.shelf: dict[str, list[Shelved]] = {name: [] for name in SOURCES}
        self.secret: set[int] = set()
        self.names: set[int] = set()
        self.made, self.stamps = 0, 0
        self._pool, rag.models_in_use.perceiving.ParserPool = rag.models_in_use.perceiving.ParserPool, InProcess  # type: ignore[misc,assignment]
        for source, folders in FOLDERS.items():
            for folder in folders:
                (self.base / source / folder).mkdir(parents=True, exist_ok=True)
        self.app = self._opened()

    def __enter__(self) -> House:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.app.close()
        finally:
            rag.models_in_use.perceiving.ParserPool = self._pool  # type: ignore[misc]
            shutil.rmtree(self.base)
            shutil.rmtree(self.home)

    # ---- the App ----

    def _opened(self) -> HouseApp:
        config = self.base / "rag.toml"
        config.write_text(_toml(self.base, self.sources, self.groups))
        settings = load(config=config, home=self.home, environ={"RAG_MODELS": str(self.base / "no-models")})
        app = HouseApp(settings, self._account)
        app.writers.opened[settings.llm.model] = self.parrot
        return app

    def restart(self) -> None:
        """The process ends and starts again, with the settings as they are now."""
        self.app.close()
        self.app = self._opened()

    def _account(self, name: str) -> Account | None:
        person = self.people.get(name)
        if person is None or not person.known:
            return None
        return Account(names=frozenset({name}), groups=person.groups)

    # ---- the folders ----

    def number(self) -> int:
        self.made += 1
        return self.made

    def root(self, source: str) -> Path:
        return self.base / source

    def write(self, source: str, folder: str, kind: str) -> Paper:
        """A new document in a folder."""
        paper = Paper.new(kind, self.number, source=source, folder=folder)
        self._put(paper)
        return paper

    def rewrite(self, paper: Paper) -> Paper:
        """Other content under the same name."""
        again = paper.again(self.number)
        self._put(again)
        return again

    def move(self, paper: Paper, folder: str) -> Paper:
        """To another folder of its source, under the same name."""
        return self._moved(paper, paper.at(folder))

    def rename(self, paper: Paper) -> Paper:
        """Another name in the same folder."""
        return self._moved(paper, paper.renamed(self.number))

    def _moved(self, paper: Paper, to: Paper) -> Paper:
        if to.place not in self.papers:
            (self.root(paper.source) / paper.path).rename(self.root(to.source) / to.path)
            del self.papers[paper.place]
            self._known(to)
        return to

    def delete(self, paper: Paper) -> None:
        (self.root(paper.source) / paper.path).unlink()
        del self.papers[paper.place]

    def _put(self, paper: Paper) -> None:
        path = self.root(paper.source) / paper.path
        path.write_bytes(written(paper))
        self.stamps += 1
        os.utime(path, ns=(10**18 + self.stamps * 10**9,) * 2)
        if paper.source == "akten" and IS_ROOT:
            os.chown(path, self.chance.choice((20001, 20002, 20003, 0)), self.chance.choice((30001, 30002, 30003)))
            path.chmod(self.chance.choice((0o400, 0o640, 0o644, 0o604, 0o440)))
        else:
            path.chmod(0o644)
        self._known(paper)

    def _known(self, paper: Paper) -> None:
        self.papers[paper.place] = paper
        self.secret |= paper.secret
        self.names |= paper.names

    def chmod(self, source: str, path: str, mode: int) -> None:
        """Rights that change at the source; nobody has looked yet."""
        (self.root(source) / path).chmod(mode)

    def chown(self, source: str, path: str, uid: int, gid: int) -> None:
        if IS_ROOT:
            os.chown(self.root(source) / path, uid, gid)

    # ---- what the oracle knows ----

    def look(self, source: str) -> list[Shelved]:
        """What is in a folder now, and who may read it."""
        rules = self.sources[source]
        return [
            Shelved(
                place=(source, place),
                body=paper.body,
                numbers=frozenset(paper.numbers),
                rights=(rules.at(self.root(source), place),),
                secrecy=rules.secrecy,
            )
            for (own, place), paper in self.papers.items()
            if own == source
        ]

    def sync(
        self,
        *names: str,
        during: Callable[[Mapping[str, Sequence[Shelved]]], None] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Bring the index level with these sources. `during` is called once while documents are read, with what may be
        shown then; `stopped` ends it half way."""
        for name in names:
            after = self.look(name)
            between = under_way(self.shelf[name], after)
            shelf = {**self.shelf, name: between}
            pending = [during] if during is not None else []

            def reading(document: DocumentId, shelf: Any = shelf, pending: list[Any] = pending) -> None:
                if pending:
                    pending.pop()(shelf)

            self.shelf[name] = between
            self.app.ingest(frozenset({name}), confirm_removals=True, reading=reading, stopped=stopped)
            if not stopped():
                self.shelf[name] = after

    def held(self, user: str) -> frozenset[str]:
        """Whom the system does not know is in none of its groups, whatever they are in when it does."""
        person = self.people[user]
        return tokens(person if person.known else replace(person, groups=frozenset()), self.groups)

    def readable(self, user: str, channel: Channel | None = None) -> list[Shelved]:
        """What a person may read of what was looked at, and a channel carry in full."""
        held, known = self.held(user), self.people[user].known
        every = (one for shelf in self.shelf.values() for one in shelf)
        return [one for one in every if one.admits(held, known=known) and (channel is None or one.carried(channel))]

    def owner_of(self, number: int) -> str:
        """Whose canary it is, as far as it is still there, and who may read that."""
        found = [f"{one.place}: {one}" for shelf in self.shelf.values() for one in shelf if number in one.numbers]
        return "; ".join(found) or "of something that is gone"

    def allowed(self, user: str, channel: Channel | None = None) -> set[int]:
        """The numbers of every canary that may be shown."""
        return {number for one in self.readable(user, channel) for number in one.numbers}


def _toml(base: Path, sources: Mapping[str, Rules], groups: Mapping[str, Sequence[str]]) -> str:
    lines = [
        "[retrieval]\nevidence = 0.0\nprompt_tokens = 350",
        '[ingest]\nparser = "fallback"\nocr = false',
        "[groups]",
        *(f"{name} = {_listed(members)}" for name, members in groups.items()),
    ]
    for name, rules in sources.items():
        lines.append(f'[[sources]]\nname = "{name}"\npath = "{base / name}"\nclass = "{CLASSES[rules.secrecy]}"')
        readers = '"from-filesystem"' if rules.readers == ("from-filesystem",) else _listed(rules.readers)
        lines.append(f"readers = {readers}\ndeny = {_listed(rules.denied)}")
        for path, (own, shut) in rules.rules.items():
            said = f"readers = {_listed(own)}\n" if own is not None else ""
            lines.append(f'[[sources.rules]]\npath = "{path}"\n{said}deny = {_listed(shut)}')
    return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
