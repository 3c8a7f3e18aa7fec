"""A hundred requests that are not Slack's, or Slack's no longer, at the bot's real port: each gets 401, none is heard.
What is Slack's is heard once, however often it is sent again (T21)."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.bots.slack_http import PATH, Gate, SignedEvents
from tests.bots.contract import LIMIT_S, Said, Taken, receiving
from tests.bots.slack_platform import SlackPlatform, slack_platform
from tests.bots.slack_server import event, knock, signed, wire
from tests.bots.slack_world import BOT, PEOPLE, SECRET, TEAM
from tests.loops import run

pytest.importorskip("slack_bolt", reason="the extra `slack` is not installed")

SEED = int(os.environ.get("RAG_SEED") or random.SystemRandom().randrange(1 << 32))
Headers = list[tuple[str, str]]
Request = tuple[str, bytes, Headers]


@dataclass
class Scene:
    """The bot at its port, and one question that is Slack's."""

    platform: SlackPlatform
    taken: Taken
    client: httpx.AsyncClient
    number: int = 0

    def question(self, text: str = "Wie viele?") -> bytes:
        self.number += 1
        row = {"type": "message", "channel": "D01", "channel_type": "im", "user": PEOPLE["anna"], "team": TEAM}
        return wire(
            "events_api", event({**row, "text": text, "ts": f"1790000000.{self.number:06d}"}, number=self.number)
        )

    async def post(self, body: bytes, headers: Any) -> int:
        address = f"http://127.0.0.1:{self.platform.port}/slack/events"
        answer = await self.client.post(address, content=body, headers=headers)
        return answer.status_code


def play(folder: Path, scene: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Scene]:
        taken = Taken()
        async with (
            slack_platform(folder, mode="http") as platform,
            httpx.AsyncClient(trust_env=False, timeout=LIMIT_S) as client,
            receiving(platform.adapter(), taken),
        ):
            probe = b'{"type": "url_verification", "challenge": "up"}'
            assert await knock(platform.port, probe, lambda: signed(probe)) is not None
            yield Scene(platform, taken, client)

    async def whole() -> None:
        async with opened() as made:
            await asyncio.wait_for(scene(made), 5 * LIMIT_S)

    run(whole())


def hostile(scene: Scene, dice: random.Random) -> Iterator[Request]:
    """A hundred of them, by kind, each made when it is asked for."""

    def one(kind: str, body: bytes, headers: Any) -> Request:
        return kind, body, list(headers.items()) if isinstance(headers, dict) else headers

    for _ in range(12):
        body = scene.question()
        yield one("signed with another secret", body, signed(body, secret=f"{dice.getrandbits(128):032x}"))
    for _ in range(10):
        body = scene.question()
        again = json.dumps(json.loads(body), separators=(",", ":"), sort_keys=dice.random() < 0.5).encode()
        yield one("serialised anew", again, signed(body))
    for _ in range(8):
        body = scene.question()
        at = dice.randrange(len(body))
        yield one("a byte changed", body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :], signed(body))
    for away in (301, 302, 400, 900, 3600, 86_400, 10**8):
        body = scene.question()
        yield one("stale", body, signed(body, at=int(time.time()) - away))
        yield one("from the future", body, signed(body, at=int(time.time()) + away + 5))
    for off in (2, 5, 60, 299):
        body = scene.question()
        yield one("from before the start", body, signed(body, at=int(time.time()) - 100 - off))
    now = int(time.time())
    for junk in (
        "",
        "0",
        "-1",
        "abc",
        "1e9",
        "NaN",
        "inf",
        f"{now}.5",
        f"{now}x",
        f"+{now}",
        f"{now}L",
        "9" * 400,
        "٣" * 10,
    ):
        body = scene.question()
        headers = signed(body) | {"x-slack-request-timestamp": junk}
        yield one("a time that is none", body, [(name, value.encode()) for name, value in headers.items()])
    for junk in (
        "",
        "v0=",
        "v0",
        "v1=" + "0" * 64,
        "v0=" + "0" * 63,
        "v0=" + "g" * 64,
        "v0=" + "0" * 65,
        "v0=" + "A" * 64,
        "a" * 9000,
    ):
        body = scene.question()
        yield one("a signature that is none", body, signed(body) | {"x-slack-signature": junk})
    for name in ("x-slack-signature", "x-slack-request-timestamp"):
        for _ in range(3):
            body = scene.question()
            good = list(signed(body).items())
            value = dict(good)[name]
            yield one("a header twice", body, [*good, (name, value)])
            yield one("a header twice, the first wrong", body, [(name, "v0=" + "0" * 64), *good])
            yield one("a header twice, in other letters", body, [*good, (name.upper(), value)])
        body = scene.question()
        yield one("a header missing", body, [pair for pair in signed(body).items() if pair[0] != name])
    for _ in range(3):
        body = scene.question()
        yield one(
            "two values in one header",
            body,
            signed(body) | {"x-slack-signature": f"{'v0=' + '0' * 64}, v0=" + "1" * 64},
        )
    for body in (
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"ssl_check=1&token=x",
        b"payload=%7B%7D",
        b"[]",
        b"command=/frag&text=x",
    ):
        yield one("nothing signed at all", body, {"content-type": "application/x-www-form-urlencoded"})


