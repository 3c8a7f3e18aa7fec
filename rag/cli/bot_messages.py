"""`rag bot messages`: which messages of bots show a document, and taking them back."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from rag.cli import NOTHING, OK, output
from rag.cli.door import single
from rag.cli.output import counted, flow


def bot_messages(options: argparse.Namespace) -> int:
    """List them, or with --remove have their bots take them back."""
    found = single(options, "bot_messages", document=options.document, gone=options.gone, remove=options.remove)
    if not options.json:
        _print(found, options)
    return OK if found["messages"] or not (options.document or options.gone) else NOTHING


def _print(found: dict[str, Any], options: argparse.Namespace) -> None:
    messages = found["messages"]
    if not messages:
        output.out.print("No message of a bot shows that." if options.document or options.gone else "There are none.")
        return
    output.table(("posted", "platform", "message", "documents", "state"), _rows(messages))
    waiting = sum(one["withdraw_at"] is not None for one in messages)
    if options.remove:
        flow(
            f"{counted(found['wanted_back'], 'message')} to be taken back from now on, {counted(waiting, 'message')} "
            "in all. Their bots do it within a minute of running; what others have copied stays where it is."
        )
    elif waiting < len(messages) and (options.document or options.gone):
        flow("To have them taken back: repeat this with --remove")


def _rows(messages: Sequence[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    for one in messages:
        documents = [f"{each['document_id'] or each['key']}{' (gone)' * each['gone']}" for each in one["documents"]]
        state = "to be taken back" if one["withdraw_at"] else "posted"
        yield one["at"][:16].replace("T", " "), one["platform"], one["message"], ", ".join(documents), state
