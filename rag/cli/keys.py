"""`rag keys …`: API keys, and people who are shut out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from rag.cli import OK, output
from rag.cli.door import single
from rag.credentials.identified import PERSONAL
from rag.errors import SettingsError


def keys(options: argparse.Namespace) -> int:
    """One of the actions; without one they are listed."""
    return {
        None: _list,
        "list": _list,
        "add": _add,
        "revoke": _revoke,
        "release": _release,
        "suspend": _suspend,
        "resume": _resume,
    }[options.action](options)


def _list(options: argparse.Namespace) -> int:
    found = single(options, "keys_list")
    if options.json:
        return OK
    if found["keys"]:
        output.table(
            ("id", "name", "speaks for", "good for", "until", "last used", "state"),
            _rows(found["keys"]),
        )
    else:
        output.out.print("There are no keys. `rag keys add NAME --user USER` makes one.")
    if found["suspended"]:
        output.table(
            ("suspended", "since"),
            ((one["user"] or "(name erased)", (one["at"] or "in rag.toml")[:10]) for one in found["suspended"]),
        )
    return OK


def _rows(found: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    for key in found:
        good_for = "all" if len(key["scopes"]) == len(PERSONAL) else ", ".join(key["scopes"])
        good_for += f" in {', '.join(key['sources'])}" if key["sources"] is not None else ""
        good_for += f" ({key['channel']})" if key["channel"] != "intranet" else ""
        yield (
            key["id"],
            key["name"],
            key["user"],
            good_for,
            (key["expires_at"] or "no end")[:10],
            key["used_on"] or "never",
            key["state"],
        )


def _add(options: argparse.Namespace) -> int:
    if options.bot and (options.scope or options.channel != "intranet" or options.audience != "direct"):
        raise SettingsError(
            "The key of a bot is good for its platform alone: leave --scope, --channel, --audience away."
        )
    scopes = list(dict.fromkeys(options.scope or ("search", "ask", "documents")))
    made = single(
        options,
        "keys_add",
        name=options.name,
        user=options.user,
        scopes=list(PERSONAL) if "all" in scopes else scopes,
        sources=options.source,
        channel=options.channel,
        audience=options.audience,
        days=options.expires,
        bot=options.bot,
    )
    if not options.json:
        print(made["key"])
        until = f"until {made['expires_at'][:10]}" if made["expires_at"] else "without end"
        whom = f"whoever asks the {made['bot']} bot" if made["bot"] else output.safe(made["user"])
        output.err.print(
            f"Key {made['id']} speaks for {whom}, for {', '.join(made['scopes'])}, {until}. It is "
            f"shown this once: keep it where secrets are kept. To end it: rag keys revoke {made['id']}"
        )
    return OK


def _revoke(options: argparse.Namespace) -> int:
    found = single(options, "keys_revoke", id=options.id)
    if not options.json:
        output.out.print(f"Key {found['revoked']} is good for nothing from now on.")
    return OK


def _release(options: argparse.Namespace) -> int:
    if bool(options.ids) == options.all:
        raise SettingsError("Which keys? Their ids, as `rag keys list` shows them, or --all that are held.")
    found = single(options, "keys_release", ids=options.ids)
    if not options.json:
        output.out.print(f"Good again: {output.safe(', '.join(found['released'])) or 'none was held'}.")
    return OK


def _suspend(options: argparse.Namespace) -> int:
    found = single(options, "keys_suspend", user=options.user)
    if not options.json:
        before = "was shut out before" if found["before"] else "is shut out from now on, whatever they show"
        output.out.print(f"{output.safe(found['suspended'])} {before}.")
    return OK


def _resume(options: argparse.Namespace) -> int:
    found = single(options, "keys_resume", user=options.user)
    if not options.json:
        before = "was not shut out" if found["before"] else "may come in again"
        output.out.print(f"{output.safe(found['resumed'])} {before}.")
    return OK
