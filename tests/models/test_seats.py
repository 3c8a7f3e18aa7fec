"""Seats before a model: never more taken than there are, and whoever wants one is told."""

from __future__ import annotations

import threading

import pytest

from rag.models.seats import Seats


def test_no_more_are_taken_than_there_are() -> None:
    seats = Seats(2)
    assert [seats.take() for _ in range(3)] == [True, True, False]
    seats.give_back()
    assert (seats.free, seats.take(), seats.free) == (1, True, 0)


def test_what_was_not_taken_cannot_be_given_back() -> None:
    with pytest.raises(ValueError, match="no seat"):
        Seats(1).give_back()


def test_whoever_wants_one_is_told_when_it_is_free() -> None:
    seats, told = Seats(1), list[int]()
    seats.tell(lambda: told.append(seats.free))
    with seats.taken() as free:
        assert free and told == []
    assert told == [1]
    seats.take()
    with seats.taken() as free:
        assert not free
    assert told == [1], "who had none gives none back"


def test_many_threads_never_sit_on_one_seat() -> None:
    seats, at_once, most = Seats(3), [0], [0]
    lock, start = threading.Lock(), threading.Barrier(16)

    def sit() -> None:
        start.wait()
        for _ in range(500):
            with seats.taken() as free:
                if free:
                    with lock:
                        at_once[0] += 1
                        most[0] = max(most[0], at_once[0])
                    with lock:
                        at_once[0] -= 1

    threads = [threading.Thread(target=sit) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 3 and seats.free == 3
