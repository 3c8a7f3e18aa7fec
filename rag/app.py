"""Assembly: Settings → App. Opens and closes everything; holds no logic of its own.

Parts are opened when first needed: a search does not start a parser, and listing documents loads no model.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from rag.access import Channel, Principal
from rag.answers import AnswerEvent
from rag.ask.answer import Answerer, Rules
from rag.ask.neutral import languages_of
from rag.ask.retrieve import Retrieved, Retriever
from rag.documents import DocumentId
from rag.errors import SourceError
from rag.identity import person
from rag.ingest.one import Pipeline
from rag.ingest.parse import ParserPool, media_type_of
from rag.ingest.report import Report
from rag.ingest.spaces import Spaces
from rag.ingest.survey import Survey
from rag.ingest.upkeep import Upkeep
from rag.ingest.watch import Watch
from rag.keeping import Keeping
from rag.models.embedder import open_embedder
from rag.ports import Embedder, IngestProgress, LanguageModel, Step
from rag.settings import EmbedderSettings, Settings
from rag.sources import Sources
from rag.store import opening
from rag.store.audit import AuditLog
from rag.store.ledger import Ledger
from rag.store.owner import Ownership
from rag.writers import Writers

_PROMPT_TOKENS = {"embedded": 450, "ollama": 2000, "openai-compatible": 2000}
"""Excerpts a model is given, tokens: two cores read 67 a second, a server's GPU thousands."""


