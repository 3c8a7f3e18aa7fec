"""The Matrix bot keeps the contract of every chat adapter, on a real homeserver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bots.contract import Opened
from tests.bots.matrix_platform import matrix_platform
from tests.bots.synapse import Homeserver, Member
from tests.bots.taking_back import TakingBackContract

pytest.importorskip("nio", reason="the extra `matrix` is not installed")
pytestmark = pytest.mark.timeout(240)


class TestMatrix(TakingBackContract):
    @pytest.fixture
    def opened(self, synapse: Homeserver, people: dict[str, Member], tmp_path: Path) -> Opened:
        return lambda: matrix_platform(synapse, people, tmp_path)
