"""`rag eval`: figures for sets of questions; `rag eval calibrate`: the evidence fitted on them."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.access import OWNER
from rag.cli import FAILED, OK, output, say
from rag.cli.door import owned, settings_of
from rag.cli.feedback import feedback
from rag.errors import SettingsError
from rag.evaluate import calibrate as fitting
from rag.evaluate import comparison, gate, homes, page, report, runs, sets
from rag.evaluate.report import Report
from rag.evaluate.sets import Form, QuestionSet
from rag.evaluate.summary import Summary
from rag.settings import Settings
from rag.store.backup import CALIBRATION

_NAMED = 5
_CALIBRATE, _FEEDBACK = "calibrate", "feedback"


def evaluation(options: argparse.Namespace) -> int:
    """Run the questions and print the figures; 1 where a figure that the gate asks for is missed."""
    if options.folders[0] == _CALIBRATE:
        return _calibration(options)
    if options.folders[0] == _FEEDBACK:
        return feedback(options)
    if options.dry_run:
        raise SettingsError("--dry-run goes with `rag eval calibrate`; measuring changes nothing anyway.")
    settings = settings_of(options)
    asked = [one.first(options.limit) for one in sets.read_all(options.folders)]
    bounds = gate.read(options.gate) if options.gate else None
    if bounds:
        bounds.fits([one.name for one in asked])
    earlier = _earlier(options.against, asked) if options.against else None
    writable(options.out)
    with output.Bar() as bar:
        summaries = [_measured(one, settings, options, bar) for one in asked]
    missed: list[str] = []
    try:
        missed = bounds.check({one.name: one.figures for one in summaries}) if bounds else []
    finally:  # what was measured is not lost where the gate asks for what this run does not have
        found = _reported(summaries, settings, options, earlier, missed)
    _print(found, options)
    for line in missed:
        say(line)
    return FAILED if missed else OK


def _reported(
    summaries: Sequence[Summary],
    settings: Settings,
    options: argparse.Namespace,
    earlier: Mapping[str, Sequence[Mapping[str, Any]]] | None,
    missed: Sequence[str],
) -> Report:
    """The report, written where that is wanted."""
    found = report.assemble(
        summaries,
        settings,
        earlier=earlier,
        against=str(options.against or ""),
        gate=str(options.gate or ""),
        missed=missed,
    )
    if options.out:
        _write(found, options.out)
    return found


def _earlier(path: Path, asked: Sequence[QuestionSet]) -> dict[str, list[dict[str, Any]]]:
    """The rows of the run to compare with, which must have one of these sets."""
    found = comparison.read(path)
    if not any(one.name in found for one in asked):
        names = ", ".join(one.name for one in asked)
        raise SettingsError(f"{path} has none of these sets ({names}), but {', '.join(found)}. Name them: NAME=FOLDER.")
    return found


def _measured(asked: QuestionSet, settings: Settings, options: argparse.Namespace, bar: output.Bar) -> Summary:
    def lacking(names: Sequence[str]) -> None:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        many = output.counted(len(names), "right document")
        told = f"{asked.place}: {many} not indexed here, counted as not found: {', '.join(names[:_NAMED])}{more}."
        output.err.print(f"[yellow]{output.safe(told)}[/]")

    return report.measure(
        asked,
        settings,
        opening=owned,
        keep=options.keep,
        answers=options.answers,
        baselines=options.baselines,
        progress=bar.one,
        lacking=lacking,
    )


def _print(found: Report, options: argparse.Namespace) -> None:
    """A table on a terminal, JSON elsewhere and where it is asked for."""
    if options.json:
        output.print_json(found.as_json(rows=False))
    elif output.out.is_terminal:
        for summary in found.summaries:
            _table(summary)
        for compared in found.comparisons:
            gained = compared.differences["ndcg@10"]
            output.out.print(
                f"{output.safe(compared.name)}: nDCG@10 {gained.value:+.3f} ({gained.low:+.3f} to {gained.high:+.3f}), "
                f"{len(compared.better)} questions better, {len(compared.worse)} worse, "
                f"sign test p = {compared.signs['ndcg@10']:.3g}"
            )
    else:
        output.out.print_json(data=found.as_json(rows=False))
    if options.out:
        output.err.print(f"[dim]Written: {output.safe(str(options.out / 'eval.html'))} and eval.json beside it.[/]")


def _table(summary: Summary) -> None:
    answerable = sum(result.question.answerable for result in summary.results)
    output.out.print(f"[bold]{output.safe(summary.name)}[/]: {len(summary.results)} questions, {answerable} answerable")
    output.table(
        ("figure", "value", "95 % interval", "questions"),
        [
            (
                page.WORDS[name],
                _shown(name, figure.value),
                f"{_shown(name, figure.low)} – {_shown(name, figure.high)}",
                figure.n,
            )
            for name, figure in summary.figures.items()
        ],
    )
    for name, own in summary.baselines.items():
        if own:
            gain = summary.gains[name]
            output.out.print(
                f"[dim]{name} alone: nDCG@10 {own['ndcg@10'].value:.3f}; the search gains {gain.value:+.3f} "
                f"({gain.low:+.3f} to {gain.high:+.3f})[/]"
            )
    if summary.missed:
        output.out.print(f"[dim]not among the first five documents: {output.safe(', '.join(summary.missed[:20]))}[/]")


def _shown(name: str, value: float) -> str:
    return f"{value:.0f}" if "_ms_" in name else f"{value:.3f}"


def writable(folder: Path | None) -> None:
    """See that the report can be written, before the questions are asked."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(f"The folder {folder} cannot be written to: {error.strerror}.") from error


