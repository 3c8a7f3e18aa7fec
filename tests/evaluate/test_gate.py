"""Gates: what is kept, what is missed and what cannot be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import SettingsError
from rag.evaluate import gate
from rag.evaluate.gate import Bound, Gate
from rag.evaluate.intervals import Figure

shares = st.floats(0, 1)


def figure(value: float) -> Figure:
    return Figure(value=value, low=value, high=value, n=9)


MEASURED = {"xquad-de": {"ndcg@10": figure(0.9), "false_answers@10": figure(0.02), "recall@5": figure(0.95)}}


def written(folder: Path, text: str) -> Path:
    path = folder / "gate.toml"
    path.write_text(text)
    return path


def test_a_bare_number_is_the_least_or_for_what_should_be_small_the_most(tmp_path: Path) -> None:
    path = written(tmp_path, '[xquad-de]\n"ndcg@10" = 0.91\n"false_answers@10" = 0.01\n"recall@5" = 0.95\n')
    missed = gate.read(path).check(MEASURED)
    assert missed == [
        "ndcg@10 of xquad-de is 0.9 (0.9 to 0.9, n=9); it must be at least 0.91.",
        "false_answers@10 of xquad-de is 0.02 (0.02 to 0.02, n=9); it must be at most 0.01.",
    ]


def test_both_ends_may_be_written_out(tmp_path: Path) -> None:
    path = written(tmp_path, '[xquad-de]\n"ndcg@10" = {least = 0.8, most = 0.85}\n"recall@5" = {most = 1}\n')
    (missed,) = gate.read(path).check(MEASURED)
    assert "at most 0.85" in missed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[xquad-de]\n"ndcg@5" = 1', r'line 2: "ndcg@5" is no figure; there are recall@1'),
        ('[xquad-de]\n\n"ndcg@10" = "high"', r"line 3: .*is a number"),
        ('[xquad-de]\n"ndcg@10" = nan', r"line 2: .*is a number"),
        ('[xquad-de]\n"ndcg@10" = {least = -inf}', r"line 2: .*is a number"),
        ('[xquad-de]\n"ndcg@10" = {least = 0.9, most = 0.1}', r"line 2: .*at least 0.9 and at most 0.1"),
        ('[xquad-de]\n"ndcg@10" = true', r"line 2: .*is a number"),
        ('[xquad-de]\n"ndcg@10" = {about = 1}', r"line 2: .*least = NUMBER"),
        ('[xquad-de]\n"ndcg@10" = {}', r"line 2: .*least = NUMBER"),
        ('"ndcg@10" = 1', r"line 1: .*stands in no set"),
        ("[xquad-de", r"not valid TOML"),
        ("", r"asks for no figure"),
    ],
)
def test_what_is_no_gate_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        gate.read(written(tmp_path, text))


def test_a_set_or_a_figure_that_the_run_lacks_is_never_taken_for_reached(tmp_path: Path) -> None:
    path = written(tmp_path, '[xquad-de]\n"ndcg@10" = 0\n[xquad-en]\n"ndcg@10" = 0\n')
    with pytest.raises(SettingsError, match=r'line 4: no set is called "xquad-en" here; there are xquad-de'):
        gate.read(path).check(MEASURED)
    for name, needed in (("auroc", "no answer"), ("support", "--answers"), ("mrr@10", "that have one")):
        with pytest.raises(SettingsError, match=f"line 2: this run has no .*{needed}"):
            gate.read(written(tmp_path, f'[xquad-de]\n"{name}" = 0\n')).check(MEASURED)


@given(value=shares, bound=shares, looser=shares)
def test_a_looser_gate_never_misses_what_a_tighter_one_lets_through(value: float, bound: float, looser: float) -> None:
    def misses(least: float) -> int:
        made = Bound(set="s", figure="ndcg@10", least=least, most=None, line=1)
        return len(Gate(path=Path("gate.toml"), bounds=(made,)).check({"s": {"ndcg@10": figure(value)}}))

    assert misses(min(bound, looser)) <= misses(max(bound, looser))
    assert misses(bound) == (value < bound)
