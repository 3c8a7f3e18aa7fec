"""The desk between those who ask and the model: many wait, as many are served as the model has seats.

A question is admitted or refused at once, searched for in a thread of the finders, and then waits for a seat on the
event loop, where it holds no thread: `rag.api.line` says who is next. Its answer is written in a thread of the writers.
What needs no model (nothing found, no model there) does not wait. What a thread is ahead of a slow reader is kept here,
so that a slow reader never holds the model. All but the work in threads (`rag.api.errand`) happens on
the event loop.

    admitted → FINDING → WAITING → WRITING → ENDED        a reader goes away in any of them: the place is free at once
                      ↘ ENDING (no seat needed, or cut) ↗
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress

from rag.answers import Answer, AnswerEvent, Found
from rag.api import errand
from rag.api.admission import Admission
from rag.api.answering import Answering, Asked, Stage
from rag.api.caller import ENDED, Caller
from rag.api.line import Line, Waiting
from rag.api.problems import Refused
from rag.api.watchman import Watchman
from rag.models.seats import Seats
from rag.settings.limits import LimitsSettings, ServerSettings
from rag.store.ledger import Ledger

_BEAT_S = 0.5
"""How often places in the line are told, and credentials and rights are looked at."""
_AGAIN_S = 15.0
"""When to come again to a service that is being stopped: it is mostly started anew."""
_LET_GO_S = 2.5
"""How long a model may take to notice that it is no longer wanted."""


class Desk:
    """Admission, line and seats of one service.

    `seats` may be shared with others who use the model; `ledger` tells whether passages may still be read; `answered`
    is told of each answer that came to its end, in its thread. `finders`
    and `writers` run the work, and are shut down with the desk.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        answered: Callable[[Answer], None] = lambda answer: None,
        seats: Seats | None = None,
        limits: LimitsSettings | None = None,
        server: ServerSettings | None = None,
        finders: Executor | None = None,
        writers: Executor | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seats, self._answered = seats or Seats(1), answered
        self._server, self._limits = server or ServerSettings(), limits or LimitsSettings()
        self._clock_s = clock_s
        self.admission = Admission(self._limits, slots=self.seats.count)
        self._line: Line[Asked] = Line()
        self._open: set[Asked] = set()
        self._running: Counter[str] = Counter()
        self._finders = finders or ThreadPoolExecutor(self._server.retrieval_threads, thread_name_prefix="finder")
        self._writers = writers or ThreadPoolExecutor(self.seats.count, thread_name_prefix="writer")
        self._watchman = Watchman(ledger)
        self._beat: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.draining = False
        self.seats.tell(self._seat_freed)

    # ---- what the doors call ----

    def ask(self, make: Callable[[], Iterator[AnswerEvent]], *, caller: Caller) -> Answering:
        """Take a question; `make` begins its answer in a thread.

        Raises:
            Refused: too many questions wait (429), or the service is being stopped (503); each says when to try again.
        """
        if self.draining:
            raise self.admission.stopping(again_s=_AGAIN_S)
        self.admission.admit(caller.principal.user, caller.channel, now_s=self._clock_s())
        asked = Asked(make=make, caller=caller, loop=asyncio.get_running_loop())
        self._open.add(asked)
        self._idle.clear()
        if self._beat is None or self._loop is not asked.loop:
            self._loop = asked.loop
            self._beat = self._loop.call_later(_BEAT_S, self._look_round)
        self._finders.submit(errand.find, asked, sighted=self._sighted, found=self._found, ended=self._ended)
        return Answering(asked, leave=self.leave)

    def pace(self, caller: Caller) -> None:
        """Count a search, which needs no model.

        Raises:
            Refused: too many in too short a time, or the service is being stopped.
        """
        if self.draining:
            raise self.admission.stopping(again_s=_AGAIN_S)
        self.admission.pace(caller.principal.user, caller.channel, now_s=self._clock_s())

    def leave(self, asked: Asked) -> None:
        """The reader of a question has gone."""
        if asked.gone or asked.stage is Stage.ENDED:
            return
        asked.gone = True
        self._uncount(asked)
        if asked.stage is Stage.WAITING:
            self._end_waiting(asked)
        else:
            asked.tell("hang_up")

    @property
    def waiting(self) -> int:
        """Questions that wait for a seat."""
        return len(self._line)

    @property
    def finding(self) -> int:
        """Questions that are searched for."""
        return sum(asked.stage is Stage.FINDING for asked in self._open)

    @property
    def running(self) -> int:
        """Answers that are being written."""
        return self._running.total()

    async def drain(self) -> None:
        """Take no more questions, end those that wait, let answers under way end within the grace, then end them too;
        returns when every record is closed, or after the model was given time to notice."""
        self.draining = True
        for asked in list(self._open):
            if asked.stage in (Stage.FINDING, Stage.WAITING):
                self._refuse(asked)
        await self._until_idle(self._server.drain_s)
        for asked in list(self._open):
            self._refuse(asked)
        await self._until_idle(_LET_GO_S)

    def close(self) -> None:
        """End what is under way and wait for it. No answer outlives the App under it."""
        self.draining = True
        if self._beat is not None:
            self._beat.cancel()
        for asked in list(self._open):
            self._refuse(asked)
        for threads in (self._finders, self._writers, self._watchman):
            threads.shutdown()
        for asked in self._open:
            errand.close(asked)
            asked.stage = Stage.ENDED
        self._open.clear()

    # ---- on the event loop ----

    def _sighted(self, asked: Asked, event: Found) -> None:
        if asked.stage is not Stage.ENDED and not asked.gone:
            asked.passages = event.passages
            asked.inbox.put_nowait((event, None))

    def _found(self, asked: Asked, event: AnswerEvent) -> None:
        if asked.stage is Stage.ENDED:
            return
        if asked.gone:
            self._end(asked)
            return
        asked.inbox.put_nowait((event, None))
        if not (isinstance(event, Found) and event.writes):
            self._uncount(asked)
            self._end(asked)
            return
        asked.passages = event.passages
        asked.stage = Stage.WAITING
        self._line.join(asked.user, asked)
        self._serve()
        if asked.stage is Stage.WAITING:
            self._tell_places(only=asked)

    def _serve(self) -> None:
        while self._line.first(self._may_run) is not None and self.seats.take():
            asked = self._line.serve(self._may_run)
            if asked is None:
                raise RuntimeError("the line changed while it was served")
            self._uncount(asked)
            self._running[asked.user] += 1
            asked.stage, asked.began_s = Stage.WRITING, self._clock_s()
            if asked.place is not None:
                asked.told(Waiting(position=0, of=len(self._line)))
            self._writers.submit(errand.finish, asked, answered=self._answered, ended=self._ended)

    def _may_run(self, user: str) -> bool:
        return self._running[user] < self._limits.running_per_user

    def _ended(self, asked: Asked, error: BaseException | None) -> None:
        if asked.stage is Stage.ENDED:
            return
        if asked.stage is Stage.WRITING:
            self._running[asked.user] -= 1
            self._running += Counter()  # forgets who has none
            if not asked.gone:
                self.admission.learn(self._clock_s() - asked.began_s)
            self.seats.give_back()  # which has the next one served
        asked.stage = Stage.ENDED
        self._uncount(asked)
        self._open.discard(asked)
        asked.inbox.put_nowait((None, error))
        if not self._open:
            self._idle.set()

    def _end_waiting(self, asked: Asked) -> None:
        self._line.leave(asked.user, asked)
        self._uncount(asked)
        self._end(asked)

    def _end(self, asked: Asked) -> None:
        """The rest needs no seat: there is no text to write, or the iterator is only closed."""
        asked.stage = Stage.ENDING
        self._finders.submit(errand.finish, asked, answered=self._answered, ended=self._ended)

    def _uncount(self, asked: Asked) -> None:
        if asked.counted:
            asked.counted = False
            self.admission.leave(asked.user)

    def _refuse(self, asked: Asked) -> None:
        """End an answer because the service is being stopped."""
        if not asked.gone:
            asked.inbox.put_nowait((None, self.admission.stopping(again_s=_AGAIN_S)))
            self.leave(asked)

    def _revoke(self, asked: Asked) -> None:
        """End an answer because whoever asked may not hear it any more; nobody is told why."""
        if asked.gone or asked.stage is Stage.ENDED:
            return
        if not asked.tell("revoke"):
            self._expel(asked)
        elif asked.stage is Stage.WAITING:
            self._end_waiting(asked)

    def _expel(self, asked: Asked) -> None:
        """End an answer because what was shown at the door is no longer good."""
        if not asked.gone and asked.stage is not Stage.ENDED:
            asked.inbox.put_nowait((None, Refused(ENDED)))
            self.leave(asked)

    def _tell_places(self, *, only: Asked | None = None) -> None:
        order = self._line.order()
        for position, asked in enumerate(order, start=1):
            if only is None or asked is only:
                asked.told(Waiting(position=position, of=len(order)))

    def _look_round(self) -> None:
        self._beat = None
        self._tell_places()
        looked_at = [asked for asked in self._open if not asked.gone]
        self._watchman.look(
            looked_at,
            ended=lambda asked: asked.later(self._expel, asked),
            lost=lambda asked: asked.later(self._revoke, asked),
        )
        if self._open and self._loop is not None:
            self._beat = self._loop.call_later(_BEAT_S, self._look_round)

    def _seat_freed(self) -> None:
        """In any thread."""
        if self._loop is not None and not self._loop.is_closed() and len(self._line):
            self._loop.call_soon_threadsafe(self._serve)

    async def _until_idle(self, patience_s: float) -> None:
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), patience_s)
