"""What the figures and the log tell of a house in which everybody asks everything: how much, and of nobody what."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rag.access import LOOPBACK
from tests.access.canaries import canaries_in, canary
from tests.access.house import FOLDERS, GROUPS, PEOPLE, SOURCES, House
from tests.access.looks import CHANNELS, Doors

ROOT = Path(__file__).parents[2]
TYPED = canary(999_991), "typedcanary", "Erika Mustermann"


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    """Everything has been asked by everybody, well and badly."""
    chance = random.Random(7)
    with House(chance) as house:
        for source, folders in FOLDERS.items():
            for folder in folders:
                house.write(source, folder, "page")
        house.sync(*SOURCES)
        with Doors(house) as opened:
            for person in PEOPLE:
                ask_everything(opened, person.name, chance)
            yield opened


def ask_everything(doors: Doors, user: str, chance: random.Random) -> None:
    question = f"Was steht zu {TYPED[0]} und {TYPED[1]}, fragt {TYPED[2]}?"
    for channel in CHANNELS[:3]:
        for path, form in (
            ("/api/ask", {"question": question}),
            ("/api/ask", {"question": question, "stream": True, "sources": [TYPED[1]]}),
            ("/api/search", {"query": question, "filters": {"path": [TYPED[1]]}}),
            ("/api/ask", {"question": question, TYPED[1]: TYPED[0]}),
            (f"/{TYPED[1]}", {"question": question}),
        ):
            doors.http(user, channel, "POST", path, form, **{"user-agent": TYPED[1], "x-request-id": "of-a-caller"})
    for entry in chance.sample(doors.house.app.ledger.entries(), 3):
        for end in ("", "/text", f"/{TYPED[1]}", f"?q={TYPED[1]}"):
            doors.http(user, LOOPBACK, "GET", f"/api/documents/{entry.key}{end}")
    doors.http(user, LOOPBACK, TYPED[1].upper(), f"/api/{TYPED[1]}")
    doors.call("ask", question=question, user=user)
    doors.call("search", query=question, user=user)


def shown(text: str, words: Iterator[str]) -> set[str]:
    return {word for word in words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)}


def names(doors: Doors) -> Iterator[str]:
    yield from (person.name for person in PEOPLE)
    yield from (group for group in GROUPS if group != "staff")
    yield from SOURCES
    yield from TYPED
    for entry in doors.house.app.ledger.entries():
        yield from (entry.id, entry.title, entry.key)


def test_no_figure_tells_who_asked_what_or_of_which_document(doors: Doors) -> None:
    page = doors.http("local", LOOPBACK, "GET", "/metrics")
    assert page.startswith("200")
    count = len(doors.house.app.ledger.entries())
    assert count > 5 and f'archivar_documents{{state="indexed"}} {count}.0' in page, "else nothing was looked at"
    assert 'archivar_http_requests_total{method="POST",route="/api/ask",status="200"}' in page
    assert not canaries_in(page)
    assert not shown(page, names(doors))


def test_the_queue_and_the_seats_of_the_model_are_told(doors: Doors) -> None:
    page = doors.http("local", LOOPBACK, "GET", "/metrics")
    for state in ("finding", "waiting", "running"):
        assert f'archivar_questions{{state="{state}"}} 0.0' in page
    assert "archivar_model_seats 1.0" in page


def test_every_question_is_counted_once_whichever_door_it_came_through(doors: Doors) -> None:
    def ended() -> float:
        page = doors.http("local", LOOPBACK, "GET", "/metrics")
        return sum(float(count) for count in re.findall(r"archivar_answers_total\{[^}]*\} ([\d.]+)", page))

    before = ended()
    doors.http("u20001", LOOPBACK, "POST", "/api/ask", {"question": "Was steht da?"})
    assert ended() == before + 1
    doors.http("u20001", LOOPBACK, "POST", "/api/ask", {"question": "Was steht da?", "stream": True})
    doors.call("ask", question="Was steht da?", user="u20001")
    assert ended() == before + 3


def test_labels_are_words_of_the_program(doors: Doors) -> None:
    """Whatever is asked, no label takes a value that does not stand in the code."""
    page = doors.http("local", LOOPBACK, "GET", "/metrics").partition("# HELP")[2]
    values = dict.fromkeys(found for found in re.findall(r'(\w+)="([^"]*)"', page) if found[0] not in ("le", "python"))
    routes = {"unmatched", "/static", *(path for path in doors.web.openapi()["paths"]), "/", "/openapi.json"}
    for label, value in values:
        assert value in routes if label == "route" else re.fullmatch(r"[A-Za-z0-9_.]{1,24}", value), (label, value)
    assert ("route", "unmatched") in values
    assert ("method", "other") in values


def test_the_log_tells_each_request_and_nothing_of_what_was_asked(doors: Doors) -> None:
    log = doors.logged
    assert '"route": "/api/documents/{key}/text"' in log
    assert '"request": "of-a-caller"' in log
    assert not shown(log, iter(TYPED))
    keys = [entry.key for entry in doors.house.app.ledger.entries()]
    requests = [line for line in log.splitlines() if '"action": "request"' in line]
    assert not [line for line in requests if any(key in line for key in keys)], "nor which document was opened"
    doors.check_logs()


def test_every_figure_an_alert_looks_at_is_one_that_is_told(doors: Doors) -> None:
    page = doors.http("local", LOOPBACK, "GET", "/metrics")
    watched = (ROOT / "rag" / "service" / "figures.py").read_text()  # some are told only where sources are watched
    rules = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"][0]["rules"]
    assert len(rules) > 9
    for rule in rules:
        for name, labels in re.findall(r"(archivar_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            series = f'"{name.removeprefix("archivar_")}"'
            assert f"\n{name}" in page or series in watched, (rule["alert"], name)
            for label in re.findall(r"(\w+)=", labels):
                assert f'{label}="' in page or f'"{label}"' in watched, (rule["alert"], label)
        assert set(rule["annotations"]) == {"summary", "do"}
