"""A stand-in for `rag.app.App`: a real ledger and real types, but what is found and said is written here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from starlette.testclient import TestClient

from rag.access import EVERYONE, Acl, Channel, Confidentiality, Grant, Principal, Token
from rag.answers import (
    Answer,
    AnswerEvent,
    Citation,
    Done,
    Found,
    ModelInfo,
    Outcome,
    Passage,
    Sentence,
)
from rag.api.http import create_app
from rag.app import App
from rag.app.keeping import Keeping
from rag.app.observing import Counted
from rag.app.signing_in import sign_in_of
from rag.ask.conversation import Turn
from rag.ask.course import printed
from rag.ask.evidence import Features
from rag.ask.release import STANDARD
from rag.ask.searched import Retrieved
from rag.credentials.accounts import Accounts, Links
from rag.credentials.keys import Keys
from rag.credentials.sign_in import SignIn
from rag.credentials.suspensions import Suspensions
from rag.documents import Chunk, ChunkId, Document, DocumentId, DocumentRef, Section, Span
from rag.files.originals import Originals
from rag.files.pages import Pages
from rag.files.sources import Sources
from rag.files.uploads import Uploads
from rag.filters import NONE, TYPES, Filters
from rag.identity import Memberships, person
from rag.metrics import Metrics
from rag.models_in_use.pinning import PinWatch
from rag.models_in_use.writers import Writers
from rag.settings import Settings
from rag.settings.auth import AuthSettings
from rag.settings.models import EmbedderSettings
from rag.store.audit import AuditLog
from rag.store.bot_messages import BotMessages
from rag.store.feedback import Feedback
from rag.store.ledger import Ledger
from rag.store.rows import Version
from rag.text.sentences import texts

NOBODY_ELSE = Token("user:somebody-else")


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A document of the house; the first paragraph that holds `found` is its passage."""

    key: str
    title: str
    text: str
    found: str
    name: str = "paper.txt"
    headings: tuple[str, ...] = ()
    page: int | None = 1
    readers: frozenset[Token] = frozenset({EVERYONE})


