"""What speaks for an answer in the list of candidates: features, each a plain figure. Pure.

`rag.ask.calibration` makes a probability of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.ask.figures import figures_of
from rag.ask.late import Agreement
from rag.documents import ChunkId


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What the candidate list looks like. None where the embedder gives vectors of whole texts only.

    similarity: greatest dense score in units of the embedder's `width`. margin: the same over the mean of the ten
    best. coverage: share of the question's idf mass that the best passage holds. widest: the greatest such share among
    the five best; second_coverage their mean. agreement: how many of the five best are shared by both searches, 0 to 1.
    figures: how many figures of the question the best passage lacks, 2 at most. stretch, least: see
    `rag.ask.late.Agreement`.
    """

    similarity: float
    margin: float
    coverage: float
    widest: float
    second_coverage: float
    agreement: float
    figures: float
    stretch: float | None = None
    least: float | None = None


def features_of(
    *,
    dense: Sequence[tuple[ChunkId, float]],
    lexical: Sequence[tuple[ChunkId, float]],
    coverage: Sequence[float],
    width: float,
    question: str,
    best: str,
    found: Agreement | None = None,
) -> Features:
    """`dense` scored by language-neutral cosine and `lexical` by BM25, best first; `coverage` of the five best passages
    in their final order; `best` is the text of the first of them as it was embedded, `found` what reading it gave."""
    scores = [score / width for _, score in dense[:10]]
    top = max(scores, default=0.0)
    both = {name for name, _ in dense[:5]} & {name for name, _ in lexical[:5]}
    return Features(
        similarity=top,
        margin=top - sum(scores) / len(scores) if scores else 0.0,
        coverage=coverage[0] if coverage else 0.0,
        widest=max(coverage, default=0.0),
        second_coverage=sum(coverage) / len(coverage) if coverage else 0.0,
        agreement=len(both) / 5,
        figures=float(min(2, len(figures_of(question) - figures_of(best)))),
        stretch=found.stretch if found else None,
        least=found.least if found else None,
    )
