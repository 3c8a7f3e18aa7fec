"""`rag erase` and `rag subject find`: what must go, and what must be told."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rag.cli import FAILED, NOTHING, OK, output
from rag.cli.door import door, settings_of, single
from rag.cli.output import counted, flow, out, safe
from rag.errors import SettingsError

_SHOWN = 50


def erase(options: argparse.Namespace) -> int:
    """Show what would be erased; with --yes, erase it and say where the certificate is."""
    if options.verify:
        return _verify(options)
    if options.allow:
        return _allow(options)
    if not options.documents and not options.person:
        return _list(options)
    arguments = {
        "documents": options.documents or None,
        "person": options.person,
        "aliases": options.alias or None,
        "really": options.yes,
        "language": _language(options),
    }
    found: dict[str, Any] = {}
    with door(settings_of(options)) as way, output.Bar() as bar:
        for event in way.call("erase", arguments):
            found = event
            if "progress" in event:
                what, done, total = event["progress"]
                bar.one(what, done, max(done, total))
    if options.json:
        output.print_json(found)
    else:
        _print(found, options)
    held = any(found.get("audit", {}).values()) or bool(found.get("admitted"))
    if not found["found"] and "certificate" not in found and not held:
        return NOTHING
    return OK if "certificate" not in found or found["certificate"]["erased"] else FAILED


def subject(options: argparse.Namespace) -> int:
    """Where a person stands, to read and as JSON."""
    with door(settings_of(options)) as way:
        arguments = {"name": options.name, "aliases": options.alias or None, "reason": options.reason}
        (found,) = way.call("subject", arguments | {"language": _language(options)})
    page = found.pop("page")
    if options.out:
        found["files"] = _written(options.out, found, page)
    if options.json:
        output.print_json(found)
    else:
        _print_subject(found)
    return OK if found["documents"] else NOTHING


def _print(found: Mapping[str, Any], options: argparse.Namespace) -> None:
    for document in found["found"][:_SHOWN]:
        places = f" [dim]{counted(document['places'], 'place')}[/]" if "places" in document else ""
        flow(f"{safe(document['document_id'])}{places}")
    if len(found["found"]) > _SHOWN:
        flow(f"and {len(found['found']) - _SHOWN:,} more: --json lists all")
    if not found["found"]:
        out.print("Nothing in the documents names this person.")
    kept = found.get("audit", {})
    if any(kept.values()):
        flow(
            f"The audit keeps {counted(kept['texts'], 'text')} (questions, reasons) that name them, and "
            f"{counted(kept['names'], 'name')} of pseudonyms."
        )
    if found.get("admitted"):
        flow(f"API keys and people shut out name them: {safe(', '.join(found['admitted']))}.")
    if found.get("only_surname"):
        flow(
            f"[yellow]{counted(found['only_surname'], 'other document')} hold only the surname. If they mean this "
            f"person, give how they write it with --alias.[/]"
        )
    _print_messages(found)
    if "certificate" in found:
        _print_certificate(found["certificate"], found["journal"])
    elif found["found"] or any(kept.values()) or found.get("admitted"):
        out.print()
        flow(
            f"[bold]Nothing was erased.[/] To erase {counted(len(found['found']), 'document')}: repeat this with --yes"
        )
        flow("The files in their folders are not touched: delete them there yourself.")


def _print_messages(found: Mapping[str, Any]) -> None:
    """What bots have posted is not in the home: no erasure reaches it."""
    if shown := found.get("messages"):
        which = "--gone" if "certificate" in found else f"--document {safe(found['found'][0]['document_id'])}"
        flow(
            f"[yellow]{counted(shown, 'message')} of bots in chats show {'them' if found['found'][1:] else 'it'}.[/] "
            f"To have them taken back: rag bot messages {which} --remove"
        )
    if (answered := found.get("answered")) and "certificate" not in found:
        flow(
            f"{counted(answered, 'answer')} in chats were given to this person. Have the messages taken back that are "
            "to go, before: afterwards nobody knows which they were."
        )


def _print_certificate(made: Mapping[str, Any], journal: str) -> None:
    counts = made["counts"]
    seconds = made["cleared_s"] + made["search_s"]
    if made["erased"]:
        flow(
            f"[green]Erased and proven:[/] {counted(counts['documents'], 'document')}, "
            f"{counted(counts['chunks'], 'chunk')}; not found after {made['hidden_s']:.1f} s, "
            f"{counted(made['searched']['files'], 'file')} searched, in {seconds:.1f} s."
        )
    else:
        flow("[red]Not wholly erased.[/] Something is still found, or could not be read:")
        for name in (*made["remains"], *made["searched"]["unread"]):
            flow(safe(name), width=4)
        flow("Nobody finds the documents any more. Move these files away, then run: rag index rebuild", width=4)
    if made["stays"]:
        flow(f"{counted(len(made['stays']), 'other document')} hold the same text and stay: {', '.join(made['stays'])}")
    flow(f"Certificate: {safe(made['files']['json'])} and {safe(Path(made['files']['page']).name)}")
    flow(f"Keep a copy of the erasure journal outside, for older backups: {safe(journal)}")


def _list(options: argparse.Namespace) -> int:
    found = single(options, "erasures")
    if not options.json:
        for one in found["erasures"]:
            state = {True: "proven", False: "NOT WHOLLY ERASED"}.get(one["erased"], one["state"])
            flow(f"{output.moment(one['asked_at'])}  {one['id']}  {counted(one['documents'], 'document')}  {state}")
        kept_out = [stone for stone in found["tombstones"] if not stone["allowed_at"]]
        flow(
            f"{counted(len(kept_out), 'place')} kept out. To let one in once its file has changed: rag erase --allow ID"
        )
        flow(f"Certificates: {safe(found['certificates'])}")
        flow(f"Erasure journal: {safe(found['journal'])}")
    return OK


def _allow(options: argparse.Namespace) -> int:
    if not options.documents:
        raise SettingsError("Which documents? Give their ids as they were, or the keys of the certificate.")
    single(options, "allow", documents=options.documents)
    if not options.json:
        out.print("Allowed: each comes back once its file holds something else than what was erased.")
    return OK


def _verify(options: argparse.Namespace) -> int:
    made = single(options, "check_certificate", path=str(options.verify.expanduser().absolute()))
    if not options.json:
        out.print(f"This home wrote the certificate {made['id']} so; nothing was changed since.")
    return OK


def _print_subject(found: Mapping[str, Any]) -> None:
    if not found["documents"]:
        out.print("Nothing in the documents names this person.")
    for document in found["documents"]:
        flow(f"[bold]{safe(document['title'])}[/]  [dim]{document['modified_at'][:10]} · {safe(document['source'])}[/]")
        for sentence in document["sentences"]:
            flow(f"[dim]„{safe(' '.join(sentence.split()))}“[/]", width=4)
    if found["only_surname"]:
        flow(f"[yellow]{counted(found['only_surname'], 'other document')} hold only the surname: see --alias.[/]")
    for name in found.get("files", {}).values():
        flow(f"Written: {safe(name)}")
    if found["documents"]:
        flow("Look through it before you hand it out: others' names are blackened as far as a rule can tell them.")


def _written(folder: Path, found: Mapping[str, Any], page: str) -> dict[str, str]:
    files = {"json": folder / "subject.json", "page": folder / "subject.html"}
    contents = {"json": json.dumps(found, ensure_ascii=False, indent=1) + "\n", "page": page}
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, path in files.items():
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(made, "w", encoding="utf-8") as file:  # noqa: PTH123  # made with its mode
                file.write(contents[name])
    except OSError as error:
        raise SettingsError(f"The folder {folder} cannot be written: {error.strerror}. Give another.") from error
    return {name: str(path) for name, path in files.items()}


def _language(options: argparse.Namespace) -> str:
    """The one asked for, else this terminal's."""
    spoken = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return options.language or ("de" if spoken.startswith("de") else "en")
