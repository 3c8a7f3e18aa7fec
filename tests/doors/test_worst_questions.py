"""What nobody should ask, and somebody will: each gets an answer or a sentence that says what to do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import SettingsError
from rag.question import MAX_QUESTION, question_of, readable
from tests.doors.conftest import QUESTION, Line, Writer, owner, papers


@given(st.text())
def test_a_readable_question_can_be_written_and_printed(typed: str) -> None:
    text = readable(typed)
    text.encode("utf-8")
    assert not [letter for letter in text if ord(letter) < 32 and letter not in "\n\t\r"]
    assert readable(text) == text


def test_halves_of_characters_and_controls_leave_the_words() -> None:
    assert question_of("\ud83d Wie\x00viele\x1b[2J Tage?\n") == "? Wie viele [2J Tage?"


@pytest.mark.parametrize("typed", ["", "  \n", "\x00\x00"])
def test_an_empty_question_is_none(typed: str) -> None:
    with pytest.raises(SettingsError, match="empty"):
        question_of(typed)


def test_the_longest_question_is_taken_and_a_longer_one_is_not() -> None:
    assert len(question_of("ß" * MAX_QUESTION)) == MAX_QUESTION
    with pytest.raises(SettingsError, match="2,001 characters; at most 2,000"):
        question_of("ß" * (MAX_QUESTION + 1))


@pytest.fixture
def filled(fresh: Line) -> Line:
    fresh.json("ingest", papers(fresh.folder / "papers"), code=3)
    return fresh


@pytest.mark.parametrize("command", ["ask", "search"])
def test_a_hundred_thousand_characters_are_no_question(filled: Line, said: Writer, command: str) -> None:
    with owner(filled):
        done = filled.run(command, "Urlaub " * 14_000)
    assert done.returncode == 2
    assert "at most 2,000 are read" in done.stderr
    assert said.prompts == []


@pytest.mark.parametrize(
    "typed", ["😀😀😀", "\u202eUrlaub", "<script>alert(1)</script>", "' OR 1=1 --", '"', "*:*", "§" * 50]
)
def test_whatever_is_typed_is_answered_in_one_object(filled: Line, typed: str) -> None:
    with owner(filled):
        assert filled.json("ask", typed)["question"] == typed


def test_a_batch_holds_controls_and_halves_and_goes_on(filled: Line, said: Writer) -> None:
    batch = filled.folder / "batch.jsonl"
    batch.write_text(
        '{"id": 1, "text": "Url\\u0000aub?"}\n' + json.dumps({"id": 2, "text": f"\ud83d {QUESTION}"}) + "\n"
    )
    with owner(filled):
        done = filled.run("ask", "--batch", batch)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["question"] for line in done.stdout.splitlines()] == ["Url aub?", f"? {QUESTION}"]
    assert "\x00" not in "".join(said.prompts)


@pytest.mark.parametrize(
    ("text", "told"), [(" ", "line 2: The question is empty"), ("x" * 2001, "line 2: The question has")]
)
def test_a_line_that_is_no_question_is_named_before_anything_is_asked(
    filled: Line, said: Writer, text: str, told: str
) -> None:
    batch = filled.folder / "batch.jsonl"
    batch.write_text("".join(json.dumps({"id": n, "text": t}) + "\n" for n, t in enumerate((QUESTION, text))))
    with owner(filled):
        done = filled.run("ask", "--batch", batch)
    assert (done.returncode, done.stdout, said.prompts) == (2, "", [])
    assert told in " ".join(done.stderr.split())


def test_a_file_in_the_place_of_a_folder_is_told_which_folder_holds_it(filled: Line) -> None:
    with owner(filled):
        done = filled.run("ingest", filled.folder / "papers" / "urlaub.txt")
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "is not a folder but a file" in told
    assert "`rag ingest" in told
