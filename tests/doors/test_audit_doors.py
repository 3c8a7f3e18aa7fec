"""No door shows anything without a durable record; an administrator is not a reader. One process, everything real but
the weights: the operations of the service, and HTTP."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rag.access import LOOPBACK
from rag.api.http import create_app
from rag.api.local import LocalDoor
from rag.app import App
from rag.errors import AccessError, RagError, SettingsError, StoreError
from rag.govern.retention import Daily
from rag.llamaindex import ArchivarRetriever
from rag.service.auditing import Auditing
from rag.service.operations import Service
from rag.settings.file import load
from tests.doors.conftest import QUESTION, TRUE, Line
from tests.store.test_tampering import Clock

SECRET = "Die Prämie der Leitung beträgt 4711 Euro."
NOBODYS = "Der Tresor hat die Zahl 31415."


@pytest.fixture(scope="module")
def home(line: Line) -> Line:
    """Three sources: everyone's, a group's, nobody's."""
    for name, text in (("open", TRUE), ("hr", SECRET), ("closed", NOBODYS)):
        (line.folder / name).mkdir()
        (line.folder / name / f"{name}.txt").write_text(text)
    sources = "".join(
        f'\n[[sources]]\nname = "{name}"\npath = "{line.folder / name}"\nreaders = {readers}\nclass = "internal"\n'
        for name, readers in (("open", '["everyone"]'), ("hr", '["group:hr"]'), ("closed", "[]"))
    )
    own = Line(line.folder, line.folder / "rag.toml")
    own.config.write_text(line.config.read_text() + sources)
    with opened(own) as app:
        list(Service(app).call("ingest", {}))
    return own


@contextmanager
def opened(line: Line, audit: str = "") -> Iterator[App]:
    """The App, with more settings where wanted."""
    config = line.folder / "now.toml"
    config.write_text(line.config.read_text() + audit)
    with App(load(config=config, home=line.home, environ={"RAG_MODELS": str(line.folder / "no-models")})) as app:
        yield app


@pytest.fixture
def app(home: Line) -> Iterator[App]:
    with opened(home) as app:
        yield app


def call(app: App, operation: str, **arguments: Any) -> dict[str, Any]:
    """The last event of an operation."""
    *_, last = Service(app).call(operation, arguments)
    return last


def key_of(app: App, document: str) -> str:
    entry = app.ledger.entry(document)
    assert entry is not None
    return entry.key


def last(app: App) -> dict[str, Any]:
    *_, record = app.audit.records()
    return record


# ---- no record, no answer ----

OPERATIONS: dict[str, dict[str, Any]] = {
    "ask": {"question": QUESTION},
    "search": {"query": QUESTION},
    "show": {"document": "open:open.txt"},
    "why": {"user": "anna", "document": "open:open.txt"},
    "audit_show": {},
    "audit_export": {"file": "export.jsonl"},
    "backup": {"directory": "backup"},
    "replay": {"question": QUESTION},
    "subject": {"name": "Leitung", "reason": "ein Auskunftsersuchen"},
}
ROUTES: dict[str, Callable[[TestClient, str], Any]] = {
    "ask": lambda client, key: client.post("/api/ask", json={"question": QUESTION}),
    "stream": lambda client, key: client.post("/api/ask", json={"question": QUESTION, "stream": True}),
    "search": lambda client, key: client.post("/api/search", json={"query": QUESTION}),
    "document": lambda client, key: client.get(f"/api/documents/{key}"),
    "text": lambda client, key: client.get(f"/api/documents/{key}/text"),
}


def full(app: App) -> None:
    """Every write says that no space is left."""
    app.audit.chain._file = os.open("/dev/full", os.O_WRONLY)


def read_only(app: App) -> None:
    """The file can be read, not written."""
    app.audit.chain._file = os.open(app.audit.chain._path, os.O_RDONLY)


def broken(app: App) -> None:
    """Every write is an error of input and output: nothing can be written at the first page of a process's memory."""
    app.audit.chain._file = os.open("/proc/self/mem", os.O_RDWR)


def removed(app: App) -> None:
    """The directory is gone; the file that is open could still be written, and nobody would find the record."""
    app.audit.chain._path.unlink()


