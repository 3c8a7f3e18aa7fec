"""The command that was typed: what it may reach is closed first, then its own room is loaded and does it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Final

from rag import logs
from rag.bots.platforms import PLATFORMS
from rag.cli.door import settings_of
from rag.egress.closing import close_in
from rag.egress.endpoints import Endpoint, of_url
from rag.egress.lockdown import Mode
from rag.settings import Settings
from rag.settings.operations import LogSettings


def run(options: argparse.Namespace) -> int:
    """Run the command that was typed; returns its exit code."""
    logs.set_up(level="INFO" if options.verbose else "ERROR", words=options.verbose)
    if not _is_open(options) and not _proves(options) and not _is_bot(options):
        settings = settings_of(options)  # closed first: the command's libraries start threads
        if options.command in ("serve", "watch"):
            log_as(settings.logs, verbose=options.verbose)
        listen = (options.port,) if options.command == "serve" else ()
        close_in(Mode(settings.egress.lockdown), endpoints=reached(options, settings), listen=listen)
    return found(options.command)(options)


def found(command: str) -> Callable[[argparse.Namespace], int]:
    """What carries a command out: from what was typed to the exit code."""
    module, function = ROOMS[command].split(":")
    chosen: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
    return chosen


def reached(options: argparse.Namespace, settings: Settings) -> tuple[Endpoint, ...]:
    """What the settings let be reached; where models of a server are named to be compared, that server too."""
    if options.command != "models" or getattr(options, "action", None) != "compare":
        return settings.endpoints()
    named = (one.partition(":")[0] for one in (*options.names, options.judge, options.maker) if one)
    servers = {settings.server_of(provider) for provider in named if provider in ("ollama", "openai-compatible")}
    return (*settings.endpoints(), *map(of_url, sorted(filter(None, servers))))


def log_as(wanted: LogSettings, *, verbose: bool) -> None:
    """Log as the settings want it."""
    level = "INFO" if verbose and wanted.level != "debug" else wanted.level.upper()
    logs.set_up(level=level, as_json=wanted.format == "json", words=verbose)


def _proves(options: argparse.Namespace) -> bool:
    """The proof opens no store either: it starts the commands themselves, each of which closes itself."""
    return bool(getattr(options, "prove_offline", False))


def _is_bot(options: argparse.Namespace) -> bool:
    """A bot's process closes itself: it reaches its platform and the service, and none of what the service reaches."""
    return options.command == "bot" and options.platform in PLATFORMS


def _is_open(options: argparse.Namespace) -> bool:
    action = getattr(options, "action", None)
    return options.command in _OPEN and action not in _CLOSED and not (action == "update" and options.gate)


_CLOSED = frozenset({"compare"})
"""Actions of those commands that do open one; `models update` does where it measures."""

_OPEN = frozenset({"init", "models"})
"""Commands that open no store: `models fetch` is the one that may download."""

ROOMS: Final = {
    "ask": "rag.cli.ask:ask",
    "audit": "rag.cli.audit:audit",
    "bot": "rag.cli.bots:bot",
    "backup": "rag.cli.backup:backup",
    "cost": "rag.cli.cost:tell",
    "demo": "rag.cli.demo:demo",
    "doctor": "rag.cli.doctor:doctor",
    "documents": "rag.cli.index:documents",
    "erase": "rag.cli.erase:erase",
    "dpia": "rag.cli.dpia:dpia",
    "eval": "rag.cli.evaluation:evaluation",
    "index": "rag.cli.index:index",
    "ingest": "rag.cli.ingest:ingest",
    "init": "rag.cli.init:init",
    "keys": "rag.cli.keys:keys",
    "mcp": "rag.cli.mcp:serve",
    "models": "rag.cli.weights:models",
    "replay": "rag.cli.audit:replay",
    "restore": "rag.cli.backup:restore",
    "search": "rag.cli.ask:search",
    "serve": "rag.cli.serve:serve",
    "show": "rag.cli.index:show",
    "sources": "rag.cli.index:sources",
    "status": "rag.cli.index:status",
    "subject": "rag.cli.erase:subject",
    "tune": "rag.cli.tune:tune",
    "watch": "rag.cli.serve:watch",
    "why": "rag.cli.index:why",
}
"""Command → its module and function there: loaded only when it is typed."""
