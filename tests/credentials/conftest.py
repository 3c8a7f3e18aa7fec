"""A provider for all tests that change nothing about it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.credentials.authority import Authority


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    with Authority() as running:
        yield running
