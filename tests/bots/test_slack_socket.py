"""The way to Slack: connections that end and come again, hosts that are none of Slack's, credentials, and that nothing
of the environment turns the way."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from rag.bots.adapter import PlatformRefused
from rag.bots.slack import LOCAL_API, SlackAdapter, adapter
from rag.bots.slack_api import SlackApi
from rag.bots.slack_hearing import Hearing
from rag.bots.slack_socket import SocketMode
from rag.errors import SettingsError
from rag.settings.bots import SlackSettings
from tests.bots.contract import LIMIT_S, Said, Taken, final, receiving
from tests.bots.slack_platform import SlackPlatform, slack_platform
from tests.bots.slack_world import BOT, BOT_ID, PEOPLE, SECRET, TEAM
from tests.loops import run

pytest.importorskip("slack_bolt", reason="the extra `slack` is not installed")


def play(folder: Path, scene: Callable[[SlackPlatform, Taken], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with slack_platform(folder) as platform:
            await asyncio.wait_for(scene(platform, Taken()), 3 * LIMIT_S)

    run(whole())


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
def test_the_next_connection_is_open_before_the_old_one_is_given_up(tmp_path: Path, reason: str) -> None:
    async def scene(platform: SlackPlatform, taken: Taken) -> None:
        async with receiving(platform.adapter(), taken):
            await platform.deliver(Said(text="eins"))
            await taken.asked()
            await platform.server.refresh(reason)
            await platform.server.greeted(2)
            assert len(platform.server._connections) == 2, "both are open"
            first = platform.server._connections[0]
            await platform.deliver(Said(text="zwei"))
            assert (await taken.asked()).text == "zwei"
            platform.server._connections.append(first)
            delivery = await platform.deliver(Said(text="drei"))
            assert (await taken.asked()).text == "drei", "and what still comes by the old one is heard"
            assert await platform.acknowledged(delivery)

    play(tmp_path, scene)


def test_it_comes_back_however_often_the_connection_breaks(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken) -> None:
        async with receiving(platform.adapter(), taken):
            for number in range(5):
                await platform.deliver(Said(text=f"Frage {number}"))
                assert (await taken.asked()).text == f"Frage {number}"
                await platform.drop()

    play(tmp_path, scene)


def test_it_ends_where_socket_mode_is_turned_off(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken) -> None:
        receiving_task = asyncio.create_task(platform.adapter().run(taken.take))
        await platform.server.greeted(1)
        await platform.server.refresh("link_disabled")
        with pytest.raises(PlatformRefused, match="Socket Mode is off"):
            await asyncio.wait_for(receiving_task, LIMIT_S)

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "url",
    ["ws://evil.example/link", "wss://evil.example/link", "wss://slack.com.evil.example/", "ws://127.0.0.1:1/", "", "x",
     "https://wss-primary.slack.com/", "wss://wss-primary.slack.com@evil.example/"],
)  # fmt: skip
def test_it_goes_to_slacks_own_hosts_only(tmp_path: Path, url: str) -> None:
    mode = SocketMode(SlackApi(token="xoxb-1"), app_token="xapp-1", handle=_unheard)
    with pytest.raises(Exception, match="none of its own"):
        mode._checked(url)
    assert mode._checked("wss://wss-primary.slack.com/link/?ticket=1")


async def _unheard(payload: Any, again: int) -> None:
    raise AssertionError("nothing was sent")


def test_a_missing_scope_is_named_with_what_to_do(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken) -> None:
        platform.world.scopes = platform.world.scopes.replace(",users:read,", ",")
        with pytest.raises(PlatformRefused, match=r"lacks scopes: users:read\..*manifest"):
            await asyncio.wait_for(platform.adapter().run(taken.take), LIMIT_S)

    play(tmp_path, scene)


def test_a_token_of_another_workspace_is_refused(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken) -> None:
        with pytest.raises(PlatformRefused, match="another workspace"):
            await asyncio.wait_for(platform.adapter(team="T77").run(taken.take), LIMIT_S)

    play(tmp_path, scene)


def test_the_check_tries_both_tokens(tmp_path: Path) -> None:
    async def scene(platform: SlackPlatform, taken: Taken) -> None:
        good = platform.adapter()
        assert TEAM in await good.check()
        bad = SlackAdapter(
            platform.settings(), token="xoxb-good", app_token="xapp-bad", signing_secret="", api=platform.server.address
        )
        with pytest.raises(PlatformRefused, match="invalid_auth"):
            await bad.check()

    play(tmp_path, scene)


def test_the_hosts_are_slacks_and_fewer_over_http() -> None:
    def hosts(mode: str) -> tuple[str, ...]:
        settings = SlackSettings(team=TEAM, mode=mode)
        return SlackAdapter(settings, token="xoxb-1", app_token="xapp-1", signing_secret="s").hosts

    assert hosts("socket") == ("slack.com:443", "wss-primary.slack.com:443", "wss-backup.slack.com:443")
    assert hosts("http") == ("slack.com:443",)


@pytest.mark.parametrize(
    "address", ["https://evil.example/api/", "http://evil.example/", "http://127.0.0.1.evil.example/"]
)
def test_the_stand_in_for_tests_can_only_be_on_this_machine(tmp_path: Path, address: str) -> None:
    settings = SlackPlatform.settings(_Files(tmp_path))  # type: ignore[arg-type] - it needs no more of a platform
    with pytest.raises(SettingsError, match="on this machine only"):
        adapter(settings, environ={LOCAL_API: address})


class _Files:
    mode, port = "socket", 1

    def __init__(self, folder: Path) -> None:
        self._folder = folder


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("token_file", "xoxp-user", "begins with xoxb-"),
        ("token_file", "", "begins with xoxb-"),
        ("app_token_file", "xoxb-1", "begins with xapp-"),
        ("token_file", "xoxb-1 xoxb-2", "and nothing else"),
    ],
)
def test_a_wrong_secret_is_told_by_its_key_and_never_repeated(
    tmp_path: Path, file: str, content: str, told: str
) -> None:
    settings = SlackPlatform.settings(_Files(tmp_path))  # type: ignore[arg-type] - it needs no more of a platform
    (tmp_path / file).write_text(content)
    with pytest.raises(SettingsError, match=told) as refused:
        adapter(settings, environ={})
    assert refused.value.key == f"bots.slack.{file}"
    assert not content or content not in str(refused.value).replace("xoxb-, and", "")


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = SlackPlatform.settings(_Files(tmp_path))  # type: ignore[arg-type] - it needs no more of a platform
    (tmp_path / "token_file").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        adapter(settings, environ={})


def test_nothing_of_the_environment_turns_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
        monkeypatch.setenv(name, "of somebody else")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    async def scene(platform: SlackPlatform, taken: Taken) -> None:
        async with receiving(platform.adapter(), taken) as running:
            await platform.deliver(Said(text="eins"))
            place = (await taken.asked()).place
            await running.post(place, final("30."), nonce="n1")
            assert len(await platform.shown()) == 1

    play(tmp_path, scene)
    hearing = Hearing(team=TEAM, bot=BOT, bot_id=BOT_ID, secret=SECRET)
    assert hearing.request("{}", {})[0] == 401
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["app_token_file", "signing_secret_file", "token_file"], "bolt has written nothing"


def test_no_log_holds_what_people_say(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scene(platform: SlackPlatform, taken: Taken) -> None:
        async with receiving(platform.adapter(), taken) as running:
            await platform.deliver(Said(text="Kanarienvogel"))
            place = (await taken.asked()).place
            await running.post(place, final("Wellensittich"), nonce="n1")
            await platform.event({"type": "reaction_added", "user": PEOPLE["anna"], "note": "Kanarienvogel"})
            taken.refusing = True
            await platform.deliver(Said(text="Kanarienvogel"))
            await taken.asked()

    play(tmp_path, scene)
    Hearing(team=TEAM, bot=BOT, bot_id=BOT_ID, secret=SECRET).request('{"text": "Kanarienvogel"}', {})
    ours = [
        record for record in caplog.records if not record.name.startswith(("websockets.server", "uvicorn", "asyncio"))
    ]
    told = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in ours)
    assert "slack_event_not_taken" in told
    for word in ("Kanarienvogel", "Wellensittich", "xoxb-good", "xapp-good"):
        assert word not in told


def test_under_the_guard_it_connects_to_its_own_hosts_and_to_nothing_else(tmp_path: Path) -> None:
    """In a process of its own, since a guard stays for the life of one."""
    code = (
        "import asyncio, sys\n"
        "from rag.bots.slack import SlackAdapter\n"
        "from rag.bots.adapter import PlatformUnreachable\n"
        "from rag.egress import Guard\n"
        "from rag.errors import EgressDenied\n"
        "from rag.settings.bots import SlackSettings\n"
        "made = SlackAdapter(SlackSettings(team='T01'), token='xoxb-1', app_token='xapp-1', signing_secret='')\n"
        "guard = Guard(made.hosts)\n"
        "guard.install()\n"
        "import socket\n"
        "for host in ('hooks.slack.com', 'evil.example', 'files.slack.com', 'slack.com.evil.example'):\n"
        "    try: socket.getaddrinfo(host, 443)\n"
        "    except EgressDenied: continue\n"
        "    sys.exit(f'{host} was looked up')\n"
        "try: asyncio.run(made.check())\n"
        "except PlatformUnreachable: pass\n"  # no network here, or no Slack: but nothing that the guard stopped
        "print('denied', guard.denied)\n"
    )
    environ = {**os.environ, "HTTPS_PROXY": "http://evil.example:8080"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["denied", "4"]