class App:
    """One home directory, owned by this process until `close`.

    Raises:
        StoreOwned: another process owns it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._close = ExitStack()
        self._opening = threading.RLock()
        self._retriever: Retriever | None = None
        self._watched = False
        self.writers = Writers(settings)
        self._close.enter_context(Ownership(settings.home))
        self._close.callback(self.writers.close)
        try:
            self.ledger = Ledger(settings.home / "ledger.sqlite")
            self._close.callback(self.ledger.close)
            self.audit = AuditLog(settings.home / "audit")
            self._close.callback(self.audit.close)
        except BaseException:
            self._close.close()
            raise

    def close(self) -> None:
        """Close what was opened, the newest first."""
        self._close.close()

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- parts ----

    @cached_property
    def embedder(self) -> Embedder:
        """What turns text into vectors."""
        return self._open_embedder(self.settings.embedder)

    def _open_embedder(self, wanted: EmbedderSettings) -> Embedder:
        embedder = open_embedder(
            wanted.provider,
            models=self.settings.models,
            model=wanted.model,
            threads=wanted.threads or None,
            precision=wanted.precision,  # type: ignore[arg-type]  # one of the three: checked by settings
            base_url=wanted.base_url,
        )
        self._close.callback(embedder.close)
        return embedder

    @cached_property
    def spaces(self) -> Spaces:
        """The embedder that answers, and the one that takes its place where the settings name another."""
        spaces = Spaces(
            self.settings.home,
            self.ledger,
            self.embedder,
            made_by=json.dumps(asdict(self.settings.embedder)),
            reopen=lambda made_by: self._open_embedder(EmbedderSettings(**json.loads(made_by))),
        )
        self._close.callback(spaces.close)
        return spaces

    @cached_property
    def pipeline(self) -> Pipeline:
        """The way in. Opening it mends what an interrupted run left between ledger and indexes."""
        with self._opening:
            spaces = self.spaces
            parser = self._close.enter_context(
                ParserPool(
                    profile=self.settings.ingest.parser,
                    timeout_s=self.settings.ingest.timeout_s,
                    memory_mb=self.settings.ingest.memory_mb,
                    ocr=self.settings.ingest.ocr,
                    workers=self.keeping.workers,
                )
            )
            words = opening.open_words(self.settings.home / "words", self.ledger)
            self._close.callback(opening.close, words, self.ledger)
            pipeline = Pipeline(
                ledger=self.ledger,
                vectors=spaces.coming.vectors,
                words=words,
                parser=parser,
                embedder=self.embedder,
                media_type_of=media_type_of,
                before=spaces.before,
                max_chunks=self.settings.ingest.max_chunks,
            )
            self.upkeep = Upkeep(spaces, pipeline, switched=self._forget_retriever)
            self._close.callback(self.upkeep.close)
            self.upkeep.begin(succeed=self._watched)
            return pipeline

    @property
    def retriever(self) -> Retriever:
        """The way to passages; another one, once another embedder answers."""
        with self._opening:
            words, serving = self.pipeline.words, self.spaces.serving
            if self._retriever is None:
                embedder = (serving or self.spaces.coming).embedder
                self._retriever = Retriever(
                    ledger=self.ledger,
                    vectors=serving.vectors if serving else None,
                    words=words,
                    embedder=embedder,
                    languages=languages_of(embedder, self.ledger),
                    damaged=self.upkeep.damaged,
                )
            return self._retriever

    def _forget_retriever(self) -> None:
        self._retriever = None

    def language_model(self, name: str | None = None) -> LanguageModel | None:
        """See `Writers.get`."""
        return self.writers.get(name)

    @property
    def model_problem(self) -> str:
        """Why there is no language model."""
        return self.writers.problem

    @cached_property
    def sources(self) -> Sources:
        """The folders there are."""
        return Sources(self.settings, self.ledger)

    @cached_property
    def keeping(self) -> Keeping:
        """What keeps the index level with them."""
        keeping = Keeping(self.settings.ingest, self.ledger, self._opened_pipeline)
        self._close.callback(keeping.close)
        return keeping

    def _opened_pipeline(self) -> Pipeline:
        with self._opening:
            return self.pipeline

    # ---- what the doors call ----

    def person(self, name: str) -> Principal:
        """The principal of that name, with the groups of the settings."""
        return person(name, self.settings.groups)

    def ask(
        self,
        question: str,
        *,
        principal: Principal,
        channel: Channel,
        sources: frozenset[str] | None = None,
        acting: str | None = None,
        model: str | None = None,
    ) -> Iterator[AnswerEvent]:
        """Answer a question, event by event; `model` names another model than the settings do."""
        with self._opening:
            retriever = self.retriever
        writer = self.language_model(model)
        wanted = self.settings.retrieval
        rules = Rules(
            passages=wanted.passages,
            prompt_tokens=wanted.prompt_tokens or _PROMPT_TOKENS[writer.info.runtime if writer else "embedded"],
            evidence=wanted.evidence,
            max_answer_tokens=self.settings.llm.max_answer_tokens,
        )
        answerer = Answerer(retriever=retriever, audit=self.audit, model=writer, rules=rules)
        return answerer.ask(question, principal=principal, channel=channel, sources=sources, acting=acting)

    def search(self, query: str, *, principal: Principal, k: int, sources: frozenset[str] | None = None) -> Retrieved:
        """The best passages, whatever their evidence."""
        with self._opening:
            retriever = self.retriever
        return retriever.retrieve(query, principal=principal, k=k, sources=sources)

    def ingest(
        self,
        names: frozenset[str] | None = None,
        *,
        confirm_removals: bool = False,
        progress: IngestProgress = lambda step: None,
        reading: Callable[[DocumentId], None] = lambda document: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Bring the index level with the sources, one after the other. A source that cannot be listed is `offline` in
        the report; the others are still brought level. Another embedder then takes its place."""
        total = Report()
        self._sync(total, names, confirm_removals=confirm_removals, progress=progress, reading=reading, stopped=stopped)
        if not self._keep_up(progress, stopped) and self.spaces.too_long and not stopped():
            again = Report()  # what was too long for the other embedder is cut anew
            self._sync(again, None, progress=progress, reading=reading, stopped=stopped)
            again.unchanged = 0
            total.add(again)
            self._keep_up(progress, stopped)
        return total

    def _keep_up(self, progress: IngestProgress, stopped: Callable[[], bool]) -> bool:
        self._opened_pipeline()
        return self.upkeep.run(
            succeed=True, progress=lambda what, done, total: progress(Step(what, done, total)), stopped=stopped
        )

    def _sync(self, total: Report, names: frozenset[str] | None, **options: Any) -> None:
        for connector in self.sources.connectors(names):
            try:
                total.add(self.keeping.sync(connector, **options))
            except SourceError as error:
                total.offline[connector.name] = str(error)

    def survey(self, paths: Sequence[Path] = ()) -> tuple[Mapping[str, Survey], Mapping[str, str]]:
        """What `ingest` of these folders, or of all sources, would do, by source, and which cannot be listed and why;
        nothing is changed or registered."""
        sources = self.sources
        found: dict[str, Survey] = {}
        offline: dict[str, str] = {}
        for connector in [sources.unregistered(path) for path in paths] if paths else sources.connectors():
            try:
                found[connector.name] = self.keeping.survey(connector)
            except SourceError as error:
                offline[connector.name] = str(error)
        return found, offline

    def watch(self) -> Watch:
        """A loop over all sources; run it in a thread of its own and stop it before closing."""
        with self._opening:
            self._watched = True  # whoever watches also lets another embedder take its place
            if "pipeline" in self.__dict__:
                self.upkeep.start(succeed=True)
        return self.keeping.watch(self.sources.connectors())

    def look_through(self) -> Mapping[str, int]:
        """Compare both indexes with the ledger row by row, and mend them; gives what was wrong, by index."""
        self._opened_pipeline()
        return self.upkeep.look_through()

    @property
    def embedding(self) -> Mapping[str, object]:
        """The embedder in use, and how far another one is that takes its place; opens nothing."""
        used = {"in_use": self.ledger.embedder}
        if "spaces" not in self.__dict__ or not self.spaces.changing:
            return used
        coming = self.spaces.coming.embedder.fingerprint
        return {
            **used,
            "coming": coming,
            "embedded": self.ledger.embedded(coming),
            "texts": self.ledger.texts(),
            "too_long": self.spaces.too_long,
            "problem": self.spaces.problem,
        }

    def rebuild(self, progress: IngestProgress = lambda step: None) -> int:
        """Make both indexes anew from the ledger; returns the number of chunks. Questions are answered meanwhile.

        Nothing is embedded, unless the settings name another embedder: then it takes its place.
        """
        pipeline = self._opened_pipeline()
        with pipeline.writing:
            for space in self.spaces.all():
                space.vectors.renew()
            pipeline.words.renew()
        self._keep_up(progress, lambda: False)
        return self.ledger.counts()["chunks"]

    def remove_source(self, name: str) -> int:
        """Forget a registered folder and its documents; returns how many there were."""
        pipeline = self._opened_pipeline()
        with pipeline.writing:
            documents = [known.id for known in self.ledger.scan(name)]
            with self.ledger.transaction():
                self.ledger.forget_source(name)
                for document in documents:
                    self.ledger.remove(document)
            pipeline.sweep()
        return len(documents)
