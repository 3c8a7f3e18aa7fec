"""Why somebody may read a document, or may not, in plain words and in the order in which it is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connectors.folder_why import Explained, Spot
from connectors.rules import Rule
from rag.access import EVERYONE, Principal, Step, Token
from rag.store.rows import Entry

Ways = Mapping[str, tuple[str, ...]]
"""A person's groups → the way there: see `rag.identity.chains`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A person, and the document they would read. `registered`: its source came by `rag ingest PATH`."""

    entry: Entry
    person: Principal
    ways: Ways
    registered: bool = False

    @property
    def source(self) -> str:
        """The document's source."""
        return self.entry.id.split(":", 1)[0]


def because(asked: Asked, found: Explained | None) -> Iterator[str]:
    """The sentences; `found` is None where nobody knows the source any more."""
    entry = asked.entry
    if "!/" in entry.id:
        yield f"It is part of {entry.id.split('!/', 1)[0]}, and has its rights."
    if found is not None:
        yield _rule(asked, found)
        for rule in found.ruling.denied_by:
            if held := _held(rule.denied, asked):
                yield f"{_named(rule, asked.source)} denies {_with_way(held, asked)}, which wins over any reader."
        yield from _way(asked, found.way) if found.way else _readers(asked)
    else:
        yield f'The source "{asked.source}" stands no longer in rag.toml; its documents keep the rights they had.'
        yield from _readers(asked)
    if found is not None and found.acl is None:
        yield "Its file cannot be found now; until the next look, what was seen last holds."
    elif found is not None and found.acl != entry.acl:
        yield "Since the last look the rights have changed; the next look takes them over (`rag ingest` looks now)."
    if entry.version is None:
        yield f"It is shown to nobody at present: {entry.reason}."


def _rule(asked: Asked, found: Explained) -> str:
    ruling = found.ruling
    if asked.registered:
        return "Its folder was given to `rag ingest`: everyone reads it."
    says = "whom the file system lets read" if ruling.from_filesystem else _listed(ruling.readers)
    return f"{_named(ruling.by, asked.source)} says who reads it: {says}."


def _named(rule: Rule, source: str) -> str:
    return f'The rule for "{rule.path}" of source "{source}"' if rule.path else f'The source "{source}" in rag.toml'


def _readers(asked: Asked) -> Iterator[str]:
    acl, person = asked.entry.acl, asked.person
    held = _held(acl.readers, asked)
    yield f"{person.user} is {_with_way(held, asked)}." if held else f"{person.user} is none of these."


def _way(asked: Asked, way: tuple[Spot, ...]) -> Iterator[str]:
    """The folders that shut the person out, or the file's own line; of folders that let pass, only how many."""
    passed = 0
    for spot in way:
        lets, line = _judged(asked, spot)
        if spot.is_folder and lets:
            passed += 1
            continue
        if spot.is_folder:
            yield f"The folder {spot.path} does not let {asked.person.user} pass: {line}."
        else:
            yield f"{passed} of {len(way) - 1} folders on the way let {asked.person.user} pass."
            verb = "lets" if lets else "does not let"
            yield f"The file {spot.path} {verb} {asked.person.user} read: {line}."


def _judged(asked: Asked, spot: Spot) -> tuple[bool, str]:
    """Whether one passes or reads there, and by which line."""
    if spot.problem:
        return False, spot.problem
    if not spot.entries:
        return spot.is_folder, "no line of its rights means anybody"
    for entry in spot.entries:
        if entry.token is None:
            if not entry.admits:
                return False, f"{entry.words}, whoever that is, is shut out, and so is all that comes after"
        elif Step(entry.admits, frozenset({entry.token})).meets(asked.person.tokens, unsure=asked.person.unsure):
            who = "" if entry.token == EVERYONE else f"; {asked.person.user} is {_with_way([entry.token], asked)}"
            return entry.admits, f"{entry.words} decides{who}"
    return False, "no line of its rights means this person"


def _held(tokens: frozenset[Token], asked: Asked) -> list[Token]:
    return sorted(tokens & asked.person.tokens)


def _with_way(held: list[Token], asked: Asked) -> str:
    return ", ".join(_one(token, asked) for token in held)


def _one(token: Token, asked: Asked) -> str:
    kind, _, name = token.partition(":")
    way = asked.ways.get(name, ()) if kind == "group" else ()
    if len(way) < 2:
        return str(token)
    return f"{token} (in {way[0]}, {', '.join(f'which is in {other}' for other in way[1:])})"


def _listed(tokens: frozenset[Token]) -> str:
    return ", ".join(sorted(tokens)) or "nobody"
