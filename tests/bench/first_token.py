"""How much later than the bare model the service has its first token, for the same prompt.

The service's time begins with the question: embedding it, both searches, the ledger's check, the audit record. Before
each of the two runs another prompt is read, so that both find the same beginning in the model's cache.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from rag.access import LOOPBACK
from rag.answers import Done
from rag.app import App
from rag.ask import prompt
from rag.ports import Delta, Generation, LanguageModel, Message
from tests.bench.machine import sample_app

_QUESTIONS = (
    "Wann beginnt die Spätschicht?",
    "How many weeks of full sick pay do colleagues in Leeds get after more than two years?",
    "Wie viele Urlaubstage stehen mir bei einer Vollzeitstelle zu?",
    "How fast must we react to an S1 incident?",
    "Was kostet uns das CAD Programm jährlich?",
)


class _Listening:
    """The model itself, remembering the prompt it was given."""

    def __init__(self, model: LanguageModel) -> None:
        self._model, self.heard = model, list[Message]()
        self.info, self.context_tokens = model.info, model.context_tokens
        self.count_tokens, self.close = model.count_tokens, model.close

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        self.heard = list(messages)
        return self._model.stream(messages, generation)


def measure() -> dict[str, Any]:
    """Five questions; medians, and the worst."""
    with sample_app(provider="embedded") as app:
        model = app.language_model()
        if model is None:
            return {"skipped": app.model_problem}
        ear = _Listening(model)
        app.writers.opened[""] = ear
        _ask(app, _QUESTIONS[0])
        rows = [_row(app, ear, model, question) for question in _QUESTIONS]
    later = [row["service_ms"] - row["bare_ms"] for row in rows]
    allowed = [100 + 0.05 * row["bare_ms"] for row in rows]
    return {
        "model": model.info.name,
        "service_ms_median": round(statistics.median(row["service_ms"] for row in rows)),
        "bare_ms_median": round(statistics.median(row["bare_ms"] for row in rows)),
        "later_ms_median": round(statistics.median(later)),
        "later_ms_worst": round(max(later)),
        "before_the_model_ms_median": round(statistics.median(row["prompt_ms"] for row in rows)),
        "before_the_model_ms_worst": round(max(row["prompt_ms"] for row in rows)),
        "allowed_ms_median": round(statistics.median(allowed)),
        "first_sentence_ms_median": round(statistics.median(row["sentence_ms"] for row in rows)),
        "within": sum(lateness <= most for lateness, most in zip(later, allowed, strict=True)),
        "of": len(rows),
    }


def _row(app: App, ear: _Listening, model: LanguageModel, question: str) -> dict[str, float]:
    _forget(model)
    timing = _ask(app, question)
    _forget(model)
    began = time.perf_counter()
    stream = model.stream(ear.heard, Generation(max_tokens=300, schema=prompt.SCHEMA))
    while not next(stream).text:
        pass
    bare = (time.perf_counter() - began) * 1000
    for _ in stream:
        pass
    return {
        "service_ms": timing["first_token"],
        "prompt_ms": timing["prompt"],
        "bare_ms": bare,
        "sentence_ms": timing.get("first_sentence", timing["total"]),
    }


def _ask(app: App, question: str) -> dict[str, float]:
    for event in app.ask(question, principal=app.person("local"), channel=LOOPBACK):
        if isinstance(event, Done):
            return dict(event.answer.timing_ms)
    raise RuntimeError("an answer ends with Done")


def _forget(model: LanguageModel) -> None:
    """Another prompt with the same instructions, read to its end."""
    messages = prompt.messages("Was nun?", (), salt="00000000", language="de")
    for _ in model.stream(messages, Generation(max_tokens=4)):
        pass
