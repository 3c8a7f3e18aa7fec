"""An answer to what it is worth, by rules alone: no model has a say. Pure.

An answerable question is answered well as far as its answer is given, supported, cites a right document, says the fact
asked for (where the question names one) and keeps the language; an unanswerable one where nothing is given, and not
because the model failed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rag.answers import Outcome
from rag.ask.figures import figures_of
from rag.errors import SettingsError
from rag.evaluate.answering import Answered
from rag.evaluate.questions import Question
from rag.text.language import language_of, language_of_question


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One answer of one model. `said` holds its sentences without markers, `answer` the counts, `failure` the kind of
    error that ended it, "" where none did. `holds`: whether the passages had a right document in them."""

    question: Question
    answer: Answered
    said: str = ""
    failure: str = ""
    holds: bool = True

    @property
    def given(self) -> bool:
        """Whether the asker was told something, from the passages, to its end. Quotes in place of a model that could
        not be had are nothing the model said."""
        return self.answer.outcome == Outcome.ANSWERED.value

    @property
    def support(self) -> float | None:
        """Share of its sentences that a passage supports."""
        return self.answer.supported / self.answer.sentences if self.answer.sentences else None

    @property
    def right_citations(self) -> float | None:
        """Share of its citations that name a right document, for a question that has one."""
        if not self.answer.citations or not self.question.answerable:
            return None
        return self.answer.of_right_document / self.answer.citations

    @property
    def right_fact(self) -> bool | None:
        """Whether it says every fact that the question names; None where it names none, or no answer is given."""
        return all(states(self.said, fact) for fact in self.question.facts) if self._told_facts else None

    @property
    def language_kept(self) -> bool | None:
        """Whether it is in the language of the question; None where too little was said to tell."""
        spoken = language_of(self.said) if self.given else None
        return spoken == (self.question.language or language_of_question(self.question.text)) if spoken else None

    @property
    def worth(self) -> float:
        """0 to 1: of an answerable question how well it is answered, of another whether it was left unanswered."""
        if not self.question.answerable:
            return float(not self.answer.given and not self.failure)
        if not self.given:
            return 0.0
        parts = [self.support, self.right_citations, self.right_fact, self.language_kept]
        product = 1.0
        for part in parts:
            product *= float(part) if part is not None else 1.0
        return product

    @property
    def _told_facts(self) -> bool:
        return self.given and bool(self.question.facts)

    def as_json(self) -> dict[str, Any]:
        """A row of ``answers.jsonl``, without times: the same for the same answers."""
        counts = {name: value for name, value in self.answer.as_json().items() if name not in ("timing_ms", "text")}
        return {
            "id": self.question.id,
            "answerable": self.question.answerable,
            **counts,
            "said": self.said,
            "failure": self.failure,
            "holds": self.holds,
            "right_fact": self.right_fact,
            "language_kept": self.language_kept,
            "worth": round(self.worth, 6),
        }


def scored_of(row: Mapping[str, Any], question: Question) -> Scored:
    """A row of ``answers.jsonl`` again, so that it can be scored without the model.

    Raises:
        SettingsError: it is none.
    """
    counts = ("sentences", "supported", "citations", "verbatim", "of_right_document")
    try:
        counted = {name: int(row[name]) for name in counts}
        answer = replace(Answered(outcome=str(row["outcome"])), **counted)  # type: ignore[arg-type]  # counts alone
        return Scored(
            question=question,
            answer=answer,
            said=str(row["said"]),
            failure=str(row["failure"]),
            holds=bool(row["holds"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f'The answer to "{question.id}" is no row of answers.jsonl.') from error


def states(said: str, fact: str) -> bool:
    """Whether a text says a fact: its figures, however written, or where it has none its words."""
    figures = figures_of(fact)
    return figures <= figures_of(said) if figures else plain(fact) in plain(said)


def plain(text: str) -> str:
    """Without differences of case, of white space and of how letters are composed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def right(scored: Sequence[Scored]) -> list[Scored]:
    """Those of the questions that can be answered."""
    return [one for one in scored if one.question.answerable]


def wrong(scored: Sequence[Scored]) -> list[Scored]:
    """Those of the others."""
    return [one for one in scored if not one.question.answerable]
