"""A home opened as the app opens it: sealed indexes, an embedder that may take another's place, upkeep, a retriever."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import numpy as np

from rag.access import Principal
from rag.ask.neutral import languages_of
from rag.ask.retrieve import Retriever
from rag.errors import ModelUnavailable
from rag.ingest.one import Pipeline
from rag.ingest.report import Report
from rag.ingest.spaces import Spaces
from rag.ingest.sync import sync
from rag.ingest.upkeep import Upkeep
from rag.ports import Embedder, Vector, Vectors
from rag.store import opening
from rag.store.ledger import Ledger
from tests.ingest.room import ANNA, Counted, HashedWords, JsonReader


class OtherWords(HashedWords):
    """Another embedder: another fingerprint, another length, and its vectors point elsewhere."""

    fingerprint = "other-words@1"
    dimension = 64  # type: ignore[assignment]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return np.asarray([self._turned(text) for text in texts], np.float32).reshape(-1, 64)

    def embed_question(self, text: str) -> Vector:
        return self._turned(text)

    def _turned(self, text: str) -> Vector:
        row = super().embed_question(text)[::-1]
        return np.asarray(np.concatenate([row, np.zeros(16)]), np.float32)


class House:
    """One open home. `embedders` are those that can still be opened; the last is the one the settings name."""

    def __init__(self, home: Path, *embedders: HashedWords, scan_bytes: int = 0) -> None:
        self.embedders = {embedder.fingerprint: embedder for embedder in embedders or (HashedWords(),)}
        self.embedder = list(self.embedders.values())[-1]
        home.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(home / "ledger.sqlite")
        self.spaces = Spaces(
            home,
            self.ledger,
            self.embedder,
            made_by=self.embedder.fingerprint,
            reopen=self._reopened,
            scan_bytes=scan_bytes,
        )
        self.words = opening.open_words(home / "words", self.ledger)
        self.reader = JsonReader()
        self.pipeline = Pipeline(
            ledger=self.ledger,
            vectors=self.spaces.coming.vectors,
            words=self.words,
            parser=self.reader,
            embedder=self.embedder,
            media_type_of=lambda name, head: "text/plain",
            before=self.spaces.before,
        )
        self.switched = threading.Event()
        self.upkeep = Upkeep(self.spaces, self.pipeline, switched=self.switched.set)
        self.upkeep.begin(succeed=False)

    def _reopened(self, fingerprint: str) -> Embedder:
        if fingerprint not in self.embedders:
            raise ModelUnavailable(f"no weights of {fingerprint}")
        return self.embedders[fingerprint]

    def __enter__(self) -> House:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.upkeep.close()
        self.spaces.close()
        opening.close(self.words, self.ledger)
        self.ledger.close()

    def leave(self) -> None:
        """End as a killed process does: nothing is sealed."""
        self.upkeep.close()
        for space in self.spaces.all():
            with suppress(Exception):
                space.vectors.close()
            self.ledger.break_seal(space.vectors.directory.name)
        with suppress(Exception):
            self.words.close()
        self.ledger.break_seal("words")
        self.ledger.close()

    @property
    def retriever(self) -> Retriever:
        serving = self.spaces.serving
        embedder = (serving or self.spaces.coming).embedder
        return Retriever(
            ledger=self.ledger,
            vectors=serving.vectors if serving else None,
            words=self.words,
            embedder=embedder,
            languages=languages_of(embedder, self.ledger),
            damaged=self.upkeep.damaged,
        )

    def sync(self, source: Counted) -> Report:
        return sync(source, self.pipeline)

    def answers(self, question: str, who: Principal = ANNA, k: int = 5) -> list[tuple[str, str]]:
        """The passages a question finds: (document, text), best first."""
        found = self.retriever.retrieve(question, principal=who, k=k).passages
        return [(str(passage.chunk.document_id), passage.chunk.text) for passage in found]

    def dense(self, question: str, k: int = 5) -> list[str]:
        """What meaning alone finds."""
        from rag.access import Grant

        retriever = self.retriever
        grant = Grant(acl_classes=self.ledger.readable_classes(ANNA))
        hits = retriever.dense(retriever.embedder.embed_question(question), grant, 50)
        return [passage.chunk.document_id for passage in self.ledger.passages(dict(hits[:k]), ANNA)]

    def level(self) -> bool:
        """Whether every index holds exactly the ledger's chunks, facets included, and nothing is owed."""
        wanted = self.ledger.facets()
        words = {name: (own.source, own.acl_class) for name, own in wanted.items()}
        serving = self.spaces.serving
        return (
            serving is not None
            and serving.vectors.level
            and serving.vectors.facets() == wanted
            and self.words.facets(sorted({source for source, _ in words.values()})) == words
            and self.words.ids() == wanted.keys()
            and not self.ledger.owed()
        )
