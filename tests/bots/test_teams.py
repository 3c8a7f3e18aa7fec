"""The Teams adapter keeps the contract of every chat adapter, through Microsoft's library and a cloud of our own."""

from __future__ import annotations

import pytest

from tests.bots.contract import Opened
from tests.bots.taking_back import TakingBackContract
from tests.bots.teams_cloud import teams


class TestTeams(TakingBackContract):
    @pytest.fixture
    def opened(self) -> Opened:
        return teams
