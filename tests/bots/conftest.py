"""One homeserver for all tests of the Matrix bot, started when the first of them asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bots.synapse import Homeserver, Member, NotInstalled, homeserver, python


@pytest.fixture(scope="session")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A real homeserver on loopback; skips where it is not installed and cannot be. Whoever works on these tests may
    let one run (`homeserver` of `tests.bots.synapse`) and name its address in ARCHIVAR_TEST_HOMESERVER."""
    if running_already := os.environ.get("ARCHIVAR_TEST_HOMESERVER"):
        yield Homeserver(url=running_already)
        return
    try:
        python()
    except NotInstalled as missing:
        pytest.skip(str(missing))
    place: Path = tmp_path_factory.mktemp("synapse")
    with homeserver(place) as running:
        yield running


@pytest.fixture(scope="session")
def people(synapse: Homeserver) -> dict[str, Member]:
    """Anna and Ben, who work in the house."""
    return {name: synapse.member(name) for name in ("anna", "ben")}
