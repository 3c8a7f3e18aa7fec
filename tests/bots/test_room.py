"""The room keeps the contract that it lends the runner's tests."""

from __future__ import annotations

import pytest

from tests.bots.contract import Opened
from tests.bots.room import Room
from tests.bots.taking_back import TakingBackContract


class TestRoom(TakingBackContract):
    @pytest.fixture
    def opened(self) -> Opened:
        return lambda: Room().open()
