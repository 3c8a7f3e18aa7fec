"""What a question becomes on its way to its passages: wanted, then searched, then retrieved."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from rag.access import Grant, Principal
from rag.answers import Passage
from rag.ask.evidence import Features
from rag.documents import ChunkId
from rag.ports import Vector

Hits = list[tuple[ChunkId, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched for, by whom; `vector` is the question's."""

    question: str
    vector: Vector
    grant: Grant
    principal: Principal
    without: Set[ChunkId]
    k: int

    def left(self, hits: Hits) -> Hits:
        """Those that are wanted."""
        return [hit for hit in hits if hit[0] not in self.without] if self.without else hits


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Both lists, what they come to together (readable, current, each text once), and the language of each."""

    dense: Hits
    lexical: Hits
    passages: tuple[Passage, ...]
    spoken: Mapping[ChunkId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What was wanted, and what both searches found of it; none of it has been read yet. `unquoted` as in
    `rag.ask.quoted.Narrowed`."""

    wanted: Wanted
    found: Candidates
    unquoted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The passages, best first, and the calibrated probability that they answer the question; `grant`: what was
    searched."""

    passages: tuple[Passage, ...]
    evidence: float
    question_vector: Vector
    features: Features
    grant: Grant
    unquoted: tuple[str, ...] = ()
