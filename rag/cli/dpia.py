"""`rag dpia`: the papers a data-protection officer asks for, from the settings in force."""

from __future__ import annotations

import argparse
import sys

from rag.cli import OK, filing, output
from rag.cli.door import single
from rag.govern.records import page


def dpia(options: argparse.Namespace) -> int:
    """Print them, or write them to a file; as JSON the facts are printed, whatever is written."""
    found = single(options, "records")
    if options.json and not options.out:
        return OK
    text = "\n".join(page(found, options.language)) + "\n"
    if not options.out:
        sys.stdout.write(output.visible(text) if sys.stdout.isatty() else text)
        return OK
    filing.write(options.out, text)
    output.err.print(f"{output.safe(str(options.out))} written.")
    return OK