@contextmanager
def down(app: App, how: Callable[[App], None]) -> Iterator[None]:
    """The audit cannot be written meanwhile."""
    app.audit.note("examined", user="local", channel=LOOPBACK)
    own, path = app.audit.chain._file, app.audit.chain._path
    os.link(path, path.with_suffix(".kept"))
    how(app)
    if how is not removed:
        app.audit.chain._refuse_another_file = lambda: None  # type: ignore[method-assign]  # it would come first
    try:
        yield
    finally:
        path.with_suffix(".kept").rename(path)
        path.with_suffix(".kept").unlink(missing_ok=True)
        vars(app.audit.chain).pop("_refuse_another_file", None)
        app.audit.chain._file = own


@pytest.mark.parametrize("how", [full, read_only, broken, removed])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_with_the_audit_down_no_operation_shows_anything(
    app: App, operation: str, how: Callable[[App], None], tmp_path: Path
) -> None:
    arguments = dict(OPERATIONS[operation])
    if operation == "replay":
        arguments["receipt"] = call(app, "ask", question=QUESTION)["receipt"]
    for name in ("file", "directory"):
        if name in arguments:
            arguments[name] = str(tmp_path / arguments[name])
    given: list[Any] = []
    says = "without a record no question is answered|There is no receipt"  # where its records are gone
    with down(app, how), pytest.raises(RagError, match=says):
        given += Service(app).call(operation, arguments)
    assert given == [] and not list(tmp_path.iterdir())
    assert call(app, "search", query=QUESTION)["passages"], "it goes on when it is up again"
    assert app.audit.verify() is None


@pytest.mark.parametrize("how", [full, read_only, broken, removed])
@pytest.mark.parametrize("route", ROUTES)
def test_with_the_audit_down_no_route_shows_anything(app: App, route: str, how: Callable[[App], None]) -> None:
    with TestClient(create_app(app), base_url="http://localhost", client=("127.0.0.1", 50000)) as client:
        key = key_of(app, "open:open.txt")
        assert ROUTES[route](client, key).status_code == 200
        with down(app, how):
            refused = ROUTES[route](client, key)
        assert refused.status_code == 503 and TRUE not in refused.text and "Arbeitstage" not in refused.text
        assert refused.json()["code"] == "store_unavailable"


def test_with_the_audit_down_no_llamaindex_program_is_given_anything(app: App) -> None:
    retriever = ArchivarRetriever(app.retriever, audit=app.audit, principal=app.person("anna"))
    assert retriever.retrieve(QUESTION)
    with down(app, full), pytest.raises(StoreError):
        retriever.retrieve(QUESTION)


def test_verify_and_head_work_while_the_audit_is_down(app: App) -> None:
    with down(app, read_only):
        assert call(app, "audit_verify")["first_bad_record"] is None
        assert ":" in call(app, "audit_head")["anchor"]


@pytest.mark.parametrize(
    ("route", "event"),
    [("ask", "closed"), ("search", "searched"), ("document", "looked_up"), ("text", "viewed"), ("stream", "closed")],
)
def test_every_route_leaves_its_record(app: App, route: str, event: str) -> None:
    with TestClient(create_app(app), base_url="http://localhost", client=("127.0.0.1", 50000)) as client:
        before = app.audit.chain.head.record
        ROUTES[route](client, key_of(app, "open:open.txt"))
    assert app.audit.chain.head.record > before  # type: ignore[operator]
    assert last(app)["event"] == event


# ---- an administrator is not a reader ----


def test_the_owner_is_shown_what_is_for_them_and_nothing_else(app: App) -> None:
    assert TRUE in call(app, "show", document="open:open.txt")["text"]
    for document in ("hr:hr.txt", "closed:closed.txt"):
        with pytest.raises(
            AccessError, match=r"There is no document .* that local may read.*--break-glass --reason"
        ) as refused:
            call(app, "show", document=document)
        assert "4711 Euro" not in str(refused.value)
    assert SECRET not in json.dumps(call(app, "search", query="Prämie der Leitung"))
    assert SECRET not in json.dumps(call(app, "ask", question="Wie hoch ist die Prämie der Leitung?"))


def test_showing_as_somebody_shows_what_they_may_read_on_the_record(app: App) -> None:
    assert SECRET in call(app, "show", document="hr:hr.txt", user="anna")["text"]
    record = last(app)
    assert (record["event"], record["document"]) == ("viewed", key_of(app, "hr:hr.txt"))
    assert (record["user"], record["acting"]) == (app.audit.pseudonym("anna"), app.audit.pseudonym("local"))
    with pytest.raises(AccessError):
        call(app, "show", document="hr:hr.txt", user="berta")


