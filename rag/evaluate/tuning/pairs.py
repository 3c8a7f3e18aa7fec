"""Questions with the documents that answer them, parted so that what is measured was never learned from.

Documents are parted, not questions: a question belongs where all its documents do, and one whose documents fall on both
sides is left out. What stands in a held-back document teaches nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rag.access import Principal
from rag.app import App
from rag.evaluate.answering import named
from rag.evaluate.questions import Question

_HELD = 0.3
"""Share of the documents that are held back."""
_HEADING = (12, 120)  # characters of a heading that can pass for a question


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A question and the keys of the documents that meet each of its needs."""

    question: str
    needs: tuple[frozenset[str], ...]

    @property
    def documents(self) -> frozenset[str]:
        """Every right document."""
        return frozenset().union(*self.needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """`learned` and `held` share no document; `apart` counts the pairs whose documents lie on both sides."""

    learned: tuple[Pair, ...]
    held: tuple[Pair, ...]
    apart: int


def given(app: App, principal: Principal, questions: Iterable[Question]) -> list[Pair]:
    """The questions whose documents are indexed here and readable."""
    keys = {str(entry.id): entry.key for entry in app.ledger.entries() if entry.version and entry.acl.admits(principal)}
    found = []
    for question in questions:
        needs = tuple(_keys(need, keys) for need in question.needs)
        if needs and all(needs):
            found.append(Pair(question=question.text, needs=needs))
    return found


def made(app: App, principal: Principal) -> list[Pair]:
    """Pairs of headings and the documents that have them, in an order that knows nothing of names. A heading that many
    documents have asks for nothing."""
    readable = {entry.key for entry in app.ledger.entries() if entry.version and entry.acl.admits(principal)}
    owners: dict[str, set[str]] = {}
    for chunk, facets, _ in app.ledger.indexed(embedder=app.retriever.embedder.fingerprint):
        if chunk.headings and facets.document in readable:
            heading = " ".join(chunk.headings[-1].split())
            if _HEADING[0] <= len(heading) <= _HEADING[1]:
                owners.setdefault(heading, set()).add(facets.document)
    few = sorted((heading for heading, own in owners.items() if len(own) <= 3), key=_order)
    return [Pair(question=heading, needs=(frozenset(owners[heading]),)) for heading in few]


def part(pairs: Sequence[Pair], *, share: float = _HELD, salt: str = "") -> Parted:
    """Part pairs by their documents; the same documents fall on the same sides for the same salt. Pure."""
    learned, held, apart = [], [], 0
    for pair in pairs:
        sides = {is_held(document, share=share, salt=salt) for document in pair.documents}
        if len(sides) > 1:
            apart += 1
        elif True in sides:
            held.append(pair)
        else:
            learned.append(pair)
    return Parted(learned=tuple(learned), held=tuple(held), apart=apart)


def is_held(document: str, *, share: float = _HELD, salt: str = "") -> bool:
    """Whether a document is held back."""
    digest = hashlib.sha256(f"{salt}{document}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < share


def _keys(need: frozenset[str], keys: Mapping[str, str]) -> frozenset[str]:
    return frozenset(key for name, key in keys.items() if named(name, need) in need)


def order(pair: Pair) -> str:
    """Sorts pairs so that the first few are of every set, and the same every time."""
    return _order(pair.question)


def _order(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
