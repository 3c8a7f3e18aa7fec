"""Can everybody's rights be told? What `rag doctor` says of sources, rules and groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from connectors.folder import Folder
from connectors.folder_why import idle_rules, unknown_rights
from rag.errors import SourceError
from rag.govern.checks import Check
from rag.ports import Connector

_MANY = 3


def rights(connectors: Iterable[Connector]) -> Iterator[Check]:
    """Rights that cannot be told, and rules that mean nothing that is there."""
    for connector in connectors:
        if isinstance(connector, Folder):
            yield from _of_one(connector)


def _of_one(folder: Folder) -> Iterator[Check]:
    name = f"rights in {folder.name}"
    try:
        unknown = list(unknown_rights(folder).items())
        idle = idle_rules(folder)
    except (SourceError, OSError) as error:
        yield Check(name=name, well=False, finding="they cannot be looked at", advice=str(error))
        return
    for reason, where in unknown[:_MANY]:
        finding = f"nobody reads {where}" if where else "somebody is not known"
        yield Check(name=name, well=False, finding=finding, advice=reason[:1].upper() + reason[1:])
    for rule in idle:
        yield Check(
            name=name,
            well=False,
            finding=f'the rule for "{rule.path}" means nothing that is there',
            advice="Correct its path in rag.toml: as it stands, it protects nothing.",
        )
    if folder.ruling.from_filesystem and not unknown:
        yield Check(name=name, well=True, finding="read from the file system")


def groups(failures: Mapping[str, str]) -> Iterator[Check]:
    """Persons whose groups could not be looked up."""
    if failures:
        why = sorted(set(failures.values()))[0]
        yield Check(
            name="groups",
            well=False,
            finding=f"of {len(failures)} persons they could not be looked up ({why})",
            advice="Until they can, what shuts out a group shuts them out too. See to the directory (sssd, winbind).",
        )
