"""From a credential to a Principal: the only maker of principals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from rag.access import Principal
from rag.errors import UnknownPrincipal

_MAX_NAME = 200


def person(name: str, groups: Mapping[str, Sequence[str]]) -> Principal:
    """The person of that name with every group they are in, groups inside groups included.

    `groups` maps a group to its members, each a user's name or ``group:NAME``. A circle of groups ends.

    Raises:
        UnknownPrincipal: the name is empty or cannot be a name.
    """
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise UnknownPrincipal("A person's name is needed: letters, digits and signs, at most 200.")
    held: set[str] = set()
    grown = True
    while grown:
        more = {group for group, inside in groups.items() if _is_in(inside, name, held)} - held
        held |= more
        grown = bool(more)
    return Principal(user=name, groups=frozenset(held))


def _is_in(inside: Sequence[str], name: str, held: Set[str]) -> bool:
    """Whether a group of these members holds the person; nobody is let in by being called like a group."""
    return any(
        member.removeprefix("group:") in held if member.startswith("group:") else member == name for member in inside
    )
