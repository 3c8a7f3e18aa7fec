"""How far an ingest is, on a terminal: two lines that never wrap, and nothing elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from rag.cli.output import err, visible

_BAR, _LEAST_BAR = 24, 6


class Ingesting:
    """Takes the events of an ingest and shows where it stands, until it is left."""

    def __init__(
        self, console: Console = err, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._spinner = Spinner("dots")
        self._began = self._stepped = clock()
        self._step: list[Any] | None = None
        self._read, self._unit = 0, ""
        self._line = ""
        self._note = ""
        self._live = Live(self, console=console, transient=True, refresh_per_second=8)
        self._shown = console.is_terminal and not quiet

    def __enter__(self) -> Ingesting:
        if self._shown:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def take(self, event: dict[str, Any]) -> None:
        """One event of `rag.service.ingestion`. What begins is drawn at once, however soon it ends."""
        if "waiting" in event:
            self._line = "waiting …"
        elif "looking" in event:
            self._step, self._read, self._line = None, 0, f"looking through {event['looking']} …"
            self._draw()
        elif "reading" in event:
            self._read += 1
            self._line = event["reading"]
        elif "progress" in event:
            what, self._stepped = event["progress"][0], self._clock()
            unit = "documents" if not what or ":" in what else what
            if self._step is None or unit != self._unit:
                self._began, self._unit, self._read = self._stepped, unit, 0
                self._step = event["progress"]
                self._draw()
            self._step = event["progress"]

    def _draw(self) -> None:
        if self._shown:
            self._live.refresh()

    @property
    def far(self) -> str:
        """`` after 12 of 60 documents``; nothing before the first."""
        return f" after {self._step[1]:,} of {self._step[2]:,} {self._unit}" if self._step else ""

    def note(self, sentence: str) -> None:
        """Say something in place of the document's name, until the end."""
        self._note = sentence

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(1, options.max_width - 1)  # a terminal may wrap a line that fills it
        spin = cast(Text, self._spinner.render(self._clock()))
        if self._step is None:
            yield Text.assemble(spin, " ", shortened(self._note or self._line or "starting …", width - 2))
            return
        yield Text.assemble(spin, " ", self._figures(self._step, width - 2))
        yield Text("  " + shortened(self._note or self._line, width - 2), style="yellow" if self._note else "dim")

    def _figures(self, step: list[Any], width: int) -> Text:
        _, done, total, chunks, failed = step
        words = [f"{done:,} of {total:,} {self._unit}"]
        if failed:
            words.append(f"{failed:,} failed")
        words += self._pace(done, total, chunks)
        while len(words) > 1 and cell_len(" · ".join(words)) > width:
            words.pop()
        said = shortened(" · ".join(words), width)
        bar = min(_BAR, width - cell_len(said) - 2)
        if bar < _LEAST_BAR:
            return Text(said)
        filled = [bar * min(part, total) // total if total else bar for part in (done, max(done, self._read))]
        return Text.assemble(
            ("━" * filled[0], "cyan"),
            ("━" * (filled[1] - filled[0]), "blue"),
            ("━" * (bar - filled[1]), "bright_black"),
            f"  {said}",
        )

    def _pace(self, done: int, total: int, chunks: int) -> list[str]:
        """Time left and chunks a second, reckoned when the last document was recorded; the time spent before the first
        one was, with how many were read."""
        spent = self._stepped - self._began
        if not done or spent <= 0:
            read = [f"{self._read:,} read"] if self._read else []
            return [*read, clock_time(self._clock() - self._began)]
        left = f"{clock_time(max(0.0, spent / done * (total - done) - (self._clock() - self._stepped)))} left"
        return [left, f"{chunks:,} chunks", f"{chunks / spent:.1f}/s"] if chunks else [left, f"{done / spent:.1f}/s"]


def clock_time(seconds: float) -> str:
    """``0:07``, ``12:30``, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def shortened(text: str, width: int) -> str:
    """A text in `width` columns, its middle left out where it is longer: both ends tell documents apart."""
    text = " ".join(visible(text).split())
    if cell_len(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    head, tail = _begin(text, (width - 1) // 2), _begin(text[::-1], width // 2)[::-1]
    return f"{head}…{tail}"


def _begin(text: str, width: int) -> str:
    """As much of the beginning as fits; a letter may take two columns or none."""
    used = 0
    for at, letter in enumerate(text):
        used += cell_len(letter)
        if used > width:
            return text[:at]
    return text
