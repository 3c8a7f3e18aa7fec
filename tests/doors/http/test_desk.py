"""The desk at any interleaving of asking, finding, writing and going away: its threads run when the test says so."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from rag.access import LOOPBACK
from rag.answers import Answer, AnswerEvent, Done, Found, Outcome, Sentence
from rag.api.answering import Answering, Stage
from rag.api.caller import Caller
from rag.api.desk import Desk
from rag.api.line import Waiting
from rag.api.problems import Refused
from rag.identity import person
from rag.models.seats import Seats
from rag.settings.limits import LimitsSettings
from rag.store.ledger import Ledger
from tests import loops

DONE = Done(answer=Answer(question="?", text="24.", outcome=Outcome.ANSWERED))
SAID = Sentence(text="24.", citations=(), supported=True)


class Stepped(Executor):
    """Threads that run nothing until they are told to."""

    def __init__(self) -> None:
        self.pending: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        self.pending.append(functools.partial(fn, *arguments, **options))
        return Future()

    def run(self, number: int = 0) -> None:
        self.pending.pop(number % len(self.pending))()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        while self.pending:
            self.run()


@dataclass(eq=False)
class Question:
    """One question of the test, and what became of it."""

    user: str
    writes: bool
    fails: bool
    answering: Answering | None = None
    made: int = 0
    written: int = 0
    closed: bool = False
    left: bool = False
    read: list[Any] = field(default_factory=list)
    error: BaseException | None = None
    over: bool = False
    for_nobody: bool = False
    waits: bool = False
    ahead: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def flow(self, between: Callable[[], None]) -> Iterator[AnswerEvent]:
        self.made += 1
        try:
            yield Found(passages=(), evidence=1.0, writes=self.writes)
            self.written += 1
            self.for_nobody |= self.left
            between()
            if self.fails:
                raise ValueError("broken")
            yield SAID
            self.for_nobody |= self.left
            between()
            yield DONE
        finally:
            self.closed = True


class Bench:
    """A desk on a loop of its own, with stepped threads."""

    def __init__(self, home: Path, *, slots: int, limits: LimitsSettings) -> None:
        self.ledger = Ledger(home / "ledger.sqlite")
        self.loop = asyncio.new_event_loop()
        self.finders, self.writers = Stepped(), Stepped()
        self.seats = Seats(slots)
        self.now_s = 0.0
        self.desk = Desk(
            self.ledger,
            seats=self.seats,
            limits=limits,
            finders=self.finders,
            writers=self.writers,
            clock_s=lambda: self.now_s,
        )

    def ask(self, user: str, make: Callable[[], Iterator[AnswerEvent]]) -> Answering:
        async def asking() -> Answering:
            return self.desk.ask(make, caller=Caller(principal=person(user, {}), channel=LOOPBACK))

        return self.loop.run_until_complete(asking())

    def settle(self) -> None:
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))

    def read(self, question: Question) -> None:
        """Everything that is there to be read now."""
        answering = question.answering
        while answering is not None and not question.over and not question.left:
            waiting = self.loop.create_task(anext(answering))  # type: ignore[arg-type]  # it is a coroutine
            self.settle()
            if not waiting.done():
                waiting.cancel()
                self.settle()
                return
            try:
                question.read.append(waiting.result())
            except StopAsyncIteration:
                question.over = True
            except Exception as error:
                question.over, question.error = True, error

    def close(self) -> None:
        self.desk.close()
        self.loop.close()
        self.ledger.close()


class AnyInterleaving(RuleBasedStateMachine):
    """Questions of four people at a desk with one or two seats."""

    slots = 1

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        limits = LimitsSettings(waiting=6, waiting_per_user=3, running_per_user=self.slots, user_per_minute=0)
        self.bench = Bench(Path(self.folder.name), slots=self.slots, limits=limits)
        self.questions: list[Question] = []
        self.line: list[Question] = []
        self.leaving: list[int] = []

    def teardown(self) -> None:
        while self.bench.finders.pending or self.bench.writers.pending:
            for threads in (self.bench.finders, self.bench.writers):
                if threads.pending:
                    threads.run()
                    self.settle()
        for question in self.questions:
            self.bench.read(question)
            assert not question.for_nobody, "an answer went on after its reader had left"
            if question.left:
                assert question.closed or question.made == 0, "a question whose reader left is closed"
                continue
            names = [type(event).__name__ for event in question.read if not isinstance(event, Waiting)]
            assert question.over, "a question was lost"
            if question.fails:
                assert isinstance(question.error, ValueError) and names == ["Found"]
            else:
                assert question.error is None and names == ["Found", "Sentence", "Done"]
            assert (question.made, question.written, question.closed) == (1, 1, True)
        assert (self.bench.desk.waiting, self.bench.desk.running, self.bench.desk.finding) == (0, 0, 0)
        assert self.bench.desk.admission.waiting == 0
        assert self.bench.seats.free == self.slots
        self.bench.close()
        self.folder.cleanup()

    def settle(self) -> None:
        """Let the loop do what is to be done, and note who joined the line and who was served."""
        self.bench.settle()

    def between(self, question: Question) -> None:
        """In the middle of an answer: readers leave."""
        while self.leaving:
            self.go(self.leaving.pop() % len(self.questions))

    def go(self, number: int) -> None:
        question = self.questions[number]
        if not question.left and question.answering is not None:
            question.left = True
            question.answering.close()

    def unserved(self, user: str | None = None) -> list[Question]:
        """Questions that were admitted, whose turn has not come and whose readers are there."""
        asked = [question for question in self.questions if not question.left and question not in self.line]
        return [question for question in asked if user in (None, question.user)]

    @rule(user=st.sampled_from("abcd"), writes=st.sampled_from([True, True, True, False]), fails=st.integers(0, 5))
    def ask(self, user: str, writes: bool, fails: int) -> None:
        question = Question(user=user, writes=writes, fails=fails == 0)
        full = len(self.unserved()) >= 6 or len(self.unserved(user)) >= 3
        try:
            question.answering = self.bench.ask(user, lambda: question.flow(lambda: self.between(question)))
        except Refused as refused:
            assert full, "refused although there is room"
            assert refused.problem.status == 429 and refused.problem.retry_after_s >= 1
            return
        assert not full, "taken although there is no room"
        self.questions.append(question)

    @precondition(lambda self: self.bench.finders.pending)
    @rule(number=st.integers(0, 9))
    def find(self, number: int) -> None:
        self.bench.finders.run(number)
        self.settle()
        self.note_served()

    @precondition(lambda self: self.bench.writers.pending)
    @rule(number=st.integers(0, 9), leaving=st.lists(st.integers(0, 30), max_size=2))
    def write(self, number: int, leaving: list[int]) -> None:
        self.leaving = leaving
        self.bench.writers.run(number)
        self.settle()
        self.note_served()

    @precondition(lambda self: self.questions)
    @rule(number=st.integers(0, 30))
    def leave(self, number: int) -> None:
        self.go(number % len(self.questions))
        self.settle()
        self.note_served()

    @precondition(lambda self: self.questions)
    @rule(number=st.integers(0, 30))
    def read(self, number: int) -> None:
        self.bench.read(self.questions[number % len(self.questions)])

    def note_served(self) -> None:
        """Who came to wait, and whose turn has come: between two turns of theirs everybody else has one at most."""
        for question in self.questions:
            stage = question.answering._asked.stage if question.answering is not None else None
            if stage is Stage.WAITING and not question.waits:
                question.waits = True
                question.ahead = sum(other.waits and other.user == question.user for other in self.questions) - 1
            elif stage not in (None, Stage.FINDING, Stage.WAITING) and question not in self.line:
                self.line.append(question)
                question.waits = False
                if stage is Stage.WRITING:
                    self.served(question.user)
        assert self.bench.desk.admission.waiting == len(self.unserved())

    def served(self, user: str) -> None:
        for waiting in (other for other in self.questions if other.waits and other.user != user):
            waiting.others[user] += 1
            assert waiting.others[user] <= waiting.ahead + 1, "one person had two turns while another waited for one"

    @invariant()
    def never_more_than_the_seats(self) -> None:
        assert self.bench.desk.running <= self.slots
        assert len(self.bench.writers.pending) <= self.slots
        assert self.bench.desk.running == self.slots - self.bench.seats.free

    @invariant()
    def nobody_waits_before_a_free_seat(self) -> None:
        assert not (self.bench.desk.waiting and self.bench.seats.free)

    @invariant()
    def nothing_is_begun_twice(self) -> None:
        assert all(question.made <= 1 and question.written <= 1 for question in self.questions)


class TwoSeats(AnyInterleaving):
    slots = 2


@pytest.mark.parametrize("machine", [AnyInterleaving, TwoSeats], ids=["one seat", "two seats"])
def test_no_question_is_lost_or_runs_twice_and_seats_are_never_exceeded(machine: type[AnyInterleaving]) -> None:
    some = settings(max_examples=30, stateful_step_count=40)
    loops.apart(lambda: run_state_machine_as_test(machine, settings=some))  # type: ignore[no-untyped-call]


def test_that_the_turn_has_come_is_told_to_who_has_not_read_the_place_yet(tmp_path: Path) -> None:
    def scene() -> None:
        bench = Bench(tmp_path, slots=1, limits=LimitsSettings(user_per_minute=0))
        first, second = (Question(user=user, writes=True, fails=False) for user in "ab")
        for question in (first, second):
            question.answering = bench.ask(question.user, functools.partial(question.flow, lambda: None))
            bench.finders.run()
            bench.settle()
        for _ in range(2):
            bench.writers.run()
            bench.settle()
        bench.read(second)
        assert [event for event in second.read if isinstance(event, Waiting)] == [
            Waiting(position=1, of=1),
            Waiting(position=0, of=0),
        ]
        bench.close()

    loops.apart(scene)
