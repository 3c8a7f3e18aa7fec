"""Who may ask: keys, a trusted proxy, this machine; what is refused, and when it ends."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from rag.access import Audience, Channel, ChannelKind
from rag.answers import AnswerEvent, Found, Passage
from rag.api.caller import AdminOf, needs
from rag.api.http import create_app
from rag.api.way import Proxies
from rag.credentials.failures import Failures
from rag.credentials.identified import INTRANET, READING
from rag.settings.auth import AuthSettings
from tests.doors.http.conftest import CLOSED, LEAVE, SICK, served
from tests.doors.http.house import House, Paper, answered, sentence

ASK = {"question": "Wie lang ist der Urlaub?"}
PROXY = AuthSettings(proxy_header="X-Remote-User", proxy_addresses=("10.0.0.0/24", "fd00::7"), admins=("group:it",))
HTTPS = {"x-forwarded-proto": "https", "x-forwarded-for": "192.168.7.9"}

Built = Callable[..., House]


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    with ExitStack() as stack:

        def build(**options: Any) -> House:
            house = House(home=tmp_path, papers=(LEAVE, SICK, CLOSED), **options)
            stack.callback(house.close)
            return house

        yield build


def at(house: House, address: str = "127.0.0.1", *, scheme: str = "http") -> TestClient:
    return house.at(address, scheme=scheme)


def at_one_moment(client: TestClient) -> TestClient:
    """However long it takes: none of what was refused is forgotten meanwhile."""
    client.app.state.resolver._failures = Failures(clock=lambda: 0.0)  # type: ignore[attr-defined]
    return client


def made(house: House, user: str | None = "anna", *, scopes: Any = READING, **options: Any) -> str:
    return house.keys.add("key", user=user, scopes=scopes, **{"channel": INTRANET, "days": None, **options})[1]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


# ---- keys ----


def test_a_key_speaks_for_its_person_with_the_groups_of_now(built: Built) -> None:
    house = built(groups={"hr": ("anna",)})
    client, key = at(house), made(house)
    assert client.post("/api/ask", json=ASK, headers=bearer(key)).status_code == 200
    (question, principal, channel, _) = house.asked[-1]
    assert (question, principal.user, principal.groups) == (ASK["question"], "anna", frozenset({"hr"}))
    assert channel == INTRANET
    house.groups["hr"] = ()
    client.post("/api/ask", json=ASK, headers=bearer(key))
    assert house.asked[-1][1].groups == frozenset()


def test_a_program_has_a_name_that_no_person_can_have(built: Built) -> None:
    house = built(auth=PROXY)
    at(house).post("/api/ask", json=ASK, headers=bearer(made(house, None)))
    assert house.asked[-1][1].user == "service:key"
    named = at(house, "10.0.0.5").get("/readyz", headers={"x-remote-user": "service:key"})
    assert code(named) == (401, "credential_refused")


def test_the_channel_is_the_keys_and_decides_what_is_shown(built: Built) -> None:
    house = built()
    cloud = Channel(kind=ChannelKind.CLOUD_CHAT, audience=Audience.PUBLIC_CHANNEL)
    client, key = at(house), made(house, channel=cloud)
    client.post("/api/ask", json=ASK, headers=bearer(key))
    assert house.asked[-1][2] == cloud
    assert client.get(f"/api/documents/{LEAVE.key}", headers=bearer(key)).status_code == 404, "internal documents"


def test_a_key_for_one_source_never_sees_searches_lists_or_opens_another(built: Built) -> None:
    house = built()
    other = Paper(key="d" * 24, title="Bauplan", name="plan.csv", text="Der Bauplan.", found="Der Bauplan.")
    house.add(other, source="baustelle")
    client, key = at(house), bearer(made(house, sources=["baustelle"]))
    for wanted, left in ((None, {"baustelle"}), (["house"], set()), (["house", "baustelle"], {"baustelle"})):
        body = {"sources": wanted} if wanted else {}
        client.post("/api/search", json={"query": "Urlaub", **body}, headers=key)
        assert house.filters[-1].sources == left
        client.post("/api/ask", json={**ASK, **body}, headers=key)
        assert house.filters[-1].sources == left
    assert client.get("/api/filters", headers=key).json()["sources"] == ["baustelle"]
    assert client.get("/api/filters", headers=key).json()["types"] == ["csv"]
    assert client.get("/readyz", headers=key).json()["index"]["documents"] == 1
    assert client.get(f"/api/documents/{other.key}/text", headers=key).status_code == 200
    assert client.get(f"/api/documents/{LEAVE.key}/text", headers=key).status_code == 404
    everywhere = bearer(made(house))
    assert client.get("/api/filters", headers=everywhere).json()["sources"] == ["baustelle", "house"]
    assert client.get("/readyz", headers=everywhere).json()["index"]["documents"] == 3


@pytest.mark.parametrize("scheme", ["Basic", "Digest", "", "bearerx", "Token"])
def test_no_other_scheme_is_taken(built: Built, scheme: str) -> None:
    house = built()
    key = made(house)
    assert code(at(house).get("/readyz", headers={"authorization": f"{scheme} {key}"})) == (401, "credential_refused")
    assert at(house).get("/readyz", headers={"authorization": f"bEARER  {key}"}).status_code == 200


def test_a_key_in_the_address_is_nothing(built: Built) -> None:
    house = built()
    key = made(house)
    assert code(at(house).get(f"/api/filters?access_token={key}&key={key}")) == (401, "who_is_asking")


def test_two_credentials_at_once_are_refused_even_if_both_are_good(built: Built) -> None:
    house = built(auth=PROXY)
    key = made(house)
    client = at(house, "10.0.0.5")
    proxied = {**HTTPS, "x-remote-user": "anna"}
    assert client.get("/readyz", headers=proxied).status_code == 200
    assert client.get("/readyz", headers={**HTTPS, **bearer(key)}).status_code == 200
    assert code(client.get("/readyz", headers={**proxied, **bearer(key)})) == (400, "two_credentials")
    twice = [("authorization", f"Bearer {key}"), ("authorization", f"Bearer {key}")]
    assert code(at(house).get("/readyz", headers=twice)) == (400, "two_credentials")
    names = [*HTTPS.items(), ("x-remote-user", "anna"), ("x-remote-user", "otto")]
    assert code(client.get("/readyz", headers=names)) == (400, "two_credentials")


def test_guessing_is_told_to_wait_and_keeps_nobody_else_out(built: Built) -> None:
    house = built()
    key, client = made(house), at_one_moment(at(house))
    codes = [client.get("/readyz", headers=bearer("archivar_" + "0" * 8)).status_code for _ in range(14)]
    assert codes == [401] * 10 + [429] * 4
    late = client.get("/readyz", headers=bearer("wrong"))
    assert late.json()["code"] == "too_many_refused" and 1 <= int(late.headers["retry-after"]) <= 60
    assert client.get("/readyz", headers=bearer(key)).status_code == 200, "a good key at the same address"


# ---- the proxy ----


def test_whom_a_listed_proxy_names_is_who_asks(built: Built) -> None:
    house = built(auth=PROXY, groups={"it": ("jürgen",)})
    client = at(house, "10.0.0.5")
    for name in ("anna", "jürgen"):
        headers = [("x-remote-user", name.encode()), ("content-type", "application/json")]
        assert client.post("/api/ask", content=json.dumps(ASK), headers=headers).status_code == 200
        assert house.asked[-1][1].user == name
        assert house.asked[-1][2] == INTRANET
    assert at(house, "fd00::7").get("/readyz", headers={"x-remote-user": "anna"}).status_code == 200
    assert at(house, "::ffff:10.0.0.9").get("/readyz", headers={"x-remote-user": "anna"}).status_code == 200


@pytest.mark.parametrize("address", ["10.0.1.5", "192.168.7.9", "127.0.0.1", "::1", "fd00::8", "testclient", ""])
def test_the_proxys_header_from_elsewhere_is_refused_not_ignored(built: Built, address: str) -> None:
    client = at(built(auth=PROXY), address)
    for path in ("/", "/readyz", "/healthz", "/static/page.js", "/api/filters"):
        for name, forged in (
            ("anna", {}),
            ("", {"x-forwarded-for": "10.0.0.5"}),
            ("anna", {"forwarded": "for=10.0.0.5"}),
        ):
            assert code(client.get(path, headers={"x-remote-user": name, **forged})) == (403, "untrusted_proxy")


def test_a_proxy_that_names_nobody_has_let_nobody_in(built: Built) -> None:
    client = at(built(auth=PROXY), "10.0.0.5")
    for headers in ({}, {"x-remote-user": ""}):
        assert code(client.get("/api/filters", headers=headers)) == (401, "who_is_asking")


def test_a_name_that_cannot_be_one_is_refused(built: Built) -> None:
    house = built(auth=AuthSettings(proxy_header="X-Remote-User", proxy_addresses=("127.0.0.1",)))
    with served(house) as url, httpx.Client(trust_env=False, timeout=30) as client:
        for name in (b"anna, otto", b"anna\xff", b"anna\xc2\x85", b"x" * 201, b"\xe2\x80\xaeanna", b"service:wiki"):
            response = client.get(f"{url}/readyz", headers=[(b"x-remote-user", name)])
            assert code(response) == (401, "credential_refused"), name


def test_who_is_listed_as_administrator_may_do_what_they_do(built: Built) -> None:
    house = built(
        auth=AuthSettings(proxy_header="X-User", proxy_addresses=("10.0.0.5",), admins=("group:it", "root")),
        groups={"it": ("otto",)},
    )
    web = create_app(house)
    web.get("/probe")(probe)
    client = TestClient(web, base_url="http://localhost", client=("10.0.0.5", 50000))
    found = {name: client.get("/probe", headers={"x-user": name}) for name in ("anna", "otto", "root", "group:it")}
    assert {name: response.status_code for name, response in found.items()} == {
        "anna": 403,
        "otto": 200,
        "root": 200,
        "group:it": 403,
    }
    reading = at(house).get("/readyz", headers=bearer(made(house, "otto")))
    assert reading.status_code == 200
    keyed = TestClient(web, base_url="http://localhost", client=("127.0.0.1", 50000))
    assert code(keyed.get("/probe", headers=bearer(made(house, "otto")))) == (403, "scope_missing"), "the key's scopes"


def probe(caller: AdminOf) -> str:
    return caller.principal.user


@pytest.mark.parametrize(
    ("peer", "told", "hops", "client", "secure", "local"),
    [
        ("127.0.0.1", "", "", "127.0.0.1", False, True),
        ("::ffff:127.0.0.1", "", "", "127.0.0.1", False, True),
        ("127.0.0.1", "", "127.0.0.1", "127.0.0.1", False, False),
        ("127.0.0.1", "https", "", "127.0.0.1", False, False),
        ("192.168.7.9", "https", "127.0.0.1", "192.168.7.9", False, False),
        ("10.0.0.5", "https", "192.168.7.9", "192.168.7.9", True, False),
        ("10.0.0.5", "https", "1.1.1.1, 192.168.7.9", "192.168.7.9", True, False),
        ("10.0.0.5", "https", "192.168.7.9, 10.0.0.8", "192.168.7.9", True, False),
        ("10.0.0.5", "https", "127.0.0.1", "127.0.0.1", True, False),
        ("10.0.0.5", "https", "rubbish", "10.0.0.5", True, False),
        ("10.0.0.5", "http", "", "10.0.0.5", False, False),
        ("10.0.0.5", "https, http", "", "10.0.0.5", False, False),
        ("10.0.0.5", "", "192.168.7.9", "192.168.7.9", False, False),
        ("10.0.0.5", "", "", "10.0.0.5", False, False),
        ("", "", "", "", False, False),
    ],
)  # fmt: skip
def test_the_way_of_a_request_is_believed_from_listed_proxies_only(
    peer: str, told: str, hops: str, client: str, secure: bool, local: bool
) -> None:
    said = {b"x-forwarded-proto": told.encode(), b"x-forwarded-for": hops.encode()}
    raw = [(name, value) for name, value in said.items() if value]
    scope = {"type": "http", "headers": raw, "client": (peer, 1) if peer else None, "scheme": "http"}
    way = Proxies(("10.0.0.0/24",)).way(scope)
    assert (way.client, way.secure, way.local) == (client, secure, local)


# ---- this machine, and encryption ----


def test_without_a_credential_nobody_behind_a_proxy_passes_for_this_machine(built: Built) -> None:
    client = at(built())
    assert client.get("/readyz").status_code == 200
    for header in ("x-forwarded-for", "x-forwarded-proto", "forwarded", "x-real-ip", "via"):
        assert code(client.get("/api/filters", headers={header: "127.0.0.1"})) == (403, "this_machine_only")


def test_authentication_can_be_required_before_there_is_any(built: Built) -> None:
    assert code(at(built(auth=AuthSettings(mode="required"))).get("/api/filters")) == (401, "who_is_asking")


def test_off_leaves_this_machine_open_and_nobody_else(built: Built) -> None:
    house = built(auth=AuthSettings(mode="off"))
    key = made(house, scopes=["documents"])
    assert at(house).post("/api/ask", json=ASK).status_code == 200
    assert code(at(house).post("/api/ask", json=ASK, headers=bearer(key))) == (403, "scope_missing"), (
        "what is shown counts"
    )
    assert code(at(house, "192.168.7.9").get("/api/filters")) == (403, "this_machine_only")


def test_keys_travel_encrypted_or_not_at_all(built: Built) -> None:
    house = built(auth=PROXY)
    key = bearer(made(house))
    assert at(house).get("/readyz", headers=key).status_code == 200, "this machine"
    assert at(house, "192.168.7.9", scheme="https").get("/readyz", headers=key).status_code == 200, "our own TLS"
    assert at(house, "10.0.0.5").get("/readyz", headers={**key, **HTTPS}).status_code == 200, "a listed proxy's"
    for address, headers in (
        ("192.168.7.9", {}),
        ("192.168.7.9", HTTPS),
        ("10.0.0.5", {}),
        ("10.0.0.5", {"x-forwarded-proto": "http"}),
        ("127.0.0.1", {"x-forwarded-proto": "https"}),
        ("127.0.0.1", {"x-forwarded-for": "192.168.7.9"}),
    ):
        assert code(at(house, address).get("/readyz", headers={**key, **headers})) == (403, "tls_needed")
        wrong = at(house, address).get("/readyz", headers={**bearer("archivar_wrong"), **headers})
        assert code(wrong) == (403, "tls_needed"), "whether it would be good is not told"


def test_from_a_listed_address_keys_are_taken_unencrypted_but_nobody_elses_through_it(built: Built) -> None:
    house = built(auth=AuthSettings(unencrypted_from=("172.18.0.1",)))
    key = bearer(made(house))
    assert at(house, "172.18.0.1").get("/readyz", headers=key).status_code == 200
    assert code(at(house, "172.18.0.1").get("/api/filters")) == (401, "who_is_asking")
    assert code(at(house, "172.18.0.2").get("/readyz", headers=key)) == (403, "tls_needed")
    forwarded = {**key, "x-forwarded-for": "192.168.7.9"}
    assert code(at(house, "172.18.0.1").get("/readyz", headers=forwarded)) == (403, "tls_needed")


def test_browsers_are_told_to_come_encrypted_where_they_did(built: Built) -> None:
    house = built(auth=PROXY)
    for response in (
        at(house, "192.168.7.9", scheme="https").get("/healthz"),
        at(house, "192.168.7.9", scheme="https").get("/"),
        at(house, "10.0.0.5").get("/healthz", headers=HTTPS),
    ):
        assert response.headers["strict-transport-security"] == "max-age=31536000"
    for response in (at(house).get("/healthz"), at(house, "192.168.7.9").get("/healthz", headers=HTTPS)):
        assert "strict-transport-security" not in response.headers


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "ours"),
    [
        ("https", "archivar.firma.de", "https://archivar.firma.de", True),
        ("https", "archivar.firma.de:443", "https://archivar.firma.de", True),
        ("https", "archivar.firma.de:8443", "https://archivar.firma.de:8443", True),
        ("https", "archivar.firma.de", "http://archivar.firma.de", False),
        ("https", "archivar.firma.de:8443", "https://archivar.firma.de", False),
        ("https", "archivar.firma.de", "https://archivar.firma.de.evil.example", False),
        ("http", "archivar.firma.de", "http://archivar.firma.de", True),
        ("http", "archivar.firma.de", "https://archivar.firma.de", True),  # a proxy that is not listed
        ("http", "archivar.firma.de:8088", "http://archivar.firma.de:8089", False),
    ],
)
def test_another_sites_page_is_told_from_ours_behind_tls_too(
    built: Built, scheme: str, host: str, origin: str, ours: bool
) -> None:
    client = at(built(auth=AuthSettings(hosts=("archivar.firma.de",))), "127.0.0.1", scheme=scheme)
    response = client.get("/readyz", headers={"host": host, "origin": origin})
    assert (response.status_code == 200) is ours
    assert ours or response.json()["code"] == "foreign_origin"


def test_names_of_the_settings_are_answered_beside_this_machines(built: Built) -> None:
    client = at(built(auth=AuthSettings(hosts=("Archivar.Firma.de",))))
    for host in ("archivar.firma.de", "archivar.firma.de:8088", "localhost", "127.0.0.1"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 421


# ---- the end of it ----


def slowly(gate: threading.Event) -> Callable[[str, Sequence[Passage]], Iterator[AnswerEvent]]:
    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        yield Found(passages=tuple(passages), evidence=0.9)
        yield sentence("Ein Satz.")
        gate.wait(20)
        yield from list(answered(question, passages))[1:]

    return script


ENDS = {
    "revoked": lambda house, key: house.keys.revoke(key),
    "suspended": lambda house, key: house.suspensions.suspend("Anna"),
    "erased": lambda house, key: house.keys.forget(lambda text: text == "anna"),
    "expired": lambda house, key: setattr(house, "now", lambda: datetime(2999, 1, 1, tzinfo=UTC)),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_running_stream_ends_within_a_second_when_the_credential_does(built: Built, how: str) -> None:
    gate = threading.Event()
    house = built(script=slowly(gate))
    key = made(house, days=30)
    with served(house) as url, httpx.Client(trust_env=False, timeout=30) as client:
        with client.stream("POST", f"{url}/api/ask", json={**ASK, "stream": True}, headers=bearer(key)) as response:
            lines = response.iter_lines()
            while next(lines) != "event: sentence":
                pass
            ended_at = time.monotonic()
            ENDS[how](house, key)
            rest = list(lines)
            took_s = time.monotonic() - ended_at
        assert "event: error" in rest and "event: done" not in rest
        assert json.loads(next(line for line in rest if "credential_ended" in line)[6:])["status"] == 401
        assert took_s < 1.0, f"{took_s:.2f} s"
        again = client.post(f"{url}/api/ask", json=ASK, headers=bearer(key))
        assert code(again) == (401, "credential_refused")
        gate.set()
        assert house.closed.wait(10), "the model goes on for nobody"


def test_an_answer_in_one_piece_is_not_given_to_whom_was_shut_out_meanwhile(built: Built) -> None:
    gate = threading.Event()

    def script(question: str, passages: Sequence[Passage]) -> Iterator[AnswerEvent]:
        house.suspensions.suspend("anna")
        yield from slowly(gate)(question, passages)

    house = built(script=script)
    key = made(house)
    with served(house) as url, httpx.Client(trust_env=False, timeout=30) as client:
        assert code(client.post(f"{url}/api/ask", json=ASK, headers=bearer(key))) == (401, "credential_ended")
        gate.set()


def test_who_is_resumed_may_come_in_again_with_the_same_key(built: Built) -> None:
    house = built()
    key = bearer(made(house))
    house.suspensions.suspend("anna")
    assert at(house).get("/readyz", headers=key).status_code == 401
    house.suspensions.resume("ANNA")
    assert at(house).get("/readyz", headers=key).status_code == 200


def test_suspension_holds_for_every_kind_of_credential(built: Built) -> None:
    house = built(auth=AuthSettings(proxy_header="X-Remote-User", proxy_addresses=("10.0.0.5",), suspended=("Otto",)))
    for name in ("otto", "OTTO"):
        proxied = at(house, "10.0.0.5").get("/readyz", headers={"x-remote-user": name})
        keyed = at(house).get("/readyz", headers=bearer(made(house, name)))
        assert code(proxied) == code(keyed) == (401, "credential_refused")
    assert at(house, "10.0.0.5").get("/readyz", headers={"x-remote-user": "anna"}).status_code == 200


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer archivar_x\rX-Remote-User: anna",
        b"Authorization: Bearer archivar_x\n X-Remote-User: anna",
        b"Authorization: Bearer archivar_x\x00y",
        b"X-Remote-User : anna",
    ],
)
def test_what_hides_in_a_header_is_no_second_header(built: Built, line: bytes) -> None:
    house = built(auth=AuthSettings(proxy_header="X-Remote-User", proxy_addresses=("127.0.0.1",)))
    with served(house) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as line_out:
            line_out.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + line + b"\r\n\r\n")
            answer = b""
            while piece := line_out.recv(65536):
                answer += piece
    assert answer.split(b" ")[1] in (b"400", b"401"), answer[:200]


def test_a_route_cannot_need_what_no_credential_is_good_for() -> None:
    for wrong in (("everything",), ()):
        with pytest.raises(ValueError, match="scopes"):
            needs(*wrong)
