"""One language model on several servers: the least busy one that holds the right version answers.

Every server is looked at from time to time (`LOOK_S`), beside the questions: whether it answers, holds the model in the
same version as the others, and has it loaded. One that fails while it writes rests for a while, twofold each time. A
question whose server dies is begun anew elsewhere as long as its reader was shown nothing; else it ends as cut.

    up ⇄ down (no answer, another version, another licence)        up → resting (failed while it wrote) → up
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rag.answers import ModelInfo
from rag.errors import ContextOverflow, ModelChanged, ModelError, ModelTimeout, ModelUnavailable
from rag.models.host import Host, HostStanding, Served, compared
from rag.ports import Delta, Generation, Message

_log = logging.getLogger(__name__)

LOOK_S = 10.0
FIRST_REST_S, LONGEST_REST_S = 5.0, 300.0


class Hosts:
    """See `rag.ports.LanguageModel`. Thread-safe. `models` are the servers' addresses and models, `seats` how many
    answers each writes at a time; `capacity` is told how many all that are up write together."""

    def __init__(
        self,
        models: Sequence[tuple[str, Served]],
        *,
        seats: int = 1,
        capacity: Callable[[int], None] = lambda count: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not models:
            raise ValueError("there is no host")
        self._hosts = [Host(n, url, model, seats=seats) for n, (url, model) in enumerate(models, start=1)]
        self._seats, self._capacity, self._clock = seats, capacity, clock
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._due_at = -math.inf
        self._askers = ThreadPoolExecutor(len(self._hosts), thread_name_prefix="model-host")
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="model-hosts")
        self._round: Future[None] | None = None

    # ---- what a language model does ----

    @property
    def info(self) -> ModelInfo:
        """Name and digest, as every server has it that is asked.

        Raises:
            ModelUnavailable: none is up; names each with its reason.
            ModelChanged: none is up, and one that answers has another version than the pinned one.
        """
        found = self._first().seen.info
        if found is None:
            raise self._none_left()
        return found

    @property
    def context_tokens(self) -> int:
        """Prompt and answer together may not be longer."""
        return self._hosts[0].model.context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt, by the server that is asked next."""
        return self._first().model.count_tokens(messages)

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        """Generate on the least busy server; on another one where it fails before anything was shown.

        Raises:
            ModelUnavailable: no server is left; names each with its reason.
            ContextOverflow, ModelTimeout, ModelChanged: see `rag.errors`.
        """
        self._first()
        return self._streamed(messages, generation)

    def close(self) -> None:
        """Let go of all of them."""
        self._beside.shutdown(cancel_futures=True)
        self._askers.shutdown(cancel_futures=True)
        for host in self._hosts:
            host.model.close()

    # ---- what is told of them ----

    def standing(self) -> tuple[HostStanding, ...]:
        """Every server, as it was seen last."""
        with self._lock:
            return tuple(
                HostStanding(
                    number=host.number,
                    url=host.url,
                    problem=host.seen.problem or self._rest(host),
                    digest=host.seen.info.digest if host.seen.info else "",
                    loaded=host.seen.loaded,
                    running=host.running,
                    seats=host.seats,
                    answers=host.answers,
                    failures=host.failures,
                )
                for host in self._hosts
            )

    def look(self) -> None:
        """Look at every server, all at the same time; returns when it is known of each."""
        with self._looking:
            seen = compared(list(self._askers.map(Host.look, self._hosts)))
            with self._lock:
                turned = [
                    h for h, now in zip(self._hosts, seen, strict=True) if bool(h.seen.problem) != bool(now.problem)
                ]
                for host, now in zip(self._hosts, seen, strict=True):
                    host.seen = now
                self._due_at = self._clock() + LOOK_S
                up = sum(not host.seen.problem for host in self._hosts)
        for host in turned:
            left_out = bool(host.seen.problem)
            _log.warning(
                "A model server is left out" if left_out else "A model server is asked from now on",
                extra={"action": "model_host_down" if left_out else "model_host_up", "host": host.number},
            )
        self._capacity(max(1, up) * self._seats)

    # ---- which one ----

    def _first(self) -> Host:
        """The one that would be asked now. What was seen longer ago is looked at again beside it; where none was up,
        before."""
        if not self._up(()):
            self.look()
        elif self._clock() >= self._due_at:
            with self._lock:
                if self._round is None or self._round.done():
                    self._round = self._beside.submit(self.look)
        with self._lock:
            if found := self._up(()):
                return min(found, key=self._rank)
        raise self._none_left()

    def _up(self, tried: Collection[int]) -> list[Host]:
        return [host for host in self._hosts if not host.seen.problem and host.number not in tried]

    def _rank(self, host: Host) -> tuple[bool, int, bool, int]:
        """The least goes first: one that does not rest, is least busy, and has the model loaded."""
        return self._clock() < host.rests_until, host.running, not host.seen.loaded, host.number

    def _taken(self, tried: Collection[int]) -> Host | None:
        """The one that is asked next, counted as busy from here on."""
        with self._lock:
            left = self._up(tried)
            if not left:
                return None
            host = min(left, key=self._rank)
            host.running += 1
            return host

    def _rest(self, host: Host) -> str:
        left_s = host.rests_until - self._clock()
        return f"it failed while it wrote, and is asked last for {left_s:.0f} s" if left_s > 0 else ""

    def _none_left(self) -> ModelError:
        with self._lock:
            changed = any(host.seen.changed for host in self._hosts)
            told = " ".join(f"{host.number}. {host.url}: {host.seen.problem or 'it failed.'}" for host in self._hosts)
        message = f"No model server can answer (llm.base_urls). {told}"
        return ModelChanged(message) if changed else ModelUnavailable(message)

    # ---- an answer ----

    def _streamed(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        tried: set[int] = set()
        while (host := self._taken(tried)) is not None:
            tried.add(host.number)
            if (yield from self._on(host, messages, generation, tried)):
                return
            _log.warning(
                "A model server failed; the answer is begun anew on another one",
                extra={"action": "model_host_failed", "host": host.number},
            )
        raise self._none_left()

    def _on(
        self, host: Host, messages: Sequence[Message], generation: Generation, tried: Collection[int]
    ) -> Generator[Delta, None, bool]:
        """What one server writes. False: it failed, and another one may begin anew."""
        deltas: Iterator[Delta] = iter(())
        given = False
        try:
            deltas = host.model.stream(messages, generation)
            for delta in deltas:
                if delta.usage is not None and delta.usage.finish == "cut":
                    self._failed(host)
                    anew = bool(self._up(tried)) and generation.anew()
                    yield Delta(anew=True) if anew else delta
                    return not anew
                yield delta
                given = given or bool(delta.text)
        except ContextOverflow:
            raise
        except ModelError as error:
            self._failed(host)
            if given or isinstance(error, ModelTimeout) or not self._up(tried):
                raise
            return False
        finally:
            if (close := getattr(deltas, "close", None)) is not None:
                close()
            with self._lock:
                host.running -= 1
        with self._lock:
            host.answers += 1
            host.in_a_row, host.rests_until = 0, -math.inf
        return True

    def _failed(self, host: Host) -> None:
        with self._lock:
            host.failures += 1
            host.in_a_row += 1
            host.rests_until = self._clock() + min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(host.in_a_row - 1, 10))
            self._due_at = -math.inf
