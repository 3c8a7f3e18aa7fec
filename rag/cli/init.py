"""`rag init`: the commented settings, to begin with."""

from __future__ import annotations

import argparse
from pathlib import Path

from rag.cli import OK, filing, output
from rag.errors import SettingsError
from rag.settings.template import template


def init(options: argparse.Namespace) -> int:
    """Write the commented settings."""
    path = options.config or Path("rag.toml")
    if path.exists() and not options.force:
        raise SettingsError(f"{path} exists; --force writes over it.")
    filing.write(path, template())
    output.print_json({"written": str(path)}) if options.json else output.out.print(f"{path} written.")
    return OK
