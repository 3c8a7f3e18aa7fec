"""How each source stands: level, out of reach, waiting for a person, left over from earlier settings.

Status and doctor say the same of a source, in the same words, because both say what is written here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rag.access import EVERYONE
from rag.settings import Settings
from rag.store.ledger import Ledger
from rag.store.rows import SourceState

_WAIT_S = 2.0


class Remark(NamedTuple):
    """Something about a source that a person should know; `state` in one word, `advice` names a command, or is empty
    where nothing is to be done."""

    state: str
    what: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One source. `origin` is ``settings``, ``ingest`` (registered by `rag ingest PATH`) or ``nowhere``: its documents
    are still in the ledger and nobody asks for it. `unfinished`: a run over it is under way, or never came to its end.
    """

    name: str
    path: str
    readers: tuple[str, ...]
    confidentiality: str
    origin: str
    documents: int
    failed: int
    there: bool
    unfinished: bool
    state: SourceState

    @property
    def word(self) -> str:
        """The gravest remark's state, ``level`` where there is none."""
        return next((remark.state for remark in self.remarks()), "level")

    def remarks(self) -> Iterator[Remark]:
        """What is to be said of it, the gravest first."""
        if self.origin == "nowhere":
            yield Remark(
                "left_over",
                f"stands no longer in rag.toml; its {counted(self.documents, 'document')} still answer",
                f"rag sources remove {self.name}",
            )
            return
        if not self.there:
            yield Remark("missing", f"the folder {self.path} is not there, or does not answer", self._when_missing())
        if self.state.offline_since:
            age = f"; its documents answer as of {moment(self.state.reached_at)}" if self.state.reached_at else ""
            yield Remark("offline", f"offline since {moment(self.state.offline_since)}{age}: {self.state.problem}")
        if self.state.held:
            yield Remark(
                "held",
                f"{counted(self.state.held, 'removal')} held: the files are gone, the documents still answer. If that "
                f"is meant:",
                f"rag ingest --confirm-removals {self.name}",
            )
        if not self.state.reached_at and not self.state.offline_since:
            yield Remark("never_read", "never read yet", "rag ingest")
        if self.unfinished:
            yield Remark("unfinished", "not yet read to its end: a run is under way, or was stopped", "rag ingest")
        if not self.readers:
            yield Remark("unreadable", "nobody may read it", f'add readers to source "{self.name}" in rag.toml')

    def _when_missing(self) -> str:
        if self.origin == "ingest":
            return f"mount it again, or forget it with: rag sources remove {self.name}"
        return "mount it again, or correct its path in rag.toml"


def standings(settings: Settings, ledger: Ledger) -> list[Standing]:
    """Every source of the settings and of the ledger, in that order; those left over at the end."""
    known = ledger.by_source()
    named = {
        source.name: (source.path, tuple(source.readers), source.confidentiality, "settings")
        for source in settings.sources
    }
    for name, path in ledger.sources().items():
        named.setdefault(name, (str(path), (EVERYONE,), "internal", "ingest"))
    for name in known:
        named.setdefault(name, ("", (), "", "nowhere"))
    there = _present({path for path, _, _, _ in named.values() if path})
    return [
        Standing(
            name=name,
            path=path,
            readers=readers,
            confidentiality=confidentiality,
            origin=origin,
            documents=known.get(name, {}).get("documents", 0),
            failed=known.get(name, {}).get("failed", 0),
            there=path in there,
            unfinished=_is_unfinished(ledger, name),
            state=ledger.source_state(name),
        )
        for name, (path, readers, confidentiality, origin) in named.items()
    ]


def begin(ledger: Ledger, name: str) -> None:
    """Remember that there is work in this source since it was last reached, however this process ends."""
    reached = ledger.source_state(name).reached_at
    ledger.remember(f"unfinished:{name}", reached.isoformat() if reached else "")


def finish(ledger: Ledger, name: str) -> None:
    """That work is done. Reaching the source again says so, too."""
    ledger.remember(f"unfinished:{name}", "")


def ages(ledger: Ledger) -> Mapping[str, datetime]:
    """Source → when it was last reached, of those that are offline."""
    states = {name: ledger.source_state(name) for name in ledger.by_source()}
    return {name: state.reached_at for name, state in states.items() if state.offline_since and state.reached_at}


def moment(at: datetime | None) -> str:
    """A time as a person reads it, in this machine's zone."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M") if at else "never"


def counted(number: int, thing: str) -> str:
    """``1 document``, ``2,000 documents``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _is_unfinished(ledger: Ledger, name: str) -> bool:
    reached, begun = ledger.source_state(name).reached_at, ledger.meta(f"unfinished:{name}")
    return reached is not None and begun == reached.isoformat()


def _present(paths: Iterable[str]) -> set[str]:
    """The folders that are there. One that does not answer in time, as a share whose server is gone, is not."""
    found: set[str] = set()

    def look(path: str) -> None:
        if Path(path).expanduser().is_dir():
            found.add(path)

    threads = [threading.Thread(target=look, args=(path,), daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_WAIT_S)
    return set(found)
