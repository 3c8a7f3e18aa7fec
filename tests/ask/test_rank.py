"""The final order: what is read again leads, the rest follows as it was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rag.answers import Passage
from rag.ask.neutral import Languages
from rag.ask.rank import READ, rank
from rag.documents import Chunk, ChunkId, DocumentId, Span
from rag.errors import EgressDenied, ModelTimeout, ModelUnavailable, RagError, SettingsError
from rag.ports import TokenVectors, Vectors
from tests.standins import DIMENSION, WordEmbedder, vector_of

NOTHING = np.zeros((2, DIMENSION), np.float32)
LANGUAGES = Languages(
    means={},
    width=1.0,
    tokens={"passages": {"de": NOTHING, "en": NOTHING, "": NOTHING}, "questions": {"de": NOTHING, "en": NOTHING}},
)
DEAF = Languages(means={}, width=1.0, tokens={})


class Whole(WordEmbedder):
    """An embedder of whole texts only."""

    def tokens(self, texts: Sequence[str], *, question: bool) -> list[TokenVectors]:
        raise AssertionError("asked for what it has not")


class Longest:
    """A reranker that loves long passages."""

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        return [100.0 * len(passage) for passage in passages]

    def close(self) -> None:
        pass


class Failing(Longest):
    """A reranker that says the given, or raises it."""

    def __init__(self, outcome: Sequence[float] | RagError) -> None:
        self._outcome = outcome

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        if isinstance(self._outcome, RagError):
            raise self._outcome
        return self._outcome


def passage(text: str, score: float, *, document: str = "") -> Passage:
    name = document or text
    chunk = Chunk(
        id=ChunkId(text),
        document_id=DocumentId(f"house:{name}"),
        version="1",
        span=Span(start=0, end=len(text)),
        ordinal=0,
        text=text,
    )
    return Passage(chunk=chunk, title=name, uri="", score=score, key=name)


def texts(passages: Sequence[Passage]) -> list[str]:
    return [one.chunk.text for one in passages]


def test_reading_puts_what_says_it_before_what_the_searches_preferred() -> None:
    given = [passage("kantine mittagessen", 1.2), passage("urlaub kalenderjahr", 1.0)]
    found = rank(
        "urlaub kalenderjahr",
        given,
        vector=vector_of("urlaub kalenderjahr"),
        spoken={},
        embedder=WordEmbedder(),
        languages=LANGUAGES,
    )
    assert texts(found.passages) == ["urlaub kalenderjahr", "kantine mittagessen"]
    assert set(found.agreement) == {one.chunk.id for one in given}


def test_between_equals_the_one_whose_stretch_alone_is_nearer_leads() -> None:
    """Both hold the question's words; of the second one's stretch they are a greater part."""
    given = [passage("urlaub kantine werk halle", 1.0), passage("urlaub", 1.0)]
    found = rank("urlaub", given, vector=vector_of("urlaub"), spoken={}, embedder=WordEmbedder(), languages=LANGUAGES)
    assert [found.agreement[one.chunk.id].score for one in given] == pytest.approx([1.0, 1.0], abs=1e-5)
    assert texts(found.passages) == ["urlaub", "urlaub kantine werk halle"]


def test_a_stretch_is_compared_behind_its_title_and_headings() -> None:
    class Remembering(WordEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> Vectors:
            compared.extend(texts)
            return super().embed_passages(texts)

    compared: list[str] = []
    bare = [passage("eins zwei", 1.0), passage("drei", 1.0)]
    given = [replace(one, chunk=replace(one.chunk, context="Urlaubsordnung")) for one in bare]
    rank("drei", given, vector=vector_of("drei"), spoken={}, embedder=Remembering(), languages=LANGUAGES)
    assert set(compared) == {one.chunk.indexed_text for one in given}


def test_a_stretch_in_the_questions_language_has_no_start_over_another() -> None:
    """What a language as such has of the question counts for nothing."""
    given = [passage("urlaub eins", 1.0), passage("urlaub zwei", 1.0)]
    asked = np.asarray(vector_of("urlaub eins"), np.float32)
    apart = Languages(means={"de": asked, "en": asked * 0.0, "": asked * 0.0}, width=1.0, tokens=LANGUAGES.tokens)
    spoken = {given[0].chunk.id: "de", given[1].chunk.id: "en"}
    found = rank("urlaub", given, vector=asked, spoken=spoken, embedder=WordEmbedder(), languages=apart)
    assert texts(found.passages) == ["urlaub zwei", "urlaub eins"]


def test_what_is_not_read_stays_behind_in_its_order() -> None:
    given = [passage(f"kantine {number}", 2.0 - number / 100) for number in range(READ)]
    given += [passage("urlaub", 0.5), passage("urlaub kalenderjahr", 0.4)]
    found = rank(
        "urlaub kalenderjahr",
        given,
        vector=vector_of("urlaub kalenderjahr"),
        spoken={},
        embedder=WordEmbedder(),
        languages=LANGUAGES,
    )
    assert texts(found.passages)[-2:] == ["urlaub", "urlaub kalenderjahr"]
    assert len(found.agreement) == READ
    scores = [one.score for one in found.passages]
    assert scores == sorted(scores, reverse=True)


def test_an_embedder_of_whole_texts_leaves_the_fused_order() -> None:
    given = [passage("kantine", 1.2), passage("urlaub", 1.0)]
    found = rank("urlaub", given, vector=vector_of("urlaub"), spoken={}, embedder=Whole(), languages=DEAF)
    assert texts(found.passages) == ["kantine", "urlaub"]
    assert not found.agreement


def test_a_reranker_orders_the_best_few_and_no_others() -> None:
    given = [passage("x" * (number + 1), 2.0 - number / 100) for number in range(READ + 1)]
    found = rank("y", given, vector=vector_of("y"), spoken={}, embedder=Whole(), languages=DEAF, reranker=Longest())
    assert texts(found.passages) == [*("x" * length for length in range(READ, 0, -1)), "x" * (READ + 1)]
    scores = [one.score for one in found.passages]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (ModelUnavailable("secret words"), "ModelUnavailable"),
        (ModelTimeout("secret words"), "ModelTimeout"),
        (SettingsError("secret words"), "SettingsError"),
        (EgressDenied("secret words"), "EgressDenied"),
        ([1.0], "no scores"),
        ([1.0, 2.0, 3.0], "no scores"),
        ([1.0, math.nan], "no scores"),
        ([1.0, math.inf], "no scores"),
    ],
)
def test_a_reranker_that_fails_leaves_the_order_and_says_so(
    outcome: Sequence[float] | RagError, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="rag.ask.rank")
    given = [passage("kantine", 1.2), passage("urlaub", 1.0)]
    found = rank(
        "urlaub",
        given,
        vector=vector_of("urlaub"),
        spoken={},
        embedder=Whole(),
        languages=DEAF,
        reranker=Failing(outcome),
    )
    assert list(found.passages) == given
    (record,) = caplog.records
    assert (record.action, record.kind) == ("not_reranked", kind)  # type: ignore[attr-defined]
    assert "secret words" not in record.getMessage()


def test_no_passages_need_no_model() -> None:
    assert (
        rank("urlaub", [], vector=vector_of("urlaub"), spoken={}, embedder=Whole(), languages=LANGUAGES).passages == ()
    )