@pytest.mark.parametrize("reason", [None, "", "  "])
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("ask", {"question": "Prämie"}),
        ("search", {"query": "Prämie"}),
        ("show", {"document": "hr:hr.txt"}),
    ],
)
def test_the_glass_is_not_broken_without_a_reason(
    app: App, operation: str, arguments: dict[str, Any], reason: str | None
) -> None:
    before = app.audit.chain.head
    with pytest.raises(AccessError, match="needs a reason"):
        call(app, operation, break_glass=True, reason=reason, **arguments)
    assert app.audit.chain.head == before


@pytest.mark.parametrize(
    ("operation", "arguments", "shown"),
    [
        ("ask", {"question": "Wie hoch ist die Prämie der Leitung?"}, SECRET),
        ("search", {"query": "Prämie der Leitung"}, SECRET),
        ("show", {"document": "hr:hr.txt"}, SECRET),
        ("show", {"document": "closed:closed.txt"}, NOBODYS),
    ],
)
def test_a_broken_glass_shows_all_is_recorded_with_its_reason_and_told_in_the_log(
    app: App, operation: str, arguments: dict[str, Any], shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    why = "Frau Beispiel hat ein Auskunftsersuchen gestellt"
    assert shown in json.dumps(
        list(Service(app).call(operation, {**arguments, "break_glass": True, "reason": why})), ensure_ascii=False
    )
    (record,) = [r for r in list(app.audit.records())[-2:] if r.get("glass")]
    assert record["reason"] == app.audit.hash(why)
    (shown_record,) = call(app, "audit_show", receipt=record["receipt"])["records"][:1]
    assert shown_record["reason_text"] == why and shown_record["user_name"] == "local"
    warned = [entry for entry in caplog.records if entry.__dict__.get("action") == "break_glass"]
    assert len(warned) == 1 and warned[0].levelno == logging.WARNING
    assert why not in caplog.text and all(b"Beispiel" not in p.read_bytes() for p in _log_files(app))


def test_the_glass_is_broken_in_ones_own_name(app: App) -> None:
    with pytest.raises(SettingsError, match="Either --as USER or --break-glass"):
        call(app, "search", query="x", user="anna", break_glass=True, reason="y")


@pytest.mark.parametrize("setting", ["reason_for_as", "works_council"])
def test_asking_as_somebody_wants_a_reason_where_the_settings_say_so(home: Line, setting: str) -> None:
    with opened(home, f"\n[audit]\n{setting} = true\n") as app, pytest.raises(AccessError, match="needs a reason here"):
        call(app, "search", query="Prämie", user="anna")


@pytest.mark.parametrize("reason", [{}, {"reason": ""}, {"reason": "  "}])
def test_where_a_person_stands_is_not_shown_without_a_reason(app: App, reason: dict[str, str]) -> None:
    before = app.audit.chain.head
    with pytest.raises(AccessError, match=r"--reason"):
        call(app, "subject", name="Leitung", **reason)
    assert app.audit.chain.head == before


def test_where_a_person_stands_is_shown_on_the_record(app: App) -> None:
    """Sentences of a document that the owner may not read."""
    before = app.audit.chain.head.record
    found = call(app, "subject", name="Leitung", aliases=["Frau Beispiel"], reason="ein Auskunftsersuchen")
    assert [document["sentences"] for document in found["documents"]] == [[SECRET]]
    noted = [record for record in app.audit.records() if record["sequence"] > before]
    assert [(one["event"], one["about"]) for one in noted] == [
        ("subject", app.audit.pseudonym(name)) for name in ("Leitung", "Frau Beispiel")
    ]
    for record in noted:
        assert record["user"] == app.audit.pseudonym("local")
        assert record["reason"] == app.audit.hash("ein Auskunftsersuchen")
        assert record["links"] == [key_of(app, "hr:hr.txt")]
    *_, shown = call(app, "audit_show", document="hr:hr.txt")["records"][:-1]
    assert (shown["event"], shown["about_name"]) == ("subject", "Frau Beispiel")


# ---- who was shown what ----


def test_the_audit_tells_who_was_shown_a_document_and_by_which_right(app: App) -> None:
    call(app, "search", query="Prämie der Leitung", user="anna")
    call(app, "search", query="Prämie der Leitung", user="berta")
    found = call(app, "audit_show", document="hr:hr.txt")["records"]
    assert {record["user_name"] for record in found if record["event"] == "searched" and "glass" not in record} == {
        "anna"
    }
    *_, hers = [record for record in found if record.get("user_name") == "anna" and "passages" in record]
    (passage,) = [p for p in hers["passages"] if p["document_id"] == "hr:hr.txt"]
    assert passage["rule"] == ["group:hr"] and passage["title"] == "hr"
    mine = call(app, "audit_show", user="berta")["records"]
    assert mine and {record["user_name"] for record in mine if "about" not in record} == {"berta"}
    assert call(app, "audit_show", since="2999-01-01")["records"] == []
    assert [r["event"] for r in call(app, "audit_show", since="2020-01-01", user="nobody")["records"]] == ["examined"]
    with pytest.raises(SettingsError, match="a day such as"):
        call(app, "audit_show", since="yesterday")
    with pytest.raises(AccessError, match="only its key finds records"):
        call(app, "audit_show", document="hr:gone.txt")


def test_what_was_shown_of_a_document_that_is_gone_is_found_by_its_key(home: Line, app: App) -> None:
    (home.folder / "open" / "kurz.txt").write_text("Der Aufzug trägt 630 Kilogramm.")
    call(app, "ingest")
    key = key_of(app, "open:kurz.txt")
    call(app, "ask", question="Wie viel trägt der Aufzug?")
    (home.folder / "open" / "kurz.txt").unlink()
    call(app, "ingest", confirm_removals=["open"])
    assert app.ledger.entry(key) is None
    found = call(app, "audit_show", document=key)["records"]
    assert {record["event"] for record in found} >= {"opened", "closed"}
    entry = next(p for p in found[0]["passages"] if p["document"] == key)
    assert entry["title"] is None and entry["document_id"] is None


def test_looking_at_the_audit_is_a_record_too(app: App) -> None:
    call(app, "audit_show", user="anna", document="hr:hr.txt")
    record = last(app)
    assert (record["event"], record["about"]) == ("examined", app.audit.pseudonym("anna"))
    assert record["document"] == key_of(app, "hr:hr.txt")


def test_an_export_holds_every_record_as_it_was_written(app: App, tmp_path: Path) -> None:
    done = call(app, "audit_export", file=str(tmp_path / "out.jsonl"))
    written = (tmp_path / "out.jsonl").read_bytes()
    assert written == b"".join(path.read_bytes() for path in sorted(_log_files(app)))
    assert written.count(b"\n") == done["records"]
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="is there already"):
        call(app, "audit_export", file=str(tmp_path / "out.jsonl"))


