"""Who asks through a bot, and who reads along: from accounts of a chat to a caller with their rights, and no others.

The bot's key says which platform, and so how far an answer travels; the bot says whose the question is and who hears
the answer, as its platform has verified it. An account that is not linked is told in the same words whatever the
reason. In a room everybody is known, or nobody is answered there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints

from rag.access import Audience, Channel, Principal
from rag.api.caller import Caller
from rag.api.problems import Problem, Refused
from rag.app import App
from rag.errors import AccessError, SignInUnavailable
from rag.identity import room

MOST_LISTED: Final = 5000
"""Whoever lists more than may hear an answer is told that, and not that the form is wrong."""
ACCOUNT_UNKNOWN: Final = Problem(status=403, code="account_unknown")
ROOM_UNCLEAR: Final = Problem(status=403, code="room_unclear")
FOR_WHOM: Final = Problem(status=422, code="on_behalf_needed")
FOR_BOTS: Final = Problem(status=422, code="on_behalf_refused")


class Account(BaseModel):
    """Somebody in a chat, as its platform has verified them; `email` only where it vouches for that too."""

    model_config = ConfigDict(extra="forbid")
    account: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    email: Annotated[str, StringConstraints(max_length=500)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Who asks, and who hears the answer. `members` None: the platform cannot say."""

    asker: Account | None
    audience: Audience | None
    members: Sequence[Account] | None


NOBODY: Final = Heard(asker=None, audience=None, members=None)
"""Nothing is said of it."""


def person(app: App, caller: Caller, account: Account) -> Principal:
    """The person of an account on the bot's own platform. May wait for a directory.

    Raises:
        Refused: it is nobody's who may come in.
        SignInUnavailable: nobody knows.
    """
    name = account.account
    linked = app.accounts.linked(name, email=account.email) if name.startswith(f"{caller.bot}:") else None
    try:
        found = app.person(linked.user) if linked is not None else None
    except SignInUnavailable:
        raise
    except AccessError as error:
        raise Refused(ACCOUNT_UNKNOWN) from error
    if found is None or not _stands(app, found):
        raise Refused(ACCOUNT_UNKNOWN)
    return found


def alone(app: App, caller: Caller, asker: Account | None, *, audience: Audience = Audience.DIRECT) -> Caller:
    """The caller a bot speaks for, or any other caller as they are.

    Raises:
        Refused: a bot speaks for nobody, or nobody's account, or another than a bot speaks for somebody.
        SignInUnavailable: as `person`.
    """
    if not caller.bot:
        if asker is not None:
            raise Refused(FOR_BOTS)
        return caller
    if asker is None:
        raise Refused(FOR_WHOM)
    return _spoken_for(app, caller, person(app, caller, asker), audience)


def speaking(app: App, caller: Caller, heard: Heard) -> Caller:
    """The same, before an audience: beyond a direct message with the rights that all have who hear it.

    Raises:
        Refused: as `alone`; or somebody who hears it is not known, they are too many, or nobody can say who they are.
        SignInUnavailable: as `person`.
    """
    if not caller.bot and (heard.audience is not None or heard.members is not None):
        raise Refused(FOR_BOTS)
    if caller.bot and heard.audience is None:
        raise Refused(FOR_WHOM)
    audience = heard.audience or Audience.DIRECT
    asking = alone(app, caller, heard.asker, audience=audience)
    if not caller.bot or audience is Audience.DIRECT:
        return asking
    if heard.members is None or len(heard.members) > app.settings.bots.most_members:
        raise Refused(ROOM_UNCLEAR)
    try:
        others = [person(app, caller, one) for one in heard.members]
    except Refused as refused:
        raise Refused(ROOM_UNCLEAR) from refused
    return _spoken_for(app, caller, room(asking.principal, others), audience)


def _spoken_for(app: App, caller: Caller, principal: Principal, audience: Audience) -> Caller:
    everybody = (principal, *principal.company)

    def standing() -> bool:
        return caller.standing() and all(_stands(app, one) for one in everybody)

    channel = Channel(kind=caller.channel.kind, audience=audience)
    return replace(caller, principal=principal, channel=channel, standing=standing)


def _stands(app: App, one: Principal) -> bool:
    return not app.suspensions.hold({one.user, *one.aliases}) and app.stands(one.user, one)
