"""Class × chat × audience × who asks × who reads along: no canary of text above the ceiling leaves in any byte that is
sent to a bot, or reaches a model whose answer goes there. The model echoes its whole prompt.

Each run takes another path; FAULT_SEED repeats one. The size of CI takes seconds, the whole one is a soak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import rag.api.bot_forms as bot_forms
import rag.api.bots as bots
import rag.api.on_behalf as on_behalf
import rag.ask.recheck as rechecking
import rag.ask.release as releasing
from rag.access import LOOPBACK, Acl
from rag.answers import Pointer
from rag.ask import answer
from rag.ask.release import Release
from rag.store.readable import Readable
from tests.access.chats import Chats, Leak, random_policy
from tests.faults.seeds import chosen

STEPS, MANY = 60, 3000


def walk(chats: Chats, steps: int) -> None:
    """Ask so often; every tenth time the settings say something else."""
    for number in range(steps):
        if number % 10 == 9:
            chats.policy(random_policy(chats.chance))
        chats.step()


@pytest.fixture(scope="module")
def house() -> Iterator[Chats]:
    with Chats(chosen("chats")) as opened:
        yield opened


@pytest.fixture
def chats(house: Chats) -> Chats:
    house.forget()
    return house


def test_no_canary_above_the_ceiling_reaches_a_bot(chats: Chats) -> None:
    wanted = {"answered", "link_only"}
    for _ in range(20):  # some paths come late to what may be seen
        walk(chats, STEPS)
        if chats.seen > STEPS and chats.outcomes.keys() >= wanted:
            break
    assert chats.seen > STEPS, "what may be seen is seen"
    assert chats.outcomes.keys() >= wanted


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_canary_above_the_ceiling_reaches_a_bot_in_many_steps(chats: Chats) -> None:
    walk(chats, MANY)
    print(f"{MANY} steps, {chats.seen} canaries that may be seen, 0 others; {chats.outcomes}")


def _alone(own: Any) -> Any:
    """Who reads along is not asked."""
    return lambda self, principal: self._admits(principal)


def _classes_alone(own: Any) -> Any:
    from dataclasses import replace

    def classes(self: Readable, person: Any, **named: Any) -> Any:
        return own(self, replace(person, company=frozenset()), **named)

    return classes


def _always_titled(own: Any) -> Any:
    return classmethod(
        lambda cls, passage, *, titled: Pointer(key=passage.key, title=passage.title, span=passage.chunk.span)
    )


GUARDS: dict[str, list[tuple[Any, str, Callable[[Any], Any]]]] = {
    "the rights of who reads along": [(Acl, "admits", _alone), (Readable, "classes", _classes_alone)],
    "the room": [(on_behalf, "room", lambda own: lambda asker, others: asker)],
    "the audience": [
        (
            on_behalf,
            "_spoken_for",
            lambda own: lambda app, caller, who, _: own(app, caller, who, on_behalf.Audience.DIRECT),
        )
    ],
    "release": [(room, "release", lambda own: lambda *_: Release.FULL) for room in (releasing, rechecking)],
    "release before the prompt": [
        (answer, "divide", lambda own: lambda found, _, policy: own(found, LOOPBACK, policy)),
        (answer.Recheck, "left", lambda own: lambda self, passages: tuple(passages)),
        (answer.Recheck, "insist", lambda own: lambda self, passages: None),
    ],
    "titles": [(Pointer, "to", _always_titled)],
    "places in the house": [(bot_forms.BotForms, "_place", lambda own: lambda self, form: {**form, "url": ""})],
    "what stands when it is posted": [(bots, "_stands", lambda own: lambda *_: True)],
}


@contextmanager
def removed(guard: str) -> Iterator[None]:
    """The guard is gone meanwhile."""
    kept = [(owner, name, vars(owner)[name]) for owner, name, _ in GUARDS[guard]]
    try:
        for owner, name, made in GUARDS[guard]:
            setattr(owner, name, made(getattr(owner, name)))
        yield
    finally:
        for owner, name, own in kept:
            setattr(owner, name, own)


@pytest.mark.parametrize("guard", GUARDS)
def test_removing_a_guard_is_noticed(chats: Chats, guard: str) -> None:
    with removed(guard), pytest.raises(Leak):
        walk(chats, 4 * STEPS)
