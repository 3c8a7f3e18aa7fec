"""What is indexed: `rag status`, `documents`, `show`, `why`, `sources` and `index`."""

from __future__ import annotations

import argparse
import sys

from rag.cli import OK, output, overview
from rag.cli.ask import reading
from rag.cli.door import single
from rag.errors import SettingsError


def status(options: argparse.Namespace) -> int:
    """Counts, sources, models."""
    found = single(options, "status")
    if not options.json:
        overview.status(found)
    return OK


def documents(options: argparse.Namespace) -> int:
    """Every document and its state."""
    whole = single(options, "documents", failed=options.failed)
    found = whole["documents"]
    if not options.json:
        overview.failed(found) if options.failed else overview.documents(found)
        overview.erased(whole.get("erased", {}))
    return OK


def show(options: argparse.Namespace) -> int:
    """The text and nothing else."""
    found = single(options, "show", document=options.document, **reading(options))
    if not options.json:
        text = output.visible(found["text"]) if sys.stdout.isatty() else found["text"]
        sys.stdout.write(text + "\n")
    return OK


def why(options: argparse.Namespace) -> int:
    """May they, and by which reader."""
    found = single(options, "why", user=options.user, document=options.document)
    if not options.json:
        if found["may_read"]:
            output.out.print(f"Yes: {output.safe(found['user'])} reads it as {output.safe(', '.join(found['by']))}.")
        else:
            output.out.print(f"No: {output.safe(found['user'])} does not read it.")
        for sentence in found["because"]:
            output.flow(output.safe(sentence), width=4)
    return OK


def sources(options: argparse.Namespace) -> int:
    """List them, or forget one."""
    if options.action == "remove":
        if not options.name:
            raise SettingsError("Which source? `rag sources` lists them; then `rag sources remove NAME`.")
        found = single(options, "remove_source", name=options.name)
        if not options.json:
            output.out.print(f"Forgotten, with {found['removed']} documents.")
            if shown := found.get("bot_messages"):
                output.flow(f"{output.counted(shown, 'message')} of bots show documents that are gone: ")
                output.flow("rag bot messages --gone", width=4)
        return OK
    found = single(options, "sources")
    if not options.json:
        overview.sources(found["sources"])
    return OK


def index(options: argparse.Namespace) -> int:
    """Rebuild."""
    found = single(options, "rebuild")
    if not options.json:
        output.out.print(f"Both indexes were made anew: {found['chunks']} chunks, nothing embedded.")
    return OK
