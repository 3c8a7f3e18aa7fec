"""Traces for a collector: what it is told, and that it is told no text. The collector is a plain HTTP server that
decodes what OpenTelemetry's own definitions say."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.testclient import TestClient

from rag.answers import Answer, AnswerEvent, Done, Found, Outcome, Passage
from rag.api.http import create_app
from rag.app.telemetry import Traces
from rag.metrics import OUTCOMES, Metrics
from rag.settings.file import load
from tests.doors.http.conftest import CLOSED, LEAVE, SICK
from tests.doors.http.house import House

TIMES = {"retrieve": 30.0, "prompt": 50.0, "first_token": 450.0, "first_sentence": 700.0, "total": 900.0}
CANARIES = ("Kanarienvogel", "urlaub", "Urlaubsordnung", "krank", "gehalt", "Beispiel", "house", "local", "of-a-caller")


class Collector:
    """Keeps what was sent to it; answers with `status`."""

    def __init__(self) -> None:
        self.status, self.bodies, self.headers = 200, [], []  # type: int, list[bytes], list[dict[str, str]]
        self.paths: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.paths.append(self.path)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.send_header("Location", f"{collector.address}/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                collector.paths.append(self.path)
                self.send_error(404)

            def log_message(self, *said: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def spans(self) -> list[Any]:
        found = []
        for body in self.bodies:
            message = ExportTraceServiceRequest.FromString(body)
            for resource in message.resource_spans:
                for scope in resource.scope_spans:
                    found += scope.spans
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    opened = Collector()
    yield opened
    opened.close()


def told(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
    yield Found(passages=tuple(passages), evidence=0.9)
    answer = Answer(question=question, text="Kanarienvogel", outcome=Outcome.ANSWERED, timing_ms=TIMES)
    yield Done(answer=answer)


@pytest.fixture
def asked(collector: Collector, tmp_path: Path) -> Collector:
    """A house was asked well and badly, and everything was sent."""
    traces = Traces(collector.address, version="1")
    house = House(home=tmp_path, papers=(LEAVE, SICK, CLOSED), script=told)
    house.metrics = Metrics(version="1", traces=traces)
    with TestClient(create_app(house), base_url="http://localhost", client=("127.0.0.1", 5)) as client:  # type: ignore[arg-type]
        headers = {"x-request-id": "of-a-caller", "user-agent": "Kanarienvogel"}
        client.post("/api/ask", json={"question": "Kanarienvogel?"}, headers=headers)
        client.post("/api/ask", json={"question": "Kanarienvogel?", "stream": True}, headers=headers)
        client.get("/api/documents/Kanarienvogel?q=Kanarienvogel", headers=headers)
        client.request("KANARIENVOGEL", "/Kanarienvogel", headers=headers)
        house.script = fails
        client.post("/api/ask", json={"question": "Kanarienvogel?"}, headers=headers)
    traces.close()
    house.close()
    return collector


def fails(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
    yield Found(passages=tuple(passages), evidence=0.9)
    raise ValueError(question)


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_no_text_name_or_key_is_sent(asked: Collector) -> None:
    assert asked.spans()
    sent = b"".join(asked.bodies).decode("utf-8", "replace") + str(asked.headers)
    for canary in (*CANARIES, LEAVE.key, SICK.key):
        assert canary not in sent


def test_a_span_holds_numbers_and_words_of_the_program(asked: Collector) -> None:
    words = {*OUTCOMES, "GET", "POST", "other", "unmatched", "/api/ask", "/api/documents/{key}"}
    for span in asked.spans():
        assert span.name in ("answer", "retrieve", "read", "write", "request")
        assert not span.events and not span.links and not span.status.message
        for name, value in attributes(span).items():
            assert isinstance(value, int) or value in words, (name, value)


def test_an_answer_is_told_by_its_stages_below_its_request(asked: Collector) -> None:
    spans = asked.spans()
    trace = hashlib.sha256(b"of-a-caller").digest()
    assert {span.trace_id for span in spans} == {trace[:16]}, "who has the id of a request finds its trace"
    answers = [span for span in spans if span.name == "answer"]
    assert [attributes(span)["archivar.outcome"] for span in answers] == ["answered", "answered", "failed"]
    whole = answers[0]
    assert whole.parent_span_id == trace[16:24]
    assert (whole.end_time_unix_nano - whole.start_time_unix_nano) // 1_000_000 == 900
    parts = {span.name: span for span in spans if span.parent_span_id == whole.span_id}
    begin = whole.start_time_unix_nano
    bounds = {
        name: [round((at - begin) / 1e6) for at in (one.start_time_unix_nano, one.end_time_unix_nano)]
        for name, one in parts.items()
    }
    assert bounds == {"retrieve": [0, 30], "read": [50, 450], "write": [450, 900]}
    request = next(span for span in spans if span.name == "request")
    assert request.kind == request.SPAN_KIND_SERVER
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/api/ask",
        "http.response.status_code": 200,
    }


def test_it_is_sent_as_otlp_to_the_collector_alone(asked: Collector) -> None:
    assert set(asked.paths) == {"/v1/traces"}
    assert all(headers["content-type"] == "application/x-protobuf" for headers in asked.headers)
    assert {headers["user-agent"] for headers in asked.headers} == {"archivar"}


@pytest.mark.parametrize("status", [302, 307, 429, 500])
def test_a_collector_that_refuses_costs_nothing_but_the_traces(
    collector: Collector, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    collector.status = status
    traces = Traces(collector.address, version="1")
    traces.ended("answered", TIMES)
    traces.close()
    assert (traces.dropped, collector.paths) == (4, ["/v1/traces"]), "not followed elsewhere, not tried again"
    assert [record.action for record in caplog.records] == ["traces_dropped"]  # type: ignore[attr-defined]


def test_a_collector_that_is_gone_holds_up_no_answer(collector: Collector) -> None:
    collector.close()
    traces = Traces(collector.address, version="1")
    for _ in range(5000):
        traces.ended("answered", TIMES)
    assert len(traces._waiting) <= 4096 and traces.dropped >= 5000 * 4 - 2 * 4096
    traces.close()
    collector.__init__()  # type: ignore[misc]  # for the fixture to close


def test_nothing_of_it_is_loaded_unless_a_collector_is_named() -> None:
    program = (
        "import sys, rag.app; from rag.settings import Settings; from pathlib import Path; import tempfile\n"
        "home = Path(tempfile.mkdtemp())\n"
        "rag.app.App(Settings(home=home, models=home)).close()\n"
        "import threading\n"
        "print('rag.app.telemetry' in sys.modules, 'telemetry' in [t.name for t in threading.enumerate()])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_collector_is_among_what_may_be_reached(tmp_path: Path) -> None:
    config = tmp_path / "rag.toml"
    config.write_text('[llm]\nprovider = "none"\n[telemetry]\nendpoint = "http://collector.example:4318"\n')
    settings = load(config=config, home=tmp_path, environ={})
    assert [str(one) for one in settings.endpoints()] == ["collector.example:4318"]
    config.write_text('[llm]\nprovider = "none"\n')
    assert not load(config=config, home=tmp_path, environ={}).endpoints()
