"""Who is asking, through which channel, and what for: what every room of the door takes from here.

All of it comes from the credential, never from the request's body. `rag.api.doorkeeper` finds it out once, before any
route; a route names what it needs: ``caller: Annotated[Caller, Depends(needs("ask"))]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from rag.access import Channel, Principal
from rag.api.problems import NOT_FOUND, Problem, Refused
from rag.app import App
from rag.ask.release import STANDARD, Policy
from rag.credentials.identified import ADMIN, ASK, BOT, DOCUMENTS, PERSONAL, SCOPES, SEARCH, always
from rag.documents import DocumentId
from rag.filters import Filters
from rag.store.rows import source_of

SIGN_IN = Problem(status=401, code="who_is_asking", headers=(("WWW-Authenticate", "Bearer"),))
"""Nothing was shown that says who is asking."""
ENDED = Problem(status=401, code="credential_ended", headers=(("WWW-Authenticate", "Bearer"),))
"""What was shown was good, and no longer is: the end of a stream under way."""
SCOPE_MISSING = Problem(status=403, code="scope_missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The person or program a request speaks for, and the way its answer takes.

    `scopes` is what the credential is good for (`rag.credentials.identified.SCOPES`), `sources` what it is limited to,
    None where it is not; `key` the id of an API key, never its secret. `standing` is asked again while an answer is on
    its way: whether the credential is still good, as of now; cheap, and from any thread. `bot` is the platform of a
    bot's key, which speaks for nobody itself; `policy` says what chats carry.
    """

    principal: Principal
    channel: Channel
    scopes: frozenset[str] = frozenset(PERSONAL)
    sources: frozenset[str] | None = None
    key: str | None = None
    standing: Callable[[], bool] = always
    bot: str = ""
    policy: Policy = STANDARD

    def narrowed(self, filters: Filters) -> Filters:
        """The filters of a question, with what the credential is not for left out. Every search of a caller's goes
        through here: a source that is left out finds nothing, as one that is not there."""
        if self.sources is None:
            return filters
        wanted = self.sources if filters.sources is None else filters.sources & self.sources
        return replace(filters, sources=wanted)

    def reaches(self, document_id: str) -> bool:
        """Whether the credential is for the source of this document; whether the person may read it is another
        question."""
        return self.sources is None or source_of(DocumentId(document_id)) in self.sources

    def insist(self, document_id: str) -> None:
        """
        Raises:
            Refused: the credential is not for that source; in the words for what is not there.
        """
        if not self.reaches(document_id):
            raise Refused(NOT_FOUND)


def app_of(request: HTTPConnection) -> App:
    """The App this door stands on."""
    return cast(App, request.app.state.archivar)


async def resolve(request: HTTPConnection) -> Caller:
    """The caller of a request, as the doorkeeper found it.

    Raises:
        Refused: it stands on an open path, where nobody was asked.
    """
    caller = request.scope.get("state", {}).get("caller")
    if caller is None:
        raise Refused(SIGN_IN)
    return cast(Caller, caller)


class Needs:
    """A dependency that gives the caller, if the credential is good for one of these scopes."""

    def __init__(self, *scopes: str) -> None:
        self.scopes = frozenset(scopes)
        if not self.scopes or not self.scopes <= frozenset(SCOPES):
            raise ValueError(f"scopes are among {', '.join(SCOPES)}")

    async def __call__(self, caller: Annotated[Caller, Depends(resolve)]) -> Caller:
        """
        Raises:
            Refused: it is good for none of them.
        """
        if self.scopes.isdisjoint(caller.scopes):
            raise Refused(SCOPE_MISSING)
        return caller


def needs(*scopes: str) -> Needs:
    """The dependency for a route that any of these scopes opens."""
    return Needs(*scopes)


async def _app(request: HTTPConnection) -> App:
    return app_of(request)  # on the event loop: a thread for this would cost more than all else of a refusal


AppOf = Annotated[App, Depends(_app)]
CallerOf = Annotated[Caller, Depends(resolve)]
"""Whoever it is; for what everybody may see who may come in at all."""
SearcherOf = Annotated[Caller, Depends(needs(SEARCH))]
AskerOf = Annotated[Caller, Depends(needs(ASK))]
AskerOrBotOf = Annotated[Caller, Depends(needs(ASK, BOT))]
BotOf = Annotated[Caller, Depends(needs(BOT))]
ReaderOf = Annotated[Caller, Depends(needs(DOCUMENTS))]
AdminOf = Annotated[Caller, Depends(needs(ADMIN))]
