"""What may lie in a home beside ledger and indexes and hold text: copies from before a migration, indexes that were set
aside or half made, homes that a restore put out of the way."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from pathlib import Path

from rag.errors import StoreError
from rag.govern.reapply import reapply
from rag.store.home_key import HomeKey
from rag.store.ledger import Ledger

_LEDGER = "ledger.sqlite"
_INDEX = re.compile(r"(words|chroma(-[0-9a-f]{8})?)(\.damaged|\.fresh)?")
_CURRENT = "words"
_SCRATCH_S = 3600.0


def clear_leftovers(home: Path, ledger: Ledger, *, in_use: Collection[str]) -> list[str]:
    """Delete what can be made anew or has had its time, and erase again in ledgers that a restore set aside; returns
    what was cleared, by name. `in_use` are the directories of vector indexes that stay."""
    cleared = [_delete(path) for path in _old(home, keep={*in_use, _CURRENT})]
    for aside in sorted(home.glob("before-restore-*")):
        if not aside.is_dir() or aside.is_symlink():
            continue
        cleared += [f"{aside.name}/{_delete(path)}" for path in _old(aside, keep=())]
        if _erased_again(aside, ledger):
            cleared.append(f"{aside.name}/{_LEDGER}")
    _clear_scratch()
    return cleared


def scratch_directories() -> list[Path]:
    """Where parsers put what they need for one document; those of a parser that was killed stay behind."""
    found = Path(tempfile.gettempdir()).glob("archivar-parse-*")
    return sorted(
        path for path in found if path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.geteuid()
    )


def _clear_scratch() -> None:
    """No document takes so long: what is older is nobody's."""
    for directory in scratch_directories():
        for path in directory.rglob("*"):
            with suppress(OSError):
                if path.is_file() and time.time() - path.lstat().st_mtime > _SCRATCH_S:
                    path.unlink()


def _old(home: Path, *, keep: Collection[str]) -> Iterator[Path]:
    for path in sorted(home.iterdir()):
        copy = path.name.startswith(f"{_LEDGER}.before-") or path.name == f"{_LEDGER}.new"
        index = _INDEX.fullmatch(path.name) is not None and path.name not in keep
        if copy or index or path.name == "restoring":
            yield path


def _erased_again(aside: Path, ledger: Ledger) -> bool:
    """Whether a ledger that was set aside could be opened and holds nothing of what is erased any more; what could not
    be is found by the search."""
    if not (aside / _LEDGER).is_file():
        return False
    try:
        own = HomeKey(aside).name == ledger.home_key.name
        with closing(Ledger(aside / _LEDGER)) as old:
            reapply(old, ledger.home_key, ledger.tombstones(), bury=own)
    except StoreError:
        return False
    for copy in aside.glob(f"{_LEDGER}.before-*"):
        copy.unlink()
    return True


def _delete(path: Path) -> str:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return path.name
