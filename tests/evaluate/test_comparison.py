"""Two runs, question by question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import SettingsError
from rag.evaluate import comparison
from rag.evaluate.runs import METRICS


def row(name: str, value: float, **changed: Any) -> dict[str, Any]:
    return {"id": name, "text": f"Frage {name}?", "gold": [["a"]], **dict.fromkeys(METRICS, value), **changed}


def test_questions_are_compared_one_by_one() -> None:
    before = [row("up", 0.5), row("down", 1.0), row("same", 0.3), row("far", 0.0)]
    now = [row("up", 0.6), row("down", 0.2), row("same", 0.3), row("far", 1.0)]
    found = comparison.compare("set", before, now)
    assert found is not None
    assert found.compared == 4
    assert [change.id for change in found.better] == ["far", "up"], "the greatest change first"
    assert [(change.id, change.before, change.now) for change in found.worse] == [("down", 1.0, 0.2)]
    assert found.differences["ndcg@10"].value == pytest.approx((0.1 - 0.8 + 0 + 1.0) / 4)
    assert found.signs["ndcg@10"] == 1.0, "two of three are no sign of anything"


def test_another_question_under_the_same_id_is_not_compared() -> None:
    before = [row("a", 0), row("b", 0), row("gone", 0), row("kept", 0.5)]
    now = [row("a", 1, text="Anders?"), row("b", 1, gold=[["z"]]), row("new", 1), row("kept", 0.5)]
    found = comparison.compare("set", before, now)
    assert found is not None
    assert (found.compared, found.apart) == (1, 6)
    assert comparison.compare("set", [row("x", 1)], [row("y", 1)]) is None


def test_questions_that_nothing_answers_have_no_rank_to_compare() -> None:
    silent = {"id": "n", "text": "Was?", "gold": []}
    assert comparison.compare("set", [silent], [silent]) is None


@pytest.mark.parametrize(
    ("better", "worse", "chance"), [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (9, 1, 22 / 1024), (1, 9, 22 / 1024)]
)
def test_the_sign_test_counts_splits_at_least_as_uneven(better: int, worse: int, chance: float) -> None:
    assert comparison.sign_test(better, worse) == pytest.approx(chance)


@given(better=st.integers(0, 300), worse=st.integers(0, 300))
def test_the_sign_test_is_a_chance_and_takes_no_side(better: int, worse: int) -> None:
    assert 0 < comparison.sign_test(better, worse) == comparison.sign_test(worse, better) <= 1


@pytest.mark.parametrize("text", ["{", "[]", '{"sets": {"a": {}}}', '{"sets": {"a": {"rows": [{"id": 3}]}}}', "{}"])
def test_what_is_no_earlier_run_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"no eval.json .*--out DIR"):
        comparison.read(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        comparison.read(tmp_path / "gone.json")


def test_an_earlier_run_is_read_by_set(tmp_path: Path) -> None:
    path = tmp_path / "eval.json"
    path.write_text(json.dumps({"sets": {"a": {"rows": [row("q", 1)]}}}))
    assert comparison.read(path)["a"][0]["id"] == "q"
