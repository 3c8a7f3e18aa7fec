"""What people say of answers: of their own alone, kept with the receipt, without a name, as long as the audit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rag.service.auditing import Auditing
from rag.service.erasing import Erasing
from tests.doors.http.archive import Archive

QUESTION = "Wie viele Werktage Urlaub gibt es?"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path, more='[llm]\nprovider = "none"\n') as opened:
        opened.put("haus/urlaub.txt", "Der Urlaub beträgt 24 Werktage im Jahr.")
        opened.put("haus/reise.txt", "Reisekosten zahlt die Firma nach dem Bundesreisekostengesetz.")
        opened.sync()
        yield opened


def receipt(client: TestClient, question: str = QUESTION) -> str:
    return str(client.post("/api/ask", json={"question": question}).json()["receipt"])


def said(archive: Archive) -> list[dict[str, Any]]:
    (found,) = Auditing(archive.app).feedback()
    return list(found["feedback"])


def test_a_word_on_ones_own_answer_is_kept_with_its_receipt(archive: Archive) -> None:
    anna = archive.as_("anna")
    own = receipt(anna)
    response = anna.post(
        "/api/feedback", json={"receipt": own, "verdict": "outdated", "reason": "Seit Mai sind es 30."}
    )
    assert response.json() == {"receipt": own, "verdict": "outdated"}
    (one,) = said(archive)
    assert (one["receipt"], one["verdict"], one["reason"]) == (own, "outdated", "Seit Mai sind es 30.")
    assert one["outcome"] in ("extracts", "nothing_found", "unsupported")
    assert one["question"] is None, "it was not sent, and questions are not kept here"


def test_a_second_word_takes_the_place_of_the_first(archive: Archive) -> None:
    anna = archive.as_("anna")
    own = receipt(anna)
    for verdict in ("wrong", "helpful"):
        anna.post("/api/feedback", json={"receipt": own, "verdict": verdict})
    assert [one["verdict"] for one in said(archive)] == ["helpful"]


def test_the_question_is_kept_where_it_is_sent_and_is_the_one_that_was_asked(archive: Archive) -> None:
    anna = archive.as_("anna")
    own = receipt(anna)
    other = anna.post("/api/feedback", json={"receipt": own, "verdict": "wrong", "question": "Wer verdient was?"})
    assert (other.status_code, other.json()["code"]) == (422, "question_not_asked")
    anna.post("/api/feedback", json={"receipt": own, "verdict": "wrong", "question": QUESTION})
    assert said(archive)[0]["question"] == QUESTION


def test_anothers_receipt_is_byte_for_byte_one_that_never_was(archive: Archive) -> None:
    theirs = receipt(archive.as_("anna"))
    never = theirs[:9] + "A" * (len(theirs) - 9)
    for user in ("boss", "stranger"):
        client = archive.as_(user)
        looks = [client.post("/api/feedback", json={"receipt": one, "verdict": "wrong"}) for one in (theirs, never)]
        assert looks[0].status_code == 404
        assert (looks[0].content, looks[0].headers) == (looks[1].content, looks[1].headers)
    assert said(archive) == []


@pytest.mark.parametrize(
    "one", ["x", "20240230-aaaa", "20261126-", "99999999-x", "../../x", "' OR 1=1", "20261126-\x00"]
)
def test_what_is_no_receipt_is_not_found(archive: Archive, one: str) -> None:
    receipt(archive.as_("anna"))
    assert archive.as_("anna").post("/api/feedback", json={"receipt": one, "verdict": "wrong"}).status_code == 404


@pytest.mark.parametrize(
    "form",
    [
        {"verdict": "nonsense"}, {"reason": "x" * 1001}, {"receipt": "x" * 101}, {"receipt": ""}, {"user": "boss"},
        {"reason": "\ud800"}, {"verdict": None}, {"receipt": None}, {"reason": ["x"]},
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(archive: Archive, form: dict[str, Any]) -> None:
    anna = archive.as_("anna")
    whole = {"receipt": receipt(anna), "verdict": "wrong", **form}
    response = anna.post("/api/feedback", content=json.dumps(whole), headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert said(archive) == []


def test_no_name_is_kept_with_it(archive: Archive) -> None:
    anna = archive.as_("anna")
    anna.post("/api/feedback", json={"receipt": receipt(anna), "verdict": "wrong", "reason": "Stimmt nicht."})
    columns = dict(archive.app.ledger.rows("SELECT * FROM feedback")[0])
    assert set(columns) == {"receipt", "verdict", "reason", "question", "at"}
    (record,) = [one for one in archive.app.audit.records() if one["event"] == "judged"]
    assert record["user"] == archive.app.audit.pseudonym("anna")
    assert "Stimmt" not in json.dumps(record)


def test_it_goes_with_the_person(archive: Archive) -> None:
    """Their own words, and others' words about them."""
    anna, boss = archive.as_("anna"), archive.as_("boss")
    anna.post("/api/feedback", json={"receipt": receipt(anna), "verdict": "wrong", "reason": "Stimmt nicht."})
    boss.post("/api/feedback", json={"receipt": receipt(boss), "verdict": "wrong", "reason": "Fragen Sie Anna."})
    boss.post("/api/feedback", json={"receipt": receipt(boss, "Reisekosten?"), "verdict": "helpful", "reason": "Gut."})
    list(Erasing(archive.app).erase(person="anna", really=True))
    assert [one["reason"] for one in said(archive)] == ["Gut."]


