"""A stand-in for `rag.app.App`: a real ledger and real types, but what is found and said is written here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from rag.access import EVERYONE, Acl, Channel, Confidentiality, Principal, Token
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
from rag.ask.evidence import Features
from rag.ask.retrieve import Retrieved
from rag.documents import Chunk, ChunkId, Document, DocumentId, DocumentRef, Section, Span
from rag.identity import person
from rag.store.ledger import Ledger
from rag.store.rows import Version

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
    asked: list[tuple[str, Principal, Channel, frozenset[str] | None]] = field(default_factory=list)
    kept: list[Iterator[AnswerEvent]] = field(default_factory=list)  # held, so that only `close` closes an answer
    closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.home / "ledger.sqlite")
        self.ledger.record([_version(paper) for paper in self.papers])
        self.passages = tuple(_passage(paper) for paper in self.papers if EVERYONE in paper.readers)

    def close(self) -> None:
        self.ledger.close()

    def person(self, name: str) -> Principal:
        return person(name, {})

    def language_model(self) -> None:
        return None

    def ask(
        self, question: str, *, principal: Principal, channel: Channel, sources: frozenset[str] | None = None
    ) -> Iterator[AnswerEvent]:
        self.asked.append((question, principal, channel, sources))
        self.kept.append(self._said(question))
        return self.kept[-1]

    def _said(self, question: str) -> Iterator[AnswerEvent]:
        try:
            yield from (self.script or answered)(question, self.passages)
        finally:
            self.closed.set()

    def search(self, query: str, *, principal: Principal, k: int, sources: frozenset[str] | None = None) -> Retrieved:
        features = Features(similarity=0.9, margin=0.1, coverage=1.0, second_coverage=0.5, agreement=0.6)
        return Retrieved(
            passages=self.passages[:k],
            evidence=self.evidence,
            question_vector=np.zeros(2, np.float32),
            features=features,
        )


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


def done(
    question: str, passages: Sequence[Passage], said: Sequence[Sentence], outcome: Outcome = Outcome.ANSWERED
) -> Done:
    return Done(
        answer=Answer(
            question=question,
            text=" ".join(one.text for one in said),
            outcome=outcome,
            citations=tuple(citation for one in said for citation in one.citations),
            passages=tuple(passages),
            model=ModelInfo(name="qwen2.5-1.5b", digest="sha256:00"),
            receipt="7fd1c2",
            timing_ms={"retrieve": 31.4, "total": 2210.2},
        )
    )


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


def _version(paper: Paper) -> Version:
    ref: dict[str, Any] = {"id": DocumentId(f"house:{paper.name}"), "key": paper.key, "version": "1"}
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
        media_type="text/plain",
    )
