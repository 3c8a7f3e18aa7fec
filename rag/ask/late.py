"""Late interaction: a question and the few best passages compared token by token.

Each token of the question looks for the passage's token nearest to it; what it finds counts by how much the token
tells. Half of a passage's score looks at all of it (and, a little less, at the neighbouring chunks among the
candidates), the other half at the best stretch of some thirty tokens, for what is asked mostly stands in one place.
Pure.

The embedder was trained for whole texts; its token vectors serve once their language's mean is taken off (see
`rag.ask.neutral`), since raw ones all point one way. What this brings stands in the README, by `make bench
BENCH=retrieval`: most across languages, where words help least.
Source: Khattab and Zaharia, "ColBERT", SIGIR 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.ask.neutral import Languages
from rag.documents import Span
from rag.ports import TokenVectors

_WINDOW, _STRIDE = 32, 8  # tokens
_NEIGHBOUR = 0.9  # what stands in the next chunk counts so much
_WHOLE = 0.5  # beside the best stretch
_LAYERS = np.array([0.5, 0.5], np.float32)  # the middle layer knows words, the last one sentences

Matches = NDArray[np.float32]  # (layers, question tokens, passage tokens), cosines


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A candidate as it is compared. `text` is what was embedded, the first `context_chars` of it title and headings;
    `place` orders the chunks of one document: the next one has the next number."""

    text: str
    context_chars: int
    language: str
    document: str
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far a passage says what the question asks; -1 to 1, in practice 0.2 to 0.8, higher is better.

    `score` ranks. `stretch` is that of the last layer in the best stretch alone, `least` the same of the token that
    finds least there. `span` is the stretch, in code points of the text read.
    """

    score: float
    stretch: float
    least: float
    span: Span


def agreements(
    question: TokenVectors,
    passages: Sequence[TokenVectors],
    read: Sequence[Read],
    *,
    language: str,
    languages: Languages,
) -> list[Agreement]:
    """Compare; one agreement a passage, in order. `language` is the question's. Without a token in the question or in a
    passage nothing agrees."""
    asked = _centred(question, languages.tokens["questions"][language])
    means = [languages.tokens["passages"][one.language] for one in read]
    matches = _matches(asked, [_centred(passage, mean) for passage, mean in zip(passages, means, strict=True)])
    weights = _weights(question)
    best = [found.max(axis=2, initial=-1.0) for found in matches]
    return [
        _agreement(found, passage, one, _joined(number, best, read), weights)
        for number, (found, passage, one) in enumerate(zip(matches, passages, read, strict=True))
    ]


def _weights(question: TokenVectors) -> NDArray[np.float32]:
    """How much each token of the question counts; all together 1."""
    return np.asarray(question.information / max(float(question.information.sum()), 1e-9), np.float32)


def _centred(text: TokenVectors, mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the language as such, each token of length 1."""
    vectors = text.vectors - mean[:, None, :]
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-6), np.float32)


def _matches(question: NDArray[np.float32], passages: Sequence[NDArray[np.float32]]) -> list[Matches]:
    """All passages in one product a layer: a small product costs more to begin than to do."""
    if not passages:
        return []
    tokens = np.concatenate(passages, axis=1)
    found = np.stack([layer @ of.T for layer, of in zip(question, tokens, strict=True)])
    return np.split(found, np.cumsum([passage.shape[1] for passage in passages])[:-1], axis=2)


def _joined(number: int, best: Sequence[NDArray[np.float32]], read: Sequence[Read]) -> NDArray[np.float32]:
    """What each token of the question finds in a passage, or nearly as well in the ones before and after it."""
    found = best[number]
    for other, one in enumerate(read):
        if one.document == read[number].document and abs(one.place - read[number].place) == 1:
            found = np.maximum(found, best[other] * _NEIGHBOUR)
    return found


def _agreement(
    matches: Matches, passage: TokenVectors, read: Read, joined: NDArray[np.float32], weights: NDArray[np.float32]
) -> Agreement:
    tokens = len(passage.starts)
    if not tokens or not len(weights):
        return Agreement(score=-1.0, stretch=-1.0, least=-1.0, span=Span(start=0, end=0))
    own = min(int(np.searchsorted(passage.starts, read.context_chars)), tokens - 1)
    context = matches[:, :, :own].max(axis=2, initial=-1.0)
    starts = range(own, max(own + 1, tokens - _WINDOW // 2), _STRIDE)
    stretches = np.stack(
        [np.maximum(context, matches[:, :, start : start + _WINDOW].max(axis=2)) for start in starts]
    )  # (stretches, layers, question tokens)
    scores = stretches @ weights @ _LAYERS
    chosen = int(scores.argmax())
    last, start = stretches[chosen, -1], starts[chosen]
    end = start + _WINDOW
    return Agreement(
        score=_WHOLE * float(joined @ weights @ _LAYERS) + (1 - _WHOLE) * float(scores[chosen]),
        stretch=float(last @ weights),
        least=float(last.min()),
        span=Span(start=int(passage.starts[start]), end=int(passage.starts[end]) if end < tokens else len(read.text)),
    )