def test_it_goes_with_a_document_that_the_answer_was_given_from(archive: Archive) -> None:
    anna = archive.as_("anna")
    for question, reason in ((QUESTION, "Da steht: Der Urlaub beträgt 24 Werktage im Jahr."), ("Und sonst?", "Gut.")):
        own = receipt(anna, question)
        anna.post("/api/feedback", json={"receipt": own, "verdict": "wrong", "reason": reason})
    *_, last = Erasing(archive.app).erase(documents=["haus:urlaub.txt"], really=True)
    assert last["certificate"]["erased"] is True
    assert not any("24 Werktage" in (one["reason"] or "") for one in said(archive))


def test_it_goes_when_the_audit_goes(archive: Archive) -> None:
    anna = archive.as_("anna")
    anna.post("/api/feedback", json={"receipt": receipt(anna), "verdict": "wrong"})
    archive.app.feedback.purge(before="2000-01-01")
    assert len(said(archive)) == 1
    assert archive.app.feedback.purge(before="9999-01-01") == 1
    assert said(archive) == []
    kinds = {kind.name: kind.days for kind in Auditing(archive.app)._kinds()}
    assert kinds["feedback"] == kinds["audit"]


def test_in_works_council_mode_a_word_is_taken_on_the_answers_of_today(tmp_path: Path) -> None:
    more = '[llm]\nprovider = "none"\n[audit]\nworks_council = true\n'
    with Archive(tmp_path, more=more) as archive:
        archive.app.people.make_keys(tmp_path / "one", tmp_path / "other")
        archive.put("haus/urlaub.txt", "Der Urlaub beträgt 24 Werktage im Jahr.")
        archive.sync()
        anna, boss = archive.as_("anna"), archive.as_("boss")
        own = receipt(anna)
        assert boss.post("/api/feedback", json={"receipt": own, "verdict": "wrong"}).status_code == 404
        assert anna.post("/api/feedback", json={"receipt": own, "verdict": "wrong"}).status_code == 200
        assert len(said(archive)) == 1


def test_the_list_of_it_tells_what_was_answered_and_from_what(archive: Archive) -> None:
    anna = archive.as_("anna")
    own = receipt(anna)
    anna.post("/api/feedback", json={"receipt": own, "verdict": "helpful", "question": QUESTION})
    (one,) = said(archive)
    end = [record for record in archive.app.audit.records() if record.get("receipt") == own][-1]
    assert one["outcome"] == end["outcome"]
    assert one["cited"] == [archive.app.ledger.entry(key).id for key in end["cited"]]  # type: ignore[union-attr]
