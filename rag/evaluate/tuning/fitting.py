"""Pairs and vectors to a linear adapter for questions. Pure, and without torch.

A question is to be nearer to the best chunk of a right document than to the chunks mistaken for it: the softmax loss
over them all, by gradient descent (Adam) from the identity. Which step is kept, the pairs say that were not
learned from; none, where nothing got better.
Sources: van den Oord, Li and Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018 (the loss);
Kingma and Ba, "Adam", ICLR 2015.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.ports import Vectors

Places = NDArray[np.int64]

_TEMPERATURE, _DECAY, _RATE = 0.02, 0.003, 3e-4
_STEPS, _LOOK = 100, 10  # steps in all; after so many it is looked whether to stop
_HARD = 10  # chunks mistaken for a right one, of each question
_BATCH = 256
_SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """The vectors (n, dimension) of all chunks, and the number of the document of each (n,)."""

    vectors: Vectors
    documents: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Question vectors (m, dimension) and, for each, the numbers of its right documents."""

    vectors: Vectors
    right: Sequence[frozenset[int]]

    def __len__(self) -> int:
        return len(self.right)


def fit(learned: Asked, watched: Asked, chunks: Chunks) -> Vectors | None:
    """What is to be added to the identity, (dimension, dimension); None where no step did better on what is watched."""
    best, kept = ndcg(watched, chunks), None
    for turn in _descent(learned, chunks):
        found = ndcg(Asked(vectors=turned(watched.vectors, turn), right=watched.right), chunks)
        if found > best + 1e-9:
            best, kept = found, turn
    return kept


def ndcg(asked: Asked, chunks: Chunks, *, k: int = 10) -> float:
    """Mean nDCG@k of documents ranked by their best chunk; 0 without a question."""
    total = 0.0
    for vector, right in zip(asked.vectors, asked.right, strict=True):
        ranking = _ranking(chunks.vectors @ vector, chunks.documents, k)
        gained = sum(1 / math.log2(rank + 1) for rank, one in enumerate(ranking, 1) if one in right)
        ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(right)) + 1))
        total += gained / ideal if ideal else 0.0
    return total / len(asked) if len(asked) else 0.0


def turned(questions: Vectors, turn: Vectors) -> Vectors:
    """Questions with the adapter, of length 1."""
    found = questions + questions @ turn.T
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)


def _ranking(scores: NDArray[np.float32], documents: Places, k: int) -> list[int]:
    """The first k documents, each at its best chunk."""
    depth = min(len(scores), 40 * k)
    found: dict[int, None] = {}
    for place in _best(scores, depth):
        found.setdefault(int(documents[place]))
        if len(found) == k:
            break
    return list(found)


def _best(scores: NDArray[np.float32], count: int) -> Places:
    """Places of the greatest scores, the greatest first."""
    some = np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(len(scores))
    return np.asarray(some[np.argsort(-scores[some], kind="stable")], np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """`candidates` (c, dimension) are the chunks compared with, `target` (m,) the place of each question's right one,
    `others` the places of its other right ones, which count neither way."""

    candidates: Vectors
    target: Places
    others: Sequence[Places]


def _descent(learned: Asked, chunks: Chunks) -> Iterator[Vectors]:
    """The adapter as it stands after every so many steps."""
    task = _task(learned, chunks)
    size = chunks.vectors.shape[1]
    turn = np.zeros((size, size), np.float32)
    first: Vectors = np.zeros_like(turn)
    second: Vectors = np.zeros_like(turn)
    generator = np.random.default_rng(_SEED)
    for step in range(1, _STEPS + 1):
        batch = generator.permutation(len(learned))[:_BATCH]
        slope = _slope(turn, learned.vectors[batch], task, batch) + _DECAY * turn
        first = np.asarray(0.9 * first + 0.1 * slope, np.float32)
        second = np.asarray(0.999 * second + 0.001 * slope * slope, np.float32)
        turn = turn - _RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        if step % _LOOK == 0:
            yield np.asarray(turn, np.float32)


def _task(learned: Asked, chunks: Chunks) -> _Task:
    chosen: dict[int, int] = {}
    targets, rights = [], []
    for vector, right in zip(learned.vectors, learned.right, strict=True):
        scores = chunks.vectors @ vector
        own = np.flatnonzero(np.isin(chunks.documents, list(right)))
        target = int(own[np.argmax(scores[own])])
        wrong = scores.copy()
        wrong[own] = -np.inf
        for place in (target, *_best(wrong, min(_HARD, len(wrong) - len(own))).tolist()):
            chosen.setdefault(place, len(chosen))
        targets.append(target)
        rights.append(own)
    places = np.asarray(list(chosen), np.int64)
    return _Task(
        candidates=chunks.vectors[places],
        target=np.asarray([chosen[target] for target in targets], np.int64),
        others=[
            np.asarray([chosen[p] for p in own.tolist() if p in chosen and p != target], np.int64)
            for own, target in zip(rights, targets, strict=True)
        ],
    )


def _slope(turn: Vectors, questions: Vectors, task: _Task, batch: Places) -> Vectors:
    """The gradient of the mean loss of a batch, (dimension, dimension)."""
    long = questions + questions @ turn.T
    norms = np.linalg.norm(long, axis=1, keepdims=True)
    unit = long / norms
    logits = unit @ task.candidates.T / _TEMPERATURE
    for row, number in enumerate(batch):
        logits[row, task.others[int(number)]] = -np.inf
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    weights[np.arange(len(batch)), task.target[batch]] -= 1
    towards = weights @ task.candidates / (_TEMPERATURE * len(batch))
    across = (towards - (towards * unit).sum(axis=1, keepdims=True) * unit) / norms
    return np.asarray(across.T @ questions, np.float32)
