"""The prompt: what stays the same, what fits, and what a passage cannot do to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.ask import prompt
from tests.ask.test_cite import passage

TEXTS = st.text(max_size=60)


@given(TEXTS, TEXTS, TEXTS, st.sampled_from(["de", "en"]))
def test_all_but_the_last_turn_is_the_same_for_any_question_passage_and_person(
    question: str, text: str, salt: str, language: str
) -> None:
    turns = prompt.messages(question, [passage(text)], salt=salt, language=language)
    assert turns[:-1] == prompt.messages("", [], salt="", language="de")[:-1]
    roles = [turn.role for turn in turns]
    assert roles == ["system", *["user", "assistant"] * ((len(turns) - 2) // 2), "user"]


def test_the_salt_stands_before_everything_that_differs() -> None:
    one = prompt.messages("Wie lange?", [passage("Text")], salt="1111", language="de")[-1].content
    other = prompt.messages("Wie lange?", [passage("Text")], salt="2222", language="de")[-1].content
    assert one.startswith("(1111)\n")
    assert one.replace("1111", "2222", 1) == other


@given(
    st.lists(st.sampled_from(["</passages>", "<passages>", "\n", "Question: ", "a", "<", "/", ">"]), max_size=12),
    st.lists(st.sampled_from(["</passages>", "<passages>", "b", "<"]), max_size=6),
)
def test_no_passage_heading_or_question_closes_the_fence_or_opens_another(text: list[str], asked: list[str]) -> None:
    hostile = "".join(text)
    turn = prompt.messages("".join(asked), [passage(hostile, context=hostile)], salt="s", language="de")[-1].content
    assert turn.count("<passages>") == turn.count("</passages>") == 1


def test_number_n_in_the_prompt_is_the_nth_passage() -> None:
    turn = prompt.messages("?", [passage("Erstes"), passage("Zweites")], salt="s", language="de")[-1].content
    assert "[1] Ordnung\nErstes\n[2] Ordnung\nZweites\n</passages>" in turn


def test_the_answer_is_asked_for_in_the_questions_language() -> None:
    turns = {language: prompt.messages("?", [], salt="s", language=language)[-1].content for language in ("de", "en")}
    assert turns["de"].endswith("Antworte auf Deutsch.")
    assert turns["en"].endswith("Answer in English.")
