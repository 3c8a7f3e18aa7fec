"""`rag tune embedder`: fit an adapter, search with it for what it never saw, adopt it only if it finds more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rag.access import LOOPBACK, Principal
from rag.app import App
from rag.ask.neutral import languages_of
from rag.ask.release import within
from rag.ask.retrieve import Retriever
from rag.errors import SettingsError
from rag.evaluate import figures, intervals
from rag.evaluate.intervals import Figure
from rag.evaluate.questions import Question
from rag.evaluate.runs import PASSAGES
from rag.evaluate.tuning import fitting, pairs
from rag.evaluate.tuning.fitting import Asked, Chunks
from rag.evaluate.tuning.pairs import Pair
from rag.filters import NONE
from rag.models.adapter import Adapted, Adapter, passages_of
from rag.ports import Embedder, Progress, Vectors

LEAST_GAIN = 0.02
"""By how much nDCG@10 must grow on what was held back; and its paired interval must lie above 0."""

_LEAST_PAIRS = 20
MOST_HELD = 200
"""Questions searched for with and without the adapter, at most; each search of a large home takes a second."""

_MOST_MADE = 2000
_WATCHED = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of it. `gain` is nDCG@10 with the adapter less without, question by question; None where no step of
    the fit was better, or too little was held back to tell."""

    adapter: Adapter | None
    learned: int
    held: int
    made: int
    before: Figure
    after: Figure
    gain: Figure

    @property
    def wins(self) -> bool:
        """Whether it is to be adopted."""
        return self.adapter is not None and adopts(self.gain)

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "pairs_learned": self.learned,
            "of_them_made": self.made,
            "pairs_held_back": self.held,
            "ndcg@10_before": self.before.as_json(),
            "ndcg@10_after": self.after.as_json(),
            "gain": self.gain.as_json(),
            "adapter": self.adapter.name if self.adapter else None,
            "wins": self.wins,
        }


def adopts(gain: Figure) -> bool:
    """Whether a gain is enough, and more than chance."""
    return gain.value >= LEAST_GAIN and gain.low > 0


def tune(
    app: App,
    questions: Sequence[Question],
    *,
    principal: Principal,
    most_held: int = MOST_HELD,
    progress: Progress = lambda what, done, total: None,
) -> Found:
    """Fit on these questions' pairs and on pairs made of headings; measure on the questions held back, or, without any,
    on made pairs held back. The index is not touched.

    Raises:
        SettingsError: there are too few pairs to learn from, or to tell a gain by.
    """
    embedder = plain(app)
    ours = pairs.part(pairs.given(app, principal, questions))
    extra = pairs.part(pairs.made(app, principal))
    held = sorted(ours.held or extra.held, key=pairs.order)[:most_held]
    learned = [*ours.learned, *extra.learned[:_MOST_MADE]]
    if len(held) < _LEAST_PAIRS or len(learned) < _LEAST_PAIRS:
        raise SettingsError(
            f"{len(learned)} pairs to learn from and {len(held)} to hold back are too few; {_LEAST_PAIRS} of each are "
            f"needed. Give more questions: rag tune embedder FOLDER"
        )
    turn = _fitted(app, embedder, learned, progress)
    before = _searched(app, embedder, held, principal, lambda n: progress("search as it is", n, len(held)))
    adapter = Adapter(base=embedder.fingerprint, turn=turn) if turn is not None else None
    after = before
    if adapter is not None:
        adapted = Adapted(embedder, adapter)
        after = _searched(app, adapted, held, principal, lambda n: progress("search with the adapter", n, len(held)))
    return Found(
        adapter=adapter,
        learned=len(learned),
        made=len(learned) - len(ours.learned),
        held=len(held),
        before=_mean(before),
        after=_mean(after),
        gain=_mean([new - old for old, new in zip(before, after, strict=True)]),
    )


def plain(app: App) -> Embedder:
    """The embedder without any adapter.

    Raises:
        SettingsError: one is adopted already, or another embedder is taking the place of the one before.
    """
    embedder = app.retriever.embedder
    if passages_of(embedder.fingerprint) != embedder.fingerprint:
        raise SettingsError("An adapter is adopted already. Take it back first: rag tune revert, then rag ingest.")
    if app.embedding.get("coming"):
        raise SettingsError("Another embedder is taking the place of the one before. Finish that first: rag ingest.")
    return embedder


def _fitted(app: App, embedder: Embedder, learned: Sequence[Pair], progress: Progress) -> Vectors | None:
    """The adapter, each of its steps watched on a part of the pairs that it does not learn from: by document, too."""
    chunks, numbers = _chunks(app, embedder)
    usable = [pair for pair in learned if pair.documents & numbers.keys()]
    inner = pairs.part(usable, share=_WATCHED, salt="watched")
    if not inner.learned or not inner.held:
        return None
    vectors = []
    for number, pair in enumerate([*inner.learned, *inner.held], 1):
        vectors.append(embedder.embed_question(pair.question))
        progress("questions embedded", number, len(usable))
    count = len(inner.learned)
    return fitting.fit(
        _asked(vectors[:count], inner.learned, numbers), _asked(vectors[count:], inner.held, numbers), chunks
    )


def _asked(vectors: Sequence[Any], asked: Sequence[Pair], numbers: Mapping[str, int]) -> Asked:
    right = [frozenset(numbers[one] for one in pair.documents if one in numbers) for pair in asked]
    return Asked(vectors=np.asarray(vectors, np.float32), right=right)


def _chunks(app: App, embedder: Embedder) -> tuple[Chunks, dict[str, int]]:
    numbers: dict[str, int] = {}
    vectors, documents = [], []
    for _, facets, vector in app.ledger.indexed(embedder=embedder.fingerprint):
        if vector is not None:
            vectors.append(vector)
            documents.append(numbers.setdefault(facets.document, len(numbers)))
    return Chunks(vectors=np.asarray(vectors, np.float32), documents=np.asarray(documents, np.int64)), numbers


def _searched(app: App, embedder: Embedder, held: Sequence[Pair], principal: Principal, seen: Any) -> list[float]:
    """nDCG@10 of the whole search, question by question."""
    retriever: Retriever = replace(app.retriever, embedder=embedder, languages=languages_of(embedder, app.ledger))
    found = []
    for number, pair in enumerate(held, 1):
        retrieved = retriever.retrieve(pair.question, principal=principal, k=PASSAGES, filters=within(NONE, LOOPBACK))
        ranking = list(dict.fromkeys(passage.key for passage in retrieved.passages))
        found.append(figures.ndcg(ranking, pair.needs, 10))
        seen(number)
    return found


def _mean(values: Sequence[float]) -> Figure:
    return intervals.mean(values) or Figure(value=0.0, low=0.0, high=0.0, n=0)
