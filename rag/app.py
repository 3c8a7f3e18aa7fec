"""Assembly: Settings → App. Opens and closes everything; holds no logic of its own.

Parts are opened when first needed: a search does not start a parser, and listing documents loads no model.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import rag
from rag import adapting, system_accounts
from rag.access import Channel, Principal
from rag.ask.answer import Answerer
from rag.ask.calibration import calibrations
from rag.ask.conversation import Turn
from rag.ask.lineage import described
from rag.ask.listening import Telling
from rag.ask.neutral import languages_of
from rag.ask.release import Policy, divide, release_policy, within
from rag.ask.retrieve import Retriever
from rag.ask.rules import Rules, Unsupported
from rag.ask.searched import Retrieved
from rag.ask.versions import newest_first
from rag.credentials.accounts import Accounts
from rag.credentials.keys import Keys
from rag.credentials.sign_in import SignIn
from rag.credentials.suspensions import Suspensions
from rag.documents import ChunkId, DocumentId
from rag.errors import ModelError, RagError, SourceError
from rag.filters import NONE, Filters
from rag.govern.erase import Premises
from rag.identity import Memberships
from rag.ingest.one import Pipeline
from rag.ingest.parse import ParserPool, media_type_of
from rag.ingest.renewing import Opened
from rag.ingest.report import Report
from rag.ingest.spaces import Spaces
from rag.ingest.survey import Survey
from rag.ingest.upkeep import Upkeep
from rag.ingest.watch import Watch
from rag.keeping import Keeping
from rag.metrics import Metrics, Traced
from rag.models import embedder as embedding
from rag.models.embedder import open_embedder
from rag.models.reranker import open_reranker
from rag.models.resting import RestingReranker
from rag.models.seats import Seats
from rag.observing import Counted
from rag.originals import Originals
from rag.pages import Pages
from rag.perceiving import perceiving_of
from rag.pinning import PinWatch
from rag.ports import Embedder, IngestProgress, LanguageModel, Reranker, Step
from rag.settings import EmbedderSettings, Settings
from rag.signing_in import accounts_of, directory_of, sign_in_of
from rag.sources import Sources
from rag.store import opening
from rag.store.audit import AuditLog
from rag.store.bot_messages import BotMessages
from rag.store.chain import COUNCIL
from rag.store.feedback import Feedback
from rag.store.ledger import Ledger
from rag.store.owner import Ownership
from rag.store.people import People
from rag.uploads import Uploads
from rag.writers import Writers, policy_of

_log = logging.getLogger(__name__)

_PROMPT_TOKENS = {"embedded": 540, "ollama": 2000, "openai-compatible": 2000}
"""Excerpts a model is given, tokens: two cores read 67 a second, a server's GPU thousands."""

_SHOWING_S, _SHOWN_AT_ONCE = 30.0, 2


