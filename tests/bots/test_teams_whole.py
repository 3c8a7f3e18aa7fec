"""A question from Teams to the real service and back: real documents, rights, key, inbox and runner, real HTTP on both
sides, Microsoft's library between; only Microsoft's cloud is a stand-in. Once with a real small model as well."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from rag.api.http import create_app
from rag.app import App
from rag.bots.adapter import Verdict
from rag.bots.client import Service
from rag.bots.inbox import Inbox
from rag.bots.runner import Limits, Runner
from rag.errors import ModelUnavailable
from rag.models.catalogue import default_directory
from rag.models.weights import find
from rag.settings.file import load
from rag.text.sentences import texts
from tests.bots.contract import Said, Shown
from tests.bots.teams_cloud import PEOPLE, TENANT, Cloud, teams
from tests.doors.http.archive import Archive
from tests.loops import run

SAID = texts("de", "bots")
PAGE = "https://archivar.firma.example"
LIMIT_S = 240.0
QUESTION = "Wie viele Werktage beträgt der Urlaub im Jahr?"
BOTS = f"""
[bots]
page = "{PAGE}/"
[bots.accounts]
"teams:{TENANT}:{PEOPLE["anna"]}" = "anna"
"teams:{TENANT}:{PEOPLE["ben"]}" = "ben"
"""
SOURCES = """
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
PUBLIC = "Der Urlaub beträgt 24 Werktage im Jahr. Siehe https://evil.example/x und @everyone."
INTERNAL = "Der Urlaub der Leitung beträgt 30 Werktage im Jahr. CANARY"


class Scene:
    """The service, the cloud and the bot between them."""

    def __init__(self, app: App, address: str, cloud: Cloud, folder: Path) -> None:
        self.app, self.address, self.cloud, self.folder = app, address, cloud, folder

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[None]:
        name = f"teams{len(self.cloud.requests)}"
        key = await asyncio.to_thread(lambda: self.app.keys.add_bot(name, platform="teams", days=None)[1])
        async with Service(self.address, key=key) as service:
            with Inbox(self.folder) as inbox:
                runner = Runner(self.cloud.adapter(), service, inbox, page=PAGE, limits=Limits(poll_s=0.1))
                task = asyncio.create_task(runner.run())
                try:
                    yield
                finally:
                    runner.stop()
                    await asyncio.wait_for(task, LIMIT_S)

    async def told(self, said: Said, count: int = 1) -> Shown:
        delivery = await self.cloud.deliver(said)
        assert await self.cloud.acknowledged(delivery)
        await self.until(lambda: sum(map(is_final, self.cloud.messages.values())) == count)
        return (await self.cloud.shown())[-1]

    async def until(self, claim: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                while not claim():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"it did not come to that: {[one.forms[-1] for one in self.cloud.messages.values()]}")

    def sent(self) -> str:
        """Everything the bot has said to Microsoft, in every form."""
        return repr([request.content for request in self.cloud.requests]) + json.dumps(
            [message.forms for message in self.cloud.messages.values()], ensure_ascii=False
        )


def is_final(message: Any) -> bool:
    return any("@id" in entity for entity in message.forms[-1].get("entities", ()))


def documents(shown: Shown) -> set[str]:
    """The documents that its links open, each at one or more places."""
    return {link.partition("&")[0] for link in shown.links}


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


Played = Callable[[Callable[[Scene], Coroutine[Any, Any, None]]], None]


def played(app: App, web: Any, folder: Path) -> Played:
    def play(scene: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
        async def whole(address: str) -> None:
            async with teams() as cloud:
                await scene(Scene(app, address, cloud, folder / "inbox"))

        with served(web) as address:
            run(whole(address))

    return play


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Played]:
    for name in ("offen", "intern"):
        (tmp_path / name).mkdir()
    with Archive(tmp_path, more='[llm]\nprovider = "none"' + BOTS + SOURCES.format(base=tmp_path)) as archive:
        archive.put("offen/urlaub.txt", PUBLIC)
        archive.put("intern/urlaub-leitung.txt", INTERNAL)
        archive.sync()
        yield played(archive.app, archive.web, tmp_path)


