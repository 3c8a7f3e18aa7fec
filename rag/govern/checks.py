"""Is this installation in order? One check a line: what was looked at, how it is, what to do."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rag.egress import SWITCHES
from rag.errors import RagError
from rag.govern.standing import Standing
from rag.models.weights import find
from rag.ports import LanguageModel
from rag.store.ledger import Ledger

_LEAST_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding; `advice` is empty where nothing is to be done."""

    name: str
    well: bool
    finding: str
    advice: str = ""


def switches() -> Check:
    """Every phone-home switch is set in this process."""
    unset = sorted(name for name, value in SWITCHES.items() if os.environ.get(name) != value)
    return Check(
        name="phone-home switches",
        well=not unset,
        finding=f"{len(SWITCHES) - len(unset)} of {len(SWITCHES)} set",
        advice=f"Something unset them after start: {', '.join(unset)}." if unset else "",
    )


def home(path: Path) -> Iterator[Check]:
    """The home directory is ours alone and has room."""
    mode = stat.S_IMODE(path.stat().st_mode)
    private = not mode & 0o077
    yield Check(
        name="home directory",
        well=private,
        finding=f"{path}, mode {mode:04o}",
        advice="" if private else f"Others on this machine can read it: chmod 700 {path}",
    )
    free = shutil.disk_usage(path).free
    yield Check(
        name="disk",
        well=free >= _LEAST_FREE_BYTES,
        finding=f"{free / 1024**3:.1f} GiB free",
        advice="" if free >= _LEAST_FREE_BYTES else "Free some space: an index needs about twice its text.",
    )


def weights(name: str, directory: Path) -> Check:
    """The embedder's weights are there; packaged ones are said to be what they are."""
    try:
        found = find(name, directory=directory)
    except RagError as error:
        return Check(name="embedder weights", well=False, finding=f"{name} missing", advice=str(error))
    return Check(name="embedder weights", well=True, finding=f"{name}, {found.quality.value}")


def language_model(open_model: Callable[[], LanguageModel | None], problem: Callable[[], str]) -> Check:
    """A language model can run."""
    try:
        model = open_model()
        info = model.info if model is not None else None
    except RagError as error:
        return Check(name="language model", well=False, finding="it cannot be used", advice=str(error))
    if info is None:
        return Check(
            name="language model",
            well=False,
            finding="none; answers are extracts from the documents",
            advice=problem() or "llm.provider is none in rag.toml.",
        )
    return Check(name="language model", well=True, finding=f"{info.name} ({info.runtime}), {info.digest[:19]}")


def rows(look_through: Callable[[], Mapping[str, int]]) -> Check:
    """Both indexes hold exactly the ledger's chunks, looked at row by row; what was wrong is mended."""
    try:
        wrong = sum(look_through().values())
    except RagError as error:
        return Check(name="index rows", well=False, finding="they could not be looked at", advice=str(error))
    return Check(
        name="index rows", well=True, finding=f"{wrong} were wrong and are mended" if wrong else "as the ledger"
    )


def index(ledger: Ledger) -> Check:
    """Documents are indexed, and which failed."""
    counts = ledger.counts()
    return Check(
        name="index",
        well=not counts["failed"],
        finding=f"{counts['documents']} documents, {counts['chunks']} chunks, {counts['failed']} failed",
        advice="See `rag documents --failed`." if counts["failed"] else "",
    )


def sources(standings: Iterable[Standing]) -> Iterator[Check]:
    """What of each source waits for a person; a source that is level, or was only never read, is no finding."""
    for source in standings:
        for remark in source.remarks():
            if remark.state != "never_read":
                yield Check(
                    name=f"source {source.name}",
                    well=False,
                    finding=remark.what,
                    advice=remark.advice or "Nothing is lost: it is tried again at the next run.",
                )
