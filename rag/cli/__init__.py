"""The command line. Exit codes are chosen here and nowhere else.

    0 done · 1 failed · 2 wrong usage or settings · 3 done, but some documents failed · 4 nothing found
    75 another process owns the store · 130 stopped before the end (Ctrl-C, SIGTERM)

Results go to stdout, one JSON object with ``--json``; progress and logs go to stderr. Nothing heavier than argparse is
imported before a command needs it.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence

from rag.cli.arguments import parse
from rag.errors import RagError, SettingsError, StoreOwned, UnknownPrincipal

OK, FAILED, USAGE, PARTLY, NOTHING, OWNED, STOPPED = 0, 1, 2, 3, 4, 75, 130


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
    except KeyboardInterrupt as stop:
        print(f"\n{stop or 'Stopped. What was finished stays; the next run continues.'}", file=sys.stderr)
        return STOPPED
    except Exception as error:
        if options.verbose:
            raise
        say(
            f"This should not have happened: {type(error).__name__}. Run the command again with --verbose and give "
            f"what it prints to whoever looks after Archivar."
        )
        return FAILED


def _say(error: RagError, code: int) -> int:
    say(str(error))
    return code


def say(sentence: str) -> None:
    """What went wrong, in one line on stderr; a terminal gets it broken between words."""
    line = f"rag: {sentence}"
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(line, width, subsequent_indent="     ", break_long_words=False, break_on_hyphens=False)
    print(line, file=sys.stderr)
