"""The Slack adapter keeps what every adapter keeps, over Socket Mode and over signed HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bots.contract import Opened
from tests.bots.slack_platform import slack_platform
from tests.bots.taking_back import TakingBackContract

pytest.importorskip("slack_bolt", reason="the extra `slack` is not installed")


class TestSlackOverSocketMode(TakingBackContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        return lambda: slack_platform(tmp_path, mode="socket")


class TestSlackOverSignedHttp(TakingBackContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        return lambda: slack_platform(tmp_path, mode="http")
