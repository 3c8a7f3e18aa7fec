"""A damaged index is put out of the way, whole, until the one made in its place is level with the ledger."""

from __future__ import annotations

import shutil
from pathlib import Path


def set_aside(directory: Path) -> Path:
    """Put a damaged index out of the way, in place of one that was put there before; gives where it lies."""
    aside = directory.with_name(f"{directory.name}.damaged")
    forget_aside(directory)
    if directory.is_mount():  # a mount point cannot be renamed, what lies in it can be
        for path in list(directory.iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif directory.exists():
        directory.rename(aside)
    return aside


def put_in_place(fresh: Path, directory: Path) -> None:
    """Let a directory that was made beside another take its name, once that one is set aside."""
    if directory.is_mount():
        for path in list(fresh.iterdir()):
            shutil.move(path, directory / path.name)
        fresh.rmdir()
        return
    fresh.rename(directory)


def forget_aside(directory: Path) -> None:
    """Delete what was set aside."""
    shutil.rmtree(directory.with_name(f"{directory.name}.damaged"), ignore_errors=True)
