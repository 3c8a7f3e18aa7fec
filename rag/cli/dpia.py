"""`rag dpia`: the papers a data-protection officer asks for, from the settings in force."""

from __future__ import annotations

import argparse
import sys

from rag.cli import OK, output
from rag.cli.door import single
from rag.errors import SettingsError
from rag.govern.records import page


def dpia(options: argparse.Namespace) -> int:
    """Print them, or write them to a file."""
    found = single(options, "records")
    if options.json:
        return OK
    text = "\n".join(page(found, options.language)) + "\n"
    if not options.out:
        sys.stdout.write(output.visible(text) if sys.stdout.isatty() else text)
        return OK
    try:
        options.out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{options.out} cannot be written: {error.strerror}.") from error
    output.err.print(f"{output.safe(str(options.out))} written.")
    return OK
