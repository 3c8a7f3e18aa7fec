"""Thinking is left out, whatever pieces it comes in; token bounds hold and learn."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ContextOverflow
from rag.models.thinking import _BLOCKS, without_thinking
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


def split_everywhere(text: str) -> set[str]:
    """What comes through for every place the text can be split at, and letter by letter."""
    return {through(text, [place]) for place in range(len(text) + 1)} | {through(text, list(range(len(text))))}


@given(st.text(alphabet="<think>/ aß\n|[]{}"), st.lists(st.integers(0, 1000), max_size=8))
def test_text_without_thinking_comes_through_whole(text: str, cuts: list[int]) -> None:
    if not any(mark in text.lower() for mark in ("<think>", "[think]")):
        assert through(text, cuts) == text


@given(
    st.sampled_from(sorted(_BLOCKS.items())),
    st.text(alphabet="abc <>|\n"),
    st.text(alphabet='abc{}":ß', max_size=20),
    st.lists(st.integers(0, 1000)),
)
def test_thinking_is_left_out_in_every_dialect_however_it_is_split(
    block: tuple[str, str], thought: str, text: str, cuts: list[int]
) -> None:
    opening, closing = block
    assert through(f"{opening}{thought}{closing}\n\n{text}", cuts) == text.lstrip()
    assert through(f"{opening.upper()}{thought}{closing}{text}{opening}{thought}{closing}", cuts) == text


@pytest.mark.parametrize("opening", sorted(_BLOCKS))
def test_thinking_that_never_ends_hides_all_that_follows(opening: str) -> None:
    assert split_everywhere(f"{opening} Hm, 24 oder 30") == {""}
    assert split_everywhere(f'{{"statements": []}}{opening} Hm') == {'{"statements": []}'}


def test_the_channels_of_one_template_leave_only_the_last() -> None:
    said = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>"
    assert split_everywhere(said) == {"{}"}


def test_half_a_mark_at_the_end_is_text() -> None:
    assert split_everywhere("5 <thi") == {"5 <thi"}


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
    bound, messages = TokenBound(), prompt("Die Überstundenvergütungsregelung gilt entsprechend. " * 40)
    for _ in range(3):
        bound.learn(messages, 640)
    cut = Delta(usage=Usage(prompt_tokens=300, output_tokens=1, finish="stop"))  # more than its 160 words
    with pytest.raises(ContextOverflow, match="cut off"):
        list(bound.checked(messages, iter([cut]), server="Ollama"))


GERMAN = prompt("Der Urlaub wird mit dem Vorgesetzten abgestimmt. " * 40)
ENGLISH = prompt("The leave of absence is agreed with the head of the department in good time. " * 40)
RULES = prompt("|------|------|\n| 1204,50 | 77,10 | 2024-03-01 |\n............ 12\n" * 40)
CHINESE = prompt("员工每年享有三十天带薪休假须提前与主管商定" * 40)


@pytest.mark.parametrize(
    ("messages", "counted"),
    [(ENGLISH, 40 * 17), (RULES, 40 * 24), (CHINESE, 40 * 14)],
    ids=["English", "figures and rules", "Chinese"],
)
@pytest.mark.parametrize(
    ("first", "first_counted"),
    [(GERMAN, 40 * 12), (RULES, 40 * 40), (CHINESE, 40 * 14)],
    ids=["German", "rules", "Chinese"],
)
def test_text_of_another_kind_than_seen_so_far_is_not_taken_for_a_cut_prompt(
    first: tuple[Message, ...], first_counted: int, messages: tuple[Message, ...], counted: int
) -> None:
    """Counts as the thriftiest tokenizers give them: runs of digits and dashes at once, two Chinese letters a piece."""
    bound = TokenBound()
    for _ in range(3):
        bound.learn(first, first_counted)
    assert bound.lower(messages) <= counted


def test_a_count_that_may_be_of_a_cut_prompt_lowers_no_bound() -> None:
    bound, messages = TokenBound(), prompt("Die Überstundenvergütungsregelung gilt entsprechend. " * 40)
    for _ in range(3):
        bound.learn(messages, 640)
    before = bound.lower(messages)
    bound.learn(messages, 250, whole=False)
    assert bound.lower(messages) == before


def test_a_server_that_does_not_count_is_believed() -> None:
    last = Delta(usage=END)
    assert list(TokenBound().checked(prompt("Urlaub? " * 100), iter([last]), server="Ollama")) == [last]