@dataclass
class House:
    """Answers every question with what `script` makes of the passages."""

    home: Path
    papers: Sequence[Paper]
    script: Callable[[str, Sequence[Passage]], Iterator[AnswerEvent]] | None = None
    evidence: float = 0.93
    model_problem: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    auth: AuthSettings = field(default_factory=AuthSettings)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    clock: Callable[[], float] = time.monotonic
    asked: list[tuple[str, Principal, Channel, frozenset[str] | None]] = field(default_factory=list)
    filters: list[Filters] = field(default_factory=list)
    early: list[bool] = field(default_factory=list)
    conversations: list[tuple[Turn, ...]] = field(default_factory=list)
    kept: list[Iterator[AnswerEvent]] = field(default_factory=list)  # held, so that only `close` closes an answer
    closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._running = ExitStack()
        self.ledger = Ledger(self.home / "ledger.sqlite")
        self.audit = AuditLog(self.home / "audit")
        self.metrics = Metrics(version="test")
        self.settings = Settings(
            home=self.home,
            models=self.home,
            embedder=EmbedderSettings(provider="ollama"),  # no weights are looked for
            auth=self.auth,
            groups=self.groups,
        )
        self.keys = Keys(self.ledger, clock=lambda: self.now())
        self.suspensions = Suspensions(self.ledger, listed=self.auth.suspended)
        self.ledger.record([_version(paper) for paper in self.papers])
        self.passages = tuple(_passage(paper) for paper in self.papers if EVERYONE in paper.readers)

    def add(self, paper: Paper, *, source: str) -> None:
        """One more document, in a source of its own; no question finds it."""
        self.ledger.record([_version(paper, source)])

    is_open = True
    policy = STANDARD
    opening_problem = ""

    def at(self, address: str, *, scheme: str = "http", headers: Mapping[str, str] | None = None) -> TestClient:
        """A client in memory that comes from there, of the one door over this house. All have one event loop, as in a
        service: an answer is not over yet when its last word is read, and frees the model on that loop."""
        client = TestClient(self.web, base_url=f"{scheme}://localhost", client=(address, 50000), headers=headers)
        client.portal = self._portal
        return client

    @cached_property
    def web(self) -> FastAPI:
        return create_app(self)  # type: ignore[arg-type]

    @cached_property
    def _portal(self) -> BlockingPortal:
        return self._running.enter_context(start_blocking_portal())

    def close(self) -> None:
        self._running.close()
        self.audit.close()
        self.ledger.close()

    def person(self, name: str, *, claims: Iterable[str] | None = None, unsure: bool = False) -> Principal:
        return person(name, self.groups, held=claims or (), unsure=unsure)

    def stands(self, name: str, since: Principal | None = None, *, claims: Iterable[str] | None = None) -> bool:
        return name not in self.shut

    @cached_property
    def sign_in(self) -> SignIn | None:
        return sign_in_of(self.settings, clock=self.clock)

    @property
    def credential_needed(self) -> bool:
        return App.credential_needed.fget(self)  # the real rule, on these parts

    def language_model(self) -> None:
        return None

    @cached_property
    def writers(self) -> Writers:
        return Writers(self.settings, self.metrics)

    @cached_property
    def pins(self) -> PinWatch:
        return PinWatch(self.settings)

    @cached_property
    def memberships(self) -> Memberships:
        return Memberships(self.groups)

    @cached_property
    def sources(self) -> Sources:
        return Sources(self.settings, self.ledger)

    @cached_property
    def originals(self) -> Originals:
        return Originals(self.ledger, self.sources, _none)

    @cached_property
    def pages(self) -> Pages:
        return Pages(self.originals, _none)

    @cached_property
    def uploads(self) -> Uploads:
        return Uploads(self.settings, self.sources, self.ledger)

    @cached_property
    def feedback(self) -> Feedback:
        return Feedback(self.ledger)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.ledger, Links(listed={"matrix:@anna:firma.example": "anna"}))

    @cached_property
    def posted(self) -> BotMessages:
        return BotMessages(self.ledger)

    @cached_property
    def keeping(self) -> Keeping:
        return Keeping(self.settings.ingest, self.ledger, _none, self.metrics)

    @property
    def embedding(self) -> dict[str, object]:
        return {"in_use": self.ledger.embedder}

    def ask(
        self,
        question: str,
        *,
        principal: Principal,
        channel: Channel,
        filters: Filters = NONE,
        conversation: Sequence[Turn] = (),
        early: bool = False,
    ) -> Iterator[AnswerEvent]:
        self.early.append(early)
        self.conversations.append(tuple(conversation))
        self.asked.append((question, principal, channel, filters))
        self.filters.append(filters)
        self.kept.append(Counted(lambda: self._said(question), self.metrics))
        return self.kept[-1]

    def _said(self, question: str) -> Iterator[AnswerEvent]:
        try:
            yield from (self.script or answered)(question, self.passages)
        finally:
            self.closed.set()

    def search(
        self, query: str, *, principal: Principal, channel: Channel, k: int, filters: Filters = NONE
    ) -> Retrieved:
        self.filters.append(filters)
        features = Features(
            similarity=0.9, margin=0.1, coverage=1.0, widest=1.0, second_coverage=0.5, agreement=0.6, figures=0.0
        )
        return Retrieved(
            passages=self.passages[:k],
            evidence=self.evidence,
            question_vector=np.zeros(2, np.float32),
            features=features,
            grant=Grant(acl_classes=frozenset()),
        )


def _none() -> Any:
    raise AssertionError("nothing is read in this house")


def answered(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
    """One sentence for each passage, quoting it."""
    yield Found(passages=tuple(passages), evidence=0.93)
    said = []
    for number, passage in enumerate(passages, start=1):
        said.append(sentence(passage.chunk.text, cited(passage, number)))
        yield said[-1]
    yield done(question, passages, said)


def ending(outcome: Outcome, *sentences: Sentence) -> Callable[[str, Sequence[Passage]], Iterator[AnswerEvent]]:
    """A script that finds everything, says these sentences and ends so."""

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.2)
        yield from sentences
        yield done(question, passages, sentences, outcome)

    return script


