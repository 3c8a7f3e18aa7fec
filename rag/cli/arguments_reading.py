"""What can be typed wherever documents are read: for whom, why, and in which of them."""

from __future__ import annotations

import argparse

from rag.filters import LANGUAGES, TYPES


def asking(command: argparse.ArgumentParser) -> None:
    """Who asks, and where: for `rag ask` and `rag search`."""
    reading(command, glass=True)
    only = command.add_argument_group("only in", "Each but --since may be given more than once: one of them is enough.")
    only.add_argument("--source", action="append", dest="sources", metavar="NAME", help="this source")
    only.add_argument(
        "--language",
        action="append",
        dest="languages",
        metavar="LANGUAGE",
        help=f"this language: {', '.join(LANGUAGES)}",
    )
    only.add_argument(
        "--since", metavar="DAY", help="documents of this day or later: 2024-03-01, 01.03.2024, 2024-03 or 2024"
    )
    only.add_argument(
        "--type", action="append", dest="types", metavar="TYPE", help=f"this kind of document: {', '.join(TYPES)}"
    )
    only.add_argument(
        "--path", action="append", dest="paths", metavar="PATH", help='a folder below the source, "hr/", or a pattern'
    )


def reading(command: argparse.ArgumentParser, *, glass: bool = False) -> None:
    """For whom it is read, and why; with `glass` also what only a reason opens."""
    command.add_argument("--as", dest="user", metavar="USER", help="as this person (audited)")
    command.add_argument("--reason", metavar="TEXT", help="why you read what is not yours (audited)")
    if glass:
        command.add_argument(
            "--break-glass", action="store_true", help="read whatever anybody may, for a --reason (audited)"
        )
