"""What people said of answers, as a set of questions that `rag eval` reads."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from rag.cli import feedback
from rag.errors import SettingsError
from rag.evaluate.questions import golden


def one(receipt: str, **more: Any) -> dict[str, Any]:
    whole = {"verdict": "helpful", "question": "Wie lang ist der Urlaub?", "cited": ["haus:urlaub.pdf"], "reason": None}
    return {"receipt": receipt, "at": "2026-11-26T08:00:00+00:00", "outcome": "answered", "model": "m", **whole, **more}


SAID = [
    one("20261126-a"),
    one("20261126-b", verdict="wrong"),
    one("20261126-c", question=None),
    one("20261126-d", cited=[]),
    one("20261126-e", question='Was heißt "§ 3"?', cited=["haus:a.pdf", "haus:b.pdf"]),
]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    monkeypatch.setattr(feedback, "single", lambda options, operation: {operation: SAID})
    return Namespace(folders=["feedback"], out=tmp_path / "out", json=True)


def test_what_was_helpful_becomes_a_question_with_what_was_cited(asked: Namespace) -> None:
    feedback.feedback(asked)
    found = golden(asked.out / "questions.jsonl")
    assert [(question.id, question.text, sorted(question.documents)) for question in found] == [
        ("20261126-a", "Wie lang ist der Urlaub?", ["haus:urlaub.pdf"]),
        ("20261126-e", 'Was heißt "§ 3"?', ["haus:a.pdf", "haus:b.pdf"]),
    ]
    assert all(question.answerable for question in found)


def test_everything_that_was_said_is_written(asked: Namespace) -> None:
    feedback.feedback(asked)
    lines = (asked.out / "feedback.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == SAID


def test_it_takes_no_folder(asked: Namespace) -> None:
    asked.folders.append("data/golden")
    with pytest.raises(SettingsError, match="takes no folder"):
        feedback.feedback(asked)