def test_a_place_that_is_shut_is_told_with_who_writes_there(app: App) -> None:
    shut = "/sys/archivar"  # nobody makes a file here, root neither
    for operation, given in (("audit_export", {"file": shut}), ("backup", {"directory": shut})):
        with pytest.raises(StoreError, match="could not be written: ") as caught:
            call(app, operation, **given)
        told = str(caught.value)
        assert f"pid {os.getpid()}, user " in told and "not written by your shell" in told
        assert "ReadWritePaths=" in told and "/backup" in told


def test_a_disk_itself_is_no_backup(app: App) -> None:
    with pytest.raises(SettingsError, match="is a disk or a mounted folder"):
        call(app, "backup", directory="/dev/shm")


def test_the_ledger_knows_where_the_log_ended(home: Line) -> None:
    with opened(home) as app:
        call(app, "search", query="x")
        path = app.audit.chain._path
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    try:
        with opened(home) as app:
            fault = call(app, "audit_verify")
            assert "the ledger knows of record" in fault["what"]
            app.people._ledger = None  # type: ignore[assignment]  # nothing of this visit is remembered
            app.audit._people = None
    finally:
        path.write_bytes(whole)


# ---- works-council mode ----


@pytest.fixture
def council(home: Line, tmp_path: Path) -> Iterator[App]:
    with opened(home, "\n[audit]\nworks_council = true\nquestion_text = true\n") as app:
        keys = home.home / "audit" / "council.json"
        call(app, "audit_keys", one=str(tmp_path / "one"), other=str(tmp_path / "other"))
        yield app
    keys.unlink()


