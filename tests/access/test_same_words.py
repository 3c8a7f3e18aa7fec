"""What somebody may not read cannot be told from what does not exist: through no route, by no kind of id, not by words,
size, headers or the class of time that it takes.

An id stands in a question as a phrase alone here, which finds what holds it or nothing. Within a sentence it is
searched without its marks, and two sentences find what they find by their own words: that hidden documents have no part
in that is shown in `test_non_interference`, with one sentence in two houses.
"""

from __future__ import annotations

import random
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.access import LOOPBACK, Channel, ChannelKind
from rag.documents import ChunkId
from tests.access.canaries import canary
from tests.access.house import SOURCES, House
from tests.access.looks import Doors, alike
from tests.access.papers import Paper

A, B = "u20001", "fremd"
KEY, NEVER = "0" * 24, 987_654
IDS = ("key", "name", "uri", "chunk", "receipt", "title", "container", "source")
CHANNELS = (LOOPBACK, Channel(kind=ChannelKind.INTRANET), Channel(kind=ChannelKind.CLOUD_CHAT))


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with House(random.Random(3)) as opened:
        opened.write("haus", "hr", "page")
        opened.write("haus", "hr", "mail")
        opened.write("aushang", "", "page")
        opened.write("tresor", "", "note")
        opened.sync(*SOURCES)
        yield opened


@pytest.fixture(scope="module")
def doors(house: House) -> Iterator[Doors]:
    with Doors(house) as opened:
        yield opened


@pytest.fixture(scope="module")
def secret(house: House) -> Paper:
    return next(paper for paper in house.papers.values() if paper.source == "haus" and paper.kind == "page")


@pytest.fixture(scope="module")
def ids(house: House, doors: Doors, secret: Paper) -> dict[str, tuple[str, str]]:
    """Kind of id → one of A's that B may not use, and one of the same form that never was."""
    ledger = house.app.ledger
    entry = ledger.entry(f"haus:{secret.path}")
    mail = next(entry for entry in ledger.entries() if "!/" in entry.id)
    assert entry is not None
    (chunk,) = [name for name in ledger.chunk_ids() if name in ledger.chunks_of([entry.key])]
    asked = list(doors.events(A, LOOPBACK, "Welches Kennwort gilt?"))
    receipt = asked[-1].answer.receipt  # type: ignore[union-attr]
    found = {
        "key": entry.key,
        "name": entry.id,
        "uri": entry.uri,
        "chunk": ChunkId(chunk),
        "receipt": receipt,
        "title": entry.title,
        "container": mail.id,
        "source": "tresor",
    }
    return {kind: (value, _never(value)) for kind, value in found.items()}


def _never(value: str) -> str:
    """Of the same form and length, with other letters and figures."""
    return value.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))


def routes(doors: Doors) -> set[tuple[str, str]]:
    """Every route of the door's interface."""
    return {(method.upper(), path) for path, ways in doors.web.openapi()["paths"].items() for method in ways}


def test_the_fuzzer_knows_every_route(doors: Doors) -> None:
    """A new one has to be added to what is tried below."""
    assert routes(doors) == {
        ("POST", "/api/ask"), ("POST", "/api/search"), ("GET", "/api/documents/{key}"),
        ("GET", "/api/documents/{key}/text"), ("GET", "/healthz"), ("GET", "/readyz"),
        ("GET", "/api/filters"), ("GET", "/api/documents"), ("POST", "/api/documents"),
        ("DELETE", "/api/documents/{key}"), ("GET", "/api/documents/{key}/original"),
        ("GET", "/api/documents/{key}/pages/{n}"),
        ("GET", "/api/documents/{key}/pages/{n}/marks"), ("GET", "/api/uploads"), ("GET", "/api/uploads/{receipt}"),
        ("POST", "/api/feedback"),
        ("POST", "/api/bots/standing"), ("POST", "/api/bots/messages"), ("GET", "/api/bots/withdrawals"),
        ("POST", "/api/bots/withdrawn"), ("GET", "/api/progress"), ("GET", "/api/status"),
        ("POST", "/api/sources/{name}/confirm-removals"), ("GET", "/metrics"), ("GET", "/api/recent"),
        ("GET", "/v1/models"), ("GET", "/v1/models/{model}"), ("POST", "/v1/chat/completions"), ("POST", "/mcp"),
    }  # fmt: skip


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.kind.value)
@pytest.mark.parametrize("kind", IDS)
def test_t07_an_id_of_anothers_is_not_found_as_one_that_never_was(
    doors: Doors, ids: dict[str, tuple[str, str]], kind: str, channel: Channel
) -> None:
    theirs, never = (value.replace("/", "%2F") for value in ids[kind])
    for method in ("GET", "HEAD", "POST", "DELETE", "PUT"):
        for end in ("", "/text", "/original", "/pages/1", "/pages/1/marks?span=0-9", "/chunks"):
            form = {} if method in ("POST", "PUT", "DELETE") else None
            looks = [doors.http(B, channel, method, f"/api/documents/{one}{end}", form) for one in (theirs, never)]
            assert looks[0][:3] in ("404", "405")
            alike(looks[0], theirs, looks[1], never)
    models = [doors.http(B, channel, "GET", f"/v1/models/archivar/{one}") for one in (theirs, never)]
    assert models[0].startswith("404")
    alike(models[0], theirs, models[1], never)


