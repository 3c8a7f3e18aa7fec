"""Thinking is left out, whatever pieces it comes in; token bounds hold and learn."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ContextOverflow
from rag.models.streaming import without_thinking
from rag.models.token_bound import TokenBound
from rag.ports import Delta, Message, Usage

END = Usage(prompt_tokens=None, output_tokens=None, finish="stop")


def through(text: str, cuts: list[int]) -> str:
    """The text in pieces through the filter."""
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    pieces = [Delta(text=text[start:end]) for start, end in pairwise(places)]
    given_out = list(without_thinking(iter([*pieces, Delta(usage=END)])))
    assert given_out[-1].usage == END
    return "".join(delta.text for delta in given_out)


@given(st.text(alphabet="<think>/ aß\n"), st.lists(st.integers(0, 1000), max_size=8))
def test_text_that_does_not_begin_with_thinking_comes_through_whole(text: str, cuts: list[int]) -> None:
    if not text.lstrip().startswith("<think>"):
        assert through(text, cuts) == text


@given(st.text(alphabet="abc <>\n"), st.text(alphabet="abc<think>/ß", max_size=20), st.lists(st.integers(0, 1000)))
def test_thinking_at_the_beginning_is_left_out(thought: str, text: str, cuts: list[int]) -> None:
    assert through(f"<think>{thought}</think>\n\n{text}", cuts).lstrip() == text.lstrip()


def test_thinking_that_never_ends_leaves_no_text() -> None:
    assert through("<think>Hm, 24 oder 30", [9]) == ""


def prompt(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def test_the_upper_bound_rises_when_it_was_too_low() -> None:
    bound, messages = TokenBound(), prompt("wort " * 200)
    counted = bound.upper(messages) * 2
    bound.learn(messages, counted)
    assert bound.upper(messages) >= counted


def test_the_upper_bound_sharpens_with_what_was_counted_but_stays_above() -> None:
    bound, messages = TokenBound(), prompt("Der Urlaub beträgt 24 Werktage. " * 40)
    before = bound.upper(messages)
    for _ in range(3):
        bound.learn(messages, 420)
    assert 420 < bound.upper(messages) < before


def test_a_count_clearly_below_what_was_seen_so_far_is_a_cut_prompt() -> None:
    bound, messages = TokenBound(), prompt("Der Urlaub beträgt 24 Werktage. " * 40)
    for _ in range(3):
        bound.learn(messages, 420)
    cut = Delta(usage=Usage(prompt_tokens=230, output_tokens=1, finish="stop"))  # more than its 200 words
    with pytest.raises(ContextOverflow, match="cut off"):
        list(bound.checked(messages, iter([cut]), server="Ollama"))


def test_a_server_that_does_not_count_is_believed() -> None:
    last = Delta(usage=END)
    assert list(TokenBound().checked(prompt("Urlaub? " * 100), iter([last]), server="Ollama")) == [last]
