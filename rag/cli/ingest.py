"""`rag ingest`: bring the index level, show how far it is, say what came of it."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.cli import FAILED, OK, PARTLY, STOPPED, output, say
from rag.cli.door import Door, door, settings_of
from rag.cli.output import counted, flow, out, safe
from rag.cli.progress import Ingesting
from rag.cli.stopping import stopped_by_signals

_SHOWN_FAILED, _SHOWN_PLANNED, _SHOWN_REASONS = 20, 50, 20
_CHANGES = ("added", "replaced", "moved", "reprotected", "removed")
_ANY_DOCUMENT = (*_CHANGES, "unchanged", "failed", "held", "later", "offline")
_STOPPING = "Stopping after the documents under way. Ctrl-C again ends at once."


def ingest(options: argparse.Namespace) -> int:
    """Print the report, or the plan."""
    arguments = {
        "paths": [str(Path(path).expanduser().absolute()) for path in options.paths],
        "dry_run": options.dry_run,
        "confirm_removals": options.confirm_removals,
    }
    with door(settings_of(options), listen=not options.dry_run) as way:
        result = bring_level(way, arguments, verbose=options.verbose)
        if "plan" in result:
            output.print_json(result["plan"]) if options.json else print_plan(result["plan"])
            return _out_of_reach(result["plan"]["offline"]) or OK
        output.print_json(result) if options.json else print_report(result)
        return _ending(result, quiet=options.json)


def bring_level(way: Door, arguments: dict[str, Any], *, verbose: bool = False) -> dict[str, Any]:
    """Ingest, with its progress on a terminal; the first Ctrl-C ends it after the documents under way."""
    last: dict[str, Any] = {}
    with Ingesting(quiet=verbose) as shown:

        def stop() -> None:
            way.stop()
            shown.note(_STOPPING)
            if not output.err.is_terminal:
                output.err.print(_STOPPING)

        try:
            with stopped_by_signals(stop, code=STOPPED):
                for event in way.call("ingest", arguments):
                    last = event
                    shown.take(event)
                    if "waiting" in event:
                        output.err.print(f"Waiting for another ingest to finish ({safe(event['waiting'])}) …")
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"Stopped{shown.far}. What was finished stays; the next run continues.") from None
    return last


def _ending(result: dict[str, Any], *, quiet: bool) -> int:
    """What is left to say on stderr, and the exit code."""
    if result["stopped"]:
        left = f" {counted(result['left'], 'document')} left;" if result["left"] else ""
        output.err.print(f"Stopped.{left} what was finished stays, and the next run of the same command continues.")
        return STOPPED
    if result["offline"]:
        return _out_of_reach(result["offline"])
    if not quiet and not any(result[name] for name in _ANY_DOCUMENT):
        output.err.print("There is no document in the folder. Put files in it, or give another folder.")
    return PARTLY if result["failed"] else OK


def _out_of_reach(offline: Iterable[str]) -> int:
    names = ", ".join(f'"{name}"' for name in offline)
    if not names:
        return OK
    say(f"{names} cannot be reached now. Mount it again, or correct its path, and repeat this command.")
    return FAILED


def print_report(found: dict[str, Any]) -> None:
    """What an ingest did, and what waits for a person."""
    words = [f"{found[name]:,} {name}" for name in _CHANGES if found[name]]
    words.append(f"{found['unchanged']:,} unchanged")
    flow(f"{', '.join(words)} · {counted(found['chunks'], 'chunk')} in {found['seconds']:.1f} s")
    if found["later"]:
        flow(f"{counted(found['later'], 'file')} left for the next run: being written, or gone between two looks.")
    for source, reason in found["held_because"].items():
        flow(f'[yellow]Removals are held in "{safe(source)}": {safe(reason)}.[/]')
        flow("The documents still answer. If they are meant to go:", width=4)
        flow(f"rag ingest --confirm-removals {safe(source)}", width=4)
    still_shown(found)
    _offline(found["offline"])
    failures(found["failed"])
    before = found["failed_before"]
    if before:
        verb = "has" if before == 1 else "have"
        flow(f"{counted(before, 'document')} failed earlier and {verb} not changed: rag documents --failed")


def still_shown(found: dict[str, Any]) -> None:
    """Messages of bots that show documents that were removed."""
    if shown := found.get("bot_messages"):
        flow(f"[yellow]{counted(shown, 'message')} of bots in chats show documents that are gone:[/]")
        flow("rag bot messages --gone", width=4)


def failures(failed: Sequence[dict[str, str]]) -> None:
    """Documents that could not be used, by reason, the commonest first."""
    if not failed:
        return
    by_reason: dict[str, list[str]] = defaultdict(list)
    for entry in failed:
        by_reason[entry["reason"]].append(entry["document"])
    flow(f"[yellow]{counted(len(failed), 'document')} failed:[/]")
    groups = sorted(by_reason.items(), key=lambda group: -len(group[1]))
    for reason, names in groups[:_SHOWN_REASONS]:
        flow(safe(reason) + (f" ({len(names):,})" if len(names) > 1 else ""), width=2)
        for name in names[:_SHOWN_FAILED]:
            flow(safe(name), width=6)
        _more(len(names) - _SHOWN_FAILED)
    rest = sum(len(names) for _, names in groups[_SHOWN_REASONS:])
    if rest:
        flow(f"and {rest:,} for other reasons: rag documents --failed", width=2)


def _more(number: int) -> None:
    if number > 0:
        flow(f"and {number:,} more: rag documents --failed", width=6)


def print_plan(plan: dict[str, Any]) -> None:
    """What an ingest would do: how much, then what, kind by kind."""
    kinds = {
        "add": plan["add"],
        "replace": plan["replace"],
        "move": [f"{old} → {new}" for old, new in plan["move"]],
        "reprotect": plan["reprotect"],
        "remove": plan["remove"],
        "hold": plan["held"],
        "fail": [f"{entry['document']}: {entry['reason']}" for entry in plan["failed"]],
        "shut": [f"{entry['folder']}: {entry['reason']}" for entry in plan["shut"]],
        "later": plan["later"],
    }
    counts = [f"{len(names):,} to {kind}" for kind, names in kinds.items() if names and kind not in ("shut", "later")]
    counts += [f"{len(plan['shut']):,} shut"] if plan["shut"] else []
    counts += [f"{len(plan['later']):,} for later"] if plan["later"] else []
    flow(", ".join(counts) or "Nothing to do.")
    for kind, names in kinds.items():
        if names:
            flow(f"[bold]{kind}[/]{_EXPLAINED.get(kind, '')}")
            for name in names[:_SHOWN_PLANNED]:
                flow(safe(name), width=4)
            if len(names) > _SHOWN_PLANNED:
                flow(f"and {len(names) - _SHOWN_PLANNED:,} more: --json lists all", width=4)
        if kind == "hold":
            for source, reason in plan["held_because"].items():
                flow(f'held in "{safe(source)}": {safe(reason)}', width=4)
    _offline(plan["offline"])
    if counts:
        out.print("[dim]Nothing was changed.[/]")


def _offline(reasons: Mapping[str, str]) -> None:
    for source, reason in reasons.items():
        flow(f'[yellow]"{safe(source)}" is offline; its documents answer as they were.[/] {safe(reason)}')


_EXPLAINED = {
    "reprotect": " (other readers or another class)",
    "hold": " (removals that wait for rag ingest --confirm-removals SOURCE)",
    "fail": " (cannot be read)",
    "shut": " (folders that may not be looked into)",
    "later": " (being written just now)",
}
