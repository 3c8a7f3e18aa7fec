"""``rag ask --conversation FILE.json``: what was said before, from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.doors.conftest import QUESTION, Line, Writer, owner, papers

FOLLOW_UP = "Und bis wann müssen sie genommen sein?"
READ_AS = f"{FOLLOW_UP} (Arbeitstage Urlaub Kalenderjahr)"
BEFORE = [
    {"role": "user", "content": QUESTION},
    {"role": "assistant", "content": "Der Urlaub beträgt im Kalenderjahr 30 Arbeitstage."},
]


@pytest.fixture
def filled(fresh: Line) -> Line:
    fresh.json("ingest", papers(fresh.folder / "papers"), code=3)
    return fresh


def spoken(line: Line, content: Any, *, encoding: str = "utf-8") -> Path:
    """A file with the conversation."""
    path = line.folder / "before.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding)
    return path


def test_a_follow_up_is_read_with_what_was_said_before_and_the_answer_says_as_what(filled: Line, said: Writer) -> None:
    with owner(filled):
        alone = filled.json("ask", FOLLOW_UP)
        after = filled.json("ask", FOLLOW_UP, "--conversation", spoken(filled, BEFORE))
    assert alone["asked"] == FOLLOW_UP
    assert (after["question"], after["asked"]) == (FOLLOW_UP, READ_AS)
    assert READ_AS in said.prompts[-1]


def test_a_person_reads_how_the_follow_up_was_understood(filled: Line) -> None:
    with owner(filled):
        done = filled.run("ask", FOLLOW_UP, "--conversation", spoken(filled, BEFORE))
    assert done.returncode == 0
    assert READ_AS in " ".join(f"{done.stdout}{done.stderr}".split())


def test_it_goes_with_each_question_of_a_batch(filled: Line) -> None:
    batch = filled.folder / "batch.jsonl"
    batch.write_text("".join(json.dumps({"id": name, "text": FOLLOW_UP}) + "\n" for name in "ab"))
    with owner(filled):
        done = filled.run("ask", "--batch", batch, "--conversation", spoken(filled, BEFORE))
    assert [json.loads(line)["asked"] for line in done.stdout.splitlines()] == [READ_AS] * 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_an_empty_conversation_is_none(filled: Line, encoding: str) -> None:
    with owner(filled):
        answer = filled.json("ask", FOLLOW_UP, "--conversation", spoken(filled, "[]", encoding=encoding))
    assert answer["asked"] == FOLLOW_UP


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "it is not JSON in UTF-8"),
        ("\x00", "it is not JSON in UTF-8"),
        ("[" * 100_000, "it is not JSON in UTF-8"),
        ('{"role": "user", "content": "x"}', "is not a JSON list"),
        ([{"role": "system", "content": "x"}], "Turn 1 of the conversation"),
        ([{"role": "user", "content": "x"}] * 21, "at most 20 are read"),
        ([{"role": "user", "content": "x" * 2001}], "at most 2000 are read"),
    ],
)
def test_a_file_that_is_no_conversation_is_wrong_usage_and_said(fresh: Line, content: Any, told: str) -> None:
    with owner(fresh):
        done = fresh.run("ask", FOLLOW_UP, "--conversation", spoken(fresh, content))
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_a_file_that_is_not_there_or_a_folder_is_named(fresh: Line) -> None:
    for path, reason in ((fresh.folder / "nowhere.json", "No such file"), (fresh.folder, "Is a directory")):
        done = fresh.run("ask", FOLLOW_UP, "--conversation", path)
        assert done.returncode == 2
        assert reason in done.stderr
