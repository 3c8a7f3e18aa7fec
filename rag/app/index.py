"""The index of a home as its process has it open: vectors and words, the pipeline that writes both, and the retriever
that finds passages in them.

Each part is opened when it is first needed, one at a time. What is done with them is in `rag.app.asking` and
`rag.app.indexing`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property

from rag.ask.calibration import calibrations
from rag.ask.neutral import languages_of
from rag.ask.retrieve import Retriever
from rag.errors import RagError
from rag.ingest.one import Pipeline
from rag.ingest.parse import media_type_of
from rag.ingest.spaces import Spaces
from rag.ingest.upkeep import Upkeep
from rag.models import embedder as embedding
from rag.models.reranker import open_reranker
from rag.models.resting import RestingReranker
from rag.models_in_use.embedders import Embedders
from rag.models_in_use.perceiving import perceiving_of
from rag.models_in_use.writers import policy_of
from rag.ports import Embedder, Reranker
from rag.settings import Settings
from rag.store import opening
from rag.store.ledger import Ledger

_log = logging.getLogger(__name__)


class Index:
    """The parts, and the lock under which they are opened.

    `embedder` gives the settings' embedder, `embedders` opens one that answered before; `workers` says how many
    documents are read at the same time; `close` closes in the end what was opened. `upkeep` is there once the pipeline
    is.
    """

    upkeep: Upkeep

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        *,
        embedder: Callable[[], Embedder],
        embedders: Embedders,
        workers: Callable[[], int],
        close: ExitStack,
    ) -> None:
        self._settings, self._ledger, self._close = settings, ledger, close
        self._embedder, self._embedders, self._workers = embedder, embedders, workers
        self.opening = threading.RLock()
        self.is_open, self.problem = False, ""
        self._retriever: Retriever | None = None
        self._watched = False

    def open(self) -> None:
        """Open all of it, so that the first question need not wait for that. What cannot be had is tried again by that
        question; `problem` says what it is. Once `is_open`, the embedder is warm too."""
        try:
            with self.opening:
                self.retriever  # noqa: B018 - opened by being asked for
            self.problem = ""
        except RagError as error:
            self.problem = str(error)
            _log.error("The index cannot be opened: %s", error, extra={"action": "index_not_opened"})

    @property
    def begun(self) -> bool:
        """Whether anything of it is open here."""
        return "_one_pipeline" in self.__dict__ or "spaces" in self.__dict__

    @cached_property
    def spaces(self) -> Spaces:
        """The embedder that answers, and the one that takes its place where the settings name another."""
        spaces = Spaces(
            self._settings.home,
            self._ledger,
            self._embedder(),
            made_by=self._embedders.made_by,
            reopen=self._embedders.reopen,
            scan_bytes=self._settings.retrieval.scan_mb << 20,
        )
        self._close.callback(spaces.close)
        return spaces

    @property
    def pipeline(self) -> Pipeline:
        """The way in. Opening it mends what an interrupted run left between ledger and indexes."""
        with self.opening:
            return self._one_pipeline

    @cached_property
    def _one_pipeline(self) -> Pipeline:
        spaces = self.spaces
        parser = perceiving_of(
            self._settings,
            workers=self._workers(),
            close=self._close.enter_context,
            policy=policy_of(self._settings),
        )
        words = opening.open_words(self._settings.home / "words", self._ledger)
        self._close.callback(opening.close, words, self._ledger)
        pipeline = Pipeline(
            ledger=self._ledger,
            vectors=spaces.coming.vectors,
            words=words,
            parser=parser,
            embedder=self._embedder(),
            media_type_of=media_type_of,
            before=spaces.before,
            max_chunks=self._settings.ingest.max_chunks,
        )
        self.upkeep = Upkeep(spaces, pipeline, switched=self._forget_retriever)
        self._close.callback(self.upkeep.close)
        self.upkeep.begin(succeed=self._watched)
        return pipeline

    @cached_property
    def reranker(self) -> Reranker | None:
        """What reads question and passages together, if the settings name one; it loads with the first question."""
        wanted = self._settings.retrieval
        reranker = open_reranker(
            wanted.reranker,
            model=wanted.reranker_model,
            api_key=self._settings.reranker_api_key,
            timeout_s=wanted.reranker_timeout_s,
        )
        if reranker is not None:
            self._close.callback(reranker.close)
        return reranker

    @property
    def retriever(self) -> Retriever:
        """The way to passages; another one, once another embedder answers."""
        with self.opening:
            words, serving = self.pipeline.words, self.spaces.serving
            if self._retriever is None:
                embedder = embedding.for_answers((serving or self.spaces.coming).embedder)
                self._retriever = Retriever(
                    ledger=self._ledger,
                    vectors=serving.vectors if serving else None,
                    words=words,
                    embedder=embedder,
                    languages=languages_of(embedder, self._ledger),
                    calibrations=calibrations(self._settings.home, embedder=embedder.fingerprint),
                    reranker=RestingReranker(self.reranker) if self.reranker else None,
                    damaged=self.upkeep.damaged,
                )
                self.is_open = True
            return self._retriever

    def _forget_retriever(self) -> None:
        self._retriever = None

    def watched(self) -> None:
        """From here on the sources are watched: another embedder takes its place without an ingest to do it."""
        with self.opening:
            self._watched = True
            if "_one_pipeline" in self.__dict__:
                self.upkeep.start(succeed=True)

    @property
    def standing(self) -> Mapping[str, object]:
        """The embedder in use, and how far another one is that takes its place; opens nothing."""
        used = {"in_use": self._ledger.embedder}
        if "spaces" not in self.__dict__ or not self.spaces.changing:
            return used
        coming = self.spaces.coming.embedder.fingerprint
        return {
            **used,
            "coming": coming,
            "embedded": self._ledger.embedded(coming),
            "texts": self._ledger.texts(),
            "too_long": self.spaces.too_long,
            "problem": self.spaces.problem,
        }