def in_path(doors: Doors, one: str) -> Iterator[tuple[str, str]]:
    """Method and address of every route that takes something in its path, with this in each of its places."""
    for method, path in sorted(routes(doors)):
        if path.startswith("/api/sources/"):  # for administrators, who know the sources
            continue
        names = re.findall(r"{(\w+)}", path)
        for name in names:
            others = {other: "1" for other in names if other != name}
            for value in (one, f"archivar/{one}") if name == "model" else (one.replace("/", "%2F"),):
                yield method, path.format(**others, **{name: value})


@pytest.mark.parametrize("kind", IDS)
def test_t07_no_route_takes_anothers_id_for_more_than_one_that_never_was(
    doors: Doors, ids: dict[str, tuple[str, str]], kind: str
) -> None:
    """The routes are those of the description: a new one is tried without anybody thinking of it."""
    theirs, never = ids[kind]
    ways = list(zip(in_path(doors, theirs), in_path(doors, never), strict=True))
    assert len(ways) >= 9
    for (method, path), (_, nowhere) in ways:
        form = {} if method in ("POST", "DELETE") else None
        looks = [doors.http(B, LOOPBACK, method, one, form) for one in (path, nowhere)]
        assert looks[0][:3] in ("404", "422"), (method, path)
        alike(looks[0], theirs, looks[1], never)


def _tool(name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def _chat(model: str, text: str) -> tuple[str, dict[str, Any]]:
    return "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": text}]}


def _settled(look: str) -> str:
    """Without what is another at every answer."""
    look = re.sub(r"<<(documents|end) [0-9a-f]{8}>>", r"<<\1>>", look)
    return re.sub(r"chatcmpl-[0-9a-f]+|\"created\":\d+|\\?\"receipt\\?\":\s*\\?\"[^\"]*\"", "…", look)


@pytest.mark.parametrize("kind", IDS)
def test_t07_no_program_is_told_more_of_anothers_id_than_of_one_that_never_was(
    doors: Doors, ids: dict[str, tuple[str, str]], kind: str
) -> None:
    theirs, never = ids[kind]
    for way in (
        lambda one: _tool("get_document", key=one),
        lambda one: _tool("search", query=f'"{one}"?'),
        lambda one: _tool("search", query="Kennwort", sources=[one]),
        lambda one: _tool("ask", question="Kennwort?", sources=[one]),
        lambda one: _chat(f"archivar/{one}", "Kennwort?"),
        lambda one: _chat("archivar", f'"{one}"?'),
    ):
        looks = [_settled(doors.http(B, LOOPBACK, "POST", *way(one))) for one in (theirs, never)]
        alike(looks[0], theirs, looks[1], never)
    seen = doors.http(A, LOOPBACK, "POST", *_tool("get_document", key=ids["key"][0]))
    assert seen.startswith("200") and '"isError":true' not in seen, "who may read it is given it"


@pytest.mark.parametrize("kind", IDS)
def test_t07_an_id_in_a_question_or_a_filter_finds_what_one_that_never_was_finds(
    doors: Doors, ids: dict[str, tuple[str, str]], kind: str
) -> None:
    theirs, never = ids[kind]
    for path, form in (
        ("/api/search", lambda one: {"query": f'"{one}"?'}),
        ("/api/search", lambda one: {"query": "Kennwort", "sources": [one]}),
        ("/api/search", lambda one: {"query": "Kennwort", "filters": {"path": [one]}}),
        ("/api/ask", lambda one: {"question": f'"{one}"?', "stream": True, "early": True}),
        ("/api/ask", lambda one: {"question": "Kennwort", "filters": {"path": one}, "stream": True}),
    ):
        looks = [doors.http(B, LOOPBACK, "POST", path, form(one)) for one in (theirs, never)]
        alike(looks[0], theirs, looks[1], never)


