"""One browser for all tests; and no test reaches beyond this machine: a connection or a look-up that would is refused,
and fails the test.

Where it comes from another process, that process has the guard of the product itself, or is confined by the kernel.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from rag.egress import is_local

# A shared machine may stop any process for a second: how long an example takes tells nothing about it.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

_tried: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    if not is_local(name):
        _tried.append(name)
        raise OSError(errno.ENETUNREACH, f"a test may not reach {name}")


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def nothing_leaves() -> Iterator[None]:
    """Fails a test that tried, even where the code under test swallowed the refusal."""
    _tried.clear()
    yield
    assert not _tried, f"reached beyond this machine: {_tried}"


@pytest.fixture
def reached() -> list[str]:
    """What was tried; a test that tries on purpose empties it."""
    return _tried


_CHROMIUM = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_QUIET = ("--disable-component-update", "--disable-sync", "--disable-quic")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium as it is installed, or $CHROMIUM."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed: set CHROMIUM or install the package `chromium`")
    with playwright.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=[*_CHROMIUM, *_QUIET])
        yield chromium
        chromium.close()
