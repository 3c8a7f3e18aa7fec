"""The room's bot with short patience, for the test that kills it: ``python -m tests.bots.chaos_bot PORT URL DIR``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from rag.bots.client import Service
from rag.bots.inbox import Bounds, Inbox
from rag.bots.riding import Patience
from rag.bots.runner import Limits, Runner
from rag.bots.speaking import Patiences
from tests.bots.house import KEY, PAGE
from tests.bots.room import RoomAdapter

_SOON = Patience(whole_s=60, first_s=0.02, longest_s=0.5)


async def main(port: int, address: str, folder: Path) -> None:
    patiences = Patiences(service=_SOON, platform=_SOON, attempts=50)
    limits = Limits(at_once=16, here_at_once=8, poll_s=1, patiences=patiences)
    async with Service(address, key=KEY) as service:
        with Inbox(folder, bounds=Bounds(waiting=10**6, waiting_here=10**6, waiting_each=10**6)) as inbox:
            await Runner(RoomAdapter(port), service, inbox, page=PAGE, limits=limits).run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