def test_a_person_is_shown_public_text_and_pointed_at_the_rest(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        async with scene.bot():
            shown = await scene.told(Said(text=QUESTION))
            assert "24 Werktage" in shown.text
            assert SAID["more_inside"] in shown.text
            assert len(documents(shown)) == 2
            assert all(link.startswith(f"{PAGE}/?document=") for link in shown.links)
            shown = await scene.told(Said(text=QUESTION, who="ben"), 2)
            assert "24 Werktage" in shown.text
            assert len(documents(shown)) == 1
        for word in ("CANARY", "30 Werktage", "evil.example"):
            assert word not in scene.sent()

    play(scene)


def test_in_a_channel_it_is_what_all_may_read_and_with_a_guest_nothing(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        async with scene.bot():
            shown = await scene.told(Said(text=QUESTION, room="team"))
            assert "24 Werktage" in shown.text
            assert shown.threaded
            assert len(documents(shown)) == 1
            shown = await scene.told(Said(text=QUESTION, room="shared"), 2)
            assert shown.text.strip() == SAID["room_unclear"]
        assert "CANARY" not in scene.sent()

    play(scene)


def test_a_verdict_is_kept_and_a_message_is_taken_back(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        async with scene.bot():
            shown = await scene.told(Said(text=QUESTION))
            for verdict in (Verdict.HELPFUL, Verdict.OUTDATED):
                delivery = await scene.cloud.press(shown, verdict)
                assert await scene.cloud.acknowledged(delivery)
            await scene.until(lambda: bool(scene.app.feedback.all()))
            listed = await asyncio.to_thread(lambda: scene.app.posted.all())
            assert len(listed) == 1
            await asyncio.to_thread(lambda: scene.app.posted.withdraw(listed))
            await scene.until(lambda: scene.cloud.messages[shown.id].removed)

    play(scene)


def test_a_stranger_is_told_how_to_be_linked(play: Played) -> None:
    async def scene(scene: Scene) -> None:
        async with scene.bot():
            shown = await scene.told(Said(text=QUESTION, who="eve"))
            assert PEOPLE["eve"] in shown.text
            assert shown.links == ()

    play(scene)


@pytest.mark.models
def test_a_real_small_model_answers_in_teams_or_says_why_not(tmp_path: Path) -> None:
    weights = default_directory(os.environ)
    for name in ("e5-small", "smollm2-135m"):
        try:
            find(name, directory=weights)
        except ModelUnavailable as missing:
            pytest.skip(str(missing))
    (tmp_path / "offen").mkdir()
    (tmp_path / "intern").mkdir()
    (tmp_path / "offen" / "urlaub.txt").write_text(PUBLIC, encoding="utf-8")
    (tmp_path / "intern" / "leitung.txt").write_text(INTERNAL, encoding="utf-8")
    config = tmp_path / "rag.toml"
    model = '[llm]\nprovider = "embedded"\nmodel = "smollm2-135m"\nmax_answer_tokens = 120\n'
    model += "first_token_timeout_s = 90\ntotal_timeout_s = 150\n"  # a busy machine: then it says why not
    model += "[retrieval]\nprompt_tokens = 60\n"
    auth = '[auth]\nproxy_header = "X-Remote-User"\nproxy_addresses = ["127.0.0.1"]\n[ingest]\nparser = "fallback"\n'
    config.write_text(model + auth + BOTS + SOURCES.format(base=tmp_path), encoding="utf-8")
    settings = load(config=config, home=tmp_path / "home", environ={"RAG_MODELS": str(weights)})

    async def scene(scene: Scene) -> None:
        async with scene.bot():
            shown = await scene.told(Said(text=QUESTION))
            [message] = scene.cloud.messages.values()
            print(shown.text, [form["type"] for form in message.forms])
            assert shown.text
            assert all(link.startswith(f"{PAGE}/?document=") for link in shown.links)
            assert message.forms[0]["type"] == "typing", "it shows at once that it works"
        for word in ("CANARY", "30 Werktage", "evil.example"):
            assert word not in scene.sent()

    with App(settings) as app:
        app.ingest(None)
        played(app, create_app(app), tmp_path)(scene)
