"""A short, directed walk through the house that comes by every guard once: what a mutant is to be caught by.

Raises `Leak` at the first canary of a document that may not be read, and where "not there" and "not for you" differ.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from rag.access import LOOPBACK, Acl, Audience, Channel, ChannelKind, Confidentiality, Token
from rag.documents import DocumentId
from tests.access.canaries import canary
from tests.access.house import SOURCES, House
from tests.access.looks import Doors, alike, told
from tests.access.papers import Paper
from tests.access.readers import Person, Shelved

QUESTION = "Welches Kennwort gilt für den Zuschlag?"
CLOUD = Channel(kind=ChannelKind.CLOUD_CHAT)
CHAT = Channel(kind=ChannelKind.SELF_HOSTED_CHAT, audience=Audience.PUBLIC_CHANNEL)
WHO = ("u20002", "u20004", "fremd")
NEVER = 987_654


def walk(number: int = 7) -> int:
    """Walk once; gives how many canaries were seen by who may see them."""
    with House(random.Random(number)) as house, Doors(house) as doors:
        house.parrot._chance = house.chance
        papers = _furnished(house)
        for look in (
            _searches,
            _nothing,
            _documents,
            _questions,
            _owner,
            _while_it_answers,
            _before_the_indexes_know,
            _while_it_syncs,
            _leaving,
        ):
            look(house, doors, papers)
        doors.check_logs()
        doors.check_audit()
        return doors.seen


def _furnished(house: House) -> Mapping[str, Paper]:
    papers = {
        "hr": house.write("haus", "hr", "page"),
        "offen": house.write("haus", "hr/offen", "page"),
        "denied": house.write("haus", "hr/offen/b", "note"),
        "staff": house.write("haus", "", "note"),
        "mail": house.write("akten", "", "mail"),
        "shut": house.write("akten", "", "note"),
        "gate": house.write("akten", "c", "page"),
        "old": house.write("akten", "a/b", "series"),
        "new": house.write("akten", "a/b", "series"),
        "public": house.write("aushang", "", "twin"),
        "strict": house.write("tresor", "", "twin"),
        "nobody": house.write("akten", "", "note"),
    }
    for name, uid, gid, mode in (
        ("mail", 20001, 30001, 0o400), ("shut", 0, 30003, 0o604), ("gate", 0, 30002, 0o644), ("old", 0, 0, 0o644),
        ("new", 20003, 0, 0o400), ("nobody", 0, 0, 0o000),
    ):  # fmt: skip
        house.chown("akten", papers[name].path, uid, gid)
        house.chmod("akten", papers[name].path, mode)
    house.chown("akten", "c", 0, 30001)
    house.chmod("akten", "c", 0o750)
    house.people["u20003"] = Person("u20003", frozenset({"g30002"}))
    house.sync(*SOURCES)
    return papers


def _searches(house: House, doors: Doors, papers: Mapping[str, Paper]) -> None:
    for user in (*WHO, "u20001"):
        doors.check_indexes(user, QUESTION)
        doors.check_counts(user)
        for channel in (LOOPBACK, CLOUD, CHAT):
            seen = doors.http(user, channel, "POST", "/api/search", {"query": QUESTION, "k": 30})
            doors.check(user, channel, seen)
    doors.check("u20002", None, doors.call("search", query=QUESTION, user="u20002"))
    doors.check("local", None, doors.call("search", query=QUESTION))


def _nothing(house: House, doors: Doors, papers: Mapping[str, Paper]) -> None:
    """What there is and may not be read finds what there is not."""
    hidden, never = canary(papers["hr"].parts[1]), canary(NEVER)
    for path, key in (("/api/search", "query"), ("/api/ask", "question")):
        looks = [doors.http("u20004", LOOPBACK, "POST", path, {key: f'"{word}"'}) for word in (hidden, never)]
        alike(looks[0], hidden, looks[1], never)
    places = [papers["hr"].path, papers["hr"].path.replace("akte zq", "akte qz")]
    looks = [
        doors.http("u20004", LOOPBACK, "POST", "/api/search", {"query": "Zuschlag", "filters": {"path": place}})
        for place in places
    ]
    alike(looks[0], places[0], looks[1], places[1])
    types = [doors.call("search", query="x", user=user, filters={"types": ["x"]}) for user in ("u20004", "u20001")]
    if "mail" in types[0] or "mail" not in types[1]:
        alike(types[0], "", "of kinds of documents that are not for this person", "")
    classes = [
        doors.http("u20001", CLOUD, "POST", "/api/ask", {"question": QUESTION, "sources": [source], "stream": True})
        for source in ("tresor", "xtreso")
    ]
    alike(classes[0], "tresor", classes[1], "xtreso")


def _documents(house: House, doors: Doors, papers: Mapping[str, Paper]) -> None:
    ledger = house.app.ledger
    keys = {entry.id: entry.key for entry in ledger.entries()}
    for user in WHO:
        for name, key in keys.items():
            for channel in (LOOPBACK, CLOUD):
                for way in (key, f"{key}/text"):
                    doors.check(user, channel, doors.http(user, channel, "GET", f"/api/documents/{way}"))
            doors.check(user, None, doors.call("show", document=key, user=user))
            doors.check(user, None, doors.call("show", document=name, user=user), typed=name)
    secret = keys["tresor:" + papers["strict"].path]  # type: ignore[index]
    for end in ("", "/text"):
        looks = [doors.http("fremd", LOOPBACK, "GET", f"/api/documents/{key}{end}") for key in (secret, "0" * 24)]
        alike(looks[0], secret, looks[1], "0" * 24)
    looks = [doors.call("show", document=key, user="fremd") for key in (secret, "0" * 24)]
    alike(looks[0], secret, looks[1], "0" * 24)


def _questions(house: House, doors: Doors, papers: Mapping[str, Paper]) -> None:
    for user in ("u20001", *WHO):  # the first may read more: what was made for them is not for the next
        for channel in (LOOPBACK, CLOUD, CHAT):
            form = {"question": QUESTION, "stream": channel is LOOPBACK}
            doors.check(user, channel, doors.http(user, channel, "POST", "/api/ask", form))
    doors.check("u20001", CHAT, told(list(doors.events("u20001", CHAT, QUESTION))))
    seen = doors.call("ask", question=QUESTION, user="u20002")
    receipt = json.loads(seen.splitlines()[-1])["receipt"]
    for who in ("fremd", "u20002"):
        doors.check(who, None, doors.call("replay", receipt=receipt, question=QUESTION, user=who))


def _owner(house: House, doors: Doors, papers: Mapping[str, Paper]) -> None:
    for operation, arguments in (
        ("documents", {}), ("status", {}), ("audit_show", {}),
        ("why", {"user": "fremd", "document": f"haus:{papers['hr'].path}"}),
        ("show", {"document": f"tresor:{papers['strict'].path}"}),
    ):  # fmt: skip
        doors.check_owner(doors.call(operation, **arguments))


def _while_it_answers(house: House, doors: Doors, papers: Mapping[str, Paper]) -> None:
    """The right is revoked after the first event, after the second, and before the model has said anything."""
    path = papers["shut"].path
    for until in (0, 1, 2):
        house.chmod("akten", path, 0o644)
        house.sync("akten")
        seen = doors.call("ask", question=QUESTION, user="u20001")
        receipt = json.loads(seen.splitlines()[-1])["receipt"]

        def revoke() -> None:
            house.rewrite(papers["shut"])
            house.chown("akten", path, 20003, 30003)
            house.chmod("akten", path, 0o400)
            house.sync("akten")

        house.parrot.before = revoke if until == 0 else lambda: None
        for number, event in enumerate(doors.events("u20001", LOOPBACK, QUESTION, filters=_only(path)), 1):
            doors.check("u20001", LOOPBACK, told([event]))
            if number == until:
                revoke()
        house.parrot.before = lambda: None
        doors.check("u20001", None, doors.call("replay", receipt=receipt, question=QUESTION, user="u20001"))


def _only(path: str) -> Any:
    from rag.filters import parse

    return parse(paths=[path])


def _before_the_indexes_know(house: House, doors: Doors, papers: Mapping[str, Paper]) -> None:
    """The ledger knows, the indexes do not: as after a crash between the two."""
    staff = papers["staff"]
    name = DocumentId(f"haus:{staff.path}")
    house.app.ledger.reprotect(name, Acl(readers=frozenset({Token("user:u20003")})), Confidentiality.INTERNAL)
    shelf = {**house.shelf, "haus": [one for one in house.shelf["haus"] if one.place != staff.place]}
    for who in ("u20002", "fremd"):
        seen = doors.http(who, LOOPBACK, "POST", "/api/search", {"query": QUESTION, "k": 30})
        doors.check(who, LOOPBACK, seen, shelf=shelf)
    house.rewrite(staff)
    house.sync("haus")


def _while_it_syncs(house: House, doors: Doors, papers: Mapping[str, Paper]) -> None:
    """Between the rights and the reading: the old is gone for who lost it, and not there for who is new."""

    def during(shelf: Mapping[str, Sequence[Shelved]]) -> None:
        for user in WHO:
            form = {"query": QUESTION, "k": 30}
            doors.check(user, LOOPBACK, doors.http(user, LOOPBACK, "POST", "/api/search", form), shelf=shelf)

    house.chown("akten", papers["old"].path, 20003, 0)
    house.chmod("akten", papers["old"].path, 0o400)
    house.rewrite(papers["new"])
    house.chown("akten", papers["new"].path, 0, 0)
    house.chmod("akten", papers["new"].path, 0o644)
    house.sync("akten", during=during)
    for user in WHO:
        doors.check(user, None, doors.call("search", query=QUESTION, user=user, k=30))


def _leaving(house: House, doors: Doors, papers: Mapping[str, Paper]) -> None:
    """Who leaves a group reads no more of what is the group's; a folder that is closed closes what is in it."""
    house.people["u20002"] = Person("u20002", frozenset({"hr", "g30001"}))
    doors.check("u20002", None, doors.call("search", query=QUESTION, user="u20002", k=30))
    group = house.write("akten", "", "note")
    house.people["u20002"] = Person("u20002", frozenset({"g30003"}))
    house.chown("akten", group.path, 0, 30003)
    house.chmod("akten", group.path, 0o440)
    house.sync("akten")
    house.people["u20002"] = Person("u20002")
    doors.check("u20002", None, doors.call("search", query=QUESTION, user="u20002", k=30))
    house.chmod("akten", "c", 0o700)
    moved = house.move(papers["offen"], "hr")
    house.sync("akten", "haus")
    for user in ("u20002", "u20003", "fremd"):
        doors.check(user, None, doors.call("search", query=QUESTION, user=user, k=30))
    house.delete(moved)
    house.delete(papers["public"])
    house.sync("haus", "aushang")
    doors.check_counts("fremd")
