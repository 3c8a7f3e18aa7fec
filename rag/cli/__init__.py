"""The command line. Exit codes are chosen here and nowhere else.

    0 done · 1 failed · 2 wrong usage or settings · 3 done, but some documents failed · 4 nothing found
    75 another process owns the store

Results go to stdout, one JSON object with ``--json``; progress and logs go to stderr. Nothing heavier than argparse is
imported before a command needs it.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from rag.cli.arguments import parse
from rag.errors import RagError, SettingsError, StoreOwned, UnknownPrincipal

OK, FAILED, USAGE, PARTLY, NOTHING, OWNED = 0, 1, 2, 3, 4, 75


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    try:
        options = parse(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a letter the terminal cannot show is no reason to fail
    from rag.cli import commands

    try:
        code = commands.run(options)
        sys.stdout.flush()  # here, where it can still be said that nobody reads
        return code
    except (SettingsError, UnknownPrincipal) as error:
        return _say(error, USAGE)
    except StoreOwned as error:
        return _say(error, OWNED)
    except RagError as error:
        return _say(error, FAILED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone
        return OK
    except KeyboardInterrupt:
        print("\nStopped. What was finished stays; the next run continues.", file=sys.stderr)
        return 130
    except Exception as error:
        if options.verbose:
            raise
        print(
            f"rag: This should not have happened: {type(error).__name__}. Run the command again with --verbose and "
            f"give what it prints to whoever looks after Archivar.",
            file=sys.stderr,
        )
        return FAILED


def _say(error: RagError, code: int) -> int:
    print(f"rag: {error}", file=sys.stderr)
    return code
