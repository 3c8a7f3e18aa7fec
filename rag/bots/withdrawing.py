"""Takes messages back: those that an administrator wants back, and those whose question its asker has deleted.

The service tells the first ones, every minute. The second ones come in as events, and wait in the inbox like questions
do, so that no crash and no outage leaves an answer standing below nothing.
"""

from __future__ import annotations

import logging
from typing import Final

from rag.bots.adapter import MessageRef, PlatformBusy, PlatformRefused, Reply, Stage, Withdrawn
from rag.bots.entries import Entry, Posting
from rag.bots.riding import PASSING
from rag.bots.speaking import Means
from rag.bots.told import AccountUnknown, RoomUnclear, ServiceRefused
from rag.text.sentences import LANGUAGES, texts

_log = logging.getLogger(__name__)

_NOT_TOLD: Final = (*PASSING, AccountUnknown, RoomUnclear, ServiceRefused)


class Withdrawing:
    """One bot's taking back."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._adapter, self._inbox, self._service = means.adapter, means.inbox, means.service

    async def wanted(self) -> None:
        """What the service wants back. What cannot be removed now is left for the next time, and keeps nothing waiting
        that stands behind it.

        Raises:
            PlatformBusy: the rest is for the next time. ServiceBusy, ServiceUnreachable, ServiceRefused, StoreError
        """
        left: list[str] = []
        while messages := [one for one in await self._service.withdrawals(skip=len(left)) if one not in left]:
            for message in messages:
                if await self._is_gone(MessageRef(message)):
                    await self._service.withdrawn(message)
                else:
                    left.append(message)

    async def _is_gone(self, message: MessageRef) -> bool:
        """Whether it could be removed. One that is being written is not: an edit on its way would bring it back."""
        if any(entry.message == message for entry in await self._means.off(self._inbox.open)):
            return False
        try:
            return await self._removed(message)
        except PlatformBusy:
            raise
        except Exception as error:
            extra = {"action": "withdrawal_failed", "kind": type(error).__name__}
            _log.warning("A message could not be taken back; it is tried again", extra=extra)
            return False

    async def done(self, entry: Entry, withdrawn: Withdrawn) -> str:
        """Remove all that was posted about a question that was taken back; how that ended.

        Raises:
            PlatformBusy, PlatformUnreachable: and patience ended. StoreError: the inbox cannot be read or written.
        """
        await self._means.off(lambda: self._inbox.begin(entry))
        await self._means.unbroken.rest(withdrawn.question)
        kept = False
        for reply in await self._means.off(lambda: self._inbox.replies(withdrawn)):
            message = reply.message or await self._found(reply)
            if not message:
                continue
            if await self._means.patiences.platform.ride(lambda one=message: self._removed(one)):  # type: ignore[misc]
                await self._forgotten(message)
            else:
                kept = True
        return "kept" if kept else "removed"

    async def _removed(self, message: MessageRef) -> bool:
        try:
            await self._adapter.remove(message)
        except PlatformRefused as error:
            _log.error("A message cannot be taken back: %s", error, extra={"action": "withdrawal_refused"})
            return False
        return True

    async def _found(self, reply: Posting) -> MessageRef:
        """A message of which only the nonce is known: posted again it is the one that is there, and else stands for a
        moment."""
        place = reply.place
        if place is None or not self._adapter.finds_again:
            return MessageRef("")
        language = LANGUAGES[0]
        gone = Reply(stage=Stage.FINAL, language=language, notice=texts(language, "bots")["taken_back"])
        try:
            return await self._means.patiences.platform.ride(lambda: self._adapter.post(place, gone, nonce=reply.nonce))
        except PlatformRefused:
            return MessageRef("")

    async def _forgotten(self, message: MessageRef) -> None:
        """The service need not remember what it shows; where it does, it asks for a message that is gone."""
        try:
            await self._means.patiences.service.ride(lambda: self._service.withdrawn(message))
        except _NOT_TOLD as error:
            extra = {"action": "withdrawal_not_told", "kind": type(error).__name__}
            _log.warning("The service could not be told of a message that was taken back", extra=extra)
