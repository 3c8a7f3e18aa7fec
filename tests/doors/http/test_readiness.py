"""`/readyz`: what is not ready, what to do, and who is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rag.access import Audience, Channel, ChannelKind
from rag.service import readiness
from rag.service.readiness import audit, disk
from rag.settings.models import EmbedderSettings
from tests.doors.http.house import House

Opened = Callable[..., TestClient]


def test_ready_is_told_part_by_part(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    told = answer.json()
    assert told["status"] == "ready"
    assert set(told["parts"]) == {"index", "model", "audit", "disk", "guard", "service"}
    assert all(part["ready"] for name, part in told["parts"].items() if name != "model")


def test_a_missing_model_is_told_and_answers_go_on_as_extracts(client: TestClient, house: House) -> None:
    house.model_problem = "Ollama does not answer at http://localhost:11434. Start it with `ollama serve`."
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["parts"]["model"] == {
        "ready": False,
        "needed": False,
        "finding": "it does not answer; answers are extracts meanwhile",
        "advice": house.model_problem,
    }


def test_a_model_that_takes_long_to_be_missed_is_not_asked_for_by_every_probe(
    client: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(house, "language_model", lambda: asked.append(True))
    for _ in range(5):
        assert client.get("/readyz").json()["model"] is None
    assert len(asked) == 1


@pytest.fixture
def weightless(house: House) -> None:
    """It wants an embedder whose weights are not there."""
    house.settings = replace(house.settings, embedder=EmbedderSettings())


def test_missing_weights_are_told_with_the_command_that_fetches_them(weightless: None, client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not_ready"
    assert "rag models fetch e5-small" in answer.json()["parts"]["embedder"]["advice"]


def test_an_index_that_is_being_opened_is_waited_for(opened: Opened, house: House) -> None:
    house.is_open = False
    part = opened().get("/readyz").json()["parts"]["index"]
    assert (part["ready"], part["advice"]) == (False, "Wait.")
    house.opening_problem = "The index was made with another embedder."
    part = opened().get("/readyz").json()["parts"]["index"]
    assert part["finding"] == house.opening_problem


def test_an_audit_that_cannot_be_written_makes_it_not_ready(client: TestClient, house: House) -> None:
    (house.home / "audit").rename(house.home / "away")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "without a record nothing is answered" in answer.json()["parts"]["audit"]["finding"]


def test_a_full_disk_is_found_by_writing_as_much_as_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert audit(tmp_path).ready
    assert not list(tmp_path.iterdir()), "nothing is left of it"

    def full(file: int, body: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    part = audit(tmp_path)
    assert not part.ready and "No space left" in part.finding
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("free", "ready"), [(0, False), (readiness.LEAST_FREE_BYTES - 1, False), (1 << 40, True)])
def test_too_little_room_makes_it_not_ready(free: int, ready: bool) -> None:
    assert disk(free).ready is ready
    assert bool(disk(free).advice) is not ready


def test_a_service_that_is_being_stopped_is_not_ready_but_alive(client: TestClient) -> None:
    client.app.state.desk.draining = True  # type: ignore[attr-defined]
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_strangers_are_told_ready_or_not_and_nothing_else(opened: Opened, house: House) -> None:
    for address in ("192.168.0.7", "2001:db8::1"):
        answer = opened(address=address).get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    house.is_open = False
    answer = opened(address="192.168.0.7").get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not_ready"})


def test_figures_are_not_for_strangers(opened: Opened) -> None:
    assert opened(address="192.168.0.7").get("/metrics").status_code in (401, 403)


@pytest.mark.parametrize(
    ("scopes", "figures", "detail"), [(("search", "ask", "documents"), 403, False), (("admin",), 200, True)]
)
def test_only_who_looks_after_it_is_told_figures_and_what_to_do(
    opened: Opened, house: House, weightless: None, scopes: tuple[str, ...], figures: int, detail: bool
) -> None:
    way = Channel(kind=ChannelKind.INTRANET, audience=Audience.DIRECT)
    _, key = house.keys.add("someone", user=None, scopes=scopes, channel=way, days=1)
    client, shown = opened(), {"authorization": f"Bearer {key}"}
    assert client.get("/metrics", headers=shown).status_code == figures
    told = client.get("/readyz", headers=shown)
    parts = told.json()["parts"]
    assert (told.status_code, parts["embedder"]["ready"]) == (503, False), "its weights are not here"
    assert ("rag models fetch" in str(parts)) is detail
    assert ("finding" in parts["embedder"]) is detail


def test_once_there_is_a_key_nobody_is_told_more_without_a_good_one(opened: Opened, house: House) -> None:
    way = Channel(kind=ChannelKind.INTRANET, audience=Audience.DIRECT)
    house.keys.add("someone", user=None, scopes=("ask",), channel=way, days=1)
    client = opened()
    assert client.get("/readyz").json() == {"status": "ready"}
    bad = {"authorization": "Bearer archivar_0000000000000000"}
    assert client.get("/readyz", headers=bad).status_code == 401
    for headers in ({}, bad):
        assert client.get("/metrics", headers=headers).status_code == 401
