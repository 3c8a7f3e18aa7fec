"""Many at once through a real server: who is served, who is refused, and what becomes of those who go away."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fastapi import Request

from rag.access import LOOPBACK, Acl, Channel, Confidentiality, Principal, user
from rag.answers import AnswerEvent, Done, Found, Passage
from rag.api.caller import Caller
from rag.api.desk import Desk
from rag.api.line import Waiting
from rag.api.problems import Refused
from rag.credentials.keys import Keys
from rag.credentials.suspensions import Suspensions
from rag.documents import DocumentId
from rag.errors import ModelTimeout
from rag.filters import NONE, Filters
from rag.identity import person
from rag.metrics import Metrics
from rag.settings import Settings
from rag.settings.limits import LimitsSettings, ServerSettings
from tests import loops
from tests.bench.asking import Told, ask, get, jain
from tests.doors.http.conftest import served
from tests.doors.http.house import House, cited, done, sentence
from tests.standins import ScriptedModel, Shelf, says

GENEROUS = LimitsSettings(waiting=200, waiting_per_user=100, user_per_minute=0)


def by_header(request: Request) -> Caller:
    return Caller(principal=person(request.headers["x-user"] or "somebody", {}), channel=LOOPBACK)


@dataclass
class Model:
    """Writes one answer after the other, each as long as the test lets it."""

    through: threading.Event = field(default_factory=threading.Event)
    takes_s: float = 30.0
    at_once: int = 0
    most: int = 0
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def script(self, question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        with self.lock:
            self.asked.append(question)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            self.through.wait(self.takes_s)
            said = sentence("Ein Satz.", cited(passages[0], 1))
            yield said
            yield done(question, passages, [said])
        finally:
            with self.lock:
                self.at_once -= 1


@pytest.fixture
def model(house: House) -> Iterator[Model]:
    model = Model()
    house.script = model.script
    yield model
    model.through.set()


def together(*wanted: Callable[[], object]) -> list[Told]:
    async def all_of_them() -> list[Told]:
        return await asyncio.gather(*(one() for one in wanted))  # type: ignore[arg-type]  # coroutines

    return loops.run(all_of_them())


def until(true: Callable[[], object], patience_s: float = 30.0) -> None:
    ends = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < ends, "it does not come to that"
        time.sleep(0.01)


async def until_told(name: str, *heard: set[str]) -> None:
    """Each of these heard an event of that name."""
    while not all(name in names for names in heard):
        await asyncio.sleep(0.01)


def test_many_questions_on_one_seat_are_all_answered_in_fair_turns(house: House, model: Model) -> None:
    who = ["greedy"] * 24 + [f"user{n}" for n in range(8)] * 2

    async def scene(address: str) -> list[Told]:
        heard: list[set[str]] = [set() for _ in who]
        asking = [
            asyncio.ensure_future(ask(address, user=u, question=f"{u} {n}", heard=heard[n])) for n, u in enumerate(who)
        ]
        while len(model.asked) + sum("queue" in names for names in heard) < len(who):  # not all are in the line yet
            await asyncio.sleep(0.01)
        model.through.set()
        return await asyncio.gather(*asking)

    with served(house, caller=by_header, limits=GENEROUS) as address:
        told = loops.run(scene(address))
    assert [one.names[0] for one in told] == ["passages"] * len(who)
    assert all(one.names[-1] == "done" for one in told), "a question was lost"
    assert model.most == 1 and len(model.asked) == len(set(model.asked)) == len(who)
    others = [number for number, asked in enumerate(model.asked) if not asked.startswith("greedy")]
    turns = Counter(asked.split()[0] for asked in model.asked[: max(others) + 1])
    assert turns["greedy"] <= 5, "who asks much is served first"
    assert jain(list(turns.values())) > 0.8


def test_the_evidence_does_not_wait_for_the_model(house: House, model: Model) -> None:
    with served(house, caller=by_header, limits=GENEROUS) as address:
        told = together(
            *(lambda n=n: ask(address, user=f"u{n}", question="?", leave_after="passages") for n in range(10))
        )
        assert all(one.names == ["passages"] for one in told)
        assert len(model.asked) <= 2
        model.through.set()


def test_what_needs_no_model_is_answered_while_others_wait_for_it(house: House, model: Model) -> None:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        if question != "nothing":
            yield from model.script(question, passages)
            return
        yield Found(passages=(), evidence=0.1, writes=False)
        yield done(question, (), [])

    house.script = script

    async def scene(address: str) -> Told:
        first = asyncio.ensure_future(ask(address, user="a", question="?"))
        while not model.asked:
            await asyncio.sleep(0.01)
        await ask(address, user="b", question="?", leave_after="queue")
        told = await ask(address, user="c", question="nothing")
        first.cancel()
        return told

    with served(house, caller=by_header, limits=GENEROUS) as address:
        told = loops.run(scene(address))
        assert told.names == ["passages", "done"]
        model.through.set()


def test_who_waits_is_told_the_place_and_when_the_turn_has_come(house: House, model: Model) -> None:
    async def scene(address: str) -> Sequence[Told]:
        running = [asyncio.ensure_future(ask(address, user="a", question="?"))]
        while not model.asked:
            await asyncio.sleep(0.01)
        for _ in range(2):
            heard: set[str] = set()
            running.append(asyncio.ensure_future(ask(address, user="b", question="?", heard=heard)))
            await until_told("queue", heard)
        model.through.set()
        return await asyncio.gather(*running)

    with served(house, caller=by_header, limits=GENEROUS) as address:
        first, *others = loops.run(scene(address))
    assert first.names == ["passages", "sentence", "done"]
    for number, told in enumerate(others, start=1):
        assert told.names[:2] == ["passages", "queue"] and told.names[-2:] == ["sentence", "done"]
        places = [data for _, name, data in told.events if name == "queue"]
        assert places[0] == {"position": number, "of": number}
        assert places[-1] == {"position": 0, "of": 2 - number}


@pytest.mark.parametrize(
    ("limits", "code", "users"),
    [
        (replace(GENEROUS, waiting=2), "queue_full", "abcdef"),
        (replace(GENEROUS, waiting_per_user=2), "own_questions_waiting", "aaaaaa"),
        (replace(GENEROUS, user_per_minute=1, user_burst=3), "too_fast", "aaaaaa"),
        (replace(GENEROUS, channel_per_minute=1, channel_burst=3), "too_fast", "abcdef"),
    ],
)
def test_beyond_a_bound_a_question_is_refused_before_anything_is_searched(
    house: House, model: Model, limits: LimitsSettings, code: str, users: str
) -> None:
    async def scene(address: str) -> list[Told]:
        running = [asyncio.ensure_future(ask(address, user=users[0], question="?"))]
        while not model.asked:
            await asyncio.sleep(0.01)
        running += [asyncio.ensure_future(ask(address, user=who, question="?")) for who in users[1:3]]
        while len(house.asked) < 3:
            await asyncio.sleep(0.01)
        refused = [await ask(address, user=who, question="?", stream=bool(n)) for n, who in enumerate(users[3:5])]
        model.through.set()
        await asyncio.gather(*running)
        return refused

    with served(house, caller=by_header, limits=limits) as address:
        for told in loops.run(scene(address)):
            said = json.loads(told.body)
            assert (told.status, said["code"]) == (429, code)
            assert int(told.headers["retry-after"]) == said["retry_after_s"] >= 1
            assert str(said["retry_after_s"]) in said["detail"]
            assert told.ended_s < 5
        assert len(house.asked) == 3


def test_searches_are_counted_too(house: House, opened: Callable[..., object]) -> None:
    client: object = opened(limits=replace(GENEROUS, user_per_minute=1, user_burst=2))
    statuses = [client.post("/api/search", json={"query": "x"}).status_code for _ in range(3)]  # type: ignore[attr-defined]
    assert statuses == [200, 200, 429]


def test_a_reader_who_goes_away_in_the_line_gives_up_the_place_at_once(house: House, model: Model) -> None:
    async def when_there_is_a_place(address: str) -> Told:
        while (told := await ask(address, user="c", question="next")).status == 429:
            await asyncio.sleep(0.01)
        return told

    async def scene(address: str) -> Told:
        first = asyncio.ensure_future(ask(address, user="a", question="first"))
        while not model.asked:
            await asyncio.sleep(0.01)
        await ask(address, user="b", question="gone", leave_after="queue")
        third = asyncio.ensure_future(when_there_is_a_place(address))
        while "next" not in [asked[0] for asked in house.asked]:  # the only place is free, the model is not
            await asyncio.sleep(0.01)
        assert model.asked == ["first"]
        model.through.set()
        await first
        return await third

    with served(house, caller=by_header, limits=replace(GENEROUS, waiting=1)) as address:
        told = loops.run(scene(address))
    assert told.names[-1] == "done"
    assert model.asked == ["first", "next"], "the model was asked for somebody who had gone"


def test_the_page_and_health_answer_while_everybody_waits(house: House, model: Model) -> None:
    async def scene(address: str) -> list[Told]:
        waiting = [asyncio.ensure_future(ask(address, user=f"u{n}", question="?")) for n in range(60)]
        while len(house.asked) < 60:
            await asyncio.sleep(0.01)
        told = [await get(address, path) for path in ("/healthz", "/", "/healthz")]
        model.takes_s = 0.0
        model.through.set()
        assert all(one.names[-1] == "done" for one in await asyncio.gather(*waiting))
        return told

    before = threading.active_count()
    with served(house, caller=by_header, limits=GENEROUS) as address:
        told = loops.run(scene(address))
        assert threading.active_count() < before + 60, "waiting streams hold threads"
    assert [one.status for one in told] == [200, 200, 200]


# with the real flow: rights, the audit record and the model


class Real:
    """What the door needs of an App, over real stores and the real flow."""

    def __init__(self, shelf: Shelf, model: ScriptedModel) -> None:
        self.ledger, self.audit = shelf.ledger, shelf.audit
        self.settings = Settings(home=Path(), models=Path())
        self.keys, self.suspensions = Keys(shelf.ledger), Suspensions(shelf.ledger)
        self.metrics, self.sign_in = Metrics(version="test"), None
        self._answerer = shelf.answerer(model, evidence=0.0)

    def person(self, name: str) -> Principal:
        return person(name, {})

    def ask(
        self,
        question: str,
        *,
        principal: Principal,
        channel: Channel,
        filters: Filters = NONE,
        conversation: object,
        early: bool = False,
    ) -> Iterator[AnswerEvent]:
        return self._answerer.ask(question, principal=principal, channel=channel, filters=filters, early=early)


class SlowModel(ScriptedModel):
    """Says nothing until it is let go or nobody wants it any more, as a real stream notices."""

    def __init__(self) -> None:
        super().__init__(says("Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."))
        self.through, self.let_go_s = threading.Event(), 0.0
        self.begun = threading.Event()

    def stream(self, messages: object, generation: object) -> Iterator[object]:  # type: ignore[override]
        self.begun.set()
        while not self.through.wait(0.05):
            if not generation.wanted():  # type: ignore[attr-defined]
                self.let_go_s = time.monotonic()
                return
        yield from super().stream(messages, generation)  # type: ignore[arg-type]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    (tmp_path / "real").mkdir()
    with Shelf(tmp_path / "real") as opened:
        opened.put("urlaub.txt", "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage.")
        yield opened


def closed(shelf: Shelf) -> list[str]:
    return [record["outcome"] for record in shelf.audit.records() if record["event"] == "closed"]


QUESTION = "Wie viele Arbeitstage beträgt der Urlaub im Kalenderjahr?"


@pytest.mark.parametrize("early", [False, True])
def test_a_client_that_goes_away_frees_a_silent_model_within_two_seconds(shelf: Shelf, early: bool) -> None:
    model = SlowModel()
    with served(Real(shelf, model), caller=by_header, limits=GENEROUS) as address:  # type: ignore[arg-type]

        async def scene() -> None:
            asking = asyncio.ensure_future(ask(address, user="anna", question=QUESTION, early=early))
            while not model.begun.is_set():
                assert not asking.done(), asking.result()
                await asyncio.sleep(0.01)
            asking.cancel()

        loops.run(scene())
        went_s = time.monotonic()
        until(lambda: model.let_go_s)
        until(lambda: closed(shelf))
        assert model.let_go_s - went_s < 2.0
    assert closed(shelf) == ["stopped"]


@pytest.mark.parametrize("where", ["waiting", "writing"])
def test_a_right_that_is_revoked_ends_a_waiting_and_a_silent_stream_within_seconds(shelf: Shelf, where: str) -> None:
    model = SlowModel()
    with served(Real(shelf, model), caller=by_header, limits=GENEROUS) as address:  # type: ignore[arg-type]

        async def scene() -> tuple[Told, float]:
            first = asyncio.ensure_future(ask(address, user="anna", question=QUESTION))
            while not model.begun.is_set():
                await asyncio.sleep(0.01)
            heard: set[str] = set()
            second = asyncio.ensure_future(ask(address, user="berta", question=QUESTION, heard=heard))
            await until_told("queue", heard)
            readers = frozenset({user("anna")}) if where == "waiting" else frozenset({user("berta")})
            shelf.ledger.reprotect(DocumentId("house:urlaub.txt"), Acl(readers=readers), Confidentiality.INTERNAL)
            began = time.monotonic()
            told = await (second if where == "waiting" else first)
            took = time.monotonic() - began
            model.through.set()
            await asyncio.gather(first, second)
            return told, took

        told, took = loops.run(scene())
    assert took < 5
    assert told.names[0] == "passages" and told.names[-1] == "done" and "sentence" not in told.names
    assert told.events[-1][2]["outcome"] == "incomplete" and told.events[-1][2]["passages"] == []
    assert sorted(closed(shelf)) == ["answered", "revoked"]


@pytest.mark.parametrize("where", ["waiting", "writing"])
def test_a_credential_that_is_withdrawn_ends_a_waiting_and_a_silent_stream_within_seconds(
    shelf: Shelf, where: str
) -> None:
    model, withdrawn = SlowModel(), set[str]()

    def caller(request: Request) -> Caller:
        name = request.headers["x-user"]
        return Caller(principal=person(name, {}), channel=LOOPBACK, standing=lambda: name not in withdrawn)

    with served(Real(shelf, model), caller=caller, limits=GENEROUS) as address:  # type: ignore[arg-type]

        async def scene() -> tuple[Told, float]:
            first = asyncio.ensure_future(ask(address, user="anna", question=QUESTION))
            while not model.begun.is_set():
                await asyncio.sleep(0.01)
            heard: set[str] = set()
            second = asyncio.ensure_future(ask(address, user="berta", question=QUESTION, heard=heard))
            await until_told("queue", heard)
            withdrawn.add("berta" if where == "waiting" else "anna")
            began = time.monotonic()
            told = await (second if where == "waiting" else first)
            took = time.monotonic() - began
            model.through.set()
            await asyncio.gather(first, second)
            return told, took

        told, took = loops.run(scene())
    assert took < 5
    assert "sentence" not in told.names
    last = told.events[-1][2] if told.events else json.loads(told.body)
    assert last["code"] == "credential_ended"
    assert sorted(closed(shelf)) in (["answered", "revoked"], ["answered", "stopped"])


@pytest.mark.parametrize("where", ["waiting", "writing"])
def test_an_answer_ends_with_the_credential_it_is_for_and_another_is_not_touched(shelf: Shelf, where: str) -> None:
    model, good = SlowModel(), [True]
    real = Real(shelf, model)

    async def scene() -> None:
        desk = Desk(shelf.ledger, limits=GENEROUS)
        anna = Caller(principal=person("anna", {}), channel=LOOPBACK, standing=lambda: good[0])
        other = Caller(principal=person("berta", {}), channel=LOOPBACK)
        callers = (other, anna) if where == "waiting" else (anna, other)
        answers = [
            desk.ask(
                lambda: real.ask(QUESTION, principal=person("anna", {}), channel=LOOPBACK, conversation=()),
                caller=caller,
            )
            for caller in callers
        ]
        for answer in answers:
            assert isinstance(await anext(answer), Found)
        while not (model.begun.is_set() and desk.waiting == 1):
            await asyncio.sleep(0.01)
        good[0] = False
        async with asyncio.timeout(10):
            with pytest.raises(Refused) as refused:
                assert not [event async for event in answers[callers.index(anna)] if not isinstance(event, Waiting)]
        assert refused.value.problem.code == "credential_ended"
        model.through.set()
        assert isinstance([event async for event in answers[callers.index(other)]][-1], Done)
        desk.close()

    loops.run(scene())
    assert sorted(closed(shelf)) == ["answered", "stopped"]


def test_a_model_that_is_too_slow_is_said_to_be(shelf: Shelf) -> None:

    model = ScriptedModel(ModelTimeout("took too long"))
    with served(Real(shelf, model), caller=by_header, limits=GENEROUS) as address:  # type: ignore[arg-type]
        (told,) = together(lambda: ask(address, user="anna", question=QUESTION))
    answer = told.events[-1][2]
    assert (answer["outcome"], answer["reason"]) == ("incomplete", "model_too_slow")
    assert answer["text"] == "Die Antwort ist unvollständig: Das Sprachmodell war zu langsam."


def test_told_to_stop_the_desk_refuses_the_new_ends_the_waiting_and_lets_the_running_end(shelf: Shelf) -> None:
    """Told by `Desk.drain`; `tests/doors/test_draining.py` sends the signal to the real command."""

    model = SlowModel()
    real = Real(shelf, model)

    async def scene() -> None:
        desk = Desk(shelf.ledger, limits=GENEROUS, server=ServerSettings(drain_s=8))
        anna = Caller(principal=person("anna", {}), channel=LOOPBACK)

        def make() -> Iterator[AnswerEvent]:
            return real.ask(QUESTION, principal=anna.principal, channel=anna.channel, conversation=())

        running = desk.ask(make, caller=anna)
        while not model.begun.is_set():
            await asyncio.sleep(0.01)
        waiting = desk.ask(make, caller=anna)
        assert isinstance(await anext(running), Found) and isinstance(await anext(waiting), Found)
        while desk.waiting == 0:
            await asyncio.sleep(0.01)
        draining = asyncio.ensure_future(desk.drain())
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            desk.ask(make, caller=anna)
        assert (refused.value.problem.status, refused.value.problem.code) == (503, "shutting_down")
        with pytest.raises(Refused) as ended:
            async for _ in waiting:
                pass
        assert ended.value.problem.code == "shutting_down"
        model.through.set()
        assert isinstance([event async for event in running][-1], Done)
        await draining
        desk.close()

    loops.run(scene())
    assert sorted(closed(shelf)) == ["answered", "stopped"]


def test_a_desk_with_nothing_under_way_is_drained_at_once(shelf: Shelf) -> None:
    async def scene() -> None:
        desk = Desk(shelf.ledger, server=ServerSettings(drain_s=8))
        async with asyncio.timeout(2):
            await desk.drain()
        desk.close()

    loops.run(scene())


def test_an_answer_that_does_not_end_within_the_grace_is_ended_and_its_record_closed(shelf: Shelf) -> None:

    model = SlowModel()
    real = Real(shelf, model)

    async def scene() -> None:
        desk = Desk(shelf.ledger, limits=GENEROUS, server=ServerSettings(drain_s=0.2))
        anna = Caller(principal=person("anna", {}), channel=LOOPBACK)
        running = desk.ask(
            lambda: real.ask(QUESTION, principal=anna.principal, channel=anna.channel, conversation=()), caller=anna
        )
        assert isinstance(await anext(running), Found)
        began = time.monotonic()
        await desk.drain()
        assert time.monotonic() - began < 3.5
        with pytest.raises(Refused) as ended:
            await anext(running)
        assert ended.value.problem.code == "shutting_down"
        assert closed(shelf) == ["stopped"], "the record is closed before the process ends"
        desk.close()

    loops.run(scene())
