"""Traces for an OpenTelemetry collector on the premises: when what began, how long it took, and how it ended.

A span holds times, counts and words of closed sets, as `rag.metrics` has them; no text gets into one. This file is
not loaded unless `[telemetry] endpoint` names a collector.

The messages are OpenTelemetry's own (opentelemetry-proto), sent as OTLP over HTTP by httpx, as everything is that
leaves this process. Its SDK is not used: it stays switched off in this process (`rag.egress.switches`), for Chroma has
built it in, and its HTTP exporter follows proxies of the environment and redirects.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from rag.errors import SettingsError
from rag.logs import REQUEST
from rag.metrics import METHODS, OUTCOMES, known, stages
from rag.models.streaming import tls
from rag.text.advice import to_install

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 4096
"""Spans that wait to be sent; of more the newest are dropped: a collector that is down costs no memory."""
_EVERY_S: Final = 5.0
_PATIENCE_S: Final = 5.0
_OK_BELOW: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    name: str
    trace: bytes
    id: bytes
    parent: bytes = b""
    start_ns: int
    end_ns: int
    failed: bool = False
    served: bool = False
    attributes: Mapping[str, str | int] = field(default_factory=dict)


class Traces:
    """Spans on their way to a collector. Thread-safe; telling never waits and never raises.

    Raises:
        SettingsError: the extra `otel` is not installed.
    """

    def __init__(self, endpoint: str, *, version: str) -> None:
        try:
            from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
        except ImportError as error:
            raise SettingsError(
                f"telemetry.endpoint needs OpenTelemetry's forms. {to_install('otel')}; or leave it empty.",
                key="telemetry.endpoint",
            ) from error
        self._messages: Any = trace_service_pb2
        self._address, self._version = f"{endpoint.rstrip('/').removesuffix('/v1/traces')}/v1/traces", version
        self._waiting: list[_Span] = []
        self._wake = threading.Condition()
        self._ended, self.dropped, self._problem = False, 0, ""
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    # ---- what happened ----

    def ended(self, outcome: str, timing_ms: Mapping[str, float]) -> None:
        """A question ended now; see `rag.metrics.Metrics.ended`."""
        end, total_ms = time.time_ns(), timing_ms.get("total", 0.0)
        start = end - int(total_ms * 1e6)
        trace, parent = _request()
        whole = _Span(
            name="answer",
            trace=trace,
            id=secrets.token_bytes(8),
            parent=parent,
            start_ns=start,
            end_ns=end,
            failed=outcome == "failed",
            attributes={"archivar.outcome": known(outcome, OUTCOMES)},
        )
        self._take(whole, *_stages(whole, timing_ms))

    def responded(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """A response ended now; `route` is the template of a route."""
        trace, span = _request()
        end = time.time_ns()
        attributes: dict[str, str | int] = {"http.request.method": known(method, METHODS), "http.route": route}
        self._take(
            _Span(
                name="request",
                trace=trace,
                id=span or secrets.token_bytes(8),
                start_ns=end - int(seconds * 1e9),
                end_ns=end,
                failed=status >= _OK_BELOW,
                served=True,
                attributes=attributes | {"http.response.status_code": status},
            )
        )

    def close(self) -> None:
        """Send what waits, once, and end."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join(_PATIENCE_S + 1)

    # ---- on the way ----

    def _take(self, *spans: _Span) -> None:
        with self._wake:
            room = max(0, _MOST_WAITING - len(self._waiting))
            self._waiting += spans[:room]
            self.dropped += max(0, len(spans) - room)

    def _run(self) -> None:
        ended = False
        while not ended:
            with self._wake:
                self._wake.wait_for(lambda: self._ended, timeout=_EVERY_S)
                ended, spans, self._waiting = self._ended, self._waiting, []
            if spans:
                self._send(spans)

    def _send(self, spans: list[_Span]) -> None:
        body = self._message(spans).SerializeToString()
        headers = {"Content-Type": "application/x-protobuf", "User-Agent": "archivar"}
        try:
            with httpx.Client(
                verify=tls(self._address), trust_env=False, follow_redirects=False, timeout=_PATIENCE_S
            ) as client:
                answer = client.post(self._address, content=body, headers=headers)
            problem = "" if answer.is_success else f"it answered {answer.status_code}"
        except (httpx.HTTPError, OSError) as error:
            problem = type(error).__name__
        self.dropped += len(spans) if problem else 0
        if problem and problem != self._problem:
            _log.warning(
                "The collector takes no traces; they are dropped until it does. Look at telemetry.endpoint.",
                extra={"action": "traces_dropped", "reason": problem},
            )
        self._problem = problem

    def _message(self, spans: list[_Span]) -> Any:
        message = self._messages.ExportTraceServiceRequest()
        scope = message.resource_spans.add()
        for name, value in (("service.name", "archivar"), ("service.version", self._version)):
            scope.resource.attributes.add(key=name).value.string_value = value
        group = scope.scope_spans.add()
        group.scope.name, group.scope.version = "archivar", self._version
        for span in spans:
            _write(group.spans.add(), span)
        return message


def _write(into: Any, span: _Span) -> None:
    into.name, into.trace_id, into.span_id, into.parent_span_id = span.name, span.trace, span.id, span.parent
    into.start_time_unix_nano, into.end_time_unix_nano = span.start_ns, span.end_ns
    into.kind = into.SPAN_KIND_SERVER if span.served else into.SPAN_KIND_INTERNAL
    if span.failed:
        into.status.code = into.status.STATUS_CODE_ERROR
    for name, value in span.attributes.items():
        attribute = into.attributes.add(key=name).value
        if isinstance(value, int):
            attribute.int_value = value
        else:
            attribute.string_value = value


def _stages(whole: _Span, timing_ms: Mapping[str, float]) -> list[_Span]:
    """One span a stage: retrieving, the model's reading, and its writing."""
    reached = stages(timing_ms)
    bounds = {"retrieve": (0.0, reached.get("retrieve", 0.0))}
    if "first_token" in reached:
        bounds["read"] = (reached["first_token"] - reached.get("read", 0.0), reached["first_token"])
        bounds["write"] = (reached["first_token"], reached.get("total", reached["first_token"]))
    return [
        _Span(
            name=name,
            trace=whole.trace,
            id=secrets.token_bytes(8),
            parent=whole.id,
            start_ns=whole.start_ns + int(start * 1e9),
            end_ns=whole.start_ns + int(end * 1e9),
        )
        for name, (start, end) in bounds.items()
        if end > start
    ]


def _request() -> tuple[bytes, bytes]:
    """The trace and the span of the request that is being answered. Its id may be a caller's own: only a hash of it
    leaves, which whoever has the id can make too (sha256: 16 bytes, then 8)."""
    request = REQUEST.get()
    if not request:
        return secrets.token_bytes(16), b""
    hashed = hashlib.sha256(request.encode()).digest()
    return hashed[:16], hashed[16:24]
