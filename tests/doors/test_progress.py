"""How far an ingest is: two lines that fit any terminal."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from rag.cli.progress import Ingesting, clock_time, shortened

NAME = "papers:Personalabteilung/Betriebsvereinbarungen/Arbeitszeitkonten-und-Gleitzeit-2026-Entwurf-3.docx"


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def drawn(shown: Ingesting, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO(), legacy_windows=False)
    with console.capture() as capture:
        console.print(shown)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_figures_are_documents_failures_time_left_chunks_and_pace() -> None:
    clock = Clock()
    shown = Ingesting(Console(file=io.StringIO()), clock=clock)
    assert drawn(shown)[0].endswith("starting …")
    shown.take({"looking": "papers"})
    assert drawn(shown)[0].endswith("looking through papers …")
    shown.take({"progress": ["", 0, 60, 0, 0]})
    shown.take({"reading": NAME})
    clock.now += 5
    first, second = drawn(shown)
    assert first.endswith("  0 of 60 documents · 1 read · 0:05")
    assert second.strip().startswith("papers:Personal") and second.endswith("Entwurf-3.docx")
    clock.now += 5
    shown.take({"progress": [NAME, 20, 60, 400, 2]})
    assert drawn(shown)[0].endswith("  20 of 60 documents · 2 failed · 0:20 left · 400 chunks · 40.0/s")
    clock.now += 5
    assert "0:15 left" in drawn(shown)[0]
    shown.note("Stopping.")
    assert drawn(shown)[1].strip() == "Stopping."
    assert shown.far == " after 20 of 60 documents"
    shown.take({"progress": ["texts embedded", 0, 900, 0, 0]})
    clock.now += 10
    shown.take({"progress": ["texts embedded", 300, 900, 0, 0]})
    assert drawn(shown)[0].endswith("  300 of 900 texts embedded · 0:20 left · 30.0/s"), "work on the index as a whole"


@given(width=st.integers(10, 140), done=st.integers(0, 10**6), failed=st.integers(0, 10**5), name=st.text(max_size=300))
def test_the_two_lines_fit_whatever_they_say(width: int, done: int, failed: int, name: str) -> None:
    clock = Clock()
    shown = Ingesting(Console(file=io.StringIO()), clock=clock)
    shown.take({"progress": ["", 0, 10**6, 0, 0]})
    clock.now += 7200.0
    shown.take({"progress": [name, done, 10**6, 5 * done, failed]})
    lines = drawn(shown, width)
    assert len(lines) <= 2
    assert all(cell_len(line) < width for line in lines)


@given(text=st.text(max_size=200), width=st.integers(0, 100))
def test_a_shortened_text_fits_and_keeps_both_ends(text: str, width: int) -> None:
    found = shortened(text, width)
    assert cell_len(found) <= width
    if "…" in found and width > 10 and text.isascii():
        head, _, tail = found.partition("…")
        clean = shortened(text, 1000)
        assert clean.startswith(head) and clean.endswith(tail) and head and tail


def test_times_are_read_as_a_clock() -> None:
    assert [clock_time(seconds) for seconds in (7, 750, 3723)] == ["0:07", "12:30", "1:02:03"]


def test_a_quiet_progress_draws_nothing() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True)
    with Ingesting(console, quiet=True) as shown:
        shown.take({"looking": "papers"})
    assert written.getvalue() == ""
