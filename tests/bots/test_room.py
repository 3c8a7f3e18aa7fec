"""The room keeps the contract that it lends the runner's tests."""

from __future__ import annotations

import pytest

from tests.bots.contract import AdapterContract, Opened
from tests.bots.room import Room


class TestRoom(AdapterContract):
    @pytest.fixture
    def opened(self) -> Opened:
        return lambda: Room().open()
