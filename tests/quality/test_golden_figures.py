"""The golden questions over the sample company: the figures that ship with them are reached."""

from __future__ import annotations

from pathlib import Path

import pytest

import rag
from rag.app import App
from rag.evaluate import gate, report, sets
from rag.settings import Settings

pytestmark = pytest.mark.models

ROOT = Path(rag.__file__).parents[1]
GOLDEN = ROOT / "data/golden"


@pytest.mark.timeout(1200)
def test_the_golden_questions_reach_every_figure_of_their_gate(tmp_path: Path, weights: Path) -> None:
    settings = Settings(home=tmp_path / "home", models=weights)
    with App(settings) as app:
        app.sources.register(ROOT / "data/sample")
        assert not app.ingest().failed
    summary = report.measure(sets.read(GOLDEN), settings)
    assert gate.read(GOLDEN / "gate.toml").check({summary.name: summary.figures}) == []
