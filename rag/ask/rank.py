"""The candidates in their final order: fused scores, late interaction on the best few, the stretches it found compared
with the question as texts of their own, a cross-encoder if there is one.

What is read again goes by what the reading found; what is not stays behind it in the order it had.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from rag.answers import Passage
from rag.ask.late import Agreement, Read, agreements
from rag.ask.neutral import Languages
from rag.documents import ChunkId, Span
from rag.errors import RagError
from rag.ports import Embedder, Reranker, Vector
from rag.text.language import language_of_question

_log = logging.getLogger(__name__)

READ = 12
"""Candidates read token by token. Each costs about 25 ms of two cores; 25 instead of 12 bring 0.0005 nDCG@10."""

_WEIGHT = 8.0
"""Of an agreement beside a fused score. Measured: from 4 to 12 nothing moves by more than 0.003 nDCG@10."""

_COMPARED = 4
"""Passages whose best stretch is embedded by itself: some forty tokens each."""

_STRETCH = 1.0
"""Of a stretch's cosine beside the score that reading gives. Measured: 0.8 to 1.2 bring 0.001 nDCG@10 on XQuAD German,
0.004 on a part of SQuAD 2.0 and 0.003 on a handbook found by titles, where stretches without their context lose 0.008.
Twice as much brings nothing, nor do more passages."""

_MOST = 2.0  # dense and lexical score each reach about 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Passages best first, scored 0 to about 1, and what was found by reading some of them token by token."""

    passages: tuple[Passage, ...]
    agreement: Mapping[ChunkId, Agreement]


def rank(
    question: str,
    passages: Sequence[Passage],
    *,
    vector: Vector,
    spoken: Mapping[ChunkId, str],
    embedder: Embedder,
    languages: Languages,
    reranker: Reranker | None = None,
) -> Ranked:
    """Order passages, scored by `rag.ask.fuse` and best first. `vector` is the question's; `spoken`: chunk → language,
    "" for any other."""
    read = passages[:READ]
    agreement = _read(question, read, spoken, embedder, languages)
    if agreement:
        passages = _compared(_scored(passages, agreement), agreement, vector, spoken, embedder, languages)
    if reranker is not None:
        passages = _reranked(question, passages, reranker)
    return Ranked(passages=tuple(passages), agreement=agreement)


def _read(
    question: str,
    passages: Sequence[Passage],
    spoken: Mapping[ChunkId, str],
    embedder: Embedder,
    languages: Languages,
) -> dict[ChunkId, Agreement]:
    asked = embedder.tokens([question], question=True) if passages and languages.tokens else None
    tokens = embedder.tokens([passage.chunk.indexed_text for passage in passages], question=False) if asked else None
    if not asked or not tokens:
        return {}
    read = [_as_read(passage, spoken) for passage in passages]
    found = agreements(asked[0], tokens, read, language=language_of_question(question), languages=languages)
    return {passage.chunk.id: one for passage, one in zip(passages, found, strict=True)}


def _as_read(passage: Passage, spoken: Mapping[ChunkId, str]) -> Read:
    chunk = passage.chunk
    language = spoken.get(chunk.id, "")
    return Read(
        text=chunk.indexed_text,
        context_chars=len(chunk.indexed_text) - len(chunk.text),
        language=language if language in ("de", "en") else "",
        document=passage.key,
        place=chunk.ordinal,
    )


def _scored(passages: Sequence[Passage], agreement: Mapping[ChunkId, Agreement]) -> list[Passage]:
    least = min(found.score for found in agreement.values())

    def score(passage: Passage) -> float:
        found = agreement.get(passage.chunk.id)
        return (passage.score + _WEIGHT * (found.score if found else least)) / (_MOST + _WEIGHT)

    return sorted((replace(one, score=score(one)) for one in passages), key=lambda one: -one.score)


def _compared(
    passages: Sequence[Passage],
    agreement: Mapping[ChunkId, Agreement],
    vector: Vector,
    spoken: Mapping[ChunkId, str],
    embedder: Embedder,
    languages: Languages,
) -> list[Passage]:
    """The first few in the order of how near their best stretch is to the question as a text of its own, too, title and
    headings before it; the others behind them as they were."""
    first = list(takewhile(lambda one: one.chunk.id in agreement, passages[:_COMPARED]))
    if len(first) < 2:
        return list(passages)
    texts = [_stretch(one, agreement[one.chunk.id].span) for one in first]
    likeness = languages.likeness(vector)
    own = [likeness.get(spoken.get(one.chunk.id, ""), likeness.get("", 0.0)) for one in first]
    near = np.vecdot(embedder.embed_passages(texts), vector) - np.asarray(own)
    return _placed(passages, [one.score + _STRETCH * float(gain) for one, gain in zip(first, near, strict=True)])


def _stretch(passage: Passage, span: Span) -> str:
    """A stretch of what was embedded, behind the context it stands in."""
    text = passage.chunk.indexed_text
    context = len(text) - len(passage.chunk.text)
    return text[:context] + text[max(context, span.start) : span.end]


def _placed(passages: Sequence[Passage], scores: Sequence[float]) -> list[Passage]:
    """The first passages in the order of these scores, one for each of them, and the others behind them as they were.
    What orders has a scale of its own, so each takes the score of the place it comes to."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    first = [replace(passages[place], score=passages[at].score) for at, place in enumerate(order)]
    return [*first, *passages[len(scores) :]]


def _reranked(question: str, passages: Sequence[Passage], reranker: Reranker) -> list[Passage]:
    """The best few by the reranker, the others behind them. A reranker that fails or gives no scores breaks no
    question: the order stays."""
    first = passages[:READ]
    try:
        scores = reranker.scores(question, [passage.chunk.indexed_text for passage in first])
    except RagError as error:
        _not_reranked(type(error).__name__)
        return list(passages)
    if len(scores) != len(first) or not all(map(math.isfinite, scores)):
        _not_reranked("no scores")
        return list(passages)
    return _placed(passages, scores)


def _not_reranked(kind: str) -> None:
    _log.info(  # the first failure is a warning where it happens: `rag.models.resting`
        "Not reranked; passages keep the order they had. `rag doctor` says what to do",
        extra={"action": "not_reranked", "kind": kind},
    )
