"""Secrets stand in files of their own, which only we may read; settings hold the files' names.

What a setting names may itself be the secret, pasted into the wrong place: so no message repeats it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rag.errors import SettingsError

_OTHERS = 0o077


def secret(file: str, *, key: str) -> str:
    """The content of the file that the setting `key` names, without the line's end; empty where it names none.

    Raises:
        SettingsError: it cannot be read, is no text, or others on this machine can read it.
    """
    if not file:
        return ""
    try:
        with Path(file).expanduser().open(encoding="utf-8-sig") as opened:
            status = os.fstat(opened.fileno())
            if status.st_mode & _OTHERS and stat.S_ISREG(status.st_mode):
                raise SettingsError(
                    f"The file that {key} names holds a secret, and others on this machine can read it (mode "
                    f"{stat.S_IMODE(status.st_mode):04o}): chmod 600 it.",
                    key=key,
                )
            return opened.read().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"The file that {key} names cannot be read: {reason}.", key=key) from error
