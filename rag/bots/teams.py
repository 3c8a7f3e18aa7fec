"""Microsoft Teams: activities come in through a relay of the house, answers go to the connector of Microsoft's cloud.

What is said there has left the house. This room only carries: what may be said the service decides, who somebody is the
object id of the one tenant, and what comes from Teams at all `rag.bots.teams_gate`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import httpx
from microsoft_teams.api.activities.invoke.adaptive_card.action import AdaptiveCardInvokeActivity
from microsoft_teams.api.activities.invoke.message.submit_action import MessageSubmitActionInvokeActivity
from microsoft_teams.api.activities.message.message import MessageActivity
from microsoft_teams.api.activities.message.message_delete import MessageDeleteActivity
from microsoft_teams.api.models.activity import Activity
from microsoft_teams.api.models.adaptive_card.adaptive_card_action_response import AdaptiveCardActionMessageResponse
from microsoft_teams.api.models.invoke_response import InvokeResponse

from rag.access import Audience, ChannelKind
from rag.bots.adapter import (
    Account,
    Asked,
    Judged,
    MessageRef,
    Place,
    PlatformBusy,
    PlatformRefused,
    PlatformUnreachable,
    Reply,
    Take,
    Verdict,
    Withdrawn,
)
from rag.bots.teams_activity import account, is_machine, language, question, spot
from rag.bots.teams_card import VERB
from rag.bots.teams_cloud import TeamsCloud, way_out
from rag.bots.teams_connector import Connector
from rag.bots.teams_credential import Credential
from rag.bots.teams_door import listening, server
from rag.bots.teams_earlier import Earlier
from rag.bots.teams_gate import DELETED, Answer, Gate
from rag.bots.teams_keys import SigningKeys
from rag.bots.teams_memory import Memory
from rag.bots.teams_posts import Posts
from rag.bots.teams_rooms import Rooms
from rag.bots.teams_sdk import api_of, app_of, routed
from rag.bots.teams_settings import Checked, checked
from rag.bots.teams_token import TokenCheck
from rag.settings.bots import TeamsSettings
from rag.text.sentences import texts

if TYPE_CHECKING:
    from microsoft_teams.apps.routing.activity_context import ActivityContext

_log = logging.getLogger(__name__)

_TYPES: Final = frozenset({"message", "invoke", DELETED})
_HEARD: Final = frozenset({"message/submitAction", "adaptiveCard/action"})
_MOST_PAUSE_S: Final = 60.0
_MOST_RECEIPT: Final = 200


def adapter(settings: TeamsSettings, *, environ: Mapping[str, str]) -> TeamsAdapter:
    """The adapter, ready to run.

    Raises:
        SettingsError: something is missing or wrong; says which key, and what to do.
    """
    home = Path(environ.get("RAG_HOME") or "data/var").expanduser().absolute() / "bots" / "teams"
    return TeamsAdapter(checked(settings), home=home)


class TeamsAdapter:
    """As `rag.bots.adapter.ChatAdapter`. `home` is where it keeps which answer a message shows; `cloud` and `transport`
    are other than Microsoft's only where a test says so; `clock` gives seconds since 1970."""

    name: ClassVar[str] = "teams"
    kind: ClassVar[ChannelKind] = ChannelKind.CLOUD_CHAT
    most_chars: ClassVar[int] = 4000
    pace_s: ClassVar[float] = 1.5
    finds_again: ClassVar[bool] = False

    def __init__(
        self,
        settings: Checked,
        *,
        home: Path,
        cloud: TeamsCloud = TeamsCloud(),  # noqa: B008 - frozen
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._cloud = settings, cloud
        self._http = way_out(hosts=(*cloud.hosts, *settings.hosts), transport=transport)
        self._credential = Credential(
            self._http, cloud, tenant=settings.tenant, app_id=settings.app_id, secret=settings.secret
        )
        self._connector = Connector(
            api_of(self._http, self._credential), credential=self._credential, hosts=settings.hosts
        )
        self._app = app_of(self._http, self._credential, app_id=settings.app_id, tenant=settings.tenant)
        self._rooms = Rooms(self._connector, tenant=settings.tenant)
        self._posts = Posts(self._connector, memory=Memory(home))
        self._earlier = Earlier()
        self._check = TokenCheck(
            keys=SigningKeys(self._http, cloud.keys),
            issuer=cloud.issuer,
            app_id=settings.app_id,
            tenant=settings.tenant,
            hosts=settings.hosts,
            clock=clock,
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """Microsoft's sign-in, the address of its keys, and the connectors."""
        return tuple(f"{host}:443" for host in (*self._cloud.hosts, *self._settings.hosts))

    async def check(self) -> str | None:
        """Try the credentials; raises as `post`. That the relay reaches the bot only a message can show."""
        await self._credential.token()
        return "Microsoft's sign-in takes the registration; whether Teams reaches the bot shows with the first message"

    async def run(self, take: Take) -> None:
        """As `rag.bots.adapter.ChatAdapter.run`; once."""
        app = self._app
        app.on_message(self._heard(take))
        app.on_message_delete(self._deleted(take))
        app.on_message_submit_feedback(self._thumbed(take))
        app.on_card_action(self._pressed(take))
        await app.initialize()

        async def handed(activity: dict[str, Any], token: str) -> Answer:
            kind = activity.get("type")
            if kind == "invoke" and activity.get("name") not in _HEARD:
                return Answer(status=501)
            return await routed(app, activity, token) if kind in _TYPES else Answer()

        with listening(self._settings.listen) as door:
            await self._serve(Gate(check=self._check, handed=handed), door)

    async def members(self, place: Place) -> tuple[Account, ...] | None:
        """As `rag.bots.adapter.ChatAdapter.members`."""
        return await self._rooms.members(place)

    async def post(self, place: Place, reply: Reply, *, nonce: str) -> MessageRef:
        """As `rag.bots.adapter.ChatAdapter.post`."""
        return await self._posts.post(place, reply, nonce=nonce)

    async def edit(self, place: Place, message: MessageRef, reply: Reply) -> None:
        """As `rag.bots.adapter.ChatAdapter.edit`."""
        await self._posts.edit(place, message, reply)

    async def remove(self, message: MessageRef) -> None:
        """As `rag.bots.adapter.ChatAdapter.remove`."""
        await self._posts.remove(message)

    async def working(self, place: Place) -> None:
        """As `rag.bots.adapter.ChatAdapter.working`."""
        with suppress(PlatformBusy, PlatformUnreachable, PlatformRefused):
            await self._posts.working(place)

    async def _serve(self, gate: Gate, door: socket.socket) -> None:
        served = server(gate)
        serving = asyncio.create_task(served.serve(sockets=[door]))
        try:
            await self._first_token()
            await asyncio.shield(serving)
        finally:
            served.should_exit = True
            with suppress(asyncio.CancelledError):
                await serving

    async def _first_token(self) -> None:
        """Good credentials; while Microsoft does not answer, again and again."""
        pause_s = 1.0
        while True:
            try:
                await self.check()
                return
            except (PlatformUnreachable, PlatformBusy) as error:
                _log.warning("%s Trying again.", error, extra={"action": "teams_waiting", "seconds": pause_s})
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _MOST_PAUSE_S)

    def _heard(self, take: Take) -> Callable[[ActivityContext[MessageActivity]], Any]:
        async def heard(context: ActivityContext[MessageActivity]) -> None:
            activity = context.activity
            text = question(activity)
            if is_machine(activity) or not text:
                return
            where, who = spot(activity), account(activity, tenant=self._settings.tenant)
            place = where.place(await self._rooms.audience(activity))
            earlier = self._earlier.of(who, place)
            event = _event(activity)
            await take(
                Asked(
                    event=event,
                    account=who,
                    place=place,
                    text=text,
                    earlier=earlier,
                    language=language(activity),
                )
            )
            self._earlier.add(who, place, text, event=event)

        return heard

    def _deleted(self, take: Take) -> Callable[[ActivityContext[MessageDeleteActivity]], Any]:
        async def deleted(context: ActivityContext[MessageDeleteActivity]) -> None:
            activity = context.activity
            question, place = _event(activity), spot(activity).place(Audience.GUESTS)
            await take(Withdrawn(event=f"{question} deleted", place=place, question=question))
            self._earlier.forget(question)

        return deleted

    def _thumbed(self, take: Take) -> Callable[[ActivityContext[MessageSubmitActionInvokeActivity]], Any]:
        async def thumbed(context: ActivityContext[MessageSubmitActionInvokeActivity]) -> InvokeResponse[None]:
            activity = context.activity
            receipt = self._posts.receipt(spot(activity), activity.reply_to_id or "")
            if not receipt:  # posted longer ago than it is kept: better an error that is seen than a thumb that is lost
                return InvokeResponse(status=404)
            liked = activity.value.action_value.reaction == "like"
            await take(self._judged(activity, receipt, Verdict.HELPFUL if liked else Verdict.WRONG))
            return InvokeResponse(status=200)

        return thumbed

    def _pressed(self, take: Take) -> Callable[[ActivityContext[AdaptiveCardInvokeActivity]], Any]:
        async def pressed(
            context: ActivityContext[AdaptiveCardInvokeActivity],
        ) -> AdaptiveCardActionMessageResponse:
            activity, action = context.activity, context.activity.value.action
            said = texts(language(activity), "teams")
            receipt, verdict = action.data.get("receipt"), action.data.get("verdict")
            if action.verb != VERB or not _is_receipt(receipt) or verdict not in list(Verdict):
                return AdaptiveCardActionMessageResponse(value=said["not_judged"])
            await take(self._judged(activity, str(receipt), Verdict(str(verdict))))
            return AdaptiveCardActionMessageResponse(value=said["thanks"])

        return pressed

    def _judged(self, activity: Activity, receipt: str, verdict: Verdict) -> Judged:
        return Judged(
            event=_event(activity),
            account=account(activity, tenant=self._settings.tenant),
            place=spot(activity).place(_heard_by(activity)),
            receipt=receipt,
            verdict=verdict,
        )


def _is_receipt(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MOST_RECEIPT


def _heard_by(activity: Activity) -> Audience:
    """Nothing is said where a thumb came from, so it need not be looked up."""
    return Audience.DIRECT if activity.conversation.conversation_type == "personal" else Audience.GUESTS


def _event(activity: Activity) -> str:
    return json.dumps(["teams", activity.conversation.id, activity.id], separators=(",", ":"))
