"""As an administrator sets it up: folders of three classes, `rag ingest`, `rag keys add --bot slack`, `rag serve` with
a real small model, `rag bot slack`; people ask in Slack. What the model says is its own affair, the promises are ours:
nothing of a document above what a cloud may carry is in any byte that goes to Slack."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from rag.errors import ModelUnavailable
from rag.models.catalogue import default_directory
from rag.models.weights import find
from rag.text.sentences import texts
from tests.bots.contract import Said, Shown
from tests.bots.slack_bot import SlackBot
from tests.bots.slack_platform import SlackPlatform, slack_platform
from tests.bots.slack_world import PEOPLE, TEAM
from tests.loops import run
from tests.ports import kept_port

pytest.importorskip("slack_bolt", reason="the extra `slack` is not installed")
pytestmark = [pytest.mark.models, pytest.mark.timeout(1800)]

LIMIT_S = 600.0
SAID = texts("de", "bots")
PAPERS = {
    "offen/urlaub.txt": "Urlaubsordnung\n\nDer Erholungsurlaub beträgt bei einer Vollzeitstelle 30 Arbeitstage im "
    "Kalenderjahr. Übertragene Tage müssen bis zum 30. Juni des Folgejahres genommen sein.",
    "intern/zeisig.txt": "Zeisig\n\nEin Mittagessen in der Kantine kostet KANARIE7 6,50 Euro, ein Getränk einen Euro.",
    "vertraulich/wellensittich.txt": "Wellensittich\n\nDas Gehaltsband der Stufe vier liegt zwischen KANARIE9 "
    "5100 und 6300 Euro im Monat.",
}
SETTINGS = """
[llm]
provider = "embedded"
model = "smollm2-135m"
max_answer_tokens = 100
[retrieval]
prompt_tokens = 60
[ingest]
ocr = false
[bots]
page = "https://archivar.firma.example"
[bots.slack]
team = "{team}"
[bots.accounts]
"slack:{team}:{anna}" = "anna"
"slack:{team}:{ben}" = "ben"
"""
SOURCE = '[[sources]]\nname = "{name}"\npath = "{path}"\nreaders = ["everyone"]\nclass = "{kind}"\n'


class House:
    """The service, set up by its own commands."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.address = f"http://127.0.0.1:{self.port}"
        text = SETTINGS.format(team=TEAM, anna=PEOPLE["anna"], ben=PEOPLE["ben"])
        for name, kind in (("offen", "public"), ("intern", "internal"), ("vertraulich", "confidential")):
            text += SOURCE.format(name=name, path=folder / "papers" / name, kind=kind)
        for paper, words in PAPERS.items():
            path = folder / "papers" / paper
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(words, encoding="utf-8")
        (folder / "rag.toml").write_text(text, encoding="utf-8")

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        config = ("--config", str(self.folder / "rag.toml"), "--home", str(self.folder / "home"))
        around = os.environ | {"PYTHONPATH": str(Path.cwd())}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rag", *arguments, *config,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=around, cwd=Path.cwd(),
        )  # fmt: skip

    async def done(self, *arguments: str) -> dict[str, object]:
        process = await self.start(*arguments, "--json")
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
        assert process.returncode == 0, err.decode()[-2000:]
        told: dict[str, object] = json.loads(out)
        return told

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        process = await self.start("serve", "--port", str(self.port))
        reading = asyncio.create_task(process.communicate())
        try:
            async with asyncio.timeout(LIMIT_S), httpx.AsyncClient(trust_env=False) as client:
                while True:
                    assert process.returncode is None, (await reading)[1].decode()[-2000:]
                    try:
                        if (await client.get(f"{self.address}/healthz")).is_success:
                            break
                    except httpx.HTTPError:
                        pass
                    await asyncio.sleep(0.2)
            yield
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(reading, LIMIT_S)


async def last_word(platform: SlackPlatform, count: int) -> Shown:
    """The newest of so many messages, once it does not change any more."""
    passing = {
        SAID[key].split("{")[0] for key in ("working", "reading", "queued", "still", "busy_waiting", "away_waiting")
    }
    async with asyncio.timeout(LIMIT_S):
        while True:
            shown = await platform.shown()
            rows = [row for row in platform.world.messages if row.get("bot_id")]
            final = len(rows) == count and rows[-1]["text"].startswith("Antwort")
            if final and not any(words in shown[-1].text for words in passing):
                return shown[-1]
            await asyncio.sleep(0.1)


def test_people_ask_in_slack_and_only_what_a_cloud_may_carry_goes_there(tmp_path: Path) -> None:
    for name in ("e5-small", "smollm2-135m"):
        try:
            find(name, directory=default_directory(os.environ))
        except ModelUnavailable as missing:
            pytest.skip(str(missing))

    async def whole(port: int) -> None:
        house = House(tmp_path, port)
        assert (await house.done("ingest"))["added"] == len(PAPERS)
        key = str((await house.done("keys", "add", "--bot", "slack", "slack-bot"))["key"])
        async with house.serving(), slack_platform(tmp_path) as platform:
            bot = SlackBot(tmp_path, platform, service=house.address, key=key)
            async with bot.running():
                await platform.say(
                    Said(text="Wie viele Arbeitstage beträgt der Erholungsurlaub bei einer Vollzeitstelle?")
                )
                public = await last_word(platform, 1)
                await platform.say(Said(text="Was kostet ein Mittagessen in der Kantine?", who="ben", room="team"))
                internal = await last_word(platform, 2)
                await platform.say(Said(text="Wo liegt das Gehaltsband der Stufe vier im Monat?", who="ben"))
                confidential = await last_word(platform, 3)
                await platform.say(Said(text="Was kostet ein Mittagessen?", who="eve"))
                stranger = await last_word(platform, 4)
        print(public.text, internal.text, confidential.text, stranger.text, sep="\n--\n")
        for shown in (public, internal, confidential):
            assert all(link.startswith("https://archivar.firma.example/?document=") for link in shown.links)
        assert public.text.count("\n") > 0, "an answer, or why there is none: that is the model's affair"
        assert internal.links
        assert confidential.links
        said = json.dumps([arguments for _, arguments in platform.world.calls], ensure_ascii=False)
        for canary in ("kanarie7", "kanarie9", "6,50", "5100 und"):
            assert canary not in said.casefold()
        assert "zeisig" in internal.text.casefold(), "an internal document is named"
        assert "wellensittich" not in said.casefold(), "a confidential one is not"
        assert not stranger.links

    with kept_port() as port:
        run(whole(port))