def test_no_name_is_shown_anywhere_in_works_council_mode(
    council: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    list(council.ask(QUESTION, principal=council.person("anna"), channel=LOOPBACK))
    call(council, "search", query="Prämie", user="anna", reason="a test")
    call(council, "audit_export", file=str(tmp_path / "out.jsonl"))
    asked_since = [r for r in call(council, "audit_show")["records"] if r.get("reason_text") == "a test"]
    assert asked_since and all(entry["user_name"] is None for entry in asked_since)
    told = json.dumps(call(council, "audit_show")) + (tmp_path / "out.jsonl").read_text() + caplog.text
    assert "anna" not in told
    with pytest.raises(SettingsError, match="not looked up by person"):
        call(council, "audit_show", user="anna")


def test_a_name_needs_two_keys_and_a_reason_and_leaves_a_record(council: App, tmp_path: Path) -> None:
    call(council, "search", query="Prämie", user="anna", reason="a test")
    pseudonym = last(council)["user"]
    one, other = ((tmp_path / name).read_text().strip() for name in ("one", "other"))
    for keys in ([one, one], [one, "00" * 32], [other, other], [one], []):
        with pytest.raises(AccessError):
            call(council, "audit_reidentify", pseudonym=pseudonym, keys=keys, reason="Verdacht")
    assert last(council)["event"] == "reidentify_refused"
    with pytest.raises(AccessError, match="needs a reason"):
        call(council, "audit_reidentify", pseudonym=pseudonym, keys=[one, other], reason=" ")
    assert call(council, "audit_reidentify", pseudonym=pseudonym, keys=[one, other], reason="Verdacht") == {
        "pseudonym": pseudonym,
        "name": "anna",
    }
    record = last(council)
    assert (record["event"], record["pseudonym"]) == ("reidentified", pseudonym)
    with down(council, full), pytest.raises(StoreError):
        call(council, "audit_reidentify", pseudonym=pseudonym, keys=[one, other], reason="Verdacht")


def test_an_access_request_counts_nobodys_records_in_works_council_mode(home: Line, council: App) -> None:
    """Not even those from before it was switched on, under a pseudonym that is a keyed hash."""
    council.audit.chain.append({"event": "searched", "receipt": "x", "user": council.audit.pseudonym("Leitung")})
    found = call(council, "subject", name="Leitung", reason="ein Auskunftsersuchen", language="de")
    assert found["audit_records"] is None and "nicht nach Personen gezählt" in found["page"]
    assert call(council, "erase", person="Leitung")["answered"] == 0
    assert "Leitung" not in json.dumps([record for record in council.audit.records() if record["event"] == "subject"])


# ---- receipts ----


def test_a_receipt_is_given_again_by_whose_it_is(app: App) -> None:
    receipt = call(app, "ask", question=QUESTION, user="anna")["receipt"]
    with pytest.raises(AccessError, match=r"is not local's. Whose it is says --as USER"):
        call(app, "replay", receipt=receipt, question=QUESTION)
    with pytest.raises(SettingsError, match="text is not kept: give it with --question"):
        call(app, "replay", receipt=receipt, user="anna")
    again = call(app, "replay", receipt=receipt, question=QUESTION, user="anna")
    assert again["same"] and again["changes"] == [] and TRUE in again["answer"]["text"]


def test_what_a_replay_names_is_recorded_with_its_reason(home: Line, app: App) -> None:
    file, why = home.folder / "open" / "aufzug.txt", "Eine Beschwerde"
    file.write_text("Der Aufzug trägt 630 Kilogramm.")
    call(app, "ingest")
    try:
        asked = "Wie viel trägt der Aufzug?"
        receipt = call(app, "ask", question=asked, user="anna")["receipt"]
        same = call(app, "replay", receipt=receipt, question=asked, user="anna", reason=why)
        (record, *_) = app.audit.records(receipt=same["answer"]["receipt"])
        assert record["reason"] == app.audit.hash(why), "an answer that is given again"
        file.write_text("Der Aufzug trägt 450 Kilogramm.")
        call(app, "ingest")
        made = call(app, "replay", receipt=receipt, question=asked, user="anna", reason=why)
        assert "open:aufzug.txt has another version" in made["changes"][0]["said"]
        record = last(app)
        assert (record["event"], record["replays"]) == ("replayed", receipt)
        assert (record["user"], record["acting"]) == (app.audit.pseudonym("anna"), app.audit.pseudonym("local"))
        assert (record["reason"], record["links"]) == (app.audit.hash(why), [key_of(app, "open:aufzug.txt")])
        assert call(app, "audit_show", document="open:aufzug.txt")["records"][-2]["reason_text"] == why
        with down(app, full), pytest.raises(StoreError):
            call(app, "replay", receipt=receipt, question=asked, user="anna", reason=why)
    finally:
        file.unlink()
        call(app, "ingest", confirm_removals=["open"])


def test_a_question_that_is_kept_need_not_be_given(home: Line) -> None:
    with opened(home, "\n[audit]\nquestion_text = true\n") as app:
        receipt = call(app, "ask", question=QUESTION)["receipt"]
        assert call(app, "replay", receipt=receipt)["same"]
        (record, _) = call(app, "audit_show", receipt=receipt)["records"]
        assert record["question_text"] == QUESTION
        assert all(b"Arbeitstage" not in path.read_bytes() for path in _log_files(app))


# ---- retention ----


def test_each_kind_goes_when_its_days_are_over(home: Line) -> None:
    kept = "\n[audit]\nquestion_text = true\n[retention]\naudit_days = 3\nquestion_text_days = 1\n"
    with opened(home, kept) as app:
        clock = Clock(datetime.now(UTC))
        auditing = Auditing(app, clock=clock)
        app.audit.chain._clock = clock
        receipt = call(app, "ask", question=QUESTION)["receipt"]
        assert auditing.purge_now()["question_texts"] == 0
        clock.tomorrow()
        clock.tomorrow()
        done = auditing.purge_now()
        assert done["question_texts"] > 0 and done["audit"] == 0
        assert list(app.people.texts(receipt)) == []
        assert list(app.audit.records(receipt=receipt)), "its record is kept longer"
        clock.tomorrow()
        call(app, "search", query="x")
        clock.tomorrow()
        assert auditing.purge_now()["audit"] > 0
        assert list(app.audit.records(receipt=receipt)) == []
        assert app.audit.verify() is None
        with pytest.raises(SettingsError, match="There is no receipt"):
            call(app, "replay", receipt=receipt, question=QUESTION)


def test_the_daily_work_is_done_once_a_day_and_again_where_it_failed() -> None:
    clock, done, fails = Clock(), list[str](), [True]

    def work() -> None:
        done.append(f"{clock.at:%d}")
        if fails[0]:
            raise RagError("the disk is full")

    daily = Daily(work, clock=clock, look_s=3600)
    try:
        while not done:
            pass
        daily.look()
        assert done == ["26", "26"], "it failed, and is tried again"
        fails[0] = False
        daily.look()
        daily.look()
        clock.tomorrow()
        daily.look()
        assert done == ["26", "26", "26", "27"]
    finally:
        daily.close()


def _log_files(app: App) -> list[Path]:
    return sorted((app.settings.home / "audit").glob("*.jsonl"))


def test_the_commands_say_it_for_a_person_and_choose_the_exit_code(home: Line, tmp_path: Path) -> None:
    with opened(home) as app, LocalDoor(Service(app), app.settings.home):
        receipt = home.json("ask", QUESTION)["receipt"]
        anchor = home.run("audit", "head").stdout.strip()
        shown = home.run("audit", "show", "--receipt", receipt)
        assert (shown.returncode, "asked: answered" in shown.stdout, "open:open.txt" in shown.stdout) == (0, True, True)
        assert "All " in home.run("audit", "verify", "--anchor", anchor).stdout
        wrong = home.run("audit", "verify", "--anchor", anchor[:-1] + ("0" if anchor[-1] != "0" else "1"))
        assert wrong.returncode == 1 and "another log is here" in wrong.stdout
        assert home.run("audit", "verify", "--anchor", "x").returncode == 2
        done = home.run("replay", receipt, "--question", QUESTION)
        assert done.returncode == 0 and "The same answer." in done.stdout
        assert home.run("replay", receipt, "--question", "x").returncode == 2
        assert home.run("audit", "export", tmp_path / "out.jsonl").returncode == 0
        kinds = {"audit", "bot_messages", "feedback", "reasons", "question_texts"}
        assert set(home.json("audit", "purge")["purged"]) == kinds
        refused = home.run("show", "hr:hr.txt")
        assert refused.returncode == 1 and "--break-glass" in refused.stderr
        assert SECRET in home.run("show", "hr:hr.txt", "--break-glass", "--reason", "Auskunft").stdout
