"""The index is open before the first question, and said to be so not before it is."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from rag.access import LOOPBACK
from rag.errors import StoreError
from tests.access.house import House
from tests.access.looks import Doors


@pytest.fixture
def house() -> Iterator[House]:
    with House(random.Random(3)) as opened:
        yield opened


def told(doors: Doors) -> str:
    return doors.http("local", LOOPBACK, "GET", "/readyz")


def test_a_service_is_ready_once_it_was_opened(house: House) -> None:
    with Doors(house) as doors:
        assert '"status":"not_ready"' in told(doors) and '"advice":"Wait."' in told(doors)
        house.app.pipeline  # noqa: B018 - opened by being asked for, but nothing can be searched yet
        assert not house.app.is_open
        house.app.open()
        assert house.app.is_open and house.app.opening_problem == ""
        assert '"index":{"ready":true' in told(doors)


def test_what_cannot_be_opened_is_told_with_its_reason(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(index: object) -> None:
        raise StoreError("The index cannot be opened: no space left.")

    monkeypatch.setattr(type(house.app.index), "pipeline", property(broken))
    house.app.open()
    with Doors(house) as doors:
        assert "The index cannot be opened: no space left." in told(doors)
