"""How the questions of a day ended and how long they took: numbers only, by hour, bounded, for administrators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from rag.answers import Answer, Outcome
from rag.api import recent as room
from rag.api.recent import HOURS, Recent
from tests.doors.http.house import House

NOW = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def answer(total_ms: float, outcome: Outcome = Outcome.ANSWERED) -> Answer:
    return Answer(question="Geheim?", text="Geheim.", outcome=outcome, timing_ms={"retrieve": 50.0, "total": total_ms})


def test_answers_are_counted_in_their_hour_with_median_and_95th_percentile() -> None:
    counted = Recent(clock=(clock := Clock()))
    for seconds in range(1, 21):
        counted.note(answer(seconds * 1000))
    clock.now += timedelta(hours=1)
    counted.note(answer(400, Outcome.NOTHING_FOUND))
    hours = counted.hours()
    assert len(hours) == HOURS
    assert hours[-1]["outcomes"] == {"nothing_found": 1}
    assert hours[-2] == {
        "began": "2026-01-02T09:00:00+00:00",
        "outcomes": {"answered": 20},
        "found_s": {"p50": 0.05, "p95": 0.05},
        "total_s": {"p50": 10.0, "p95": 19.0},
    }
    assert hours[0]["total_s"] is None


def test_what_is_older_than_a_day_is_not_told_and_no_more_than_the_newest_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "MOST", 5)
    counted = Recent(clock=(clock := Clock()))
    for _ in range(9):
        counted.note(answer(1000))
    assert sum(hour["outcomes"].get("answered", 0) for hour in counted.hours()) == 5
    clock.now += timedelta(hours=HOURS)
    assert all(hour["outcomes"] == {} for hour in counted.hours())


def test_an_administrator_reads_numbers_and_no_word_of_what_was_asked(client: TestClient, house: House) -> None:
    client.post("/api/ask", json={"question": "Was verdient Frau Beispiel?"})
    client.post(
        "/v1/chat/completions", json={"model": "archivar", "messages": [{"role": "user", "content": "Urlaub?"}]}
    )
    told = client.get("/api/recent")
    outcomes = [hour["outcomes"] for hour in told.json()["hours"] if hour["outcomes"]]
    assert outcomes in ([{"answered": 2}], [{"answered": 1}] * 2), "an hour may begin between two questions"
    assert "Beispiel" not in told.text
    assert "urlaub" not in told.text.lower()