def sentence(text: str, *citations: Citation) -> Sentence:
    return Sentence(text=text, citations=citations, supported=bool(citations))


def cited(passage: Passage, marker: int, quote: str = "") -> Citation:
    """The quote, or the whole passage, as a citation."""
    words = quote or passage.chunk.text
    start = passage.chunk.span.start + passage.chunk.text.index(words)
    return Citation(
        marker=marker,
        document_id=passage.chunk.document_id,
        title=passage.title,
        uri=passage.uri,
        page=passage.chunk.page,
        headings=passage.chunk.headings,
        span=Span(start=start, end=start + len(words)),
        quote=words,
        key=passage.key,
        as_of=passage.as_of,
    )


def unquoting(*phrases: str) -> Callable[[str, Sequence[Passage]], Iterator[AnswerEvent]]:
    """An answer that was searched for without the quotation marks around these."""

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        for event in answered(question, passages):
            yield Done(answer=replace(event.answer, unquoted=phrases)) if isinstance(event, Done) else event

    return script


def done(
    question: str, passages: Sequence[Passage], said: Sequence[Sentence], outcome: Outcome = Outcome.ANSWERED
) -> Done:
    return Done(
        answer=Answer(
            question=question,
            text=_told(said, outcome),
            outcome=outcome,
            citations=tuple(citation for one in said for citation in one.citations),
            passages=tuple(passages),
            model=ModelInfo(name="qwen2.5-1.5b", digest="sha256:00"),
            receipt="7fd1c2",
            timing_ms={"retrieve": 31.4, "total": 2210.2},
        )
    )


def _told(said: Sequence[Sentence], outcome: Outcome) -> str:
    """The text as `rag.ask.course` puts it together, in German."""
    words, lines = texts("de"), [printed(one, "de") for one in said]
    if outcome is Outcome.EXTRACTS:
        return "\n".join([words["extracts"], *lines])
    said_so = [words[outcome.value]] if outcome is not Outcome.ANSWERED else []
    return "\n".join([" ".join(lines)] * bool(lines) + said_so)


def _span(paper: Paper) -> Span:
    start = paper.text.index(paper.found)
    return Span(start=start, end=start + len(paper.found))


def _passage(paper: Paper) -> Passage:
    return Passage(
        chunk=_chunk(paper),
        title=paper.title,
        uri=f"file:///srv/dokumente/{paper.name}",
        score=0.83,
        key=paper.key,
        confidentiality=Confidentiality.INTERNAL,
    )


def _chunk(paper: Paper) -> Chunk:
    return Chunk(
        id=ChunkId(f"chunk-{paper.key}"),
        document_id=DocumentId(f"house:{paper.name}"),
        version="1",
        span=_span(paper),
        ordinal=0,
        text=paper.found,
        headings=paper.headings,
        page=paper.page,
    )


def _version(paper: Paper, source: str = "house") -> Version:
    ref: dict[str, Any] = {"id": DocumentId(f"{source}:{paper.name}"), "key": paper.key, "version": "1"}
    document = Document(
        ref=DocumentRef(**ref, acl=Acl(readers=paper.readers), confidentiality=Confidentiality.INTERNAL),
        title=paper.title,
        uri=f"file:///srv/dokumente/{paper.name}",
        modified_at=datetime(2024, 3, 12, 9, 30, tzinfo=UTC),
        language="de",
        text=paper.text,
        sections=(Section(span=Span(start=0, end=len(paper.text)), headings=paper.headings, page=paper.page),),
    )
    return Version(
        document=document,
        chunks=(_chunk(paper),),
        vectors=np.ones((1, 2), np.float32),
        embedder="made-up@1",
        stamp="s",
        recipe="r",
        media_type=TYPES.get(paper.name.rpartition(".")[2], TYPES["text"])[0],
    )
