"""Late interaction: what it counts, by laws that hold for any vectors."""

from __future__ import annotations

import numpy as np
import pytest

from rag.ask.late import Agreement, Read, agreements
from rag.ask.neutral import Languages
from rag.ports import TokenVectors
from tests.standins import DIMENSION, WordEmbedder

NOTHING = np.zeros((2, DIMENSION), np.float32)
LANGUAGES = Languages(
    means={},
    width=1.0,
    tokens={"passages": {"de": NOTHING, "en": NOTHING, "": NOTHING}, "questions": {"de": NOTHING, "en": NOTHING}},
)
EMBEDDER = WordEmbedder()


def agree(question: str, *texts: str, context: int = 0, place: int = 1, document: str = "") -> list[Agreement]:
    """Each text a document of its own, unless they share one: then they follow each other."""
    read = [
        Read(
            text=text,
            context_chars=context,
            language="de",
            document=document or str(number),
            place=number * place,
        )
        for number, text in enumerate(texts)
    ]
    asked = EMBEDDER.tokens([question], question=True)[0]
    return agreements(asked, EMBEDDER.tokens(texts, question=False), read, language="de", languages=LANGUAGES)


def test_a_passage_that_says_every_word_agrees_fully() -> None:
    (found,) = agree("urlaub im kalenderjahr", "der urlaub beträgt im kalenderjahr 30 tage")
    assert found.score == pytest.approx(1.0, abs=1e-3)
    assert found.least == pytest.approx(1.0, abs=1e-3)


def test_more_of_the_question_is_more_agreement() -> None:
    none, half, whole = agree("urlaub kalenderjahr", "kantine mittagessen", "urlaub kantine", "urlaub kalenderjahr")
    assert none.score < half.score < whole.score
    assert none.least < half.least + 1.0


def test_words_in_one_place_agree_more_than_the_same_words_far_apart() -> None:
    filler = " ".join(f"wort{number}" for number in range(60))
    near, far = agree("urlaub kalenderjahr", f"urlaub kalenderjahr {filler}", f"urlaub {filler} kalenderjahr")
    assert near.score > far.score
    assert near.stretch > far.stretch


def test_the_stretch_names_where_in_the_text_it_is() -> None:
    filler = " ".join(f"wort{number}" for number in range(60))
    text = f"{filler} urlaub kalenderjahr {filler}"
    (found,) = agree("urlaub kalenderjahr", text)
    assert "urlaub kalenderjahr" in found.span.of(text)
    assert len(found.span) < len(text) / 2


def test_title_and_headings_count_for_every_stretch() -> None:
    filler = " ".join(f"wort{number}" for number in range(60))
    text = f"urlaub\n{filler} kalenderjahr"
    (without,), (found,) = agree("urlaub kalenderjahr", text), agree("urlaub kalenderjahr", text, context=7)
    assert found.stretch > without.stretch


def test_the_next_chunk_of_the_same_document_lends_a_little_less() -> None:
    question, texts = "urlaub kalenderjahr", ("der urlaub", "im kalenderjahr")
    alone = agree(question, *texts)[0].score
    joined = agree(question, *texts, document="one")[0].score
    apart = agree(question, *texts, document="one", place=2)[0].score
    assert alone == apart < joined < agree(question, "urlaub kalenderjahr")[0].score


def test_rare_words_of_the_question_count_more() -> None:
    asked = EMBEDDER.tokens(["urlaub bitte"], question=True)[0]
    weighted = TokenVectors(vectors=asked.vectors, information=np.array([9.0, 1.0], np.float32), starts=asked.starts)
    read = [Read(text=text, context_chars=0, language="", document=text, place=0) for text in ("urlaub", "bitte")]
    passages = EMBEDDER.tokens(["urlaub", "bitte"], question=False)
    rare, common = agreements(weighted, passages, read, language="de", languages=LANGUAGES)
    assert rare.score > common.score


@pytest.mark.parametrize(("question", "text"), [("", "urlaub"), ("urlaub", ""), ("", "")])
def test_nothing_agrees_with_nothing(question: str, text: str) -> None:
    (found,) = agree(question, text)
    assert found.score == found.stretch == found.least == -1.0
