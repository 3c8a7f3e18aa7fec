"""Assembly: Settings → App. Opens and closes everything; holds no logic of its own.

Parts are opened when first needed: a search does not start a parser, and listing documents loads no model. Questions
are `rag.app.asking`, what is done to the index is `rag.app.indexing`, and what both stand on is `rag.app.index`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType

import rag
from rag.access import OWNER, Principal
from rag.app.asking import Asking
from rag.app.index import Index
from rag.app.indexing import Indexing
from rag.app.keeping import Keeping
from rag.app.signing_in import accounts_of, memberships_of, sign_in_of
from rag.ask.release import Policy, release_policy
from rag.ask.retrieve import Retriever
from rag.credentials.accounts import Accounts
from rag.credentials.identified import SERVICE
from rag.credentials.keys import Keys
from rag.credentials.sign_in import SignIn
from rag.credentials.suspensions import Suspensions
from rag.files.originals import Originals
from rag.files.pages import Pages
from rag.files.sources import Sources
from rag.files.uploads import Uploads
from rag.identity import Memberships
from rag.ingest.one import Pipeline
from rag.ingest.parse import ParserPool
from rag.metrics import Metrics, Traced
from rag.models.seats import Seats
from rag.models_in_use.embedders import Embedders
from rag.models_in_use.perceiving import showing_of
from rag.models_in_use.pinning import PinWatch
from rag.models_in_use.writers import Writers
from rag.ports import Embedder, LanguageModel, Reranker
from rag.settings import Settings
from rag.store.audit import AuditLog
from rag.store.bot_messages import BotMessages
from rag.store.chain import COUNCIL
from rag.store.feedback import Feedback
from rag.store.ledger import Ledger
from rag.store.owner import Ownership
from rag.store.people import People


class App:
    """One home directory, owned by this process until `close`. What doors do with it is described in `Asking` and
    `Indexing`.

    Raises:
        StoreOwned: another process owns it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._close = ExitStack()
        self._making = threading.RLock()  # of what opens nothing, and so never waits
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
            self._embedders = Embedders(settings, self.ledger, close=self._close)
            self.index = Index(
                settings,
                self.ledger,
                embedder=lambda: self.embedder,
                embedders=self._embedders,
                workers=lambda: self.keeping.workers,
                close=self._close,
            )
            asking = Asking(
                settings,
                self.index,
                writers=self.writers,
                ledger=self.ledger,
                audit=self.audit,
                metrics=self.metrics,
                seats=self.seats,
                policy=lambda: self.policy,
            )
            self.ask, self.search = asking.ask, asking.search
            self.answerer, self.rules = asking.answerer, asking.rules
            indexing = Indexing(
                settings.home, self.ledger, self.index, sources=lambda: self.sources, keeping=lambda: self.keeping
            )
            self.ingest, self.survey, self.watch = indexing.ingest, indexing.survey, indexing.watch
            self.look_through, self.rebuild = indexing.look_through, indexing.rebuild
            self.remove_source, self.premises = indexing.remove_source, indexing.premises
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
        from rag.app.telemetry import Traces

        traces = Traces(endpoint, version=rag.__version__)
        self._close.callback(traces.close)
        return traces

    @cached_property
    def embedder(self) -> Embedder:
        """What turns text into vectors."""
        return self._embedders.open()

    @property
    def is_open(self) -> bool:
        """Whether the index is open, and the embedder warm: questions can be searched for."""
        return self.index.is_open

    def open(self) -> None:
        """See `Index.open`."""
        self.index.open()

    @property
    def opening_problem(self) -> str:
        """Why the index could not be opened; empty where it could."""
        return self.index.problem

    @property
    def pipeline(self) -> Pipeline:
        """The way into the index."""
        return self.index.pipeline

    @property
    def retriever(self) -> Retriever:
        """The way to passages; another one, once another embedder answers."""
        return self.index.retriever

    @property
    def reranker(self) -> Reranker | None:
        """What reads question and passages together, if the settings name one."""
        return self.index.reranker

    @property
    def embedding(self) -> Mapping[str, object]:
        """The embedder in use, and how far another one is that takes its place; opens nothing."""
        return self.index.standing

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
    def _showing(self) -> ParserPool:
        return self._close.enter_context(showing_of(self.settings))

    def _opened_showing(self) -> ParserPool:
        with self.index.opening:
            return self._showing

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

    @cached_property
    def memberships(self) -> Memberships:
        """Who is in which group."""
        return memberships_of(self.settings)

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
        """What keeps the index level with the sources."""
        keeping = Keeping(self.settings.ingest, self.ledger, lambda: self.pipeline, self.metrics)
        self._close.callback(keeping.close)
        return keeping

    # ---- what the doors call ----

    def person(self, name: str, *, claims: Iterable[str] | None = None, unsure: bool = False) -> Principal:
        """The principal of that name, with their groups as they are now; `claims` are those a verified credential
        names, None where it names none, `unsure` that it should name some and does not."""
        if claims is None and (name == OWNER or name.startswith(SERVICE)):
            claims = ()  # nobody whom a provider knows
        return self.memberships.person(name, claims=claims, unsure=unsure)

    def stands(self, name: str, since: Principal | None = None, *, claims: Iterable[str] | None = None) -> bool:
        """Whether a directory, where one is asked, lets that person in; as `Memberships.stands`."""
        return self.memberships.stands(name, since, claims=claims)

    @property
    def credential_needed(self) -> bool:
        """Whether this machine, too, is answered only when it says who is asking: as soon as there is a way to."""
        auth = self.settings.auth
        if auth.mode != "auto":
            return auth.mode == "required"
        return bool(auth.proxy_header or auth.oidc.issuer) or self.keys.any
