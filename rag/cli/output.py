"""What a terminal shows: answers with their citations, progress, tables. Colours only on a terminal."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from rag.text.language import language_of_question
from rag.text.sentences import unquoted_line

_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}
"""What JSON may hold but many a reader takes for the end of a line."""


_WIDE = 1000
"""Columns where nobody sees an edge."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read us has gone: said to `rag.cli.run`, which chooses the exit code."""
        raise BrokenPipeError


def _plain(console: Console) -> Console:
    """On a terminal lines break between words, elsewhere they are left whole."""
    console.soft_wrap = not console.is_terminal
    if not console.is_terminal:
        console.width = _WIDE
    return console


out = _plain(_Console(highlight=False))
err = _plain(Console(stderr=True, highlight=False))


def print_json(value: object) -> None:
    """One object, one line; letters that stdout cannot write are escaped, not lost."""
    line = json.dumps(value, ensure_ascii=False).translate(_LINE_ENDS)
    try:
        line.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        line = json.dumps(value)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def visible(text: str) -> str:
    """Text without the control characters that could move a terminal's cursor or turn its letters round."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def safe(text: str) -> str:
    """`visible` text whose square brackets are no markup."""
    return escape(visible(text))


def flow(markup: str, *, lead: str = "", width: int = 0) -> None:
    """A paragraph beside its `lead`, which takes `width` columns: on a terminal its lines break between words and
    stay below each other, elsewhere it is one line."""
    taken = cell_len(Text.from_markup(lead).plain)
    width = max(width, taken)
    if not width or not out.is_terminal:
        out.print(f"{lead}{' ' * (width - taken)}{markup}")
        return
    grid = Table.grid(padding=0)
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(lead, markup)
    out.print(grid)


def moment(iso: str | None) -> str:
    """A time of a JSON form as a person reads it, in this machine's zone."""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M") if iso else "never"


def counted(number: int, thing: str) -> str:
    """``1 document``, ``2,000 documents``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def checks(found: Iterable[dict[str, Any]]) -> None:
    """What was looked at, how it is, and what to do."""
    for check in found:
        sign = "[green]✓[/]" if check["well"] else "[red]✗[/]"
        out.print(f"{sign} {check['name']}: {safe(check['finding'])}")
        if check["advice"]:
            out.print(f"    {safe(check['advice'])}")


def sentence(event: dict[str, Any]) -> None:
    """One checked sentence with its markers."""
    marks = "".join(f"[{citation['marker']}]" for citation in event["citations"])
    text = safe(event["text"])
    if event["supported"]:
        out.print(f"{text} [bold cyan]{escape(marks)}[/]")
    else:
        out.print(f"[yellow]{text} (?)[/]")


def ending(answer: dict[str, Any], explanation: str | None, extracts: Iterable[dict[str, Any]] = ()) -> None:
    """The outcome in words, where it is not simply answered, then sentences that are only quoted, and the sources."""
    if explanation:
        out.print(f"[yellow]{safe(explanation)}[/]")
    for event in extracts:
        sentence(event)
    for citation in answer["citations"]:
        marker = escape(f"[{citation['marker']}]")
        flow(safe(place(citation)), lead=f"  [bold cyan]{marker}[/] ", width=6)
        flow(f"[dim]„{safe(' '.join(citation['quote'].split()))}“[/]", width=6)
    for one, other in answer.get("disagreements", ()):
        out.print(f"[yellow]The documents disagree:[/] {_side(one)} – {_side(other)}")
    if answer.get("asked", answer["question"]) != answer["question"]:
        err.print(f"[dim]read as: {safe(answer['asked'])}[/]")
    unquoted(answer, answer["question"])
    if answer.get("left_out"):
        err.print(f"[dim]{counted(answer['left_out'], 'passage')} did not fit the prompt[/]")
    model = answer["model"]
    if model.get("changed"):
        out.print("[yellow]The model is not the pinned version: rag models update[/]")
    if model["name"]:
        seconds = answer["timing_ms"].get("total", 0) / 1000
        err.print(f"[dim]{safe(model['name'])} · {seconds:.1f} s · receipt {answer['receipt']}[/]")


def unquoted(found: dict[str, Any], asked: str) -> None:
    """What was searched for without its quotation marks, in the language of what was asked."""
    if line := unquoted_line(found.get("unquoted", ()), language_of_question(asked)):
        err.print(f"[yellow]{safe(line)}[/]")


def _side(citation: dict[str, Any]) -> str:
    date = f", {citation['modified'][:10]}" if citation["modified"] else ""
    return f"„{safe(' '.join(citation['quote'].split()))}“ ({safe(citation['title'])}{date})"


def place(entry: dict[str, Any]) -> str:
    """Document, page or headings, in one line; and its age where its source cannot be reached."""
    parts = [entry["document_id"]]
    if entry["page"]:
        parts.append(f"p. {entry['page']}")
    if entry["headings"]:
        parts.append(" › ".join(entry["headings"]))
    if entry.get("superseded_by"):
        parts.append(
            f"{entry['modified'][:10] if entry.get('modified') else ''} superseded by {entry['superseded_by']}".strip()
        )
    if entry.get("hidden_text"):
        parts.append(f"contains hidden text ({', '.join(entry['hidden_because']).replace('_', ' ')})")
    if entry.get("as_of"):
        parts.append(f"as of {moment(entry['as_of'])}: its source cannot be reached now")
    return ", ".join(parts)


def passages(found: dict[str, Any], query: str) -> None:
    """What a search for it found."""
    for number, passage in enumerate(found["passages"], 1):
        flow(f"{safe(place(passage))} [dim]{passage['score']:.2f}[/]", lead=f"[bold cyan]{number}[/]", width=3)
        flow(safe(_beginning(" ".join(passage["text"].split()))), width=3)
    out.print(f"[dim]evidence {found['evidence']:.2f}[/]")
    unquoted(found, query)


def _beginning(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[:most].rpartition(' ')[0] or text[:most]} …"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A plain table; its rows are whole lines where there is no terminal."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*(safe(str(cell)) for cell in row))
    out.print(made)


class Bar:
    """A progress bar on a terminal's stderr, nothing elsewhere."""

    def __init__(self, *, bytes_counted: bool = False) -> None:
        self._unit = 1_000_000 if bytes_counted else 1
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}" + (" MB" if bytes_counted else "")),
            TimeElapsedColumn(),
            console=err,
            transient=not bytes_counted,
            disable=not err.is_terminal,
        )
        self._tasks: dict[str, Any] = {}
        self._plain = bytes_counted and not err.is_terminal

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def one(self, what: str, done: int, total: int) -> None:
        """Progress of one running task whose description changes."""
        self._show("", what, done, total)

    def many(self, what: str, done: int, total: int) -> None:
        """Progress of several tasks, each a line of its own."""
        if self._plain and what not in self._tasks:
            err.print(f"{safe(what)} …")
        self._show(what, what, done, total)

    def _show(self, key: str, what: str, done: int, total: int) -> None:
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task("", total=1)
        shown = what if len(what) <= 48 else f"…{what[-47:]}"
        self._progress.update(
            self._tasks[key], description=safe(shown), completed=done / self._unit, total=max(1, total) / self._unit
        )
