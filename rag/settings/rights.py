"""The part of rag.toml that says who reads what: rules by path, and whom names and numbers mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rag.settings.option import option

FROM_FILESYSTEM = "from-filesystem"
"""As `readers`: whom the file system lets read."""
INHERITED = "inherited"
"""As `readers` of a rule: whom the next shorter rule, or the source, names."""

_TOKEN = re.compile(r"(user|group):\S(.*\S)?")
_SID = re.compile(r"S-1-\d+(-\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """`[[sources.rules]]`: who reads a part of the source. The longest path wins; deny adds up, and wins over all."""

    path: str = option("", 'what it means, below the source: "hr/" a folder with all in it, "hr/leave.pdf" a file')
    readers: tuple[str, ...] = option(
        (INHERITED,), 'who may read there instead, as for a source; "inherited": as the next shorter path says'
    )
    deny: tuple[str, ...] = option((), 'who may never read there, whatever lets them: "user:NAME", "group:NAME"')


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """`[identity]`: which groups a person is in, and whom the file system's rights mean."""

    system_groups: bool = option(
        False, 'take groups from the operating system too; always so where a source is "from-filesystem"'
    )
    groups_s: float = option(60.0, "how long groups of the operating system are kept, seconds", most=60)
    nfs4_domain: str = option("", 'what follows the @ in the names of an NFSv4 server, such as "firma.de"')


def reader_problem(readers: Iterable[str], *, rule: bool = False) -> str:
    """What is wrong with these readers, in words; empty where nothing is."""
    given = list(readers)
    alone = [FROM_FILESYSTEM, INHERITED] if rule else [FROM_FILESYSTEM]
    if len(given) == 1 and given[0] in alone:
        return ""
    for reader in given:
        if reader in (FROM_FILESYSTEM, INHERITED):
            return f'"{reader}" stands alone, or not at all'
        if reader != "everyone" and not _TOKEN.fullmatch(reader):
            return f'"{reader}" is no reader; write "everyone", "user:NAME" or "group:NAME"'
    return ""


def uploader_problem(uploaders: Iterable[str], readers: Iterable[str], *, ruled: bool) -> str:
    """What is wrong with these uploaders of a source with such readers, in words; empty where nothing is."""
    given = list(uploaders)
    if not given:
        return ""
    if FROM_FILESYSTEM in readers or ruled:
        return (
            "what is uploaded is read by the readers of its source: take uploads in a source of their own, without "
            f'"{FROM_FILESYSTEM}" and without rules'
        )
    if {FROM_FILESYSTEM, INHERITED} & set(given):
        return 'uploaders are "everyone", "user:NAME" or "group:NAME"'
    return reader_problem(given)


def deny_problem(denied: Iterable[str]) -> str:
    """What is wrong with these, in words; empty where nothing is."""
    for one in denied:
        if not _TOKEN.fullmatch(one):
            return f'"{one}" cannot be denied; write "user:NAME" or "group:NAME"'
    return ""


def path_problem(path: str) -> str:
    """What is wrong with a rule's path, in words; empty where nothing is."""
    parts = path.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path:
        return f'"{path}" is no path below the source; write "hr/" for a folder, "hr/leave.pdf" for a file'
    return ""


def sid_problem(sids: Mapping[str, object]) -> tuple[str, str]:
    """(key, what is wrong with it); empty where nothing is."""
    for sid, meant in sids.items():
        if not _SID.fullmatch(sid):
            return sid, f'"{sid}" is no security identifier, such as "S-1-5-21-1004336348-1177238915-682003330-1105"'
        if not isinstance(meant, str) or (meant != "everyone" and not _TOKEN.fullmatch(meant)):
            return sid, f'{sid} means "user:NAME", "group:NAME" or "everyone", not {meant!r}'
    return "", ""
