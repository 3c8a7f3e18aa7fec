"""`rag bot NAME`, in processes of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rag.bots.inbox import Inbox
from rag.cli.doctor import _inboxes
from rag.kernel import landlock
from tests.bots.contract import Said
from tests.bots.house import KEY, PAGE, House, served
from tests.bots.room import Room
from tests.bots.test_inbox import ASKED
from tests.loops import run

LIMIT_S = 60.0
KERNEL = landlock.abi() >= landlock.PORTS_ABI


class Bot:
    """A folder with settings, and commands in it."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        key = folder / "key"
        key.write_text(f"{KEY}\n", encoding="utf-8")
        key.chmod(0o600)
        self.write(
            f'[bots]\nservice = "{address}"\npage = "{PAGE}"\nkey_file = "{key}"\n[egress]\nallow = ["wiki.example"]\n'
        )

    def write(self, text: str) -> None:
        (self.folder / "rag.toml").write_text(text, encoding="utf-8")

    async def start(self, *arguments: str, port: int, **environ: str) -> asyncio.subprocess.Process:
        config = ("--config", str(self.folder / "rag.toml"), "--home", str(self.folder / "home"))
        around = os.environ | {"PYTHONPATH": str(Path.cwd()), "ROOM_PORT": str(port)} | environ
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bots.room_bot", *arguments, *config,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=around, cwd=Path.cwd(),
        )  # fmt: skip

    async def done(self, *arguments: str, port: int, **environ: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command that ends."""
        process = await self.start(*arguments, port=port, **environ)
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
        return process.returncode or 0, out.decode(), err.decode()

    @asynccontextmanager
    async def running(self, *, port: int, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """The bot from the line that says so until SIGTERM."""
        process = await self.start("bot", "room", port=port, **environ)
        try:
            assert process.stderr is not None
            line = b""
            while b"bot runs" not in line:
                line = await asyncio.wait_for(process.stderr.readline(), LIMIT_S)
                assert line, "it ended before it ran"
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.communicate(), LIMIT_S)


Scene = Callable[[Bot, Room, House], Coroutine[Any, Any, None]]
Played = Callable[[Scene], None]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Played]:
    house = House()
    with served(house) as address:

        def played(scene: Scene) -> None:
            async def whole() -> None:
                async with Room().open() as room:
                    await scene(Bot(tmp_path, address), room, house)

            run(whole())

        yield played


async def answered(room: Room, count: int = 1) -> None:
    async with asyncio.timeout(LIMIT_S):
        while sum(message.forms[-1]["stage"] == "final" for message in room.messages.values()) < count:
            await asyncio.sleep(0.02)


def test_it_runs_answers_and_ends_in_good_order(play: Played) -> None:
    async def scene(bot: Bot, room: Room, house: House) -> None:
        async with bot.running(port=room.port) as process:
            await room.deliver(Said(text="Urlaub"))
            await answered(room)
        assert process.returncode == 0
        [shown] = await room.shown()
        assert "Antwort auf Urlaub" in shown.text
        inbox = bot.folder / "home" / "bots" / "room" / "inbox.sqlite"
        assert inbox.stat().st_mode & 0o777 == 0o600

    play(scene)


def test_a_second_one_over_the_same_inbox_is_refused(play: Played) -> None:
    async def scene(bot: Bot, room: Room, house: House) -> None:
        async with bot.running(port=room.port):
            code, _, said = await bot.done("bot", "room", port=room.port)
            assert (code, "runs this bot already" in said) == (75, True)

    play(scene)


def test_a_key_the_service_does_not_take_ends_it_with_what_to_do(play: Played) -> None:
    async def scene(bot: Bot, room: Room, house: House) -> None:
        (bot.folder / "key").write_text("archivar_another", encoding="utf-8")
        code, _, said = await bot.done("bot", "room", port=room.port)
        assert code == 1
        assert "rag keys add --bot room NAME" in said
        assert "archivar_another" not in said

    play(scene)


def test_credentials_the_platform_does_not_take_end_it(play: Played) -> None:
    async def scene(bot: Bot, room: Room, house: House) -> None:
        code, _, said = await bot.done("bot", "room", port=room.port, ROOM_TOKEN="bad")
        assert (code, "does not know this token" in said) == (1, True)

    play(scene)


def test_a_service_by_plain_http_on_another_machine_is_refused(play: Played) -> None:
    async def scene(bot: Bot, room: Room, house: House) -> None:
        bot.write(f'[bots]\nservice = "http://192.0.2.7:8088"\nkey_file = "{bot.folder / "key"}"\n')
        code, _, said = await bot.done("bot", "room", port=room.port)
        assert (code, "not encrypted" in said) == (2, True)

    play(scene)


def test_the_check_tells_what_is_well(play: Played) -> None:
    async def scene(bot: Bot, room: Room, house: House) -> None:
        code, out, _ = await bot.done("bot", "room", "check", "--json", port=room.port)
        found = json.loads(out)
        assert (code, found["well"]) == (0, True), found
        assert [check["name"] for check in found["checks"]] == ["settings", "ways out", "page", "service", "Room"]
        assert "wiki.example" not in out

    play(scene)


def test_the_check_tells_what_is_not(play: Played) -> None:
    async def scene(bot: Bot, room: Room, house: House) -> None:
        (bot.folder / "key").write_text("archivar_another", encoding="utf-8")
        code, out, _ = await bot.done("bot", "room", "check", "--json", port=room.port, ROOM_TOKEN="bad")
        wrong = {check["name"] for check in json.loads(out)["checks"] if not check["well"]}
        assert (code, wrong) == (1, {"service", "Room"})

    play(scene)


@pytest.mark.parametrize("name", ["slack", "teams", "matrix"])
def test_each_platform_names_the_settings_it_misses(tmp_path: Path, name: str) -> None:
    command = [
        sys.executable,
        "-m",
        "rag",
        "bot",
        name,
        "--config",
        str(tmp_path / "rag.toml"),
        "--home",
        str(tmp_path),
    ]
    (tmp_path / "rag.toml").write_text("", encoding="utf-8")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 2
    assert f"bots.{name}." in done.stderr
    assert "bots.key_file" in done.stderr


def test_the_process_reaches_its_platform_and_the_service_and_nothing_else(play: Played) -> None:
    async def scene(bot: Bot, room: Room, house: House) -> None:
        told = bot.folder / "tried.json"
        with socket.create_server(("127.0.0.1", 0)) as other:
            async with bot.running(port=room.port, CURIOUS=str(told), OTHER_PORT=str(other.getsockname()[1])):
                await room.deliver(Said(text="Urlaub"))
                await answered(room)
        assert len(house.asked) == 1
        found = json.loads(told.read_text(encoding="utf-8"))
        refused = {name for name, what in found.items() if what != "reached"}
        assert refused >= {"address", "name", "allowed elsewhere", "httpx", "program", "datagram"}, found
        assert all(found[name] == "EgressDenied" for name in ("address", "name", "allowed elsewhere", "program")), found
        assert not KERNEL or found["native"] == "PermissionError", found

    play(scene)


def test_the_doctor_says_what_waits_in_an_inbox_and_whether_it_has_waited_too_long(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Inbox(home / "bots" / "matrix", clock=lambda: time.time() - 7200) as inbox:
        inbox.take(ASKED)
        found = list(_inboxes(home / "bots"))
    with Inbox(home / "bots" / "matrix") as inbox:
        inbox.end(inbox.open()[0], "answered")
    [late], [now] = found, list(_inboxes(home / "bots"))
    assert (late["well"], "1 waiting" in late["finding"], "rag bot matrix" in late["advice"]) == (False, True, True)
    assert (now["well"], "0 waiting" in now["finding"], now["advice"]) == (True, True, "")
    (home / "bots" / "matrix" / "inbox.sqlite").write_bytes(b"x" * 5000)
    assert [check["well"] for check in _inboxes(home / "bots")] == [False]
