"""`rag models compare`: language models side by side on one's own documents."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

from rag.access import OWNER
from rag.cli import FAILED, OK, output, say
from rag.cli.door import owned, settings_of
from rag.cli.evaluation import writable
from rag.errors import SettingsError
from rag.evaluate import gate
from rag.evaluate import questions as reading
from rag.evaluate.models import contest, judge, page, report
from rag.evaluate.models.contest import Plan
from rag.evaluate.models.contestants import check, contestant, contestants, opened
from rag.evaluate.models.report import Comparison
from rag.evaluate.models.standing import FIGURES, SET, fits, stand
from rag.settings import Settings

QUESTIONS, ANSWERS = "questions.jsonl", "answers.jsonl"


def compare(options: argparse.Namespace) -> int:
    """Compare, print the table and write the files; 1 where a gate is given and no model passes it, or where a
    model could not be asked: what the others answered is kept."""
    settings = settings_of(options)
    bounds = gate.read(options.gate, names=FIGURES, lower=()) if options.gate else None
    if bounds:
        bounds.fits([SET])
    folder = options.out or settings.home / "compare"
    writable(folder)
    found = _again(options, folder, bounds) if options.again else _run(options, settings, folder, bounds)
    report.write(found, page.render(found), folder)
    _print(found, folder, options)
    for name, why in found.failed.items():
        say(f"{name} could not be asked, the others were: {why}")
    return FAILED if found.failed or (bounds and found.standing.smallest is None) else OK


def _run(options: argparse.Namespace, settings: Settings, folder: Path, bounds: gate.Gate | None) -> Comparison:
    models = contestants(options.names)
    if len(models) < 2:
        raise SettingsError("Name two models or more: rag models compare embedded:qwen2.5-1.5b embedded:qwen2.5-0.5b")
    judging = contestant(options.judge) if options.judge else None
    maker = contestant(options.maker) if options.maker else None
    check([one for one in (*models, judging, maker) if one], settings)
    if judging and not judging.digest:
        with closing(opened(judging, settings)) as model:
            judge.refuse_unpinned(judging, model.info.digest)
    path = options.questions or folder / QUESTIONS
    if options.questions and not path.exists():
        raise SettingsError(f"There is no {path}. Without --questions they are made of your documents.")
    with output.Bar() as bar, owned(settings) as app:
        person = app.person(OWNER)
        questions, fresh = contest.questions_of(app, path, principal=person, count=options.count, maker=maker)
        if fresh:
            say(f"{len(questions)} questions were made of your documents: {path}. Look through them and compare again.")
        elif waiting := contest.unreviewed(path):
            say(f'{waiting} questions in {path} are still marked "reviewed": false.')
        plan = Plan(models=models, questions=questions, gate=bounds, judge=judging)
        return contest.compare(app, plan, principal=person, progress=bar.one)


def _again(options: argparse.Namespace, folder: Path, bounds: gate.Gate | None) -> Comparison:
    """The same answers, ranked anew: no model is asked."""
    if options.names or options.judge or options.maker:
        raise SettingsError("--again ranks the answers that are there; it asks no model. Leave the models out.")
    questions = reading.golden(options.questions or folder / QUESTIONS)
    if bounds:
        fits(bounds, questions)
    entries = report.recorded(folder / ANSWERS, questions)
    return Comparison(
        standing=stand(entries, gate=bounds),
        asked=tuple(questions),
        passages=report.passages_before(folder / "compare.json"),
    )


def _print(found: Comparison, folder: Path, options: argparse.Namespace) -> None:
    if options.json:
        output.print_json(found.as_json() | {"times": found.times(), "written": str(folder)})
        return
    output.table(report.heads(), report.rows(found.standing))
    if times := report.time_rows(found):
        output.table(report.TIME_HEADS, times)
    for name, one in found.verdicts.items():
        output.out.print(
            f"{output.safe(found.judge)} calls right, of {output.safe(name)}: {report.interval(one.right)}"
        )
    if said := report.sentence(found.standing):
        output.out.print(output.safe(said))
    output.err.print(f"[dim]Written: {output.safe(str(folder / 'compare.html'))}, compare.json and answers.jsonl.[/]")
