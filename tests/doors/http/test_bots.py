"""The service as a bot sees it: on whose behalf it asks, who hears the answer, what may be posted and what is taken
back. A real App over real files; who somebody is stands in `[bots.accounts]`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from rag.access import Confidentiality
from rag.identity import Memberships
from rag.store.bot_messages import Posted
from rag.system_accounts import Account
from tests.doors.http.archive import Archive

QUESTION = "Wie viele Werktage beträgt der Urlaub im Jahr?"
LEAVE = "Der Urlaub beträgt 24 Werktage im Jahr."
ANNA, BEN, CARLA, EVE = ({"account": f"slack:T01:{name}"} for name in ("ANNA", "BEN", "CARLA", "EVE"))
MORE = """
[llm]
provider = "none"
[bots]
page = "https://archivar.firma.example/"
{bots}[bots.accounts]
"slack:T01:ANNA" = "anna"
"slack:T01:ANNA2" = "anna"
"slack:T01:BEN" = "boss"
"slack:T01:CARLA" = "carla"
"slack:T01:EVE" = "eve"
"matrix:@anna:firma.example" = "anna"
[[sources]]
name = "offen"
path = "{base}/offen"
readers = ["everyone"]
class = "public"
[[sources]]
name = "geheim"
path = "{base}/geheim"
readers = ["group:staff"]
class = "confidential"
"""


class Desk:
    """An archive, and what a bot with a key of its platform sees of it."""

    def __init__(self, base: Path, *, more: str = "", auth: str = "", bots: str = "") -> None:
        for name in ("offen", "geheim"):
            (base / name).mkdir()
        self.archive = Archive(base, more=MORE.format(base=base, bots=bots) + more, auth=auth)
        self.app = self.archive.app
        self._client = TestClient(self.archive.web, base_url="http://localhost", client=("127.0.0.1", 50000))
        self._client.__enter__()
        self.keys = {name: self.app.keys.add_bot(name, platform=name, days=None)[1] for name in ("slack", "matrix")}

    def close(self) -> None:
        self._client.__exit__(None, None, None)
        self.archive.__exit__(None, None, None)

    def call(self, method: str, path: str, body: Any = None, *, key: str = "slack") -> Any:
        headers = {"Authorization": f"Bearer {self.keys.get(key, key)}", "X-Request-Id": "the-same-one"}
        return self._client.request(method, path, json=body, headers=headers)

    def ask(self, who: Any = ANNA, audience: str = "direct", *, key: str = "slack", **more: Any) -> Any:
        body = {"question": QUESTION, "on_behalf_of": who, "audience": audience, **more}
        return self.call("POST", "/api/ask", body, key=key)

    def standing(self, receipt: str, who: Any = ANNA, audience: str = "direct", **more: Any) -> bool:
        body = {"receipt": receipt, "on_behalf_of": who, "audience": audience, **more}
        return bool(self.call("POST", "/api/bots/standing", body).json()["standing"])

    def post(self, receipt: str, message: str, who: Any = ANNA) -> int:
        body = {"receipt": receipt, "message": message, "on_behalf_of": who}
        return int(self.call("POST", "/api/bots/messages", body).status_code)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path)
    yield opened
    opened.close()


def put(desk: Desk, *sources: str) -> None:
    for number, source in enumerate(sources):
        desk.archive.put(f"{source}/urlaub-{source}.txt", f"{LEAVE} Absatz {number} aus {source}.")
    desk.archive.sync()


def test_it_answers_on_behalf_of_a_person_with_that_persons_rights(desk: Desk) -> None:
    put(desk, "offen", "haus")
    said = desk.ask(key="matrix", who={"account": "matrix:@anna:firma.example"}).json()
    assert said["outcome"] == "extracts" and said["sensitivity"] == "internal"
    assert {one["document_id"] for one in said["passages"]} == {
        desk.archive.key("offen:urlaub-offen.txt"),
        desk.archive.key("haus:urlaub-haus.txt"),
    }
    assert desk.ask(EVE).json()["sensitivity"] == "public"


def test_a_cloud_is_told_public_text_and_pointed_at_the_rest(desk: Desk) -> None:
    put(desk, "offen", "haus", "geheim")
    said = desk.ask().json()
    assert {one["key"] for one in said["passages"]} == {desk.archive.key("offen:urlaub-offen.txt")}
    keys = [desk.archive.key(name) for name in ("haus:urlaub-haus.txt", "geheim:urlaub-geheim.txt")]
    titles = {one["url"].partition("document=")[2][:24]: one.get("title") for one in said["links"]}
    assert titles == {keys[0]: "urlaub-haus", keys[1]: None}
    assert said["sensitivity"] == "public"
    assert "haus" not in json.dumps(said["passages"]) and "aus haus" not in json.dumps(said)


def test_where_only_links_may_be_told_nothing_else_is(desk: Desk) -> None:
    put(desk, "haus")
    said = desk.ask().json()
    assert (said["outcome"], said["passages"], said["citations"], said["sensitivity"]) == ("link_only", [], [], "")
    (link,) = said["links"]
    assert link["url"].startswith(
        "https://archivar.firma.example/?document=" + desk.archive.key("haus:urlaub-haus.txt")
    )
    assert "24" not in said["text"]


def test_no_path_of_the_house_is_told_to_a_chat(desk: Desk) -> None:
    put(desk, "offen", "haus")
    told = desk.ask().text + desk.ask(stream=True).text
    assert "file:" not in told and str(desk.archive.base) not in told and "offen:" not in told


def test_the_stream_has_the_same_events_with_addresses(desk: Desk) -> None:
    put(desk, "offen", "haus")
    events = [
        frame.split("\ndata: ") for frame in desk.ask(stream=True).text.split("\n\n") if frame.startswith("event")
    ]
    names = [name.removeprefix("event: ") for name, _ in events]
    assert (names[0], names[-1]) == ("passages", "done") and "sentence" in names
    for name, data in events:
        form = json.loads(data)
        for one in [*form.get("passages", ()), *form.get("citations", ())]:
            assert one["url"].startswith("https://archivar.firma.example/?document="), name
    assert json.loads(events[-1][1])["links"]


def test_what_a_bot_is_told_keeps_to_the_description(desk: Desk) -> None:
    put(desk, "offen", "haus")
    described = desk.archive.web.openapi()
    whole = {"$ref": "#/components/schemas/BotAnswer", "components": described["components"]}
    jsonschema.validate(desk.ask().json(), whole)


UNKNOWN = [
    {"account": "slack:T01:NOBODY"},
    {"account": "matrix:@anna:firma.example"},
    {"account": "slack:T01:ANNA "},
    {"account": "anna"},
    {"account": "user:anna"},
    {"account": "slack:T02:ANNA", "email": "anna@firma.example"},
    {"account": "slack:T01:\u0410NNA"},
]


@pytest.mark.parametrize("who", UNKNOWN)
def test_an_account_that_is_not_linked_is_unknown(desk: Desk, who: Any) -> None:
    refused = desk.ask(who)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_unknown")


def test_unknown_and_suspended_are_told_in_the_same_words(desk: Desk) -> None:
    put(desk, "offen")
    desk.app.suspensions.suspend("Eve")
    told = [desk.ask(who).content for who in (EVE, {"account": "slack:T01:NOBODY"})]
    assert told[0] == told[1]


def test_shut_in_the_directory_is_told_in_the_same_words(desk: Desk) -> None:
    def account(name: str) -> Account:
        return Account(names=frozenset({name}), groups=frozenset(), closed=name == "eve")

    desk.app.__dict__["memberships"] = Memberships(desk.app.settings.groups, system=account, keep_s=0)
    put(desk, "offen")
    told = [desk.ask(who).content for who in (EVE, {"account": "slack:T01:NOBODY"})]
    assert told[0] == told[1]
    assert desk.ask(ANNA).status_code == 200
    assert desk.ask(audience="private_channel", members=[EVE]).json()["code"] == "room_unclear"


def test_two_accounts_may_be_one_person(desk: Desk) -> None:
    put(desk, "haus")
    seen = [desk.ask(who).json()["links"] for who in (ANNA, {"account": "slack:T01:ANNA2"})]
    assert seen[0] == seen[1] != []


def test_in_a_room_a_document_counts_only_if_everybody_there_may_read_it(desk: Desk) -> None:
    put(desk, "haus", "tresor")
    alone = desk.ask(audience="private_channel", members=[ANNA, BEN]).json()
    assert len(alone["links"]) == 1
    with_eve = desk.ask(audience="private_channel", members=[ANNA, BEN, EVE]).json()
    assert (with_eve["outcome"], with_eve["links"]) == ("nothing_found", [])
    assert desk.ask(EVE, audience="private_channel", members=[ANNA]).json()["links"] == [], "the asker is one of them"


def test_the_answer_in_a_room_is_that_of_a_house_without_what_one_of_them_may_not_read(desk: Desk) -> None:
    put(desk, "offen", "haus")
    room = desk.ask(audience="private_channel", members=[ANNA, EVE]).json()
    eve = desk.ask(EVE).json()
    assert [(one["key"], one["score"]) for one in room["passages"]] == [
        (one["key"], one["score"]) for one in eve["passages"]
    ]


@pytest.mark.parametrize(
    "members",
    [
        None,
        [ANNA, {"account": "slack:T01:NOBODY"}],
        [ANNA, {"account": "matrix:@anna:firma.example"}],
        [{"account": "slack:T01:ANNA"}] * 201,
    ],
)
@pytest.mark.parametrize("audience", ["private_channel", "public_channel", "guests"])
def test_where_not_everybody_is_known_it_answers_nobody(desk: Desk, members: Any, audience: str) -> None:
    refused = desk.ask(audience=audience, members=members)
    assert (refused.status_code, refused.json()["code"]) == (403, "room_unclear")


def test_an_administrator_says_how_many_may_be_in_a_channel(tmp_path: Path) -> None:
    desk = Desk(tmp_path, bots="most_members = 1\n")
    try:
        put(desk, "offen")
        assert desk.ask(audience="private_channel", members=[ANNA]).status_code == 200
        refused = desk.ask(audience="private_channel", members=[ANNA, BEN])
        assert (refused.status_code, refused.json()["code"]) == (403, "room_unclear")
    finally:
        desk.close()


def test_a_bot_speaks_for_somebody_and_nobody_else_does(desk: Desk) -> None:
    bare = desk.call("POST", "/api/ask", {"question": QUESTION})
    assert (bare.status_code, bare.json()["code"]) == (422, "on_behalf_needed")
    nowhere = desk.call("POST", "/api/ask", {"question": QUESTION, "on_behalf_of": ANNA})
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "on_behalf_needed")
    anna = desk.archive.as_("anna")
    for more in ({"on_behalf_of": BEN}, {"audience": "direct"}, {"members": [BEN]}):
        refused = anna.post("/api/ask", json={"question": QUESTION, **more})
        assert (refused.status_code, refused.json()["code"]) == (422, "on_behalf_refused")
    judged = anna.post("/api/feedback", json={"receipt": "x", "verdict": "wrong", "on_behalf_of": BEN})
    assert judged.status_code == 422


def test_the_key_of_a_bot_opens_nothing_else(desk: Desk) -> None:
    put(desk, "offen")
    key = desk.archive.key("offen:urlaub-offen.txt")
    for path in ("/", "/documents", "/status", "/readyz", f"/api/documents/{key}/text", "/api/filters", "/metrics"):
        refused = desk.call("GET", path)
        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing"), path
    for path, body in (("/api/search", {"query": "Urlaub"}), ("/mcp", {}), ("/v1/chat/completions", {})):
        assert desk.call("POST", path, body).status_code == 403, path
    assert desk.call("POST", "/api/login", {"key": desk.keys["slack"]}).status_code == 401


def test_what_was_found_fit_to_be_said_is_asked_about_again(desk: Desk) -> None:
    put(desk, "offen", "haus")
    receipt = desk.ask().json()["receipt"]
    assert desk.standing(receipt)
    assert not desk.standing(receipt, BEN), "it is another's"
    assert not desk.standing("20261126-none")
    assert not desk.standing(receipt, {"account": "slack:T01:NOBODY"})
    assert not desk.standing(receipt, audience="public_channel", members=[ANNA]), "it points at an internal document"
    assert not desk.standing(receipt, audience="private_channel", members=[ANNA, EVE]), "which she may not read"
    assert not desk.standing(receipt, audience="private_channel")
    assert desk.standing(receipt, audience="private_channel", members=[ANNA, BEN])


def change_class(desk: Desk, document: str, secrecy: Confidentiality) -> None:
    entry = desk.app.ledger.entry(document)
    assert entry is not None
    desk.app.ledger.reprotect(entry.id, entry.acl, secrecy)


def test_a_document_of_another_class_by_now_is_not_posted(desk: Desk) -> None:
    put(desk, "offen")
    receipt = desk.ask().json()["receipt"]
    change_class(desk, "offen:urlaub-offen.txt", Confidentiality.INTERNAL)
    assert not desk.standing(receipt)


def test_a_title_that_may_not_be_told_by_now_is_not_posted(desk: Desk) -> None:
    put(desk, "haus")
    receipt = desk.ask().json()["receipt"]
    assert desk.standing(receipt)
    change_class(desk, "haus:urlaub-haus.txt", Confidentiality.CONFIDENTIAL)
    assert not desk.standing(receipt), "a bare link would still do, its title does not"


def test_a_document_that_is_gone_by_now_is_not_posted(desk: Desk) -> None:
    put(desk, "offen")
    receipt = desk.ask().json()["receipt"]
    (desk.archive.base / "offen" / "urlaub-offen.txt").unlink()
    desk.archive.put("offen/anderes.txt", "Die Kantine öffnet um elf Uhr.")
    desk.archive.sync()
    assert not desk.standing(receipt)


def test_who_is_shut_out_by_now_is_not_answered(desk: Desk) -> None:
    put(desk, "offen")
    receipt = desk.ask().json()["receipt"]
    desk.app.suspensions.suspend("anna")
    assert not desk.standing(receipt)


def test_a_policy_that_fails_lets_nothing_be_posted_or_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    put(desk, "offen")
    receipt = desk.ask().json()["receipt"]
    monkeypatch.setattr(type(desk.app.policy), "decide", lambda *_: 1 / 0)
    assert not desk.standing(receipt)
    said = desk.ask().json()
    assert (said["outcome"], said["passages"], said["links"]) == ("nothing_found", [], [])


def test_it_remembers_which_messages_show_which_documents(desk: Desk) -> None:
    put(desk, "offen", "haus")
    receipt = desk.ask().json()["receipt"]
    assert desk.post(receipt, "C01/1") == 204
    (kept,) = desk.app.posted.all()
    names = ("offen:urlaub-offen.txt", "haus:urlaub-haus.txt")
    assert set(kept.documents) == {desk.archive.key(name) for name in names}, "what it cites, and what it points at"
    assert desk.post(receipt, "C01/2", BEN) == 404, "it is another's"
    assert desk.post("20261126-none", "C01/3") == 404
    assert len(desk.app.posted.all()) == 1


def test_an_answer_that_shows_nothing_leaves_no_trace(desk: Desk) -> None:
    put(desk, "tresor")
    assert desk.post(desk.ask().json()["receipt"], "C01/1") == 204
    assert desk.app.posted.all() == []


def test_what_was_not_found_well_enough_is_not_remembered_either(tmp_path: Path) -> None:
    opened = Desk(tmp_path, more="[retrieval]\nevidence = 1.0\n")
    try:
        put(opened, "offen", "haus")
        said = opened.ask().json()
        assert (said["outcome"], said["links"], said["sensitivity"]) == ("nothing_found", [], "")
        assert opened.post(said["receipt"], "C01/1") == 204 and opened.app.posted.all() == []
    finally:
        opened.close()


def withdraw(desk: Desk) -> list[Posted]:
    messages = desk.app.posted.all()
    desk.app.posted.withdraw(messages)
    return messages


def test_a_bot_is_told_which_of_its_messages_to_take_back_until_it_has(desk: Desk) -> None:
    put(desk, "offen")
    desk.post(desk.ask().json()["receipt"], "C01/1")
    assert desk.call("GET", "/api/bots/withdrawals").json() == {"messages": []}
    withdraw(desk)
    assert desk.call("GET", "/api/bots/withdrawals").json() == {"messages": ["C01/1"]}
    assert desk.call("GET", "/api/bots/withdrawals?skip=1").json() == {"messages": []}
    assert desk.call("GET", "/api/bots/withdrawals?skip=-1").status_code == 422
    assert desk.call("GET", "/api/bots/withdrawals", key="matrix").json() == {"messages": []}, "it is another bot's"
    for _ in range(2):
        assert desk.call("POST", "/api/bots/withdrawn", {"message": "C01/1"}, key="matrix").status_code == 204
        assert desk.call("GET", "/api/bots/withdrawals").json() == {"messages": ["C01/1"]}
    assert desk.call("POST", "/api/bots/withdrawn", {"message": "C01/1"}).status_code == 204
    assert desk.call("GET", "/api/bots/withdrawals").json() == {"messages": []}
    assert desk.app.posted.all() == []


def test_a_word_on_an_answer_is_the_persons_the_bot_speaks_for(desk: Desk) -> None:
    put(desk, "offen")
    receipt = desk.ask().json()["receipt"]
    said = {"receipt": receipt, "verdict": "helpful"}
    assert desk.call("POST", "/api/feedback", {**said, "on_behalf_of": BEN}).status_code == 404
    assert desk.call("POST", "/api/feedback", said).status_code == 422
    assert desk.call("POST", "/api/feedback", {**said, "on_behalf_of": ANNA}).status_code == 200


def test_the_audit_says_who_asked_through_which_channel_before_whom(desk: Desk) -> None:
    put(desk, "offen")
    receipt = desk.ask(audience="private_channel", members=[ANNA, EVE]).json()["receipt"]
    opened = next(one for one in desk.app.audit.records() if one.get("receipt") == receipt)
    assert (opened["channel"], opened["audience"], opened["room"]) == ("cloud_chat", "private_channel", 1)
    assert desk.app.people.names()[opened["user"]] == "anna"


def test_one_person_is_held_up_however_many_accounts_they_ask_from(tmp_path: Path) -> None:
    opened = Desk(tmp_path, more="[limits]\nuser_per_minute = 1\nuser_burst = 1\n")
    try:
        put(opened, "offen")
        assert opened.ask().status_code == 200
        refused = opened.ask({"account": "slack:T01:ANNA2"})
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
        assert opened.ask(EVE).status_code == 200
    finally:
        opened.close()
