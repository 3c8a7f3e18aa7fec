"""Whether those who asked may still hear their answers: credentials and rights, looked at while answers are made.

Once a second, in a thread of its own. Rights are asked of the ledger only when something in it has changed or passages
have come since, and then with one question for all that one person waits for. Answers that are being written look at
their rights themselves (`rag.ask.recheck`); of those only the credential is looked at here.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from rag.access import Channel, Principal
from rag.answers import Passage
from rag.api.caller import Caller
from rag.ask.recheck import Recheck
from rag.store.ledger import Ledger

_log = logging.getLogger(__name__)


class Heard(Protocol):
    """An answer on its way, the passages it was told to come from."""

    @property
    def caller(self) -> Caller:
        """Whose it is."""

    @property
    def passages(self) -> tuple[Passage, ...]:
        """What was shown; none where there is nothing to look at."""


H = TypeVar("H", bound=Heard)


class Watchman:
    """Looks at many answers at once, one round after the other."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._state: tuple[int, ...] | None = None
        self._known: dict[Heard, tuple[Passage, ...]] = {}  # looked at in that state
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="watchman")
        self._round: Future[None] | None = None

    def look(self, answers: Sequence[H], *, ended: Callable[[H], None], lost: Callable[[H], None]) -> None:
        """Begin a round, unless the last one is not over. In its thread `ended` is called for each answer whose
        credential is no longer good, `lost` for each with a passage that may no longer be read. What was looked at
        before is kept until the next round, also where that has nothing to look at."""
        if self._round is None or self._round.done():
            self._round = self._thread.submit(self._look, tuple(answers), ended, lost)

    def shutdown(self) -> None:
        """Wait for the round under way."""
        self._thread.shutdown()

    def _look(self, answers: Sequence[H], ended: Callable[[H], None], lost: Callable[[H], None]) -> None:
        try:
            fallen = {id(answer) for answer in answers if not answer.caller.standing()}
            unreadable = self._unreadable(answers) - fallen
        except Exception:  # a round that fails says nothing about anybody; the next one comes in a second
            _log.exception("Rights could not be looked at", extra={"action": "rights_not_looked_at"})
            return
        for answer in answers:
            if id(answer) in fallen:
                ended(answer)
            elif id(answer) in unreadable:
                lost(answer)

    def _unreadable(self, answers: Sequence[H]) -> set[int]:
        state = self._ledger.state()
        known = self._known if state is not None and state == self._state else {}
        shown: dict[Heard, tuple[Passage, ...]] = {answer: answer.passages for answer in answers}
        readers: dict[tuple[Principal, Channel], list[H]] = defaultdict(list)
        for answer in answers:
            if shown[answer] != known.get(answer, ()):
                readers[answer.caller.principal, answer.caller.channel].append(answer)
        found = {id(answer) for theirs in readers.values() for answer in self._lost(theirs[0].caller, theirs)}
        self._state, self._known = state, shown
        return found

    def _lost(self, caller: Caller, answers: Sequence[H]) -> list[H]:
        recheck = Recheck(ledger=self._ledger, principal=caller.principal, channel=caller.channel, policy=caller.policy)
        passages = {passage.key: passage for answer in answers for passage in answer.passages}
        left = {passage.key for passage in recheck.left(tuple(passages.values()))}
        return [answer for answer in answers if any(passage.key not in left for passage in answer.passages)]
