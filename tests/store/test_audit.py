from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.access import LOOPBACK, Principal, Token
from rag.answers import Passage
from rag.errors import StoreError
from rag.store.audit import AuditLog
from tests.store.makers import chunk

SECRETS = [
    "Wie hoch ist das Gehalt?",
    "anna.müller",
    "boss",
    "Gehaltsliste 2026",
    "file:///srv/gehalt.xlsx",
    "docs:gehalt",
]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    opened = AuditLog(tmp_path / "audit")
    yield opened
    opened.close()


def ask(log: AuditLog, question: str = SECRETS[0]) -> str:
    passage = Passage(
        chunk=chunk("c", "Frau Beispiel 4711 Euro", document="docs:gehalt.xlsx"),
        title=SECRETS[3],
        uri=SECRETS[4],
        score=1.0,
        key="k" * 24,
        admitted_by=(Token("everyone"), Token("group:boss"), Token("user:anna.müller")),
    )
    return log.open(
        question=question, principal=Principal(user=SECRETS[1]), channel=LOOPBACK, passages=[passage], acting=SECRETS[2]
    )


def newest(directory: Path) -> Path:
    """The file that is written to."""
    return max(directory.glob("*.jsonl"))


def close(log: AuditLog, receipt: str) -> None:
    log.close_record(receipt, outcome="answered", model="m", digest="d", cited=["k" * 24])


def test_an_answer_leaves_two_records_that_belong_together(log: AuditLog) -> None:
    receipt = ask(log)
    close(log, receipt)
    opened, closed = log.records()
    assert (opened["event"], closed["event"]) == ("opened", "closed")
    assert opened["receipt"] == closed["receipt"] == receipt
    assert opened["passages"] == [
        {
            "document": "k" * 24,
            "version": "v1",
            "span": [0, 23],
            "hash": log.hash("Frau Beispiel 4711 Euro"),
            "rule": ["everyone", f"group:{log.hash('group:boss')}", "user"],
        }
    ]
    assert log.verify() is None
    assert closed["hash"] == log.head


def test_it_holds_no_question_no_name_no_title_and_no_path(tmp_path: Path, log: AuditLog) -> None:
    close(log, ask(log))
    written = b"".join(file.read_bytes() for file in (tmp_path / "audit").iterdir()).decode("latin-1")
    for secret in [*SECRETS, "anna", "Gehalt", "gehalt", "Beispiel", "4711"]:
        assert secret not in written
        assert json.dumps(secret)[1:-1] not in written


def test_a_person_has_one_pseudonym_in_a_home_and_another_in_another(tmp_path: Path, log: AuditLog) -> None:
    other = AuditLog(tmp_path / "other")
    assert log.pseudonym("anna") == log.pseudonym("anna") != log.pseudonym("berta")
    assert log.pseudonym("anna") != other.pseudonym("anna")
    other.close()


def test_the_chain_goes_on_after_a_restart(tmp_path: Path, log: AuditLog) -> None:
    ask(log)
    again = AuditLog(tmp_path / "audit")
    ask(again)
    assert [record["sequence"] for record in again.records()] == [2, 3]
    assert again.verify() is None
    assert again.pseudonym("anna") == log.pseudonym("anna")
    again.close()


def test_a_damaged_record_is_not_shown(tmp_path: Path, log: AuditLog) -> None:
    for _ in range(4):
        ask(log)
    path = newest(tmp_path / "audit")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\xff\n", *lines[3:]]))
    with pytest.raises(StoreError, match=r"Record 3 of the audit log .* is damaged"):
        list(log.records())


def test_threads_write_one_unbroken_chain(log: AuditLog) -> None:
    threads = [threading.Thread(target=lambda: [close(log, ask(log)) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert log.verify() is None
    for thread in threads:
        thread.join()
    assert log.verify() is None
    assert len(list(log.records())) == 160


def test_a_record_that_was_being_written_when_the_machine_stopped_is_taken_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(tmp_path)
    ask(log)
    path = newest(tmp_path)
    whole = path.read_bytes()
    ask(log)
    log.close()
    torn = path.read_bytes()
    for rest in (torn[: len(whole) + 30], torn[:-1], whole + b"x" * 10_000):
        path.write_bytes(rest)
        again = AuditLog(tmp_path)
        assert path.read_bytes() == whole
        assert [record["sequence"] for record in again.records()] == [2]
        again.close()
    assert {record.__dict__["action"] for record in caplog.records} == {"audit_cut"}


def test_a_log_with_nothing_but_a_torn_record_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b'{"seq' * 2000)
    log = AuditLog(tmp_path)
    ask(log)
    assert log.verify() is None
    log.close()


@pytest.mark.parametrize("line", [b"{}\n", b"5\n", b"no json\n", b'{"sequence":"1","hash":"x"}\n', b"\xff\n"])
def test_a_damaged_last_record_is_refused_in_words(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "log.jsonl").write_bytes(line)
    with pytest.raises(StoreError, match=r"last record .* is damaged. Move the file away"):
        AuditLog(tmp_path)


def test_a_log_without_its_key_is_refused_and_no_new_key_is_made(tmp_path: Path, log: AuditLog) -> None:
    ask(log)
    (tmp_path / "audit" / "key").unlink()
    with pytest.raises(StoreError, match=r"key .* is gone. Restore it from a backup"):
        AuditLog(tmp_path / "audit")
    assert not (tmp_path / "audit" / "key").exists()


def test_a_damaged_key_is_refused_in_words(tmp_path: Path) -> None:
    AuditLog(tmp_path).close()
    (tmp_path / "key").write_bytes(b"")
    with pytest.raises(StoreError, match=r"key .* is damaged"):
        AuditLog(tmp_path)


def test_a_record_that_cannot_be_written_is_an_error_and_the_chain_goes_on(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    ask(log)
    own, log.chain._file = log.chain._file, os.open(newest(tmp_path), os.O_RDONLY)
    with pytest.raises(StoreError, match="without a record no question is answered"):
        ask(log)
    os.close(log.chain._file)
    log.chain._file = own
    ask(log)
    assert log.verify() is None
    assert len(list(log.records())) == 2
    log.close()


def test_half_a_record_is_taken_off_at_once(log: AuditLog, tmp_path: Path) -> None:
    ask(log)
    size = newest(tmp_path / "audit").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
    try:
        with pytest.raises(StoreError, match="No space left on device"):
            ask(log)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    ask(log)
    assert log.verify() is None
    assert len(list(log.records())) == 2


def test_a_record_is_on_the_disk_before_its_receipt_is_given(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(log)
    synced, real = [], os.fdatasync

    def told(file: int) -> None:
        real(file)
        synced.append(len(list(log.chain._path.read_bytes().splitlines())))

    monkeypatch.setattr(os, "fdatasync", told)
    close(log, ask(log))
    assert synced == [3, 4]


def test_the_log_and_its_key_are_closed_to_other_accounts(tmp_path: Path, log: AuditLog) -> None:
    ask(log)
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "audit").iterdir()}
    assert modes == {"key": 0o600, newest(tmp_path / "audit").name: 0o600}
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700


def test_a_place_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"audit log in .* cannot be opened"):
        AuditLog(tmp_path / "file")
