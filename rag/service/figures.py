"""What an open App is like when its figures are asked for: the index, how level it is, the audit, the kernel guard."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rag.app import App
from rag.egress.closing import closed
from rag.metrics import Reading, Sample

_NONE: dict[str, str] = {}


def readings(app: App) -> tuple[Reading, ...]:
    """Everything but what is counted as it happens; see `rag.metrics.Reading`."""
    return (
        partial(_index, app),
        partial(_level, app),
        partial(_audit, app),
        partial(_hosts, app),
        partial(_pins, app),
        _guard,
    )


def _index(app: App) -> Iterator[Sample]:
    for state, count in app.ledger.by_state().items():
        yield "documents", "Documents by state; outdated: an older version answers.", {"state": state}, count
    yield "chunks", "Chunks in the index.", _NONE, app.ledger.counts()["chunks"]
    names = {*app.ledger.by_source(), *app.ledger.sources(), *(source.name for source in app.settings.sources)}
    states = [app.ledger.source_state(name) for name in names]
    counts = {
        "reached": sum(state.reached_at is not None and state.offline_since is None for state in states),
        "offline": sum(state.offline_since is not None for state in states),
        "never_read": sum(state.reached_at is None and state.offline_since is None for state in states),
    }
    for name, count in counts.items():
        yield "sources", "Sources by whether they can be reached.", {"state": name}, count
    yield "held_removals", "Removals that wait for a person.", _NONE, sum(state.held for state in states)


def _level(app: App) -> Iterator[Sample]:
    keeping = app.keeping
    if keeping.lag_s is not None:
        yield "index_lag_seconds", "Age of the oldest change that is not indexed yet; 0: none.", _NONE, keeping.lag_s
    if keeping.compared_s is not None:
        about = "Since when the sources were compared whole, by the one that waits longest."
        yield "index_compared_seconds", about, _NONE, keeping.compared_s
    if (removals := keeping.removals) is not None:
        yield "removals_followed_total", "Documents that left the index after their file.", _NONE, removals.count
        about = "How long a removed document could still be found, over the last 1000."
        for quantile, seconds in (("0.5", removals.p50_s), ("0.95", removals.p95_s), ("1", removals.max_s)):
            if seconds is not None:
                yield "deletion_latency_seconds", about, {"quantile": quantile}, seconds


def _audit(app: App) -> Iterator[Sample]:
    failures = app.audit.chain.failures
    yield "audit_failures_total", "Audit records that could not be written; nothing was answered.", _NONE, failures


def _hosts(app: App) -> Iterator[Sample]:
    """Model servers by their number in the settings, never by name."""
    for host in app.writers.hosts():
        label = {"host": str(host.number)}
        yield "model_host_up", "1: this model server is asked for answers.", label, float(host.up)
        yield "model_host_running", "Answers it writes now.", label, host.running
        yield "model_host_seats", "Answers it may write at the same time.", label, host.seats
        yield "model_host_answers_total", "Answers it wrote to the end.", label, host.answers
        yield "model_host_failures_total", "Answers it failed at.", label, host.failures


def _pins(app: App) -> Iterator[Sample]:
    if app.pins.last:
        about = "Pinned models that are another version, at whatever server, as seen last."
        yield "models_changed", about, _NONE, len(app.pins.changed)


def _guard() -> Iterator[Sample]:
    now = closed()
    yield (
        "kernel_guard_active",
        "1: the kernel holds this process to its servers.",
        _NONE,
        float(now is not None and now.lockdown.active),
    )
    if now is not None:
        stopped = now.guard.denied + (now.lockdown.stopped()[0] if now.lockdown.stopped else 0)
        yield "connections_stopped_total", "Connections the guards stopped.", _NONE, stopped
