"""`rag models vote`: a page for people to choose between answers without names, and what they chose."""

from __future__ import annotations

import argparse
import json
import secrets
from pathlib import Path

from rag.cli import OK, output
from rag.cli.compare import ANSWERS, QUESTIONS
from rag.cli.door import settings_of
from rag.errors import SettingsError
from rag.evaluate import questions as reading
from rag.evaluate.models import ballot, report, votes

_PAGE, _KEY = "vote.html", "vote-key.json"


def vote(options: argparse.Namespace) -> int:
    """Write the page and its key; with ``--count``, count the files of votes."""
    folder = options.directory or settings_of(options).home / "compare"
    return _count(options, folder) if options.count else _page(options, folder)


def _page(options: argparse.Namespace, folder: Path) -> int:
    path = options.questions or folder / QUESTIONS
    if (folder / _KEY).exists() and not options.anew:
        raise SettingsError(
            f"{folder / _PAGE} is there already, and its votes need its key. --anew writes another page and key."
        )
    entries = report.recorded(folder / ANSWERS, reading.golden(path))
    drawn = ballot.ballot(entries, _known(path), seed=options.seed or secrets.randbits(32))
    report.keep(folder / _KEY, json.dumps(drawn.key(), indent=1) + "\n")
    report.keep(folder / _PAGE, ballot.render(drawn))
    if options.json:
        output.print_json({"page": str(folder / _PAGE), "key": str(folder / _KEY), "pairings": len(drawn.pairings)})
    else:
        output.out.print(
            f"{output.safe(str(folder / _PAGE))}: {len(drawn.pairings)} pairs of answers. Give it to whoever may read "
            f"these documents; the key beside it stays here. Then count: rag models vote DIR --count FILE…"
        )
    return OK


def _count(options: argparse.Namespace, folder: Path) -> int:
    duels = votes.count(options.count, votes.key_of(folder / _KEY))
    if options.json:
        output.print_json({"files": len(options.count), "duels": [duel.as_json() for duel in duels]})
        return OK
    output.table(
        ("model", "against", "won", "lost", "alike", "share of votes", "chance"),
        [(d.one, d.other, d.won, d.lost, d.alike, report.interval(d.share), f"{d.chance:.3g}") for d in duels],
    )
    return OK


def _known(path: Path) -> dict[str, str]:
    """Question → what the document says, where the questions tell."""
    found = {}
    for line in path.read_text(encoding="utf-8-sig").split("\n"):
        entry = json.loads(line) if line.strip() else {}
        quotes = [gold["quote"] for gold in entry.get("gold", []) if isinstance(gold.get("quote"), str)]
        if quotes:
            found[str(entry["id"])] = quotes[0]
    return found