def test_a_hundred_requests_that_are_not_slacks_get_401_and_none_is_heard(tmp_path: Path) -> None:
    print(f"RAG_SEED={SEED}")

    async def scene(made: Scene) -> None:
        requests = hostile(made, random.Random(SEED))
        answers = [(kind, await made.post(body, headers)) for kind, body, headers in requests]
        assert len(answers) >= 100, len(answers)
        assert [answer for answer in answers if answer[1] != 401] == []
        assert made.taken.events.empty()
        body = made.question("Und diese?")
        assert await made.post(body, signed(body)) == 200
        assert (await made.taken.asked()).text == "Und diese?"

    play(tmp_path, scene)


def test_a_replay_within_the_five_minutes_is_refused(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        body = made.question()
        headers = signed(body)
        assert [await made.post(body, headers) for _ in range(3)] == [200, 401, 401]
        assert made.taken.events.qsize() == 1

    play(tmp_path, scene)


def test_a_replay_after_a_restart_is_refused(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        body, now = made.question(), time.time()
        headers = [(name.encode(), value.encode()) for name, value in signed(body, at=int(now)).items()]
        assert Gate(SECRET, clock=lambda: now).admits(body, headers)
        assert Gate(SECRET, clock=lambda: now + 2).admits(body, headers) == ""

    play(tmp_path, scene)


def test_slacks_own_repetition_is_signed_anew_and_is_the_same_event(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        body = made.question()
        now = int(time.time())
        assert await made.post(body, signed(body, at=now)) == 200
        assert await made.post(body, signed(body, at=now + 1, again=1)) == 200
        first, second = await made.taken.asked(), await made.taken.asked()
        assert first.event == second.event

    play(tmp_path, scene)


def test_what_could_not_be_taken_may_come_again_with_the_same_signature(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        made.taken.refusing = True
        body = made.question()
        headers = signed(body)
        assert await made.post(body, headers) == 503
        made.taken.refusing = False
        assert await made.post(body, headers) == 200

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "body",
    [b"null", b"[]", b"1", b'{"type":"event_callback"}', b'{"event":null}', b'{"event":[]}', b"{", b"payload=x",
     b"payload=null",
     b'{"team_id":"T01","type":"event_callback","event":{"type":"message","channel":{},"user":[],"ts":7,"text":null}}',
     b'{"team_id":"T01","type":"event_callback","event":{"type":"app_mention","text":{"a":1}}}',
     b"command=/frag", b"\xc3\x28",
     b'payload={"type":"block_actions","actions":[{"action_id":"archivar_helpful","value":7}],"user":7,"team":[]}'],
)  # fmt: skip
def test_signed_nonsense_is_never_an_error_and_never_heard(tmp_path: Path, body: bytes) -> None:
    async def scene(made: Scene) -> None:
        assert await made.post(body, signed(body) if body != b"\xc3\x28" else {}) in (200, 400, 401)
        assert made.taken.events.empty()

    play(tmp_path, scene)


def test_it_answers_the_challenge_that_proves_the_address(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        body = b'{"type":"url_verification","token":"x","challenge":"c-17"}'
        address = f"http://127.0.0.1:{made.platform.port}/slack/events"
        answer = await made.client.post(address, content=body, headers=signed(body))
        assert (answer.status_code, answer.json()["challenge"]) == (200, "c-17")

    play(tmp_path, scene)


def test_other_ways_and_methods_are_not_there(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        at = f"http://127.0.0.1:{made.platform.port}"
        assert (await made.client.get(f"{at}/slack/events")).status_code == 405
        assert (await made.client.post(f"{at}/slack/install")).status_code == 404
        assert (await made.client.get(f"{at}/slack/oauth_redirect")).status_code == 404
        assert await made.post(b"x" * ((1 << 20) + 1), {}) == 413

    play(tmp_path, scene)


def test_whoever_sends_no_body_does_not_hold_a_place_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.bots.slack_http._READ_S", 0.05)
    said: list[Any] = []

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        said.append(message)

    async def handle(*request: Any) -> tuple[int, str]:
        raise AssertionError("it was never whole")

    async def whole() -> None:
        door = SignedEvents(listen="127.0.0.1:0", gate=Gate(SECRET), handle=handle)
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": []}
        await asyncio.wait_for(door(scope, never, send), LIMIT_S)

    run(whole())
    assert said[0]["status"] == 408


def test_a_flood_of_forged_requests_does_not_fill_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(scene: Scene) -> None:
        for _ in range(20):
            assert await scene.post(b"{}", []) == 401

    with caplog.at_level("WARNING", "rag"):
        play(tmp_path, scene)
    assert sum(getattr(record, "action", "") == "slack_forged" for record in caplog.records) == 1


def test_a_command_over_http_is_told_at_once_where_its_answer_comes(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        await made.platform.command("Wie viele Urlaubstage?")
        asked = await made.taken.asked()
        assert (asked.text, asked.place.conversation) == ("Wie viele Urlaubstage?", "D01")
        assert BOT not in asked.text

    play(tmp_path, scene)


def test_a_mention_in_a_channel_comes_over_http_too(tmp_path: Path) -> None:
    async def scene(made: Scene) -> None:
        await made.platform.deliver(Said(text="Wann?", room="team", who="ben"))
        assert (await made.taken.asked()).text == "Wann?"

    play(tmp_path, scene)
