"""`rag demo`: the whole main job on the sample company, with what to do next."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rag.cli import OK, PARTLY, STOPPED, output
from rag.cli.ask import explanation
from rag.cli.door import door, settings_of
from rag.cli.ingest import bring_level, print_report
from rag.errors import SettingsError

_QUESTIONS = Path("data/golden/demo.jsonl")


def demo(options: argparse.Namespace) -> int:
    """Index the sample, ask one German, one English, one cross-language and one unanswerable question."""
    if not options.sample.is_dir():
        raise SettingsError(f"There is no sample company at {options.sample}. Run this in the project's folder.")
    with door(settings_of(options), listen=True) as way:
        output.out.print(f"[bold]Indexing {output.safe(str(options.sample))}[/]")
        report = bring_level(way, {"paths": [str(options.sample.absolute())]})
        print_report(report)
        if report["stopped"]:
            return STOPPED
        for question in _questions(_QUESTIONS):
            output.out.print(f"\n[bold]{output.safe(question['text'])}[/]")
            _ask(way, question["text"])
    output.out.print(
        "\n[bold]Go on:[/]\n"
        '  .venv/bin/rag ask "Wer genehmigt Dienstreisen?"     ask more\n'
        "  .venv/bin/rag ingest ~/docs && .venv/bin/rag ask …  your own folder\n"
        "  make serve                                          the same on a web page\n"
        "  .venv/bin/rag sources remove sample                 forget the sample company"
    )
    return PARTLY if report["failed"] else OK


def _ask(way: Any, question: str) -> None:
    waiting = output.err.status("reading …", spinner="dots") if output.err.is_terminal else None
    if waiting:
        waiting.start()
    extracts: list[dict[str, Any]] = []
    try:
        for event in way.call("ask", {"question": question}):
            if waiting and event["event"] in ("sentence", "done"):
                waiting.stop()
            if event["event"] == "sentence" and event["extract"]:
                extracts.append(event)
            elif event["event"] == "sentence":
                output.sentence(event)
            elif event["event"] == "done":
                output.ending(event, explanation(event), extracts)
    finally:
        if waiting:
            waiting.stop()


def _questions(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
