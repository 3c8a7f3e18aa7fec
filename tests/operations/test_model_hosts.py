"""Several model servers as the service sees them: opened by the settings, counted by number, seats for those there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rag.errors import LicenceRefused
from rag.metrics import Metrics
from rag.models.seats import Seats
from rag.models_in_use.writers import Writers
from rag.service import figures
from rag.settings import Settings
from rag.settings.limits import ServerSettings
from rag.settings.models import LicencesSettings, LlmSettings
from tests.models.protocol_server import MODEL
from tests.models.test_hosts import Served, told


@pytest.fixture
def run() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(run: ExitStack, folder: Path, *urls: str, **more: Any) -> tuple[Writers, Seats, Metrics]:
    llm = LlmSettings(provider="ollama", base_urls=urls, model=MODEL)
    settings = Settings(home=folder, models=folder, llm=llm, server=ServerSettings(slots=2), **more)
    metrics, seats = Metrics(version="1"), Seats(settings.slots)
    writers = Writers(settings, metrics, capacity=seats.allow)
    run.callback(writers.close)
    return writers, seats, metrics


def test_seats_are_those_of_the_servers_that_are_there(run: ExitStack, tmp_path: Path) -> None:
    one = run.enter_context(Served("one"))
    with Served("gone") as gone:
        url = gone.url
    writers, seats, _ = opened(run, tmp_path, one.url, url)
    assert (seats.count, seats.free) == (4, 4)
    model = writers.get()
    assert model is not None
    told(model)
    assert (seats.count, seats.free) == (4, 2)


def test_figures_name_servers_by_number_only(run: ExitStack, tmp_path: Path) -> None:
    one, two = run.enter_context(Served("one")), run.enter_context(Served("two"))
    one.breaks = "at once"
    writers, _, metrics = opened(run, tmp_path, one.url, two.url)
    model = writers.get()
    assert model is not None
    told(model)
    app: Any = SimpleNamespace(writers=writers)
    page = metrics.render(lambda: figures._hosts(app)).decode()
    assert 'archivar_model_host_answers_total{host="2"} 1.0' in page
    assert 'archivar_model_host_failures_total{host="1"} 1.0' in page
    assert 'archivar_model_host_seats{host="1"} 2.0' in page
    assert "127.0.0.1" not in page
    assert MODEL not in page


def test_one_server_is_no_list_of_hosts(run: ExitStack, tmp_path: Path) -> None:
    one = run.enter_context(Served("one"))
    writers, _, _ = opened(run, tmp_path, one.url)
    assert writers.get() is not None
    assert writers.hosts() == ()


def test_a_licence_that_is_not_let_in_leaves_no_server(run: ExitStack, tmp_path: Path) -> None:
    one, two = run.enter_context(Served("one")), run.enter_context(Served("two"))
    writers, _, _ = opened(run, tmp_path, one.url, two.url, licences=LicencesSettings(allow=("conditions",)))
    model = writers.get()
    assert model is not None
    with pytest.raises(LicenceRefused.__mro__[1], match=r"licences\.allow"):
        told(model)


def test_fewer_seats_are_given_while_fewer_servers_are_there() -> None:
    seats, freed = Seats(4), []
    seats.tell(lambda: freed.append(1))
    assert all(seats.take() for _ in range(3))
    seats.allow(2)
    assert (seats.free, seats.take()) == (0, False)
    seats.give_back()
    assert (seats.free, seats.take()) == (0, False)
    seats.allow(9)
    assert (seats.free, len(freed)) == (2, 2)
