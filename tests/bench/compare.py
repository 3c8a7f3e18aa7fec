"""``rag models compare`` over data/sample: three small models, and one that is broken on purpose, which must come last.

The broken one is the 0.5 B model told in another family's template, of which only the end fits its context, as a server
with a small ``num_ctx`` cuts it: silently. ``BENCH_QUESTIONS`` says how many golden questions are asked (default 12, of
which a third have no answer), ``BENCH_MODELS`` which models (default all three, parted by commas), ``BENCH_THREADS``
how many threads each has (1 is faster on a busy machine); ``BENCH_OUT`` keeps the page.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rag.answers import ModelInfo
from rag.app import App
from rag.ask.figures import figures_of
from rag.evaluate import sets
from rag.evaluate.models import contest, page, report
from rag.evaluate.models.contest import Plan
from rag.evaluate.models.contestants import Contestant, contestant, opened
from rag.evaluate.models.standing import stand
from rag.evaluate.questions import Question
from rag.ports import Delta, Generation, LanguageModel, Message
from tests.bench.machine import ROOT, sample_app

MODELS = ("embedded:qwen2.5-1.5b", "embedded:qwen2.5-0.5b", "embedded:smollm2-135m")
BROKEN = Contestant(provider="embedded", model="broken")
_LEFT_CHARS = 900  # of a prompt of some 4,000


class Broken:
    """A model that is told in a wrong template, the beginning of which it never sees."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.context_tokens = model.context_tokens

    @property
    def info(self) -> ModelInfo:
        return replace(self._model.info, name="broken")

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._model.count_tokens(_spoilt(messages))

    def stream(self, messages: Sequence[Message], generation: Generation) -> Iterator[Delta]:
        return self._model.stream(_spoilt(messages), generation)

    def close(self) -> None:
        self._model.close()


def _spoilt(messages: Sequence[Message]) -> list[Message]:
    told = "".join(f"<start_of_turn>{one.role}\n{one.content}<end_of_turn>\n" for one in messages)
    return [Message(role="user", content=told[-_LEFT_CHARS:])]


def measure() -> dict[str, Any]:
    """Rank them, and rank them again over 20 draws of the same questions."""
    threads = int(os.environ.get("BENCH_THREADS", "0"))
    with sample_app(first_token_timeout_s=1200.0, total_timeout_s=3600.0, threads=threads) as app:  # busy is no fault
        return measured(app)


def measured(app: App) -> dict[str, Any]:
    """The same in a home that holds the sample already."""

    def opening(one: Contestant) -> LanguageModel:
        if one != BROKEN:
            return opened(one, app.settings)
        return Broken(opened(contestant("embedded:qwen2.5-0.5b"), app.settings))

    named = os.environ.get("BENCH_MODELS", ",".join(MODELS)).split(",")
    questions = some(int(os.environ.get("BENCH_QUESTIONS", "12")))
    plan = Plan(models=(*map(contestant, named), BROKEN), questions=questions)
    found = contest.compare(app, plan, principal=app.person("local"), opening=opening, progress=_told)
    out = Path(os.environ.get("BENCH_OUT") or app.settings.home / "compare")
    out.mkdir(parents=True, exist_ok=True)
    report.write(found, page.render(found), out)
    again = replace(found, standing=stand(report.recorded(out / "answers.jsonl", found.asked)))
    last = len(found.standing.placed)
    return {
        "questions": len(found.asked),
        "answerable": sum(question.answerable for question in found.asked),
        "table": [
            dict(zip(("rank", "model", *report.WORDS), row, strict=False)) for row in report.rows(found.standing)
        ],
        "last_in_resamples": {one.entry.name: one.ranks.count(last) for one in found.standing.placed},
        "times": found.times(),
        "the_same_twice": json.dumps(found.as_json()) == json.dumps(again.as_json()),
    }


def _told(what: str, done: int, total: int) -> None:
    print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)


def some(count: int) -> list[Question]:
    """Golden questions, a third of them without an answer, taken evenly; a short quote with a figure is the fact."""
    facts = {}
    for line in (ROOT / "data/golden/questions.jsonl").read_text(encoding="utf-8").split("\n"):
        entry = json.loads(line) if line else {"gold": []}
        quote = entry["gold"][0].get("quote", "") if entry["gold"] and entry["kind"] != "multi" else ""
        if quote and len(quote) <= 40 and figures_of(quote):
            facts[entry["id"]] = (quote,)
    every = [replace(one, facts=facts.get(one.id, ())) for one in sets.read(ROOT / "data/golden").questions]
    right = [one for one in every if one.facts and one.kind in ("plain", "table", "page")]
    wrong = [one for one in every if not one.answerable]
    few = count // 3
    return [*right[:: max(1, len(right) // (count - few))][: count - few], *wrong[:: max(1, len(wrong) // few)][:few]]
