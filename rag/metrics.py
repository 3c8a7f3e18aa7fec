"""Figures for Prometheus: what one process counted since it started, and what it finds when it is asked.

A label is a word of a set that is written here, or of the error tree; whatever else it is given becomes ``other``. No
name of a document, a source or a person, no question and no text gets into a label or a value, whoever calls.

prometheus_client has this room to itself, with a registry of its own: the library's global one holds what any import
puts into it. OpenTelemetry's metrics would need a second library for this page, and are not needed for pushing any.
"""

from __future__ import annotations

import logging
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric

from rag import errors

_log = logging.getLogger(__name__)

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

OTHER: Final = "other"
STAGES: Final = ("retrieve", "read", "model", "first_token", "first_sentence", "total")
"""``retrieve``: until the passages are there. ``read``: the model reads its prompt. ``model``: it reads
and writes, without the waiting for its seat. The others count from the start."""
OUTCOMES: Final = (
    "answered", "extracts", "nothing_found", "unsupported", "link_only", "incomplete", "abandoned", "failed",
)  # fmt: skip
PARTS: Final = ("question", "search", "model", "audit", "sync", "request")
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
UNEXPECTED: Final = "unexpected"
_CODE: Final = re.compile("[a-z_]{1,40}")

_FAST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SLOW_S: Final = (0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)

Sample = tuple[str, str, Mapping[str, str], float]
"""Name, help, labels, value: what a reading found when it was asked."""
Reading = Callable[[], Iterable[Sample]]


class Traced(Protocol):
    """What is told of the same events, one by one (`rag.app.telemetry`)."""

    def ended(self, outcome: str, timing_ms: Mapping[str, float]) -> None:
        """A question ended now."""

    def responded(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """A response ended now."""


class Metrics:
    """One process's figures. Thread-safe; nothing here raises for a value it does not know.

    `traces` is told of each question and each response too.
    """

    def __init__(self, *, version: str, traces: Traced | None = None) -> None:
        self._traces = traces
        # When something first happened is nobody's business, and doubles the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs has no types
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        build = self._gauge("build_info", "The version that runs; always 1.", "version", "python")
        build.labels(version, platform.python_version()).set(1)
        self._stages = self._histogram("answer_stage_seconds", "How long an answer took to a stage.", _SLOW_S, "stage")
        self._outcomes = self._counter("answers", "Questions by how they ended.", "outcome")
        self._failures = self._counter("failures", "What failed, by part and kind of error.", "part", "reason")
        self._tokens = self._counter("tokens", "Tokens the language model read and wrote.", "direction")
        self._reused = self._counter("prompt_tokens_reused", "Prompt tokens the model had in its cache.")
        self._problems = self._counter("problems", "Requests answered with a problem, by its code.", "code")
        self._requests = self._counter("http_requests", "Requests by route and status.", "method", "route", "status")
        self._latency = self._histogram(
            "http_request_seconds", "Time to the first byte of a response.", _FAST_S, "route"
        )
        for outcome in OUTCOMES:
            self._outcomes.labels(outcome)
        for direction in ("in", "out"):
            self._tokens.labels(direction)
        for part in PARTS:
            self._failures.labels(part, UNEXPECTED)

    def render(self, *readings: Reading) -> bytes:
        """All of it in Prometheus' text format 0.0.4, with what these find now; one that raises is left out."""
        return generate_latest(_Page(self._registry, readings))

    # ---- what happened ----

    def ended(self, outcome: str, timing_ms: Mapping[str, float] | None = None) -> None:
        """A question ended; `timing_ms` are the marks of an answer, counted from its start."""
        self._outcomes.labels(known(outcome, OUTCOMES)).inc()
        for stage, seconds in stages(timing_ms or {}).items():
            self._stages.labels(stage).observe(seconds)
        if self._traces is not None:
            self._traces.ended(outcome, timing_ms or {})

    def failed(self, part: str, error: BaseException) -> None:
        """Something failed; of the error only its kind is told."""
        self._failures.labels(known(part, PARTS), reason(error)).inc()

    @contextmanager
    def failing(self, part: str) -> Iterator[None]:
        """Count what is raised within, and let it pass."""
        try:
            yield
        except Exception as error:
            self.failed(part, error)
            raise

    def model_used(self, *, read: int | None, wrote: int | None, reused: int | None = None) -> None:
        """A generation ended; None where the server does not tell."""
        self._tokens.labels("in").inc(max(0, read or 0))
        self._tokens.labels("out").inc(max(0, wrote or 0))
        self._reused.inc(max(0, reused or 0))

    def problem(self, code: str) -> None:
        """A request was answered with a problem of this code (`rag.api.problems`), in a stream too."""
        self._problems.labels(code if _CODE.fullmatch(code) else OTHER).inc()

    def responded(self, *, method: str, route: str, status: int, first_s: float, whole_s: float) -> None:
        """A response ended; its first byte had left `first_s` after the request came. `route` is the template of a
        route, never a path."""
        self._requests.labels(known(method, METHODS), route, str(status)).inc()
        self._latency.labels(route).observe(first_s)
        if self._traces is not None:
            self._traces.responded(method=method, route=route, status=status, seconds=whole_s)

    # ---- how they are made ----

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"archivar_{name}", about, labels, registry=self._registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"archivar_{name}", about, labels, registry=self._registry)

    def _histogram(self, name: str, about: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"archivar_{name}", about, labels, buckets=bounds, registry=self._registry)


class _Page(CollectorRegistry):
    """What was counted, and what readings find when they are asked."""

    def __init__(self, counted: CollectorRegistry, readings: Iterable[Reading]) -> None:
        super().__init__()
        self._counted, self._readings = counted, readings

    def collect(self) -> Iterator[Metric]:
        yield from self._counted.collect()
        found: dict[str, Metric] = {}
        for reading in self._readings:
            for name, about, labels, value in _read(reading):
                full = f"archivar_{name}"
                kind = "counter" if name.endswith("_total") else "gauge"
                metric = found.setdefault(full, Metric(full.removesuffix("_total"), about, kind))
                metric.add_sample(full, dict(labels), float(value))
        yield from found.values()


def _read(reading: Reading) -> list[Sample]:
    try:
        return list(reading())
    except Exception as error:  # what cannot be asked is no reason to tell nothing of the rest
        _log.warning("A figure could not be read", extra={"action": "metric_unread", "kind": type(error).__name__})
        return []


def known(word: str, words: Iterable[str]) -> str:
    """The word, if it is one of these; else ``other``."""
    return word if word in words else OTHER


def reason(error: BaseException) -> str:
    """The kind of an error of our own tree; ``unexpected`` for every other."""
    return next((kind.__name__ for kind in type(error).__mro__ if kind in _OURS), UNEXPECTED)


def stages(timing_ms: Mapping[str, float]) -> dict[str, float]:
    """The stages of an answer in seconds, from its marks in milliseconds; only those that it reached."""
    found = {stage: timing_ms[stage] / 1000 for stage in STAGES if stage in timing_ms}
    if "prompt" in timing_ms and "first_token" in timing_ms:
        found["read"] = max(0.0, timing_ms["first_token"] - timing_ms["prompt"]) / 1000
        if "total" in timing_ms:
            found["model"] = max(0.0, timing_ms["total"] - timing_ms["prompt"]) / 1000
    return found


_OURS: Final = frozenset(
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RagError)
)
