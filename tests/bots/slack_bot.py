"""`rag bot slack` as a process of its own, over settings as an administrator writes them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rag.bots.slack import LOCAL_API
from tests.bots.house import KEY, PAGE
from tests.bots.slack_platform import SlackPlatform

LIMIT_S = 90.0


class SlackBot:
    """A folder with settings, and the bot over it. `service` is the service's address, `key` the bot's key there."""

    def __init__(
        self, folder: Path, platform: SlackPlatform, *, service: str, key: str = KEY, page: str = PAGE
    ) -> None:
        self.folder, self.platform = folder, platform
        own = platform.settings()
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_text(key, encoding="utf-8")
        (folder / "bot.toml").write_text(
            f'[bots]\nservice = "{service}"\npage = "{page}"\nkey_file = "{folder / "key"}"\n'
            f'[bots.slack]\nteam = "{own.team}"\nmode = "{own.mode}"\npeople = "{own.people}"\n'
            f'listen = "{own.listen}"\n'
            f'token_file = "{own.token_file}"\napp_token_file = "{own.app_token_file}"\n'
            f'signing_secret_file = "{own.signing_secret_file}"\n',
            encoding="utf-8",
        )

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        config = ("--config", str(self.folder / "bot.toml"), "--home", str(self.folder / "bot-home"))
        around = os.environ | {"PYTHONPATH": str(Path.cwd()), LOCAL_API: self.platform.server.address}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rag", "bot", "slack", *arguments, *config,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=around, cwd=Path.cwd(),
        )  # fmt: skip

    async def done(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command that ends."""
        process = await self.start(*arguments)
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
        return process.returncode or 0, out.decode(), err.decode()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """The bot, connected, until SIGTERM, unless the scene has killed it."""
        before = self.platform.server.opened
        process = await self.start()
        reading = asyncio.create_task(process.communicate())
        try:
            async with asyncio.timeout(LIMIT_S):
                while self.platform.mode == "socket" and self.platform.server.opened == before:
                    assert process.returncode is None, reading.done() and reading.result()[1].decode()[-2000:]
                    await asyncio.sleep(0.02)
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(reading, LIMIT_S)
