"""The service as seen from outside the process that owns the store: over the Unix socket in its home."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from rag import errors
from rag.errors import RagError, StoreError, StoreOwned

SOCKET = "socket"
_ERRORS: dict[str, type[RagError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, RagError)
}


class Client:
    """Speaks to the owner of a home.

    Raises:
        StoreOwned: the owner does not answer on its socket.
    """

    def __init__(self, home: Path, *, pid: int | None) -> None:
        self._home, self._pid = home, pid

    def stop(self) -> None:
        """What runs there ends once nobody listens any more.

        Raises:
            KeyboardInterrupt: always.
        """
        raise KeyboardInterrupt

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Run one operation of `rag.service` there; events as they come.

        Raises:
            RagError: what the operation raised, under its own name.
        """
        begun = False
        try:
            with (
                reach(self._home) as path,
                httpx.Client(
                    transport=httpx.HTTPTransport(uds=path, trust_env=False),
                    trust_env=False,
                    follow_redirects=False,
                    timeout=httpx.Timeout(5, read=None),
                ) as client,
                client.stream("POST", f"http://owner/{operation}", json=dict(arguments)) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise StoreError(
                        f"The process that owns the index (pid {self._pid or 'unknown'}) did not understand the "
                        f"command (HTTP {response.status_code}); is it another version of Archivar? Restart it."
                    )
                begun = True
                for line in response.iter_lines():
                    if line:
                        yield _event(line)
        except httpx.TransportError as error:
            if begun:
                raise StoreError(
                    f"The process that owns the index (pid {self._pid or 'unknown'}) ended in the middle of this "
                    f"command. Run it again."
                ) from error
            raise StoreOwned(
                f"Another process (pid {self._pid or 'unknown'}) owns the index in {self._home} and does not answer. "
                f"Wait for it to end, or stop it.",
                pid=self._pid,
            ) from error


@contextmanager
def reach(home: Path) -> Iterator[str]:
    """A path to the home's socket that is short enough for the system, however deep the home lies."""
    path = home / SOCKET
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


def _event(line: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(line)
    problem = event.get("error")
    if isinstance(problem, dict):
        raise _ERRORS.get(str(problem.get("kind")), StoreError)(str(problem.get("message")))
    return event
