"""What rag.toml says of how the service is watched over."""

from __future__ import annotations

from dataclasses import dataclass

from rag.settings.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """`[logs]`: what `rag serve` and `rag watch` write to stderr. Never a question, a text or a name of a document."""

    level: str = option("info", "info: a line a request and a sync, too", choices=("debug", "info", "warning", "error"))
    format: str = option("text", "text: for people; json: an object a line, for a collector", choices=("text", "json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """`[telemetry]`: traces of requests and answers for a collector on the premises: times and counts, no texts."""

    endpoint: str = option(
        "", "address of an OpenTelemetry collector (OTLP over HTTP), http://collector:4318; empty: none", address=True
    )