def test_t07_the_reader_of_the_document_is_shown_it(doors: Doors, ids: dict[str, tuple[str, str]]) -> None:
    """Else all of the above would hold of a door that is shut."""
    assert doors.http(A, LOOPBACK, "GET", f"/api/documents/{ids['key'][0]}/text").startswith("200")


@pytest.mark.parametrize("way", ["phrase", "path", "both"])
@pytest.mark.parametrize("door", ["search", "ask", "stream", "service"])
def test_nothing_found_is_the_same_for_what_is_hidden_and_what_is_not_there(
    doors: Doors, secret: Paper, door: str, way: str
) -> None:
    hidden, never = canary(secret.parts[1]), canary(NEVER)
    place, nowhere = secret.path, secret.path.replace(canary(secret.name), never)

    def look(word: str, path: str) -> str:
        text = "Welches Kennwort gilt?" if way == "path" else f'"{word}"?'
        paths = [] if way == "phrase" else [path]
        if door == "service":
            return doors.call("ask", question=text, user=B, filters={"paths": paths})
        form: dict[str, Any] = {"query" if door == "search" else "question": text, "filters": {"path": paths}}
        return doors.http(
            B,
            LOOPBACK,
            "POST",
            f"/api/{door if door == 'search' else 'ask'}",
            form | ({"stream": True} if door == "stream" else {}),
        )

    theirs, nobodys = look(hidden, place), look(never, nowhere)
    alike(theirs.replace(place, "…"), hidden, nobodys.replace(nowhere, "…"), never)
    assert '"passages": []' in theirs or '"passages":[]' in theirs


def test_a_document_is_not_shown_in_the_words_for_one_that_is_not_there(
    doors: Doors, ids: dict[str, tuple[str, str]]
) -> None:
    for kind in ("key", "name", "container"):
        theirs, never = ids[kind]
        looks = [doors.call("show", document=one, user=B) for one in (theirs, never)]
        assert looks[0].startswith("AccessError: There is no document")
        alike(looks[0], theirs, looks[1], never)


def test_an_unknown_kind_of_document_names_only_kinds_that_are_the_askers(doors: Doors) -> None:
    """A mail lies where only some may read."""
    told = {user: doors.call("search", query="x", user=user, filters={"types": ["tape"]}) for user in (A, B)}
    assert "mail" in told[A] and "mail" not in told[B]


def test_how_much_there_is_is_told_of_what_one_may_read(doors: Doors, house: House) -> None:
    for user in (A, B):
        doors.check_counts(user)
    counted = {user: doors.http(user, LOOPBACK, "GET", "/readyz").partition('"documents":')[2][:1] for user in (A, B)}
    assert counted == {A: "5", B: "1"}


def test_a_channel_that_refuses_a_document_does_not_even_tell_its_evidence(doors: Doors) -> None:
    cloud = CHANNELS[2]
    form = {"question": "Welches Kennwort gilt weiter?", "stream": True}
    looks = [doors.http(A, cloud, "POST", "/api/ask", form | {"sources": [name]}) for name in ("tresor", "xtreso")]
    alike(looks[0], "tresor", looks[1], "xtreso")


def test_t07_what_is_hidden_takes_as_long_as_what_is_not_there(doors: Doors, ids: dict[str, tuple[str, str]]) -> None:
    """Medians of answers taken in turn: hidden and absent lie no further apart than each from itself, five times."""

    def median(look: Callable[[], object]) -> float:
        taken = []
        for _ in range(15):
            began = time.process_time()
            look()
            taken.append(time.process_time() - began)
        return statistics.median(taken)

    theirs, never = (f"/api/documents/{one}/text" for one in ids["key"])
    rounds = [
        [median(lambda path=path: doors.http(B, LOOPBACK, "GET", path)) for path in (theirs, never)] for _ in range(4)
    ]
    apart = abs(statistics.median(a for a, _ in rounds) - statistics.median(b for _, b in rounds))
    noise = max(max(column) - min(column) for column in zip(*rounds, strict=True))
    assert apart <= 5 * noise + 0.002, f"{apart * 1000:.1f} ms apart, {noise * 1000:.1f} ms of noise"
