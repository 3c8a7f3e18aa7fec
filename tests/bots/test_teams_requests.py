"""What does not come from Teams, for this bot, from this tenant, now and once, is refused with 401: 150 requests that
each differ from a good one in one way, over real HTTP through the door, and the good one between them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from rag.bots.teams_token import is_object_id
from tests.bots.contract import Said, Taken, receiving
from tests.bots.teams_cloud import APP, ISSUER, SERVICE, TENANT, Cloud, claims, jwk, key, signed, teams
from tests.loops import run

OTHER = "99999999-8888-7777-6666-555555555555"


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A request with one thing wrong: its token, its header lines, its body, or what its activity says."""

    token: Callable[[], str] = signed
    headers: Callable[[str], list[tuple[str, str]]] | None = None
    body: Callable[[dict[str, Any]], bytes] | None = None
    more: dict[str, Any] = field(default_factory=dict)


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _made(head: Any, said: Any = None, *, signature: bytes = b"x" * 256) -> str:
    parts = (json.dumps(part).encode() for part in (head, claims() if said is None else said))
    return ".".join([*map(_b64, parts), _b64(signature)])


def _hs256(secret: bytes) -> str:
    """A token signed with the public key as if it were a shared secret."""
    head, said = _b64(b'{"alg":"HS256","typ":"JWT","kid":"microsoft"}'), _b64(json.dumps(claims()).encode())
    mark = hmac.new(secret, f"{head}.{said}".encode(), hashlib.sha256).digest()
    return f"{head}.{said}.{_b64(mark)}"


def _public(form: serialization.PublicFormat, encoding: serialization.Encoding) -> bytes:
    return key().public_key().public_bytes(encoding, form)


def _said(**more: Any) -> Wrong:
    return Wrong(token=lambda: signed({name: value for name, value in claims(**more).items() if value is not ...}))


def _at(**seconds: int) -> Wrong:
    return Wrong(token=lambda: signed(claims(**{name: int(time.time()) + by for name, by in seconds.items()})))


def _head(**more: Any) -> Wrong:
    return Wrong(token=lambda: signed(head=more))


def _raw(head: Any, said: Any = None, *, signature: bytes = b"x" * 256) -> Wrong:
    return Wrong(token=lambda: _made(head, said, signature=signature))


def _line(write: Callable[[str], str]) -> Wrong:
    return Wrong(headers=lambda token: [("Authorization", write(token))])


def _activity(**more: Any) -> Wrong:
    return Wrong(more=more)


def _body(write: Callable[[dict[str, Any]], bytes]) -> Wrong:
    return Wrong(body=write)


def _cut(token: str, part: int, by: Callable[[str], str]) -> str:
    parts = token.split(".")
    parts[part] = by(parts[part])
    return ".".join(parts)


def _flip(text: str) -> str:
    return ("B" if text[10] != "B" else "C").join((text[:10], text[11:]))


def _without(activity: dict[str, Any], *names: str) -> bytes:
    return json.dumps({name: value for name, value in activity.items() if name not in names}).encode()


def _conversation(**more: Any) -> Wrong:
    return _body(lambda activity: json.dumps(activity | {"conversation": activity["conversation"] | more}).encode())


