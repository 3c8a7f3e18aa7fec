"""What a reader is told of a model that thinks before it writes."""

from __future__ import annotations

import json

import pytest

from rag.answers import AnswerEvent, Done, Found, Sentence, Thinking
from rag.api.forms import event_form
from rag.ask.pondering import Pondering
from rag.ports import Delta
from rag.service.forms import event_json
from tests.ask.test_answer import TRUE, asked, end
from tests.standins import ScriptedModel, Shelf, says

THOUGHT, WORD, ANEW = Delta(thought=1), Delta(text="x"), Delta(anew=True)


def told(*deltas: Delta) -> str:
    """``<`` where it is told that it thinks, ``>`` where that it writes, ``.`` for each piece."""
    pondering, said = Pondering(), ""
    for delta in deltas:
        said += "".join(">" if one.over else "<" for one in pondering.told(delta)) + "."
    return said


@pytest.mark.parametrize(
    ("deltas", "said"),
    [
        ((WORD, WORD), ".."),
        ((THOUGHT, THOUGHT, WORD, WORD), "<..>.."),
        ((WORD, THOUGHT, WORD), "..."),
        ((THOUGHT, WORD, ANEW, THOUGHT, WORD), "<.>..<.>."),
        ((THOUGHT, ANEW, WORD), "<..>."),
        ((Delta(), Delta(text="x", thought=1)), ".."),
    ],
    ids=["it only writes", "it thinks first", "it thinks later", "it begins anew", "it dies thinking", "both at once"],
)
def test_it_is_told_once_that_it_thinks_and_once_that_it_writes(deltas: tuple[Delta, ...], said: str) -> None:
    assert told(*deltas) == said


def test_the_event_comes_between_the_passages_and_the_first_sentence_and_holds_no_thought(shelf: Shelf) -> None:
    events = list(asked(shelf, ScriptedModel(THOUGHT, THOUGHT, says(TRUE))))
    assert [type(event) for event in events] == [Found, Thinking, Thinking, Sentence, Done]
    assert events[1:3] == [Thinking(over=False), Thinking(over=True)]
    assert end(iter(events)).outcome == "answered"


def test_a_model_that_only_thinks_is_told_to_and_then_ends(shelf: Shelf) -> None:
    events = list(asked(shelf, ScriptedModel(THOUGHT, finish="thought")))
    assert [type(event) for event in events] == [Found, Thinking, Done]


def test_both_doors_name_it_alike() -> None:
    event: AnswerEvent = Thinking(over=True)
    name, form = event_form(event)
    assert event_json(event) == {"event": name, **form} == {"event": "thinking", "over": True}
    assert json.dumps(form)
