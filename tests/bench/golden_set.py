"""``data/golden`` over ``data/sample``: recall, and citations with the model that is configured.

``BENCH_QUESTIONS`` bounds how many questions are answered (default 40, taken evenly); retrieval always runs on all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rag.app import App
from rag.evaluate import report, runs, sets
from rag.evaluate.questions import Question
from rag.evaluate.summary import summarise
from tests.bench.machine import ROOT, sample_app


def measure() -> dict[str, Any]:
    """Retrieval on all questions, answers on some."""
    questions = sets.read(ROOT / "data/golden").questions
    wanted = int(os.environ.get("BENCH_QUESTIONS", "40"))
    with sample_app() as app:
        found = _plain(app, questions, answers=False)
        some = questions[:: max(1, len(questions) // wanted)] if wanted else ()
        if some:
            found["answers"] = _plain(app, some, answers=True)["answers"] | {"asked": len(some)}
    return found


def _plain(app: App, questions: Sequence[Question], *, answers: bool) -> dict[str, Any]:
    results = runs.run(app, questions, principal=app.person("local"), answers=answers)
    return report.plain(summarise("golden", results, threshold=app.settings.retrieval.evidence))
