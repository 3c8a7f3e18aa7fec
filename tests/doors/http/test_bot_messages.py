"""What bots have posted, as whoever looks after the service sees it: which messages show a document, and taking them
back; what an erasure, a removal and `rag doctor` say of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.errors import AccessError, SettingsError
from rag.service.auditing import Auditing
from rag.service.operations import Service
from tests.doors.http.test_bots import ANNA, BEN, Desk, put

PAPER = "offen:urlaub-offen.txt"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path)
    put(opened, "offen", "haus")
    yield opened
    opened.close()


def call(desk: Desk, operation: str, **arguments: Any) -> dict[str, Any]:
    *_, last = Service(desk.app).call(operation, arguments)
    return last


def posted(desk: Desk, message: str = "C01/1", who: Any = ANNA) -> str:
    receipt = str(desk.ask(who).json()["receipt"])
    assert desk.post(receipt, message, who) == 204
    return receipt


def remove(desk: Desk) -> None:
    (desk.archive.base / "offen" / "urlaub-offen.txt").unlink()
    desk.archive.put("offen/anderes.txt", "Die Kantine öffnet um elf Uhr.")


def test_the_messages_that_show_a_document_are_listed(desk: Desk) -> None:
    posted(desk)
    (one,) = call(desk, "bot_messages", document=PAPER)["messages"]
    assert (one["platform"], one["message"], one["withdraw_at"]) == ("slack", "C01/1", None)
    assert [each["document_id"] for each in one["documents"] if each["key"] == desk.archive.key(PAPER)] == [PAPER]
    assert call(desk, "bot_messages", document=desk.archive.key(PAPER))["messages"] == [one]
    assert call(desk, "bot_messages", gone=True)["messages"] == []
    with pytest.raises(AccessError, match="no document"):
        call(desk, "bot_messages", document="offen:nie.txt")


def test_messages_of_a_document_that_is_gone_are_found_and_taken_back_once(desk: Desk) -> None:
    posted(desk)
    key = desk.archive.key(PAPER)
    remove(desk)
    assert call(desk, "ingest")["bot_messages"] == 1
    (one,) = call(desk, "bot_messages", gone=True)["messages"]
    assert {each["key"]: each["document_id"] for each in one["documents"] if each["gone"]} == {key: None}
    assert call(desk, "bot_messages", document=key)["messages"] == [one], "its key finds them"
    assert call(desk, "bot_messages", gone=True, remove=True)["wanted_back"] == 1
    assert call(desk, "bot_messages", gone=True, remove=True)["wanted_back"] == 0
    assert desk.app.posted.withdrawals("slack") == ["C01/1"]
    events = [record["event"] for record in desk.app.audit.records()]
    assert events.count("withdrawal_asked") == 2


def test_not_everything_is_taken_back_by_a_slip(desk: Desk) -> None:
    posted(desk)
    with pytest.raises(SettingsError, match="Which messages"):
        call(desk, "bot_messages", remove=True)
    assert desk.app.posted.withdrawals("slack") == []


def test_a_message_that_is_edited_shows_what_it_shows_now_and_is_still_to_be_taken_back(desk: Desk) -> None:
    receipt = posted(desk)
    call(desk, "bot_messages", document=PAPER, remove=True)
    assert desk.post(receipt, "C01/1") == 204
    assert desk.app.posted.withdrawals("slack") == ["C01/1"]


def test_erasing_a_document_tells_of_its_messages_and_leaves_them_to_be_taken_back(desk: Desk) -> None:
    posted(desk)
    assert call(desk, "erase", documents=[PAPER])["messages"] == 1
    done = call(desk, "erase", documents=[PAPER], really=True)
    assert done["certificate"]["erased"] is True and done["messages"] == 1
    assert len(call(desk, "bot_messages", gone=True)["messages"]) == 1


def test_erasing_a_person_ends_what_is_known_of_their_messages_and_account(desk: Desk) -> None:
    posted(desk)
    posted(desk, "C01/2", BEN)
    desk.app.accounts.note("tenant-1:0a0b0c0d", "anna")
    assert call(desk, "erase", person="anna")["answered"] == 1
    call(desk, "erase", person="anna", really=True)
    assert [one.message for one in desk.app.posted.all()] == ["C01/2"]
    assert desk.app.accounts.users() == frozenset()


def test_they_go_when_the_audit_goes(desk: Desk) -> None:
    posted(desk)
    kinds = {kind.name: kind for kind in Auditing(desk.app)._kinds()}
    assert kinds["bot_messages"].days == kinds["audit"].days
    assert kinds["bot_messages"].purge("2000-01-01") == 0 and len(desk.app.posted.all()) == 1
    assert kinds["bot_messages"].purge("9999-01-01") > 0 and desk.app.posted.all() == []


def checks(desk: Desk) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in call(desk, "doctor")["checks"]}


def test_the_doctor_tells_of_messages_that_show_what_is_gone(desk: Desk) -> None:
    posted(desk)
    assert "bot messages" not in checks(desk)
    remove(desk)
    desk.archive.sync()
    assert not checks(desk)["bot messages"]["well"]


def test_the_doctor_tells_whether_anybody_is_linked(desk: Desk) -> None:
    found = checks(desk)
    assert found["accounts in slack"]["well"] and "5 listed" in found["accounts in slack"]["finding"]
    assert "accounts in teams" not in found, "it has no key"
    assert "release" not in found
    desk.app.suspensions.suspend("eve")
    assert "1 who are shut out" in checks(desk)["accounts"]["finding"]


def test_the_doctor_names_each_loosening(tmp_path: Path) -> None:
    desk = Desk(tmp_path, more='[release.cloud_chat]\ninternal = { direct = "full" }\n')
    try:
        (found,) = [check for check in call(desk, "doctor")["checks"] if check["name"] == "release"]
        assert not found["well"]
        assert found["finding"] == "direct messages in a chat in a cloud get full of what is internal; by default link"
        put(desk, "haus")
        assert desk.ask().json()["sensitivity"] == "internal", "and it is so"
    finally:
        desk.close()


def test_why_answers_for_an_account(desk: Desk) -> None:
    told = call(desk, "why", user="slack:T01:ANNA", document="haus:urlaub-haus.txt")
    assert (told["user"], told["may_read"]) == ("anna", True)
    assert told["because"][0] == "The account slack:T01:ANNA is anna's, as [bots.accounts] lists it."
    with pytest.raises(AccessError, match="linked to nobody"):
        call(desk, "why", user="slack:T01:NOBODY", document="haus:urlaub-haus.txt")