NONE_HEADS = [{"alg": word, "typ": "JWT", "kid": "microsoft"} for word in ("none", "None", "NONE", "nOnE", "", "null")]
FAMILIES: dict[str, list[Wrong]] = {
    "no token": [
        Wrong(headers=lambda _: [("X-Nothing", "1")]),
        _line(lambda _: ""),
        _line(lambda _: "Bearer"),
        _line(lambda _: "Bearer -"),
        _line(lambda token: f"bearer {token}"),
        _line(lambda token: f"BEARER {token}"),
        _line(lambda token: f"Basic {token}"),
        _line(lambda token: token),
        _line(lambda token: f"Bearer  {token}"),
        _line(lambda token: f"Bearer {token} {token}"),
        _line(lambda token: f"Bearer {token},Bearer {token}"),
        _line(lambda token: f"Bearer\t{token}"),
        _line(lambda token: f'Bearer "{token}"'),
        Wrong(headers=lambda token: [("Authorization", f"Bearer {token}")] * 2),
        Wrong(headers=lambda token: [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x.y.z")]),
        Wrong(headers=lambda token: [("X-Forwarded-Authorization", f"Bearer {token}")]),
        Wrong(headers=lambda token: [("Cookie", f"Authorization=Bearer {token}")]),
        Wrong(headers=lambda token: [("Authorization", f"Bearer {token}"), ("Content-Encoding", "gzip")]),
    ],
    "no token of ours": [
        _line(lambda _: "Bearer x"),
        _line(lambda _: "Bearer x.y"),
        _line(lambda _: "Bearer x.y.z"),
        _line(lambda _: "Bearer ..."),
        _line(lambda _: "Bearer .."),
        _line(lambda _: "Bearer " + "a" * 9000 + ".b.c"),
        _line(lambda _: "Bearer " + "=.=.="),
        _line(lambda _: "Bearer %00.%00.%00"),
        _line(lambda token: f"Bearer {token}.extra"),
        _line(lambda token: f"Bearer {token[:-20]}"),
        _line(lambda token: "Bearer " + _cut(token, 0, _flip)),
        _line(lambda token: "Bearer " + _cut(token, 1, _flip)),
        _line(lambda token: "Bearer " + _cut(token, 2, _flip)),
        _line(lambda token: "Bearer " + _cut(token, 2, lambda _: "")),
        _line(lambda token: "Bearer " + _cut(token, 1, lambda _: _b64(json.dumps(claims(exp=9999999999)).encode()))),
        _raw([]),
        _raw("JWT"),
        _raw(None),
        _raw({"alg": "RS256"}, []),
        _raw({"alg": "RS256"}, "claims"),
        _raw({"alg": "RS256", "kid": "microsoft"}, signature=b""),
    ],
    "alg=none": [
        *(_raw(head, signature=b"") for head in NONE_HEADS),
        *(_raw(head) for head in NONE_HEADS[:3]),
    ],
    "another algorithm": [
        Wrong(token=lambda: _hs256(_public(serialization.PublicFormat.PKCS1, serialization.Encoding.PEM))),
        Wrong(
            token=lambda: _hs256(_public(serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding.PEM))
        ),
        Wrong(
            token=lambda: _hs256(_public(serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding.DER))
        ),
        Wrong(token=lambda: _hs256(json.dumps(jwk()).encode())),
        Wrong(token=lambda: _hs256(b"")),
        *(
            Wrong(token=lambda word=word: jwt.encode(claims(), key(), word, headers={"kid": "microsoft"}))  # type: ignore[misc]
            for word in ("RS384", "RS512", "PS256")
        ),
        _raw({"alg": ["RS256"], "kid": "microsoft"}),
        _raw({"alg": 256, "kid": "microsoft"}),
        _raw({"kid": "microsoft"}),
        _head(crit=["exp"]),
        _head(crit=["b64"], b64=False),
        _head(typ="at+jwt"),
        _head(typ=7),
    ],
    "key": [
        Wrong(token=lambda: signed(by="stranger")),
        Wrong(token=lambda: signed(by="stranger", head={"kid": "microsoft"})),
        Wrong(token=lambda: signed(by="stranger", head={"jwk": jwk("stranger")})),
        Wrong(token=lambda: signed(by="stranger", head={"jku": "https://evil.example/keys"})),
        Wrong(token=lambda: signed(by="stranger", head={"x5u": "https://evil.example/cert"})),
        Wrong(token=lambda: signed(by="stranger", head={"kid": "https://evil.example/keys#stranger"})),
        Wrong(token=lambda: signed(by="withdrawn")),
        Wrong(token=lambda: signed(by="webchat")),
        Wrong(token=lambda: signed(by="encryption")),
        Wrong(token=lambda: signed(by="twice")),
        *(
            _head(kid=kid)
            for kid in ("", "../../../../dev/null", "' OR '1'='1", "microsoft\x00", "MICROSOFT", "x" * 4000, "0")
        ),
        _raw({"alg": "RS256", "kid": None}),
        _raw({"alg": "RS256", "kid": ["microsoft"]}),
        _raw({"alg": "RS256", "kid": {"kid": "microsoft"}}),
        _raw({"alg": "RS256", "typ": "JWT"}),
    ],
    "issuer": [
        _said(iss=...),
        _said(iss=""),
        _said(iss=f"{ISSUER}/"),
        _said(iss="https://api.botframework.us"),
        _said(iss="https://evil.example"),
        _said(iss=f"https://sts.windows.net/{TENANT}/", tid=TENANT, appid="5a807f24-c9de-44ee-a3a7-329e88a00ffc"),
        _said(
            iss=f"https://login.microsoftonline.com/{OTHER}/v2.0", tid=OTHER, azp="5a807f24-c9de-44ee-a3a7-329e88a00ffc"
        ),
        _said(iss=f"https://login.microsoftonline.com.evil.example/{TENANT}/v2.0", tid=TENANT),
    ],
    "audience": [
        _said(aud=...),
        _said(aud=""),
        _said(aud=OTHER),
        _said(aud=f"api://{APP}"),
        _said(aud=f"api://botid-{APP}"),
        _said(aud=[APP, OTHER]),
        _said(aud=ISSUER),
        _said(aud=f"{APP} "),
    ],
    "time": [
        _at(exp=-301),
        _at(exp=-3600),
        _at(exp=-(10**6)),
        _at(nbf=400),
        _at(nbf=3000),
        _at(iat=400),
        _said(exp=...),
        _said(exp=-5),
        _said(exp=1e300),
        _said(exp=True),
        _said(nbf={}),
    ],
    "serviceUrl": [
        _said(serviceurl=...),
        _said(serviceurl=""),
        _said(serviceurl="https://smba.trafficmanager.net/amer/"),
        _said(serviceurl="https://evil.example/"),
        _said(serviceurl=[SERVICE]),
        _body(lambda activity: _without(activity, "serviceUrl")),
        *(
            Wrong(token=lambda url=url: signed(claims(serviceurl=url)), more={"serviceUrl": url})  # type: ignore[misc]
            for url in (
                "https://evil.example/",
                "http://smba.trafficmanager.net/emea/",
                "https://smba.trafficmanager.net@evil.example/emea/",
                "https://smba.trafficmanager.net.evil.example/emea/",
                "https://evil.example#smba.trafficmanager.net/",
                "https://evil.example?smba.trafficmanager.net/",
                "https://evil.example\\.smba.trafficmanager.net/",
                "https://smba.trafficmanager.net:8443/emea/",
                "https://smba.trafficmanager.net:443443/emea/",
                "https://smba.trafficmanager.net/emea/../../evil",
                "https://169.254.169.254/latest/",
                "file:///etc/passwd",
                "//smba.trafficmanager.net/emea/",
                "https://smba․trafficmanager.net/emea/",
            )
        ),
        _activity(serviceUrl=None),
        _activity(serviceUrl={"url": SERVICE}),
        _body(
            lambda activity: json.dumps(
                {name: value for name, value in activity.items() if name != "serviceUrl"} | {"service_url": SERVICE}
            ).encode()
        ),
    ],
    "tenant": [
        _conversation(tenantId=OTHER),
        _conversation(tenantId=""),
        _conversation(tenantId=[TENANT]),
        _activity(channelData={"tenant": {"id": OTHER}}),
        _body(
            lambda activity: json.dumps(
                activity
                | {"conversation": {"id": activity["conversation"]["id"], "conversationType": "personal"}}
                | {"channelData": {}}
            ).encode()
        ),
        _said(tid=OTHER),
    ],
    "not for this bot, or not from Teams": [
        _activity(channelId="webchat"),
        _activity(channelId="emulator"),
        _activity(channelId=None),
        _activity(recipient={"id": f"28:{OTHER}"}),
        _activity(recipient={}),
    ],
    "stale": [
        _activity(timestamp="2020-01-01T00:00:00Z"),
        _activity(timestamp="2099-01-01T00:00:00Z"),
        _activity(timestamp="yesterday"),
        _activity(timestamp="2026-11-26T11:00:00"),
        _activity(timestamp=1764154800),
        _body(lambda activity: _without(activity, "timestamp")),
    ],
    "body": [
        _body(lambda _: b""),
        _body(lambda _: b"null"),
        _body(lambda _: b"[]"),
        _body(lambda _: b'"activity"'),
        _body(lambda _: b"{"),
        _body(lambda _: b"\xff\xfe\x00{"),
        _body(lambda activity: json.dumps([activity]).encode()),
        _body(lambda activity: json.dumps(activity).encode()[:-1]),
        _body(lambda _: b"[" * 100_000),
        _body(lambda activity: json.dumps(activity | {"text": "x" * 300_000}).encode()),
        _body(lambda activity: _without(activity, "id")),
        _body(lambda activity: _without(activity, "conversation")),
        _activity(id=""),
        _activity(id=17),
        _conversation(id=""),
        _conversation(id=None),
    ],
}
REQUESTS = [(name, number, wrong) for name, family in FAMILIES.items() for number, wrong in enumerate(family)]


async def refused(cloud: Cloud, wrong: Wrong) -> httpx.Response:
    activity = cloud.activity(Said(text="Wie viele?")) | wrong.more
    token = wrong.token()
    answer = await cloud.send(
        activity,
        token=token,
        headers=wrong.headers(token) if wrong.headers else (),
        body=wrong.body(activity) if wrong.body else None,
    )
    assert answer is not None
    return answer


def test_every_forged_stale_or_misdirected_request_is_refused_with_401_and_no_reason() -> None:
    async def scene() -> dict[tuple[str, int], tuple[int, str]]:
        async with teams() as cloud:
            cloud.keys += [
                jwk("webchat", endorsements=["webchat"]),
                jwk("encryption", use="enc"),
                jwk("twice"),
                jwk("twice"),
            ]
            taken = Taken()
            async with receiving(cloud.adapter(), taken):
                await cloud.deliver(Said(text="gut"))
                assert (await taken.asked()).text == "gut"
                answers = {}
                for name, number, wrong in REQUESTS:
                    answer = await refused(cloud, wrong)
                    answers[name, number] = (answer.status_code, answer.text)
                assert taken.events.empty(), "nothing of it was taken"
                await cloud.deliver(Said(text="noch gut"))
                assert (await taken.asked()).text == "noch gut"
            sent = {request.url.host for request in cloud.requests}
            assert sent == {"login.microsoftonline.com", "login.botframework.com"}, "nothing of it was answered"
            return answers

    answers = run(scene())
    assert len(answers) >= 150
    assert {name: answer for name, answer in answers.items() if answer != (401, '{"error": "unauthorized"}')} == {}


@pytest.mark.parametrize("change", ["none", "order of the fields", "the words", "the time", "a fresh token"])
def test_the_same_activity_again_is_refused_however_it_is_written(change: str) -> None:
    async def scene() -> None:
        async with teams() as cloud:
            taken = Taken()
            async with receiving(cloud.adapter(), taken):
                activity, token = cloud.activity(Said(text="Wie viele?")), signed()
                first = await cloud.send(activity, token=token)
                assert first is not None and first.status_code == 200
                again = dict(activity)
                if change == "order of the fields":
                    again = dict(reversed(activity.items()))
                elif change == "the words":
                    again["text"] = "Etwas anderes"
                elif change == "the time":
                    again["timestamp"] = cloud.activity(Said(text="x"))["timestamp"]
                answers = [
                    await cloud.send(again, token=signed() if change == "a fresh token" else token) for _ in range(10)
                ]
                assert [one.status_code for one in answers if one is not None] == [401] * 10
                await taken.asked()
                assert taken.events.empty()

    run(scene())


def test_of_many_that_come_at_the_same_time_one_is_taken() -> None:
    async def scene() -> None:
        async with teams() as cloud:
            taken = Taken()
            async with receiving(cloud.adapter(), taken):
                await cloud.deliver(Said(text="auf"))
                await taken.asked()
                activity = cloud.activity(Said(text="Wie viele?"))
                answers = await asyncio.gather(*(cloud.send(activity) for _ in range(10)))
                assert sorted(one.status_code for one in answers if one is not None) == [200] + [401] * 9
                await taken.asked()
                assert taken.events.empty()

    run(scene())


def test_strangers_cannot_make_the_bot_fetch_keys_again_and_again() -> None:
    async def scene() -> None:
        async with teams() as cloud:
            taken = Taken()
            async with receiving(cloud.adapter(), taken):
                for number in range(20):
                    await cloud.send(cloud.activity(Said(text="x")), token=signed(head={"kid": f"k{number}"}))
                await cloud.deliver(Said(text="gut"))
                assert (await taken.asked()).text == "gut"
            assert [one.url.host for one in cloud.requests].count("login.botframework.com") == 1

    run(scene())


def test_without_any_keys_teams_is_told_to_come_again() -> None:
    async def scene() -> None:
        async with teams() as cloud:
            cloud.keys = []
            async with receiving(cloud.adapter(), Taken()):
                answer = await cloud.send(cloud.activity(Said(text="x")))
                assert answer is not None
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

    run(scene())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/messages", 405),
        ("POST", "/", 404),
        ("POST", "/api/messages/", 404),
        ("GET", "/docs", 404),
    ],
)
def test_the_door_is_one_path_and_one_method(method: str, path: str, status: int) -> None:
    async def scene() -> None:
        async with teams() as cloud, receiving(cloud.adapter(), Taken()):
            await cloud.deliver(Said(text="auf"))
            async with httpx.AsyncClient(trust_env=False, verify=False) as client:
                answer = await client.request(
                    method, f"http://127.0.0.1:{cloud.port}{path}", headers={"Authorization": f"Bearer {signed()}"}
                )
            assert answer.status_code == status

    run(scene())


