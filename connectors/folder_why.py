"""Why somebody may read a file of a folder, or may not: the rule, and what each folder on the way and the file say."""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.folder_rights import FolderRights, Unknown
from connectors.mount_rights import Style
from connectors.names import unreadable
from connectors.posix_rights import PASS, READ, Entry
from connectors.rules import Rule, Ruling
from rag.access import Acl
from rag.documents import DocumentId, Listing
from rag.errors import SourceError

if TYPE_CHECKING:
    from connectors.folder import Folder

_MANY = 2000
_LONG_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A folder on the way, or the file: the lines of its rights in the order in which they count, or why they cannot
    be told."""

    path: str
    is_folder: bool
    entries: tuple[Entry, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Who may read a file now, None where it is gone; the rules that say so; where the file system is asked, the way
    from the top to the file."""

    acl: Acl | None
    ruling: Ruling
    way: tuple[Spot, ...] = ()


def explained(folder: Folder, document: DocumentId) -> Explained:
    """Who may read a document of a folder and why, as its file is now; of a part, the file that holds it."""
    path = document.split(":", 1)[1].split("!/", 1)[0]
    ruling = folder.ruling.at(path)
    try:
        found = next(folder.listings([path]), None)
    except SourceError:  # nobody knows
        found = None
    acl = found.acl if isinstance(found, Listing) else None
    if not ruling.from_filesystem:
        return Explained(acl=acl, ruling=ruling)
    return Explained(acl=acl, ruling=ruling, way=tuple(_way(folder.rights(), unreadable(path))))


def _way(rights: FolderRights, below: bytes) -> Iterator[Spot]:
    *folders, name = below.split(b"/")
    here = b""
    for here in rights.ancestors():
        yield _spot(rights, here, is_folder=True)
    for folder in folders:
        here = here.rstrip(b"/") + b"/" + folder
        yield _spot(rights, here, is_folder=True)
    yield _spot(rights, here.rstrip(b"/") + b"/" + name, is_folder=False)


def _spot(rights: FolderRights, path: bytes, *, is_folder: bool) -> Spot:
    shown = path.decode("utf-8", "replace")
    try:
        status = Path(os.fsdecode(path)).lstat()
        style = rights.style(status, path)
        if style is Style.NT and is_folder:
            return Spot(path=shown, is_folder=True)
        entries = rights.entries(style, PASS if is_folder else READ, os.fsdecode(path), status)
        return Spot(path=shown, is_folder=is_folder, entries=tuple(entries))
    except Unknown as error:
        return Spot(path=shown, is_folder=is_folder, problem=str(error))
    except OSError as error:
        return Spot(path=shown, is_folder=is_folder, problem=f"it cannot be looked at: {error.strerror}")


def unknown_rights(folder: Folder) -> Mapping[str, str]:
    """Why rights cannot be told → the first place where; looked for among the first files, for two seconds."""
    rights = folder.rights()
    if not rights.asks:
        return {}
    until = time.monotonic() + _LONG_S
    for _ in islice(folder.listed(rights), _MANY):
        if time.monotonic() > until:
            break
    return rights.problems


def idle_rules(folder: Folder) -> list[Rule]:
    """The rules at whose path there is nothing: misspelt, perhaps, and then they protect nothing."""
    return [rule for rule in folder.rules if not any(map(os.path.lexists, _spellings(folder.root, rule.path)))]


def _spellings(root: Path, path: str) -> Iterator[str]:
    yield os.path.join(root, unicodedata.normalize("NFC", path))
    yield os.path.join(root, unicodedata.normalize("NFD", path))
    yield os.path.join(root, path)
