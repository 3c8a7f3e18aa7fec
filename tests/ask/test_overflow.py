"""What becomes of an answer whose prompt does not fit, or whose model only thinks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from rag.answers import Reason, Sentence
from rag.ask.budget import GAP
from rag.errors import ContextOverflow
from rag.ports import Delta, Generation, Message
from rag.text.sentences import texts
from tests.ask.test_answer import TRUE, asked, end
from tests.standins import ScriptedModel, Shelf, says

OVERFLOW = ContextOverflow("too long")


class Narrow(ScriptedModel):
    """Refuses a prompt that is longer than the last one it took; takes the `takes`th."""

    def __init__(self, *pieces: str | Exception, takes: int) -> None:
        super().__init__(*pieces)
        self._takes = takes

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        if len(self.prompts) + 1 < self._takes:
            self.prompts.append(list(messages))
            raise OVERFLOW
        return super().stream(messages, generation)


def lengths(model: ScriptedModel) -> list[int]:
    return [sum(len(message.content) for message in messages) for messages in model.prompts]


def test_a_prompt_that_does_not_fit_is_tried_with_fewer_passages_and_said(shelf: Shelf) -> None:
    model = Narrow(says(TRUE), takes=2)
    answer = end(asked(shelf, model, prompt_tokens=400))
    first, second = lengths(model)
    assert second < first
    assert answer.outcome == "answered"
    assert answer.left_out > 0 or GAP in model.prompts[1][-1].content


def test_passages_that_never_fit_speak_for_themselves_and_it_is_said_why(shelf: Shelf) -> None:
    model = Narrow(says(TRUE), takes=99)
    answer = end(asked(shelf, model, prompt_tokens=400))
    assert len(model.prompts) == 3
    assert (answer.outcome, answer.reason) == ("extracts", Reason.OVERFLOW)
    assert answer.text.startswith(texts("de")["extracts.prompt_too_long"])
    assert answer.citations


def test_a_loss_that_shows_after_a_sentence_makes_the_answer_incomplete(shelf: Shelf) -> None:
    first = says(TRUE)
    events = list(asked(shelf, ScriptedModel(first[:-2], OVERFLOW)))
    answer = end(iter(events))
    assert [type(event) for event in events].count(Sentence) == 1
    assert (answer.outcome, answer.reason) == ("incomplete", Reason.OVERFLOW)
    assert answer.text.endswith(texts("de")["incomplete.prompt_too_long"])


def test_what_was_said_of_a_prompt_that_was_cut_is_not_held_against_the_next(shelf: Shelf) -> None:
    """The same sentence again is new, since the first was never shown."""
    model = _CutOnce(says(TRUE))
    answer = end(asked(shelf, model, prompt_tokens=400))
    assert (answer.outcome, answer.text) == ("answered", f"{TRUE} [1]")


class _CutOnce(ScriptedModel):
    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        if not self.prompts:
            self.prompts.append(list(messages))
            return iter(_raising(OVERFLOW))
        return super().stream(messages, generation)


def _raising(error: Exception) -> Iterator[Delta]:
    yield Delta(text='{"statements": [')
    raise error


def test_a_model_that_thought_its_budget_away_is_said_to_have(shelf: Shelf) -> None:
    answer = end(asked(shelf, ScriptedModel(finish="thought")))
    assert (answer.outcome, answer.reason) == ("incomplete", Reason.THOUGHT)
    assert answer.text == texts("de")["incomplete.model_thought_too_long"]
    assert answer.passages


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize(
    "key",
    [
        "extracts.prompt_too_long",
        "incomplete.prompt_too_long",
        "incomplete.model_thought_too_long",
        "outcome.incomplete_thought.title",
        "outcome.incomplete_overflow.next",
        "outcome.extracts_overflow.title",
    ],
)
def test_each_has_its_words_in_both_languages(key: str, language: str) -> None:
    assert texts(language)[key]
