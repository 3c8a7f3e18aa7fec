"""A comparison from its beginning to its end: questions, one search for each, every model in turn, the ranks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rag.access import Principal
from rag.app import App
from rag.ask.answer import Answerer
from rag.ask.course import Before
from rag.errors import ModelError, ModelUnavailable
from rag.evaluate import questions as reading
from rag.evaluate.gate import Gate
from rag.evaluate.models import cases, judge, making, report, trial, wording
from rag.evaluate.models.cases import Case
from rag.evaluate.models.contestants import Contestant, Opening, opened, server_memory, size_of
from rag.evaluate.models.machine import measured
from rag.evaluate.models.report import Comparison, Speed, speed_of
from rag.evaluate.models.standing import Entry, fits, stand
from rag.evaluate.questions import Question
from rag.ports import LanguageModel, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is compared. `judge` judges besides, and is pinned."""

    models: Sequence[Contestant]
    questions: Sequence[Question]
    gate: Gate | None = None
    judge: Contestant | None = None


def compare(
    app: App,
    plan: Plan,
    *,
    principal: Principal,
    opening: Opening | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Comparison:
    """Ask every model the same, one model after the other, so that none takes another's memory. One that cannot be had
    is left out, with the reason; the others go on.

    Raises:
        SettingsError: the questions cannot tell what the gate asks for.
        ModelUnavailable: none of them can be had.
        StoreError: an answer could not be recorded.
    """
    if plan.gate:
        fits(plan.gate, plan.questions)
    start = opening or partial(opened, settings=app.settings)
    gathered = cases.gather(app, plan.questions, principal=principal)
    allowance = cases.allowance(
        [one.provider for one in plan.models], prompt_tokens=app.settings.retrieval.prompt_tokens
    )
    entries: list[Entry] = []
    speeds: dict[str, Speed] = {}
    failed: dict[str, str] = {}
    for one in plan.models:
        try:
            entry, speed = _tried(app, one, gathered, allowance, principal, start, progress)
        except ModelError as error:
            failed[one.name] = str(error)
            continue
        entries.append(entry)
        speeds[one.name] = speed
    if not entries:
        raise ModelUnavailable(" ".join(f"{name}: {why}" for name, why in failed.items()))
    standing = stand(entries, gate=plan.gate)
    verdicts = {}
    if plan.judge:
        try:
            with closing(start(plan.judge)) as model:
                verdicts = {one.entry.name: judge.judged(model, one.entry.scored) for one in standing.placed}
        except ModelError as error:
            failed[f"{plan.judge.name} (judge)"] = str(error)
    return Comparison(
        standing=standing,
        asked=tuple(plan.questions),
        passages={"chars": allowance.chars, "extracted": allowance.extracted},
        speeds=speeds,
        judge=f"{plan.judge.name}@{plan.judge.digest}" if plan.judge else "",
        verdicts=verdicts,
        failed=failed,
    )


def _tried(
    app: App,
    one: Contestant,
    gathered: Sequence[Case],
    allowance: Before,
    principal: Principal,
    start: Callable[[Contestant], LanguageModel],
    progress: Progress,
) -> tuple[Entry, Speed]:
    with measured(own_memory=one.provider == "embedded") as cost, closing(start(one)) as model:
        answerer = Answerer(
            retriever=app.retriever,
            audit=app.audit,
            model=None,
            rules=app.rules(model),
            prompts=app.settings.prompts,
        )
        found = trial.run(
            answerer,
            gathered,
            model=model,
            principal=principal,
            allowance=allowance,
            seen=lambda number: progress(one.name, number, len(gathered)),
        )
        info = model.info
        on_server = server_memory(one, app.settings)
    if on_server is not None:
        cost.memory_bytes = on_server
    entry = Entry(
        name=one.name,
        digest=info.digest,
        runtime=info.runtime,
        size_bytes=size_of(one, app.settings),
        scored=found.scored,
    )
    return entry, speed_of(found.timed, cost)


def questions_of(
    app: App,
    path: Path,
    *,
    principal: Principal,
    count: int,
    maker: Contestant | None = None,
    opening: Opening | None = None,
) -> tuple[list[Question], bool]:
    """The questions in that file; made of the documents, and written there for review, where there is none yet. The
    second: whether they were made now.

    Raises:
        SettingsError: see `rag.evaluate.questions.golden`, and `making.make`.
    """
    fresh = not path.exists()
    if fresh:
        if maker is None:
            made = making.make(app, principal, count=count)
        else:
            start = opening or partial(opened, settings=app.settings)
            with closing(start(maker)) as model:
                by = f"{maker.name}@{model.info.digest}"
                made = making.make(app, principal, count=count, writer=wording.writer(model), by=by)
        report.keep(path, report.lines([one.as_json() for one in made]))
    return reading.golden(path), fresh


def unreviewed(path: Path) -> int:
    """How many of a file's questions say that nobody has looked at them."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    return sum(line.get("reviewed") is False for line in lines)
