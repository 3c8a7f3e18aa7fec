"""``data/golden`` over ``data/sample``: recall, and citations with the model that is configured.

``BENCH_QUESTIONS`` bounds how many questions are answered (default 40, taken evenly); retrieval always runs on all.
"""

from __future__ import annotations

import os
from typing import Any

from rag.evaluate import golden
from tests.bench.machine import ROOT, sample_app


def measure() -> dict[str, Any]:
    """Retrieval on all questions, answers on some."""
    questions = golden.read(ROOT / "data/golden")
    wanted = int(os.environ.get("BENCH_QUESTIONS", "40"))
    with sample_app() as app:
        person = app.person("local")
        found = golden.figures(golden.run(app, questions, principal=person, answers=False))
        some = questions[:: max(1, len(questions) // wanted)] if wanted else []
        if some:
            answered = golden.run(app, some, principal=person, answers=True)
            found["answers"] = golden.figures(answered)["answers"] | {"asked": len(some)}
    return found
