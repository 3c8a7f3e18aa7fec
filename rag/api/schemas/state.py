"""How the service stands: its sources, its last day, whether it lives and is ready."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from rag.api.schemas.form import Form


class SourceProgress(Form):
    """How a source stands; `reading` is set while it is being read."""

    name: str
    documents: dict[str, int]
    reached: str | None
    offline_since: str | None
    watched: str | None
    reading: dict[str, float] | None


class Progress(Form):
    """How the sources stand."""

    sources: list[SourceProgress]


class State(BaseModel):
    """The state of the service, for administrators; the README names its parts."""

    model_config = ConfigDict(extra="allow")


class Spread(Form):
    """Median and 95th percentile, seconds."""

    p50: float
    p95: float


class Hour(Form):
    """An hour's answers: how many ended in each way, and how long they took; None where there was none."""

    began: str
    outcomes: dict[str, int]
    found_s: Spread | None
    total_s: Spread | None


class Lately(Form):
    """The answers of the last day, the oldest hour first; counted since the service was started."""

    since: str
    hours: list[Hour]


class Confirmed(Form):
    """Removals that are being carried out."""

    source: str
    held: int
    status: str


class Health(Form):
    """The process lives."""

    status: Literal["ok"]


class Ready(BaseModel):
    """What it can answer with, counted of what the caller may read."""

    model_config = ConfigDict(extra="allow")
    status: str