class App:
    """One home directory, owned by this process until `close`.

    Raises:
        StoreOwned: another process owns it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._close = ExitStack()
        self._opening = threading.RLock()
        self._making = threading.RLock()  # of what opens nothing, and so never waits
        self._retriever: Retriever | None = None
        self._watched = False
        self._is_open, self.opening_problem = False, ""
        self.seats = Seats(settings.slots)
        self._close.enter_context(Ownership(settings.home))
        try:
            self.metrics = Metrics(version=rag.__version__, traces=self._traces())
            self.writers = Writers(settings, self.metrics, capacity=self.seats.allow)
            self._close.callback(self.writers.close)
            self.pins = PinWatch(settings)
            self.ledger = Ledger(settings.home / "ledger.sqlite")
            self._close.callback(self.ledger.close)
            self.keys = Keys(self.ledger)  # one for all threads, from the start: what ends there has ended everywhere
            self.suspensions = Suspensions(self.ledger, listed=settings.auth.suspended)
            self.people = People(
                self.ledger,
                keys=settings.home / "audit" / COUNCIL,
                council=settings.audit.works_council,
                questions=settings.audit.question_text,
            )
            anchor_file = Path(settings.audit.anchor_file).expanduser() if settings.audit.anchor_file else None
            self.audit = AuditLog(settings.home / "audit", people=self.people, anchor_file=anchor_file)
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

    def _traces(self) -> Traced | None:
        if not (endpoint := self.settings.telemetry.endpoint):
            return None
        from rag.telemetry import Traces

        traces = Traces(endpoint, version=rag.__version__)
        self._close.callback(traces.close)
        return traces

    @cached_property
    def embedder(self) -> Embedder:
        """What turns text into vectors."""
        return self._open_embedder(self.settings.embedder, self._adapter)

    @property
    def _adapter(self) -> str:
        return adapting.adopted(self.ledger) if self.settings.embedder.adapter == "auto" else ""

    def _reopened_embedder(self, made_by: str) -> Embedder:
        """As it was opened before; `adapter` tells which one it had."""
        wanted = json.loads(made_by)
        adapter = wanted.pop("adapter", "")
        return self._open_embedder(EmbedderSettings(**wanted), adapter)

    def _open_embedder(self, wanted: EmbedderSettings, adapter: str) -> Embedder:
        embedder = open_embedder(
            wanted.provider,
            models=self.settings.models,
            model=wanted.model,
            threads=wanted.threads or None,
            precision=wanted.precision,  # type: ignore[arg-type]  # one of the three: checked by settings
            base_url=wanted.base_url,
            digest=wanted.digest,
            changed=self.settings.llm.changed,
            policy=policy_of(self.settings),
        )
        self._close.callback(embedder.close)
        return adapting.adapted(embedder, adapter, self.ledger)

    @cached_property
    def spaces(self) -> Spaces:
        """The embedder that answers, and the one that takes its place where the settings name another."""
        spaces = Spaces(
            self.settings.home,
            self.ledger,
            self.embedder,
            made_by=json.dumps(asdict(self.settings.embedder) | {"adapter": self._adapter}),
            reopen=self._reopened_embedder,
            scan_bytes=self.settings.retrieval.scan_mb << 20,
        )
        self._close.callback(spaces.close)
        return spaces

    @property
    def is_open(self) -> bool:
        """Whether the index is open, and the embedder warm: questions can be searched for."""
        return self._is_open

    def open(self) -> None:
        """Open the index, so that the first question need not wait for that. What cannot be had is tried again by that
        question; `opening_problem` says what it is."""
        try:
            with self._opening:
                self.retriever  # noqa: B018 - opened by being asked for
            self.opening_problem = ""
        except RagError as error:
            self.opening_problem = str(error)
            _log.error("The index cannot be opened: %s", error, extra={"action": "index_not_opened"})

    @cached_property
    def pipeline(self) -> Pipeline:
        """The way in. Opening it mends what an interrupted run left between ledger and indexes."""
        with self._opening:
            spaces = self.spaces
            parser = perceiving_of(
                self.settings,
                workers=self.keeping.workers,
                close=self._close.enter_context,
                policy=policy_of(self.settings),
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

    @cached_property
    def reranker(self) -> Reranker | None:
        """What reads question and passages together, if the settings name one; it loads with the first question."""
        wanted = self.settings.retrieval
        reranker = open_reranker(
            wanted.reranker,
            model=wanted.reranker_model,
            api_key=self.settings.reranker_api_key,
            timeout_s=wanted.reranker_timeout_s,
        )
        if reranker is not None:
            self._close.callback(reranker.close)
        return reranker

    @property
    def retriever(self) -> Retriever:
        """The way to passages; another one, once another embedder answers."""
        with self._opening:
            words, serving = self.pipeline.words, self.spaces.serving
            if self._retriever is None:
                embedder = embedding.for_answers((serving or self.spaces.coming).embedder)
                self._retriever = Retriever(
                    ledger=self.ledger,
                    vectors=serving.vectors if serving else None,
                    words=words,
                    embedder=embedder,
                    languages=languages_of(embedder, self.ledger),
                    calibrations=calibrations(self.settings.home),
                    reranker=RestingReranker(self.reranker) if self.reranker else None,
                    damaged=self.upkeep.damaged,
                )
                self._is_open = True
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
    def showing(self) -> ParserPool:
        """What draws pages and takes documents out of containers for a reader, who does not wait for an ingest."""
        wanted = self.settings.ingest
        return self._close.enter_context(
            ParserPool(
                profile=wanted.parser,
                timeout_s=min(wanted.timeout_s, _SHOWING_S),
                memory_mb=wanted.memory_mb,
                ocr=wanted.ocr,
                workers=_SHOWN_AT_ONCE,
            )
        )

    @cached_property
    def _one_originals(self) -> Originals:
        return Originals(self.ledger, self.sources, self._opened_showing)

    @property
    def originals(self) -> Originals:
        """The files behind documents."""
        with self._making:
            return self._one_originals

    @cached_property
    def _one_pages(self) -> Pages:
        return Pages(self._one_originals, self._opened_showing)

    @property
    def pages(self) -> Pages:
        """Their pages as pictures."""
        with self._making:
            return self._one_pages

    @cached_property
    def _one_uploads(self) -> Uploads:
        return Uploads(self.settings, self.sources, self.ledger)

    @property
    def uploads(self) -> Uploads:
        """Files that come in over HTTP."""
        with self._making:
            return self._one_uploads

    @cached_property
    def feedback(self) -> Feedback:
        """What people said of answers."""
        return Feedback(self.ledger)

    def _opened_showing(self) -> ParserPool:
        with self._opening:
            return self.showing

    @cached_property
    def memberships(self) -> Memberships:
        """Who is in which group."""
        wanted = self.settings
        directory = directory_of(wanted)
        asked = [system_accounts.account] if wanted.system_groups else []
        asked += [directory.account] if directory else []
        system = system_accounts.every(asked) if asked else None
        return Memberships(wanted.groups, system=system, keep_s=wanted.identity.groups_s, strangers=directory is None)

    @cached_property
    def sign_in(self) -> SignIn | None:
        """Sign-in at a provider, if the settings name one."""
        return sign_in_of(self.settings)

    @cached_property
    def policy(self) -> Policy:
        """What chats carry."""
        return release_policy(self.settings.release)

    @cached_property
    def _one_accounts(self) -> Accounts:
        return accounts_of(self.settings, self.ledger)

    @property
    def accounts(self) -> Accounts:
        """Whose accounts in chats are."""
        with self._making:
            return self._one_accounts

    @cached_property
    def posted(self) -> BotMessages:
        """Which messages of bots show which documents."""
        return BotMessages(self.ledger)

    @cached_property
    def keeping(self) -> Keeping:
        """What keeps the index level with them."""
        keeping = Keeping(self.settings.ingest, self.ledger, self._opened_pipeline, self.metrics)
        self._close.callback(keeping.close)
        return keeping

    def _opened_pipeline(self) -> Pipeline:
        with self._opening:
            return self.pipeline

    # ---- what the doors call ----

    def person(self, name: str, *, claims: Iterable[str] = (), unsure: bool = False) -> Principal:
        """The principal of that name, with their groups as they are now; `claims` are those a verified credential
        names, `unsure` that it should name some and does not."""
        return self.memberships.person(name, claims=claims, unsure=unsure)

    def stands(self, name: str) -> bool:
        """Whether a directory, where one is asked, lets that person in; as `Memberships.stands`."""
        return self.memberships.stands(name)

    @property
    def credential_needed(self) -> bool:
        """Whether this machine, too, is answered only when it says who is asking: as soon as there is a way to."""
        auth = self.settings.auth
        if auth.mode != "auto":
            return auth.mode == "required"
        return bool(auth.proxy_header or auth.oidc.issuer) or self.keys.any

    def ask(
        self,
        question: str,
        *,
        principal: Principal,
        channel: Channel,
        filters: Filters = NONE,
        acting: str | None = None,
        reason: str | None = None,
        model: str | None = None,
        conversation: Sequence[Turn] = (),
        early: bool = False,
    ) -> Counted:
        """Answer a question, event by event; `model` names another model than the settings do, `conversation` is what
        was said before, as the asker tells it; `acting` and `reason` as the audit takes them, `early` as the answerer
        does."""

        def asked() -> Telling:
            return self.answerer(model).ask(
                question,
                principal=principal,
                channel=channel,
                filters=filters,
                acting=acting,
                reason=reason,
                conversation=conversation,
                early=early,
            )

        return Counted(asked, self.metrics)

    def answerer(self, model: str | None = None) -> Answerer:
        """What answers questions, by the settings."""
        with self._opening:
            retriever = self.retriever
        writer = self.language_model(model)
        if model is not None and writer is not None:
            _ = writer.info  # whoever names a model is told that it is not there, and gets no extracts instead
        return Answerer(
            retriever=retriever,
            audit=self.audit,
            model=writer,
            rules=self.rules(writer),
            seats=self.seats,
            policy=self.policy,
            other_embedder=lambda: embedding.changed(self.spaces.coming.embedder),
            prompts=self.settings.prompts,
        )

    def rules(self, writer: LanguageModel | None) -> Rules:
        """How answers are made with this model, by the settings."""
        wanted = self.settings.retrieval
        return Rules(
            passages=wanted.passages,
            prompt_tokens=wanted.prompt_tokens or _PROMPT_TOKENS[_runtime(writer)],
            evidence=wanted.evidence,
            max_answer_tokens=self.settings.llm.max_answer_tokens,
            unsupported=Unsupported(self.settings.answers.unsupported),
            patience_s=self.settings.answers.patience_s,
        )

    def search(
        self,
        query: str,
        *,
        principal: Principal,
        channel: Channel,
        k: int,
        filters: Filters = NONE,
        without: Set[ChunkId] = frozenset(),
        acting: str | None = None,
        reason: str | None = None,
    ) -> Retrieved:
        """The best passages that the channel may carry, whatever their evidence, once it is recorded that they are
        shown; none of those in `without`."""
        with self.metrics.failing("search"):
            with self._opening:
                retriever = self.retriever
            found = retriever.retrieve(
                query, principal=principal, k=k, filters=within(filters, channel, self.policy), without=without
            )
            shown = described(divide(found.passages, channel, self.policy).full, self.ledger, principal)
            shown = tuple(newest_first(shown, query))
            self.audit.open(
                question=query,
                principal=principal,
                channel=channel,
                passages=shown,
                acting=acting,
                reason=reason,
                event="searched",
            )
            return replace(found, passages=shown)

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

    @contextmanager
    def premises(self, *, language: str = "en") -> Iterator[Premises]:
        """The home for an erasure, with the indexes this process has open; where it has none, none is opened meanwhile,
        and no embedder is needed. `language` is the certificate's."""
        home, ledger = self.settings.home, self.ledger
        with ExitStack() as alone:
            alone.enter_context(self._opening)
            if "pipeline" not in self.__dict__ and "spaces" not in self.__dict__:
                yield Premises(home=home, ledger=ledger, language=language)
                return
            pipeline, spaces = self.pipeline, self.spaces
            alone.close()
            opened = Opened(
                words=pipeline.words,
                serving=spaces.serving.vectors if spaces.serving else None,
                coming=(spaces.coming.vectors,) if spaces.changing else (),
                writing=pipeline.writing,
            )
            yield Premises(home=home, ledger=ledger, opened=opened, language=language)

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


def _runtime(writer: LanguageModel | None) -> str:
    """Where it runs; a server that does not answer now says so when it is asked for the answer."""
    try:
        return writer.info.runtime if writer is not None else "embedded"
    except ModelError:
        return "ollama"
