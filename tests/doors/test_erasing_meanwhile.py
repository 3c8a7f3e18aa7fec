"""A person is erased while others ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rag.access import LOOPBACK
from rag.app import App
from rag.credentials.identified import INTRANET
from rag.erasing import Erasing
from rag.store.feedback import Feedback
from tests.doors.http.archive import Archive

NAME = "Wolfhard Grünspecht"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, more='[llm]\nprovider = "none"\n[audit]\nquestion_text = true\n') as opened:
        opened.put("haus/brief.txt", f"Der Vertrag mit {NAME} endet im März.")
        opened.put("haus/urlaub.txt", "Der Urlaub beträgt 24 Werktage im Jahr.")
        opened.sync()
        opened.app.keys.add("Notebook", user=NAME, scopes=["ask"], channel=INTRANET, days=None)
        list(
            opened.app.ask(f"Wann endet der Vertrag mit {NAME}?", principal=opened.app.person("anna"), channel=LOOPBACK)
        )
        yield opened


def first_question(app: App) -> None:
    app.audit.note("examined", user="somebody new", channel=LOOPBACK)


def first_question_of_a_day(app: App) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    app.audit.chain._clock = lambda: tomorrow
    app.audit.note("examined", user="local", channel=LOOPBACK)


def another_key(app: App) -> None:
    app.keys.add("another", user=None, scopes=["ask"], channel=INTRANET, days=None)


@pytest.mark.parametrize("work", [first_question, first_question_of_a_day, another_key])
def test_nobody_waits_while_what_names_a_person_is_taken_out(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, work: Callable[[App], None]
) -> None:
    """Each of these holds a lock that the erasure takes too, and waits for the ledger."""
    own, done = Feedback.forget_texts, list[bool]()

    def meanwhile(feedback: Feedback, texts: Any) -> int:
        other = threading.Thread(target=work, args=(archive.app,), daemon=True)
        other.start()
        other.join(20)
        done.append(not other.is_alive())
        if not done[-1]:
            raise TimeoutError("somebody waits for the erasure, which would wait for them for good")
        return own(feedback, texts)

    monkeypatch.setattr(Feedback, "forget_texts", meanwhile)
    *_, last = Erasing(archive.app).erase(person=NAME, really=True)
    assert done == [True] and last["certificate"]["erased"]
    assert last["certificate"]["audit"]["texts"] == 1 and last["certificate"]["audit"]["keys"] == 1