def _write(found: Report, folder: Path) -> None:
    _replace(folder / "eval.json", json.dumps(found.as_json(rows=True), ensure_ascii=False, indent=1))
    _replace(folder / "eval.html", page.render(found))


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _calibration(options: argparse.Namespace) -> int:
    """Fit the evidence on these sets, and keep it in the home unless it decides worse or is only tried."""
    settings = settings_of(options)
    asked = [one.first(options.limit) for one in sets.read_all(options.folders[1:] or [str(_own(settings))])]
    with output.Bar() as bar:
        searched = [_examples(one, settings, options, bar) for one in asked]
    examples = [example for found, _ in searched for example in found]
    embedders = {embedder for _, embedder in searched}
    if len(embedders) > 1:
        raise SettingsError(
            "These sets were searched with different embedders: the home's adapter (`rag tune embedder`) holds for its "
            "own documents alone. Calibrate on questions about those, without sets that bring documents."
        )
    fitted = fitting.calibrate(examples, threshold=settings.retrieval.evidence, embedder=embedders.pop())
    path = None if options.dry_run else kept(fitted, settings.home)
    said: dict[str, Any] = fitted.as_json() | {"written": str(path) if path else None}
    if options.json or not output.out.is_terminal:
        output.print_json(said)
        return OK
    output.table(
        ("figure", "before", "after, on questions left out", "questions"),
        [
            (page.WORDS[name], _with_interval(fitted.before[name]), _with_interval(after), after.n)
            for name, after in fitted.after.items()
        ],
    )
    if fitted.worse:
        output.out.print("Not adopted: of the questions left out, more would be answered or refused wrongly than now.")
    else:
        output.out.print(f"{output.safe(str(path))} written." if path else "Nothing was written (--dry-run).")
    return OK


def kept(fitted: fitting.Fitted, home: Path) -> Path | None:
    """Where it was written; None where it decides worse than what is there, and was not."""
    if fitted.worse:
        return None
    home.mkdir(parents=True, exist_ok=True)
    _replace(home / CALIBRATION, fitted.calibration.as_json())
    return home / CALIBRATION


def _with_interval(figure: Any) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} – {figure.high:.3f})"


def _examples(
    asked: QuestionSet, settings: Settings, options: argparse.Namespace, bar: output.Bar
) -> tuple[Sequence[fitting.Example], str]:
    """A set's searches, and the fingerprint of the embedder they were made with; where all of its questions can be
    answered, unanswerable ones are made of them."""
    with homes.opened(asked, settings, opening=owned, keep=options.keep, progress=bar.one) as app:
        if asked.form is Form.HOME:
            runs.check_indexed(app, asked)
        person = app.person(OWNER)
        results = runs.run(
            app,
            asked.questions,
            principal=person,
            seen=lambda number: bar.one(f"questions of {asked.name}", number, len(asked.questions)),
        )
        if all(question.answerable for question in asked.questions):
            results += fitting.without_answers(app, asked.questions, person)
        embedder = app.retriever.embedder.fingerprint
    return fitting.examples_of(asked.name, results, shown=settings.retrieval.passages), embedder


def _own(settings: Settings) -> Path:
    """The questions a home holds of its own."""
    path = settings.home / "questions.jsonl"
    if not path.exists():
        raise SettingsError(f"On which questions? Give a folder of questions, or write them into {path}.")
    return path
