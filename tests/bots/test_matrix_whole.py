"""The whole way as an administrator sets it up: documents, `rag serve` with a small model, `rag bot matrix`, somebody
who asks on a real homeserver. Every process is one of its own, guarded as in the house."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.bots.adapter import Verdict
from rag.errors import ModelUnavailable
from rag.models.catalogue import default_directory
from rag.models.weights import find
from tests.bots.matrix_platform import SIGNS, aside, links, shown_in, until
from tests.bots.synapse import Homeserver, Member
from tests.loops import run
from tests.ports import kept_port

pytest.importorskip("nio", reason="the extra `matrix` is not installed")
pytestmark = [pytest.mark.models, pytest.mark.timeout(600)]

MODEL = "qwen2.5-0.5b"
PAGE = "https://archivar.firma.example"
WAIT_S = 240.0

SETTINGS = """
[[sources]]
name = "handbuch"
path = "{base}/handbuch"
readers = ["everyone"]
class = "internal"
[[sources]]
name = "chef"
path = "{base}/chef"
readers = ["user:boss"]
class = "internal"
[[sources]]
name = "tresor"
path = "{base}/tresor"
readers = ["everyone"]
class = "confidential"
[llm]
provider = "embedded"
model = "{model}"
[bots]
service = "http://127.0.0.1:{port}"
page = "{page}"
key_file = "{base}/key"
[bots.matrix]
homeserver = "{homeserver}"
user = "{bot}"
token_file = "{base}/token"
[bots.accounts]
"matrix:{anna}" = "anna"
"""


class Installation:
    """A folder with settings and documents, and the commands in it."""

    def __init__(self, base: Path, server: Homeserver, port: int) -> None:
        self.base, self.port, self.bot = base, port, server.member("archivar", display_name="Archivar")
        self.anna, self.stranger = server.member("anna"), server.member("fremd")
        texts = {
            "handbuch/urlaub.md": "# Urlaub\n\nDer Urlaub beträgt dreißig Werktage im Jahr.\n",
            "chef/bonus.md": "# Bonus\n\nDer Bonus der Geschäftsführung beträgt 77777 Euro im Jahr.\n",
            "tresor/tresor.md": "# Tresor\n\nDie Kombination des Tresors im Keller lautet 424242.\n",
        }
        for name, text in texts.items():
            (base / name).parent.mkdir(exist_ok=True)
            (base / name).write_text(text, encoding="utf-8")
        filled = SETTINGS.format(
            base=base, model=MODEL, port=self.port, page=PAGE, homeserver=server.url, bot=self.bot.id, anna=self.anna.id
        )
        (base / "rag.toml").write_text(filled, encoding="utf-8")
        self._keep("token", self.bot.token)

    def _keep(self, name: str, secret: str) -> None:
        (self.base / name).touch(mode=0o600)
        (self.base / name).write_text(secret)

    def command(self, *arguments: str) -> tuple[str, ...]:
        where = ("--config", str(self.base / "rag.toml"), "--home", str(self.base / "home"))
        return (sys.executable, "-m", "rag", *arguments, *where)

    def done(self, *arguments: str) -> Any:
        """What a command that ends prints as JSON."""
        command = self.command(*arguments, "--json")
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=os.environ)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return json.loads(ended.stdout)

    def make_key(self) -> None:
        self._keep("key", self.done("keys", "add", "--bot", "matrix", "Matrix")["key"])

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[None]:
        log = self.base / f"{arguments[0]}.log"
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(*self.command(*arguments), stdout=out, stderr=out)
            try:
                yield
                assert process.returncode is None, log.read_text()
            finally:
                if process.returncode is None:
                    process.terminate()
                await asyncio.wait_for(process.wait(), 60)

    def ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False

    async def answer(self, room: str, person: Member, question: str) -> dict[str, Any]:
        """The last word on a question, as the person's program shows it."""
        before = len(shown_in(person.timeline(room), bot=self.bot.id))
        await aside(lambda: person.say(room, {"msgtype": "m.text", "body": question}))
        found: list[dict[str, Any]] = []

        def ended() -> bool:
            found[:] = shown_in(person.timeline(room), bot=self.bot.id)[before:]
            text = found[0]["content"]["body"] if found else ""
            return any(sign in text for sign in ("👍", "nicht, wer Sie", "nichts gefunden"))

        await until(ended, limit_s=WAIT_S)
        return found[0]


@pytest.fixture
def installed(tmp_path: Path, synapse: Homeserver) -> Iterator[Installation]:
    for name in ("e5-small", MODEL):
        try:
            find(name, directory=default_directory(os.environ))
        except ModelUnavailable as missing:
            pytest.skip(str(missing))
    with kept_port() as port:
        yield Installation(tmp_path, synapse, port)


def test_a_person_asks_in_the_chat_and_gets_what_they_may_read_there_and_nothing_else(installed: Installation) -> None:
    async def whole() -> None:
        base, anna = installed.base, installed.anna
        await aside(lambda: installed.done("ingest"))
        await aside(installed.make_key)
        async with installed.running("serve", "--port", str(installed.port)):
            await until(installed.ready, limit_s=WAIT_S)
            checks = await aside(lambda: installed.done("bot", "matrix", "check"))
            assert checks["well"], checks
            async with installed.running("bot", "matrix"):
                room = await aside(lambda: anna.create(installed.bot, preset="trusted_private_chat", is_direct=True))
                await until(lambda: installed.bot.id in anna.joined(room), limit_s=WAIT_S)
                answer = await installed.answer(room, anna, "Wie viele Werktage Urlaub im Jahr gibt es?")
                body = answer["content"]["body"]
                assert all(link.startswith(f"{PAGE}/?document=") for link in links(answer["content"]))
                assert "Urlaub" in body
                assert links(answer["content"])
                react = {"rel_type": "m.annotation", "event_id": answer["event_id"], "key": SIGNS[Verdict.HELPFUL]}
                await aside(lambda: anna.say(room, {"m.relates_to": react}, "m.reaction"))
                await installed.answer(room, anna, "Wie hoch ist der Bonus der Geschäftsführung?")
                assert "77777 Euro" not in str(anna.timeline(room)), "who may not read it is not told"
                await installed.answer(room, anna, "Wie lautet die Kombination des Tresors im Keller?")
                assert "lautet 424242" not in str(anna.timeline(room)), (
                    "confidential: no more than a link, even in a direct chat"
                )
                await until(lambda: "helpful" in json.dumps(installed.done("eval", "feedback")), limit_s=WAIT_S)
                other = await aside(lambda: installed.stranger.create(installed.bot, preset="trusted_private_chat"))
                await until(lambda: installed.bot.id in installed.stranger.joined(other), limit_s=WAIT_S)
                unknown = await installed.answer(other, installed.stranger, "Wie viele Werktage Urlaub gibt es?")
                assert f"matrix:{installed.stranger.id}" in unknown["content"]["body"]
                assert "dreißig" not in str(installed.stranger.timeline(other))
                (base / "handbuch" / "urlaub.md").unlink()
                await aside(lambda: installed.done("ingest"))
                gone = await aside(lambda: installed.done("bot", "messages", "--gone", "--remove"))
                assert f"{room} {answer['event_id']}" in json.dumps(gone)
                await until(lambda: answer["event_id"] not in _standing(anna, room, installed.bot), limit_s=WAIT_S)

    run(whole())


def _standing(person: Member, room: str, bot: Member) -> list[str]:
    return [event["event_id"] for event in shown_in(person.timeline(room), bot=bot.id)]
