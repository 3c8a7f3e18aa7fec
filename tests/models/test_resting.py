"""A reranker that failed is left alone for a growing while, and said to have failed once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from rag.errors import ModelError, ModelTimeout, ModelUnavailable, RagError, SettingsError
from rag.models.resting import FIRST_S, LONGEST_S, Resting, RestingReranker


class Scripted:
    """A reranker that gives what it is told, or raises it; counts how often it was asked."""

    def __init__(self) -> None:
        self.outcome: list[float] | RagError = [1.0, 2.0]
        self.asked = 0
        self.closed = False
        self.meanwhile: Callable[[], None] = lambda: None

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        self.asked += 1
        self.meanwhile()
        if isinstance(self.outcome, RagError):
            raise self.outcome
        return self.outcome

    def close(self) -> None:
        self.closed = True


class House:
    """A reranker behind its rest, and a clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.inner = Scripted()
        self.outer = RestingReranker(self.inner, clock=lambda: self.now)

    def ask(self) -> Sequence[float]:
        return self.outer.scores("Urlaub", ["a", "b"])

    def fail(self, kind: type[ModelError] = ModelTimeout) -> None:
        self.inner.outcome = kind("Start it.")
        with pytest.raises(kind):
            self.ask()


@pytest.fixture
def house() -> Iterator[House]:
    yield House()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    caplog.set_level(logging.WARNING)
    return lambda: [record for record in caplog.records if record.name == "rag.models.resting"]


def test_one_that_works_is_asked_every_time(house: House) -> None:
    assert [house.ask(), house.ask()] == [[1.0, 2.0]] * 2
    assert house.inner.asked == 2


def test_one_that_failed_is_not_asked_for_a_while(house: House) -> None:
    house.fail()
    house.now += FIRST_S - 0.1
    with pytest.raises(Resting, match="again in 0 s"):
        house.ask()
    assert house.inner.asked == 1
    house.now += 0.2
    house.inner.outcome = [2.0, 1.0]
    assert house.ask() == [2.0, 1.0]


def test_the_while_doubles_up_to_its_limit(house: House) -> None:
    for pause_s in (5, 10, 20, 40, 80, 160, 300, 300):
        house.fail()
        house.now += pause_s - 0.5
        with pytest.raises(Resting):
            house.ask()
        house.now += 0.5


def test_having_worked_it_is_forgiven_all(house: House) -> None:
    for _ in range(4):
        house.fail()
        house.now += LONGEST_S
    house.inner.outcome = [1.0, 2.0]
    house.ask()
    house.fail()
    house.now += FIRST_S
    house.inner.outcome = [1.0, 2.0]
    assert house.ask() == [1.0, 2.0]


def test_when_the_while_is_over_one_question_tries_and_the_others_do_not_wait(house: House) -> None:
    house.fail()
    house.now += FIRST_S
    trying, go_on = threading.Event(), threading.Event()
    house.inner.outcome = [1.0, 2.0]

    def wait() -> None:
        trying.set()
        assert go_on.wait(5)

    house.inner.meanwhile = wait
    first = threading.Thread(target=house.ask)
    first.start()
    assert trying.wait(5)
    with pytest.raises(Resting):
        house.ask()
    go_on.set()
    first.join()
    assert house.inner.asked == 2


def test_it_is_said_once_with_what_to_do_and_once_that_it_works_again(
    house: House, said: Callable[[], list[logging.LogRecord]]
) -> None:
    for _ in range(3):
        house.fail(ModelUnavailable)
        house.now += LONGEST_S
    (record,) = said()
    assert (record.levelname, record.action, record.advice) == (  # type: ignore[attr-defined]
        "WARNING",
        "rerank_failed",
        "Start it.",
    )
    house.inner.outcome = [1.0, 2.0]
    house.ask()
    house.ask()
    assert [record.action for record in said()] == ["rerank_failed", "rerank_works"]  # type: ignore[attr-defined]
    house.fail()
    assert len(said()) == 3


@pytest.mark.parametrize("scores", [[1.0], [1.0, float("nan")], [float("inf"), 1.0]])
def test_scores_that_are_none_are_a_failure(house: House, scores: list[float]) -> None:
    house.inner.outcome = scores
    with pytest.raises(ModelUnavailable, match="no finite score"):
        house.ask()
    with pytest.raises(Resting):
        house.ask()


def test_a_key_that_cannot_be_read_is_a_failure_too(house: House) -> None:
    house.inner.outcome = SettingsError("no key")
    with pytest.raises(SettingsError):
        house.ask()
    with pytest.raises(Resting):
        house.ask()


def test_closing_it_closes_the_other_one(house: House) -> None:
    house.outer.close()
    assert house.inner.closed
