"""What another takes the place of is put out of the way, whole: a damaged index until the one made in its place is
level with the ledger, an old home before a backup is restored."""

from __future__ import annotations

import shutil
from pathlib import Path

from rag.errors import StoreError


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


def set_home_aside(home: Path, held: list[Path]) -> None:
    """Put what a home holds into a folder ``before-restore-N`` in it, what was put there before excepted.

    Raises:
        StoreError: one of these is a mount; nothing was moved.
    """
    if not held:
        return
    for path in held:
        if path.is_mount():  # it cannot be renamed; said before anything is moved
            raise StoreError(
                f"{path} is a mount and cannot be set aside. Unmount it, or restore into another home with --home. "
                f"Nothing was changed."
            )
    number = 1
    while (home / f"before-restore-{number}").exists():
        number += 1
    aside = home / f"before-restore-{number}"
    aside.mkdir(mode=0o700)
    for path in held:
        if not path.name.startswith("before-restore-"):
            path.rename(aside / path.name)
