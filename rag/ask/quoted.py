"""What stands in quotation marks narrows a search to what holds it, word for word.

A question of nothing else finds nothing where nothing holds it. A whole sentence is searched for all the same, without
the marks, and whoever asked is told: people put a word in quotation marks that the documents spell otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.access import Grant
from rag.documents import ChunkId
from rag.store.ledger import Ledger
from rag.store.words import WordIndex
from rag.text.phrases import asks_besides, holds, phrases_of

_HOLDING = 1000  # of a phrase that stands in more chunks, those that fit the question's words best


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """What is left to search. `unquoted`: phrases that nothing which may be read holds, or none together; they are
    searched for without their marks."""

    grant: Grant
    unquoted: tuple[str, ...] = ()


def narrowed(question: str, grant: Grant, *, ledger: Ledger, words: WordIndex) -> Narrowed:
    """The grant, narrowed to chunks that hold every phrase of the question. What may not be read counts as what is
    not there.

    Raises:
        IndexDamaged: the word index cannot be read.
    """
    phrases = phrases_of(question)
    if not phrases:
        return Narrowed(grant=grant)

    def holding(wanted: Sequence[str]) -> frozenset[ChunkId]:
        """By the ledger's own text; the word index knows words in their order, not what stands between them."""
        texts = ledger.chunk_texts(words.holding(wanted, question, grant=grant, k=_HOLDING))
        return frozenset(name for name, parts in texts.items() if all(any(holds(t, p) for t in parts) for p in wanted))

    held = holding(phrases)
    if held or not asks_besides(question):
        return Narrowed(grant=replace(grant, chunks=held))
    standing = [phrase for phrase in phrases if holding([phrase])]
    if len(standing) < len(phrases) and standing and (held := holding(standing)):
        lacking = tuple(phrase for phrase in phrases if phrase not in standing)
        return Narrowed(grant=replace(grant, chunks=held), unquoted=lacking)
    return Narrowed(grant=grant, unquoted=phrases)
