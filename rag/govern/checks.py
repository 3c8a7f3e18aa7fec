"""Is this installation in order? One check a line: what was looked at, how it is, what to do."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rag.ask.calibration import own_of
from rag.egress import SWITCHES, is_local
from rag.errors import RagError
from rag.govern.standing import Standing
from rag.models.adapter import passages_of
from rag.models.ollama_server import OllamaServer
from rag.models.streaming import Limits
from rag.models.weights import find
from rag.ports import LanguageModel, Reranker
from rag.store.ledger import Ledger

_OLLAMA = "0.17.1"  # CVE-2026-7482 and all that came before it are mended there
_LEAST_FREE_BYTES = 2 * 1024**3
_ASKED = (
    "Wie viele Urlaubstage gibt es im Jahr?",
    ("Es gibt im Jahr 30 Urlaubstage.", "Die Kantine öffnet um 11:30 Uhr."),
)


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
    """A language model can run, or none is wanted: then `problem` has nothing to say."""
    try:
        model = open_model()
        info = model.info if model is not None else None
    except RagError as error:
        return Check(name="language model", well=False, finding="it cannot be used", advice=str(error))
    if info is None:
        advice = problem()
        none = "none" if advice else 'none is wanted (llm.provider = "none")'
        finding = f"{none}; answers are extracts from the documents"
        return Check(name="language model", well=not advice, finding=finding, advice=advice)
    return Check(name="language model", well=True, finding=f"{info.name} ({info.runtime}), {info.digest[:19]}")


def licences(models: Iterable[tuple[str, str, str, str, str]]) -> Iterator[Check]:
    """Each model in use may be: what its licence lets a company do. `models`: key, name, use, licence, and why it is
    refused, "" where it is not."""
    for key, name, use, licence, refusal in models:
        unknown = "Have somebody read its licence who may decide; then name it in licences.accepted."
        yield Check(
            name=f"licence of {key}",
            well=not refusal and use != "unknown",
            finding=f"{name}: {use}, {licence}",
            advice=refusal or (unknown if use == "unknown" else ""),
        )


def pins(found: Iterable[tuple[str, str, str, str]]) -> Iterator[Check]:
    """Each pinned model is the pinned version, at every place. `found`: key, model, place, and what is wrong."""
    for key, model, place, problem in found:
        finding = f"{model} at {place}: {'not ' if problem else ''}as pinned"
        yield Check(name=f"pin {key}", well=not problem, finding=finding, advice=problem)


def hosts(found: Iterable[tuple[int, str, str]]) -> Iterator[Check]:
    """Each of several model servers is asked. `found`: number, address, and why it is not."""
    for number, url, problem in found:
        finding = f"{url}: {'left out' if problem else 'asked'}"
        yield Check(name=f"model server {number}", well=not problem, finding=finding, advice=problem)


def model_server(open_model: Callable[[], LanguageModel | None], address: str, *, pinned: bool) -> Iterator[Check]:
    """Where Ollama serves the model: it is new enough to have no known hole, and no web page reaches it. What one on
    another machine answers its neighbours cannot be told from here. `pinned`: the settings name the model's digest."""
    with suppress(RagError):
        model = open_model()
        if model is None or model.info.runtime != "ollama":
            return
        server = OllamaServer(address, limits=Limits())
        version = server.version()
        open_to_all = is_local(urlsplit(address).hostname or "") and server.answers_any_name()
        advice = "It answers under any name, so web pages can reach it: start it with OLLAMA_HOST=127.0.0.1."
        old = f"Versions before {_OLLAMA} can be made to give away their memory and files. Update Ollama."
        outdated = _numbers(version) < _numbers(_OLLAMA)
        yield Check(
            name="model server",
            well=not (outdated or open_to_all),
            finding=f"{server}, version {version or 'unknown'}, digest {'' if pinned else 'not '}pinned (llm.digest)",
            advice=old if outdated else advice if open_to_all else "",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def reranker(reranker: Reranker) -> Check:
    """The reranker reads: of two sentences it puts the one first that answers the question."""
    began = time.perf_counter()
    try:
        right, wrong = reranker.scores(*_ASKED)
    except RagError as error:
        unused = "it cannot be used; passages keep the order they had"
        return Check(name="reranker", well=False, finding=unused, advice=str(error))
    if not right > wrong:
        return Check(
            name="reranker",
            well=False,
            finding="it puts the wrong one of two sentences first",
            advice="Name a model that is made for reranking, in the languages of the documents (retrieval.reranker).",
        )
    took_ms = (time.perf_counter() - began) * 1000
    return Check(name="reranker", well=True, finding=f"two sentences read in {took_ms:.0f} ms")


def rows(look_through: Callable[[], Mapping[str, int]]) -> Check:
    """Both indexes hold exactly the ledger's chunks, looked at row by row; what was wrong is mended."""
    try:
        wrong = sum(look_through().values())
    except RagError as error:
        return Check(name="index rows", well=False, finding="they could not be looked at", advice=str(error))
    return Check(
        name="index rows", well=True, finding=f"{wrong} were wrong and are mended" if wrong else "as the ledger"
    )


def audit(*, anchor_file: str, keys: Path | None) -> Iterator[Check]:
    """The last hash of each day can be written where the settings say, and in works-council mode (`keys`: where they
    lie) somebody can break a pseudonym."""
    if anchor_file:
        path = Path(anchor_file).expanduser()
        there = os.access(path if path.exists() else path.parent, os.W_OK)
        yield Check(
            name="audit anchor",
            well=there,
            finding=f"{path}{'' if there else ' cannot be written'}",
            advice=""
            if there
            else "Until it can, a record cut at its end may go unnoticed: mount it, or let us write.",
        )
    if keys is not None:
        yield Check(
            name="works council",
            well=keys.exists(),
            finding="names are sealed for two keys" if keys.exists() else "it has no keys, and so nothing is answered",
            advice="" if keys.exists() else "Make them, one for each side: rag audit keys FILE FILE",
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


def evidence(home: Path, embedder: str) -> Iterator[Check]:
    """By which calibration it is decided what is enough to answer; `embedder`: the fingerprint of the one that answers,
    "" where none does yet."""
    anew = "Fit it anew: `rag eval calibrate FOLDER`, with questions about your own documents."
    try:
        own = own_of(home)
    except RagError as error:
        yield Check(name="evidence", well=False, finding="its calibration cannot be used", advice=str(error))
        return
    if own is not None and embedder and not own.fits(embedder):
        finding = "its calibration was fitted with another embedder or adapter; the shipped one decides"
        yield Check(name="evidence", well=False, finding=finding, advice=anew)
    elif own is not None:
        yield Check(name="evidence", well=True, finding=f"calibrated on {own.origin or 'your questions'}")
    elif passages_of(embedder) != embedder:
        finding = "the shipped calibration, made without the adapter; `rag eval calibrate` fits one to it"
        yield Check(name="evidence", well=True, finding=finding)


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
