"""`rag bot NAME`: one chat platform's bot, in a process that reaches that platform and the service, and no more."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rag.bots.adapter import ChatAdapter, Event, Examinable
from rag.bots.client import Service
from rag.bots.inbox import Bounds, Inbox
from rag.bots.platforms import PLATFORMS, Platform
from rag.bots.riding import PASSING
from rag.bots.runner import Limits, Runner
from rag.bots.told import AccountUnknown, RoomUnclear, ServiceRefused, ServiceUnreachable
from rag.cli import FAILED, OK, filing, output, say
from rag.cli.commands import log_as
from rag.cli.door import settings_of
from rag.egress import is_local
from rag.egress.closing import Closed, close_in
from rag.egress.endpoints import Endpoint, endpoint, of_url
from rag.egress.lockdown import Mode
from rag.errors import RagError, SettingsError
from rag.secret_files import secret
from rag.settings import Settings
from rag.settings.bots import BotsSettings

_EXAMINED_S: Final = 10.0
_NO_KEY: Final = "make one with `rag keys add --bot {name} NAME` and name its file in bots.key_file"


def bot(options: argparse.Namespace) -> int:
    """Run it, look whether it could run, or write its manifest; or list what bots have posted, as the service knows."""
    if options.platform not in PLATFORMS:
        from rag.cli.bot_messages import bot_messages

        return bot_messages(options)
    platform = PLATFORMS[options.platform]
    settings = settings_of(options)
    if options.action == "manifest":
        return _manifest(platform, settings.bots, options)
    if options.action == "check":
        return _check(platform, settings, options)
    log_as(settings.logs, verbose=options.verbose)
    return _run(platform, settings)


def _manifest(platform: Platform, bots: BotsSettings, options: argparse.Namespace) -> int:
    made = platform.made_manifest(bots)
    if options.out is None:
        _print_manifest(made, options)
        return OK
    path: Path = options.out
    filing.write(path, made)
    output.print_json({"written": str(path)}) if options.json else output.out.print(f"{path} written.")
    return OK


def _print_manifest(made: bytes, options: argparse.Namespace) -> None:
    if not options.json:
        sys.stdout.buffer.write(made)
        return
    try:
        output.print_json({"manifest": made.decode("utf-8")})
    except UnicodeDecodeError as error:
        raise SettingsError(
            "This manifest is an archive, which JSON does not hold: write it with --out FILE."
        ) from error


def _run(platform: Platform, settings: Settings) -> int:
    bots = settings.bots
    adapter = platform.adapter(bots, environ=_environ(settings))
    key = _key(platform, bots)
    close(platform, settings, adapter)
    bounds = Bounds(waiting=bots.waiting, waiting_here=bots.waiting_here, waiting_each=bots.waiting_each)
    with Inbox(settings.home / "bots" / platform.name, bounds=bounds) as inbox:
        asyncio.run(_serve(platform, bots, adapter, key, inbox))
    return OK


def close(platform: Platform, settings: Settings, adapter: ChatAdapter) -> Closed:
    """From now on this process reaches the platform's hosts and the service: nothing of `egress.allow`, no model
    server, no directory.

    Raises:
        SettingsError: the kernel guard is wanted strictly, and cannot be had.
    """
    port = platform.port(settings.bots)
    wanted = endpoints(settings.bots, adapter)
    return close_in(
        Mode(settings.egress.lockdown), endpoints=wanted, listen=() if port is None else (port,), follow=True
    )


def endpoints(bots: BotsSettings, adapter: ChatAdapter) -> tuple[Endpoint, ...]:
    """All that a bot's process may reach."""
    return tuple(dict.fromkeys([of_url(bots.service), *map(endpoint, adapter.hosts)]))


def _environ(settings: Settings) -> dict[str, str]:
    """The environment, with the home as it was chosen: some adapters keep what they have read below it."""
    return {**os.environ, "RAG_HOME": str(settings.home)}


def _key(platform: Platform, bots: BotsSettings) -> str:
    key = secret(bots.key_file, key="bots.key_file")
    if not key:
        raise SettingsError(f"The bot has no key: {_NO_KEY.format(name=platform.name)}.", key="bots.key_file")
    return key


