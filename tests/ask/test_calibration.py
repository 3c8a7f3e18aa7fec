"""From features to a probability, and a calibration of one's own in its place."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.ask.calibration import SHIPPED, Calibration, calibrations
from rag.ask.evidence import Features, features_of
from rag.documents import ChunkId
from rag.errors import SettingsError
from rag.govern.checks import evidence
from rag.store.backup import CALIBRATION

GOOD = Features(
    similarity=0.9,
    margin=0.4,
    coverage=0.9,
    widest=0.9,
    second_coverage=0.6,
    agreement=0.6,
    figures=0.0,
    stretch=0.8,
    least=0.5,
)
BAD = Features(
    similarity=0.3,
    margin=0.05,
    coverage=0.2,
    widest=0.2,
    second_coverage=0.1,
    agreement=0.0,
    figures=1.0,
    stretch=0.35,
    least=0.1,
)


def plain(features: Features) -> Features:
    return replace(features, stretch=None, least=None)


def test_good_evidence_is_likelier_than_bad_with_and_without_tokens() -> None:
    assert SHIPPED.probability(BAD) < 0.25 < SHIPPED.probability(GOOD)
    assert SHIPPED.probability(plain(BAD)) < 0.25 < SHIPPED.probability(plain(GOOD))


@given(st.floats(0, 3), st.floats(0, 1), st.floats(0, 1), st.floats(0, 2), st.floats(-1, 1))
def test_a_probability_is_one(
    similarity: float, margin: float, coverage: float, figures: float, stretch: float
) -> None:
    features = replace(GOOD, similarity=similarity, margin=margin, coverage=coverage, figures=figures, stretch=stretch)
    assert 0.0 <= SHIPPED.probability(features) <= 1.0


def test_a_figure_asked_for_that_is_nowhere_lowers_it() -> None:
    assert SHIPPED.probability(replace(GOOD, figures=1.0)) < SHIPPED.probability(GOOD)


def test_no_abundance_of_the_topic_makes_up_for_a_want_of_the_fact() -> None:
    much = replace(GOOD, margin=50.0)
    assert SHIPPED.probability(replace(much, figures=2.0)) < SHIPPED.probability(much)
    assert SHIPPED.probability(much) == pytest.approx(SHIPPED.probability(replace(much, margin=90.0)))


def test_figures_of_the_question_are_looked_for_however_they_are_written() -> None:
    def lacking(question: str, best: str) -> float:
        return features_of(dense=[], lexical=[], coverage=[], width=1.0, question=question, best=best).figures

    assert lacking("Was galt bis zum 1. März 2022?", "Bis 01.03.2022 galt …") == 0
    assert lacking("Gibt es 30 Tage?", "Es gibt dreißig Tage") == 0
    assert lacking("Gibt es 31 Tage?", "Es gibt dreißig Tage") == 1


def test_how_the_two_lists_agree_is_counted() -> None:
    dense = [(ChunkId(name), 0.5 - place / 10) for place, name in enumerate("abc")]
    lexical = [(ChunkId(name), 9.0) for name in "bcd"]
    found = features_of(dense=dense, lexical=lexical, coverage=[0.5, 0.7], width=0.5, question="", best="")
    assert found.similarity == pytest.approx(1.0)
    assert found.margin == pytest.approx(0.2)
    assert (found.agreement, found.coverage, found.widest) == (0.4, 0.5, 0.7)


def test_nothing_found_is_no_evidence() -> None:
    empty = features_of(dense=[], lexical=[], coverage=[], width=1.0, question="Wer?", best="")
    assert SHIPPED.probability(empty) < 0.05


PLAIN, TURNED = "e5:0123", "e5:0123+adapter:abcd"


def test_a_home_without_a_calibration_uses_the_shipped_one(tmp_path: Path) -> None:
    assert calibrations(tmp_path, embedder=PLAIN) is SHIPPED


@pytest.mark.parametrize("kind", ["reading", "plain"])
def test_a_calibration_of_ones_own_takes_the_place_of_its_kind_only(tmp_path: Path, kind: str) -> None:
    own: Calibration = replace(getattr(SHIPPED, kind), shift=-2.0, origin="house")
    (tmp_path / CALIBRATION).write_text(own.as_json())
    found = calibrations(tmp_path, embedder=PLAIN)
    assert getattr(found, kind) == own
    other = "plain" if kind == "reading" else "reading"
    assert getattr(found, other) == getattr(SHIPPED, other)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda form: form.pop("topic"),
        lambda form: form["topic"]["weights"].update(moon=1.0),
        lambda form: form["topic"]["weights"].update(margin="much"),
        lambda form: form.update(shift=math.nan),
        lambda form: form.update(slopes=[1.0]),
        lambda form: form.update(slopes="no"),
    ],
)
def test_a_spoilt_calibration_is_refused_with_the_way_out(tmp_path: Path, spoil: Any) -> None:
    form = json.loads(SHIPPED.reading.as_json())
    spoil(form)
    (tmp_path / CALIBRATION).write_text(json.dumps(form))
    with pytest.raises(SettingsError, match=r"eval calibrate.*delete it"):
        calibrations(tmp_path, embedder=PLAIN)


@pytest.mark.parametrize(
    ("fitted", "running", "holds"),
    [
        (PLAIN, PLAIN, True),
        (PLAIN, TURNED, False),
        (TURNED, TURNED, True),
        (TURNED, PLAIN, False),
        ("", PLAIN, True),
        ("", TURNED, False),
    ],
)
def test_a_calibration_holds_for_the_embedder_it_was_fitted_with_and_for_no_other(
    fitted: str, running: str, holds: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = replace(SHIPPED.plain, shift=-2.0, origin="house", embedder=fitted)
    (tmp_path / CALIBRATION).write_text(own.as_json())
    found = calibrations(tmp_path, embedder=running)
    assert found.plain == (own if holds else SHIPPED.plain)
    assert ("rag eval calibrate" in caplog.text) is not holds


def test_the_doctor_says_which_calibration_decides_and_how_to_fit_another(tmp_path: Path) -> None:
    assert list(evidence(tmp_path, PLAIN)) == []
    (shipped,) = evidence(tmp_path, TURNED)
    assert shipped.well and "rag eval calibrate" in shipped.finding
    (tmp_path / CALIBRATION).write_text(replace(SHIPPED.plain, origin="house", embedder=PLAIN).as_json())
    (own,) = evidence(tmp_path, PLAIN)
    assert own.well and "house" in own.finding
    (other,) = evidence(tmp_path, TURNED)
    assert not other.well and "rag eval calibrate" in other.advice
    (tmp_path / CALIBRATION).write_text("{}")
    (spoilt,) = evidence(tmp_path, PLAIN)
    assert not spoilt.well and "delete it" in spoilt.advice
