"""One of several model servers: what is known of it, and which of them hold the same version."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.answers import ModelInfo
from rag.errors import ModelChanged, ModelError
from rag.ports import LanguageModel


class Served(LanguageModel, Protocol):
    """A language model on one server, which can tell more of it."""

    def loaded(self) -> bool:
        """Whether the server has the model in memory now; False where it cannot tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStanding:
    """How one server stands. `number` counts from 1 in the order of the settings; `problem` is empty where it is up."""

    number: int
    url: str
    problem: str
    digest: str
    loaded: bool
    running: int
    seats: int
    answers: int
    failures: int

    @property
    def up(self) -> bool:
        """Whether it is asked."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at one server found: `info` where it has the model, else `problem`; `changed`: not as pinned."""

    info: ModelInfo | None
    loaded: bool = False
    problem: str = ""
    changed: bool = False


class Host:
    """One server, and what is known of it. What changes is changed under the lock of `Hosts`."""

    def __init__(self, number: int, url: str, model: Served, *, seats: int) -> None:
        self.number, self.url, self.model, self.seats = number, url, model, seats
        self.seen = Seen(None, problem="it was not looked at yet")
        self.running = self.answers = self.failures = self.in_a_row = 0
        self.rests_until = -math.inf

    def look(self) -> Seen:
        """Ask the server."""
        try:
            info = self.model.info
            return Seen(info, loaded=self.model.loaded(), changed=info.changed)
        except ModelError as error:
            return Seen(None, problem=str(error), changed=isinstance(error, ModelChanged))


def compared(seen: Sequence[Seen]) -> list[Seen]:
    """The same, but those that have another version than the leading one are left out: the first that is as pinned, or
    where nothing is, the first."""
    there = [one.info for one in seen if one.info is not None]
    leading = next((info for info in there if not info.changed), next(iter(there), None))
    found = []
    for one in seen:
        if one.info is not None and leading is not None and one.info.digest != leading.digest:
            problem = (
                f"it has another version of {one.info.name} ({one.info.digest[:19]}…) than the others "
                f"({leading.digest[:19]}…). Pull the same one there: `ollama pull {one.info.name}`."
            )
            one = Seen(None, problem=problem, changed=one.changed)  # noqa: PLW2901  # what is told of it in its place
        found.append(one)
    return found