async def _serve(platform: Platform, bots: BotsSettings, adapter: ChatAdapter, key: str, inbox: Inbox) -> None:
    async with Service(bots.service, key=key, ca_file=bots.ca_file) as service:
        with suppress(RoomUnclear, AccountUnknown):
            await _known(platform, service)
        limits = Limits(answer_chars=bots.answer_chars)
        runner = Runner(adapter, service, inbox, page=(bots.page or bots.service).rstrip("/"), limits=limits)
        with _Stopping(runner.stop):
            output.err.print(f"The {platform.title} bot runs · service {service.address} · stop with Ctrl-C")
            await runner.run()


async def _known(platform: Platform, service: Service) -> None:
    """Look whether the service takes the key; one that does not answer yet is waited for at work.

    Raises:
        RagError: it does not.
    """
    try:
        await service.withdrawals()
    except ServiceRefused as error:
        raise RagError(
            f"The service at {service.address} does not take the bot's key: {_NO_KEY.format(name=platform.name)}."
        ) from error
    except PASSING as error:
        say(f"{error} The bot goes on, and asks again with each question.")


class _Stopping:
    """The first SIGTERM or Ctrl-C ends it in good order, the second at once: what is open is taken up again."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop, self._told = stop, False

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._handle)

    def __exit__(self, *error: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)

    def _handle(self) -> None:
        if self._told:
            os._exit(FAILED)
        self._told = True
        self._stop()


def _check(platform: Platform, settings: Settings, options: argparse.Namespace) -> int:
    checks = list(_checks(platform, settings))
    well = all(check["well"] for check in checks)
    if options.json:
        output.print_json({"well": well, "checks": checks})
    else:
        output.checks(checks)
    return OK if well else FAILED


def _checks(platform: Platform, settings: Settings) -> list[dict[str, Any]]:
    """Each with what to do where it is not well; after the first that lets nothing more be tried, no further."""
    bots = settings.bots
    if missing := platform.missing(bots):
        return [_one("settings", "something is not set", f"Set {', '.join(missing)} in rag.toml.")]
    done = [_one("settings", "what it needs is set")]
    try:
        adapter = platform.adapter(bots, environ=_environ(settings))
        key = _key(platform, bots)
        service = Service(bots.service, key=key, ca_file=bots.ca_file)
        closed = close(platform, settings, adapter)
    except RagError as error:
        return [*done, _one("start", "it does not start", str(error))]
    followed = "; a process beside it looks these names up, and no others" if closed.followed else ""
    ways = ", ".join(map(str, closed.endpoints))
    done.append(_one("ways out", f"{ways}; kernel guard {closed.lockdown}{followed}"))
    if closed.lost:
        done.append(_one("names", f"not found: {', '.join(closed.lost)}", "Mend the name look-up of this machine."))
    return [*done, _page(bots), *asyncio.run(_tried(platform, service, adapter))]


def _page(bots: BotsSettings) -> dict[str, Any]:
    page = bots.page or bots.service
    here = is_local(of_url(page).host)
    advice = "Set bots.page to the address that people open the page at." if here else ""
    return _one("page", f"links open {page}" + (", which is this machine" if here else ""), advice)


async def _tried(platform: Platform, service: Service, adapter: ChatAdapter) -> list[dict[str, Any]]:
    async def ask() -> str:
        async with service:
            await service.withdrawals()
        return f"it answers at {service.address} and takes the bot's key"

    return [await _attempt("service", ask), await _attempt(platform.title, lambda: _examined(adapter))]


async def _attempt(name: str, deed: Callable[[], Awaitable[str]]) -> dict[str, Any]:
    try:
        return _one(name, await deed())
    except RagError as error:
        return _one(name, "it cannot be used", str(error))


async def _examined(adapter: ChatAdapter) -> str:
    """Who the bot is there; where the adapter cannot tell, whether it is still connected after some seconds."""
    if isinstance(adapter, Examinable):
        return await adapter.check() or "it takes the bot's credentials"

    async def refuse(event: Event) -> None:
        raise ServiceUnreachable("The bot is only being checked; this is for its next start.")

    with suppress(TimeoutError):
        await asyncio.wait_for(adapter.run(refuse), _EXAMINED_S)
    return "it takes the bot's credentials"


def _one(name: str, finding: str, advice: str = "") -> dict[str, Any]:
    return {"name": name, "well": not advice, "finding": finding, "advice": advice}
