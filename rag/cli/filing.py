"""Files that a command was told to write: written, or refused in words."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rag.errors import SettingsError


def write(path: Path, content: str | bytes) -> None:
    """One file, over an older one.

    Raises:
        SettingsError: it cannot be written, for want of its folder for one.
    """
    try:
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    except OSError as error:
        raise _refused(path, error) from error


def ready(folder: Path) -> None:
    """A folder that is to be written to in the end is looked at in the beginning, and made where it is missing.

    Raises:
        SettingsError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _refused(folder, error) from error


def _refused(path: Path, error: OSError) -> SettingsError:
    advice = "" if path.parent.is_dir() else f" There is no folder {path.parent}: make it, or give another place."
    return SettingsError(f"{path} cannot be written: {error.strerror}.{advice}")
