"""A person is erased while others ask, and although the disk is full half way."""

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
from rag.credentials.keys import Keys
from rag.credentials.suspensions import Suspensions
from rag.errors import StoreFull
from rag.service.erasing import Erasing
from rag.store.feedback import Feedback
from rag.store.ledger import Ledger
from rag.store.people import People
from tests.doors.http.archive import Archive
from tests.govern.dwelling import Canary, traces

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


@pytest.mark.parametrize(
    ("part", "step"),
    [
        (People, "forget_texts"),
        (People, "forget"),
        (Keys, "forget"),
        (Suspensions, "forget"),
        (Ledger, "forget_stretches"),
    ],
)
def test_a_person_whose_erasure_was_cut_short_is_erased_all_the_same(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, part: type, step: str
) -> None:
    app = archive.app
    app.audit.note("viewed", user=NAME, channel=LOOPBACK)

    def cut(*arguments: Any) -> int:
        raise StoreFull("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(part, step, cut)
        with pytest.raises(StoreFull):
            list(Erasing(app).erase(person=NAME, really=True))
    assert app.ledger.erasures()[0].state == "asked"
    *_, last = Erasing(app).finish()
    (made,) = last["finished"]
    assert (made["erased"], made["how"], made["interrupted"]) == (True, "person", True)
    assert made["audit"] == {"texts": 1, "names": 1, "keys": 1}, "what went before is counted too"
    assert not list(app.people.texts()) and NAME not in app.people.names().values() and not app.keys.all()
    assert not traces(app.settings.home, [Canary("Grünspecht", ""), Canary("grunspecht", "")])
    assert next(iter(Erasing(app).erase(person=NAME)))["found"] == []


def test_what_was_said_of_answers_from_a_document_goes_although_its_erasure_was_cut_short(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = archive.as_("anna")
    own = anna.post("/api/ask", json={"question": "Wie viele Werktage Urlaub gibt es?"}).json()["receipt"]
    anna.post("/api/feedback", json={"receipt": own, "verdict": "wrong", "reason": "Da steht: 24 Werktage im Jahr."})

    def cut(*arguments: Any) -> int:
        raise StoreFull("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(Feedback, "forget", cut)
        with pytest.raises(StoreFull):
            list(Erasing(archive.app).erase(documents=["haus:urlaub.txt"], really=True))
    assert list(archive.app.feedback.all())
    list(Erasing(archive.app).finish())
    assert not list(archive.app.feedback.all())