@pytest.mark.parametrize("by_s", [-290, 290])
def test_clocks_may_differ_by_less_than_five_minutes(by_s: int) -> None:
    async def scene() -> None:
        async with teams() as cloud:
            taken = Taken()
            async with receiving(cloud.adapter(), taken):
                said = claims(exp=int(time.time()) + by_s) if by_s < 0 else claims(nbf=int(time.time()) + by_s)
                answer = await cloud.send(cloud.activity(Said(text="gut")), token=signed(said))
                assert answer is not None and answer.status_code == 200

    run(scene())


def test_what_the_library_alone_would_read_into_it_is_not_read() -> None:
    """It takes ``service_url`` and ``from_`` for the fields that were checked."""

    async def scene() -> None:
        async with teams() as cloud:
            taken = Taken()
            async with receiving(cloud.adapter(), taken):
                activity = cloud.activity(Said(text="Wie viele?"))
                activity |= {"service_url": "https://evil.example/", "from_": {"id": "29:eve", "aad_object_id": OTHER}}
                activity["from"] |= {"aad_object_id": OTHER}
                answer = await cloud.send(activity)
                assert answer is not None and answer.status_code == 200
                asked = await taken.asked()
                assert asked.account == cloud.account("anna")
                assert "evil" not in asked.place.conversation

    run(scene())


@pytest.mark.parametrize(
    ("value", "is_one"), [(TENANT, True), (TENANT.upper(), True), ("", False), (None, False), ("x" * 36, False)]
)
def test_an_object_id_is_told_from_other_words(value: object, is_one: bool) -> None:
    assert is_object_id(value) is is_one
