"""A bot before the real service: documents, rights, a key and HTTP are real; only the chat is a stand-in."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvicorn

from rag.bots.adapter import Verdict
from rag.bots.client import Service
from rag.bots.inbox import Inbox
from rag.bots.runner import Limits, Runner
from rag.text.sentences import texts
from tests.bots.contract import Said, Shown
from tests.bots.room import Room, RoomAdapter
from tests.doors.http.archive import Archive
from tests.loops import run

SAID = texts("de", "bots")
PAGE = "https://archivar.firma.example"
LIMIT_S = 60.0
QUESTION = "Wie viele Werktage beträgt der Urlaub im Jahr?"
MORE = """
[llm]
provider = "none"
[bots]
page = "https://archivar.firma.example/"
[bots.accounts]
"matrix:@anna:firma.example" = "anna"
"matrix:@ben:firma.example" = "ben"
"slack:T01:anna" = "anna"
"slack:T01:ben" = "ben"
[[sources]]
name = "offen"
path = "{base}/offen"
readers = ["everyone"]
class = "public"
[[sources]]
name = "intern"
path = "{base}/intern"
readers = ["user:anna"]
class = "internal"
"""


class Inside(RoomAdapter):
    """The room as a chat that stays in the house."""

    name: ClassVar[str] = "matrix"
    account: ClassVar[str] = "matrix:@{}:firma.example"


class Cloud(RoomAdapter):
    """The room as a chat in a cloud; the key says so, not the bot."""

    name: ClassVar[str] = "slack"
    account: ClassVar[str] = "slack:T01:{}"


class Scene:
    """The archive, its service, the room and the bot."""

    def __init__(self, archive: Archive, address: str, room: Room, folder: Path) -> None:
        self.archive, self.address, self.room, self.folder = archive, address, room, folder

    @asynccontextmanager
    async def bot(self, kind: type[RoomAdapter]) -> AsyncIterator[None]:
        key = self.archive.app.keys.add_bot(kind.name, platform=kind.name, days=None)[1]
        async with Service(self.address, key=key) as service:
            with Inbox(self.folder) as inbox:
                runner = Runner(kind(self.room.port), service, inbox, page=PAGE, limits=Limits(poll_s=0.1))
                task = asyncio.create_task(runner.run())
                try:
                    yield
                finally:
                    runner.stop()
                    await asyncio.wait_for(task, LIMIT_S)

    async def told(self, said: Said, count: int = 1) -> Shown:
        await self.room.deliver(said)
        await self.until(lambda: sum(m.forms[-1]["stage"] == "final" for m in self.room.messages.values()) == count)
        return (await self.room.shown())[-1]

    async def until(self, claim: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not claim():
                await asyncio.sleep(0.02)


Played = Callable[[Callable[[Scene], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Played]:
    for name in ("offen", "intern"):
        (tmp_path / name).mkdir()
    archive = Archive(tmp_path, more=MORE.format(base=tmp_path))
    archive.put("offen/urlaub.txt", "Der Urlaub beträgt 24 Werktage im Jahr. Siehe https://evil.example/x.")
    archive.put("intern/urlaub-leitung.txt", "Der Urlaub der Leitung beträgt 30 Werktage im Jahr. CANARY")
    archive.sync()

    def played(scene: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
        async def whole(address: str) -> None:
            async with Room().open() as room:
                await scene(Scene(archive, address, room, tmp_path / "inbox"))

        with served(archive.web) as address:
            run(whole(address))

    yield played
    archive.__exit__(None, None, None)


@contextmanager
def served(web: Any) -> Iterator[str]:
    config = uvicorn.Config(web, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


def everything(room: Room) -> str:
    return repr([message.forms for message in room.messages.values()])


def test_somebody_is_answered_with_their_own_rights_and_the_links_open_the_page(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        async with scene.bot(Inside):
            shown = await scene.told(Said(text=QUESTION))
            assert "24 Werktage" in shown.text
            assert "30 Werktage" in shown.text
            assert shown.links
            assert all(link.startswith(f"{PAGE}/?document=") for link in shown.links)
            assert "evil" not in everything(scene.room)
            shown = await scene.told(Said(text=QUESTION, who="ben"), 2)
            assert "24 Werktage" in shown.text
            assert "30 Werktage" not in shown.text

    play(scene)


def test_in_a_channel_it_is_what_all_may_read(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        async with scene.bot(Inside):
            shown = await scene.told(Said(text=QUESTION, room="team"))
            assert "24 Werktage" in shown.text
            assert "CANARY" not in everything(scene.room)
            shown = await scene.told(Said(text=QUESTION, room="shared"), 2)
            assert shown.text == SAID["room_unclear"]

    play(scene)


def test_a_cloud_shows_public_text_and_points_at_the_rest(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        async with scene.bot(Cloud):
            shown = await scene.told(Said(text=QUESTION))
            assert "24 Werktage" in shown.text
            assert SAID["more_inside"] in shown.text
            keys = [link.partition("document=")[2].partition("&")[0] for link in shown.links]
            assert set(keys[:-1]) == {scene.archive.key("offen:urlaub.txt")}
            assert keys[-1] == scene.archive.key("intern:urlaub-leitung.txt")
        assert "CANARY" not in everything(scene.room)
        assert "30 Werktage" not in everything(scene.room)

    play(scene)


def test_a_stranger_is_told_how_to_be_linked(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        async with scene.bot(Inside):
            shown = await scene.told(Said(text=QUESTION, who="eve"))
            assert shown.text == SAID["unknown"].format(account="matrix:@eve:firma.example")

    play(scene)


def test_feedback_is_kept_and_a_message_about_a_deleted_document_is_taken_back(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        app = scene.archive.app
        async with scene.bot(Inside):
            shown = await scene.told(Said(text=QUESTION))
            await scene.room.press(shown, Verdict.HELPFUL)
            await scene.until(lambda: bool(list(app.feedback.all())))
            listed = await asyncio.to_thread(lambda: app.posted.all(document=scene.archive.key("offen:urlaub.txt")))
            assert [one.message for one in listed] == [shown.id]
            await asyncio.to_thread(lambda: app.posted.withdraw([listed[0]]))
            await scene.until(lambda: scene.room.messages[shown.id].removed)
            assert await scene.room.shown() == []

    play(scene)


def test_somebody_who_is_shut_out_meanwhile_is_shown_nothing_more(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        shut: list[bool] = []

        async def before_the_end(call: dict[str, Any]) -> None:
            if call["do"] == "post" and not shut:
                shut.append(True)
                await asyncio.to_thread(lambda: scene.archive.app.suspensions.suspend("anna"))

        scene.room.hook = before_the_end
        async with scene.bot(Inside):
            await scene.told(Said(text=QUESTION))
        assert "Werktage im Jahr" not in everything(scene.room)

    play(scene)
