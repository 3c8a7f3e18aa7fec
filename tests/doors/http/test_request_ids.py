"""Each request has an id, in its response, its problems, and every line it leaves in the log."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from rag import logs
from rag.answers import AnswerEvent, Found, Passage
from tests.doors.http.house import House

Opened = Callable[..., TestClient]

ASK = {"question": "Wie lang ist der Urlaub von Frau Kanarienvogel?"}


@pytest.fixture(params=["json", "text"])
def lines(request: pytest.FixtureRequest) -> Iterator[Callable[[], list[str]]]:
    """What was logged so far, in either form, at every level."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter((logs._Json if request.param == "json" else logs._Line)(words=False))
    logger = logging.getLogger("rag")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield lambda: written.getvalue().splitlines()
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_a_well_formed_id_of_the_callers_is_returned(client: TestClient) -> None:
    for given in ("abcdefgh", "req-2026.11:26_0001", "0" * 64, "4bf92f3577b34da6a3ce929d0e0e4736"):
        assert client.get("/healthz", headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given",
    ["", "short", "x" * 65, "with space in it", "semi;colon;", "a\tb\tc\td\te", "-beginning", "ümlaut-ümlaut",
     "{{7*7}}{{7*7}}", "abcdefgh\x7f", "<script>alert(1)</script>", "../../etc/passwd", "abcdefgh\x85action=forged"],
)  # fmt: skip
def test_any_other_is_replaced_by_one_of_ours(client: TestClient, given: str) -> None:
    headers = {"x-request-id": given.encode("latin-1")}
    made = client.get("/healthz", headers=headers).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_two_ids_in_one_request_count_as_none(client: TestClient) -> None:
    answer = client.get("/healthz", headers=[("x-request-id", "abcdefgh"), ("x-request-id", "ijklmnop")])
    assert "abcdefgh" not in answer.headers["x-request-id"] and "ijklmnop" not in answer.headers["x-request-id"]


def test_a_problem_names_the_request_whoever_answers_it(opened: Opened) -> None:
    here, away = opened(), opened(address="192.168.0.7")
    for answer in (
        here.get("/api/documents/" + "0" * 24),  # a route
        here.post("/api/ask", json={}),  # its validation
        here.get("/nothing"),  # no route
        here.get("/healthz", headers={"host": "evil.example"}),  # the guard
        away.post("/api/ask", json=ASK),  # the doorkeeper
    ):
        assert answer.status_code >= 400
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "the-same-one"


def test_a_stream_that_breaks_names_it_too(client: TestClient, house: House) -> None:
    house.script = broken
    events = client.post("/api/ask", json={**ASK, "stream": True}).text
    assert '"request_id":"the-same-one"' in events


def broken(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
    """Fails in the thread of the answer, with the question in its words."""
    yield Found(passages=tuple(passages), evidence=0.9)
    raise ValueError(f"cannot read {question!r}")


def test_every_line_of_a_request_carries_its_id_also_from_its_threads(
    client: TestClient, house: House, lines: Callable[[], list[str]]
) -> None:
    def told(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        logging.getLogger("rag.ask.answer").warning("The model is slow", extra={"action": "slow"})
        yield from broken(question, passages)

    house.script = told
    client.post("/api/ask", json=ASK, headers={"x-request-id": "first-one"})
    found = [line for line in lines() if "action" in line]
    assert {action(line) for line in found} >= {"slow", "request_failed", "request"}
    assert all("first-one" in line for line in found)
    logging.getLogger("rag.x").warning("Later")
    assert "first-one" not in lines()[-1]


def action(line: str) -> str:
    return re.search(r'action"?[=:] ?"?(\w+)', line)[1]  # type: ignore[index]


def test_nothing_that_was_asked_is_logged_even_where_an_error_quotes_it(
    client: TestClient, house: House, lines: Callable[[], list[str]]
) -> None:
    house.script = broken
    client.post("/api/ask", json=ASK)
    client.get("/api/documents/Kanarienvogel?q=Kanarienvogel")
    client.get("/Kanarienvogel", headers={"user-agent": "Kanarienvogel", "referer": "http://Kanarienvogel"})
    client.post("/api/search", json={"query": "Kanarienvogel", "filters": {"path": ["Kanarienvogel"]}})
    log = "\n".join(lines())
    assert "request_failed" in log and "ValueError" in log
    assert "Kanarienvogel" not in log


def test_a_line_of_the_log_cannot_be_forged(lines: Callable[[], list[str]]) -> None:
    before = len(lines())
    forged = "x\n2026-11-26 warning forged action=forged\r\x1b[2J\u2028\u202e"
    logging.getLogger("rag.x").warning("A name: %s", forged, extra={"name_of_it": forged})
    told = lines()[before:]
    assert len(told) == 1
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u202e]", told[0])


def test_the_log_tells_route_status_and_time_of_each_request(
    client: TestClient, lines: Callable[[], list[str]]
) -> None:
    client.get("/api/documents/" + "a" * 24)
    client.get("/api/documents/" + "0" * 24)
    said = [line for line in lines() if "action" in line and action(line) == "request"]
    assert len(said) == 2
    for line, status in zip(said, (200, 404), strict=True):
        entry: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
        assert not entry or (entry["route"], entry["status"]) == ("/api/documents/{key}", status)
        assert "/api/documents/{key}" in line and str(status) in line
        assert "aaaaaa" not in line and "000000" not in line


def test_machines_that_look_in_every_few_seconds_do_not_fill_the_log(
    client: TestClient, lines: Callable[[], list[str]]
) -> None:
    for _ in range(3):
        client.get("/healthz")
    assert not [line for line in lines() if "/healthz" in line and ("INFO" in line or " info " in line)]
