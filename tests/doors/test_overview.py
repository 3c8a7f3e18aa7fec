"""What a terminal of eighty columns shows: whole words, whole figures, the end of every name."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import termios
from collections.abc import Iterator
from typing import Any

import pytest
from rich.cells import cell_len

from rag.api.local import LocalDoor
from rag.cli.ingest import print_plan, print_report
from rag.cli.overview import documents, status
from rag.service.operations import Service
from rag.text.advice import advice
from tests.doors.conftest import TRUE, Line, owner
from tests.doors.test_ingest_command import many

WORDS = "Beschäftigte melden Mehrarbeit innerhalb von vierundzwanzig Stunden bei ihrer Teamleitung. " * 6
AT = "2026-11-23T10:00:00+00:00"


class Wordy(Service):
    """A service that says more than a line holds."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self._operations |= {"documents": self.long_list, "show": self.fault, "doctor": self.long_finding}

    def long_list(self, *, failed: bool = False) -> Iterator[dict[str, Any]]:
        entry = {"document_id": "papers:a.txt", "title": WORDS, "state": "indexed", "reason": None, "chunks": 1200}
        bad = {**entry, "state": "outdated", "reason": WORDS, "advice": WORDS}
        noted = {**entry, "notes": [WORDS], "as_of": AT}
        yield {"documents": [*([] if failed else [noted]), {**bad, "notes": [], "as_of": None}]}

    def search(self, query: str, **options: Any) -> Iterator[dict[str, Any]]:
        passage = {"document_id": "a.txt", "page": 1, "headings": [WORDS], "text": WORDS, "score": 1.0, "as_of": AT}
        yield {"evidence": 1.0, "passages": [passage]}

    def ask(self, question: str, **options: Any) -> Iterator[dict[str, Any]]:
        citation = {"marker": 1, "document_id": "a.txt", "page": 1, "headings": [WORDS], "quote": WORDS, "as_of": AT}
        yield {"event": "sentence", "text": WORDS, "supported": True, "citations": [citation]}
        answer = {"question": "x", "outcome": "answered", "citations": [citation], "timing_ms": {}, "receipt": ""}
        yield {"event": "done", **answer, "model": {"name": ""}}

    def fault(self, document: str, **options: object) -> Iterator[dict[str, Any]]:
        raise RuntimeError("a fault")
        yield {}

    def long_finding(self) -> Iterator[dict[str, Any]]:
        check = {"name": "source papers", "well": False, "finding": WORDS, "advice": WORDS}
        yield {"well": False, "checks": [check]}


def on_terminal(line: Line, *arguments: str, columns: int = 80) -> list[str]:
    """The lines a terminal of that width shows, without their colours; each state of a line that is drawn again."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with line.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end has closed
                break
            if not piece:
                break
            seen += piece
        process.wait(60)
    os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())
    return [shown for shown in re.split(r"[\r\n]+", plain) if shown.strip()]


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "arguments", ["documents", "documents --failed", "search x", "ask x", "doctor", "show papers:a.txt"]
)
def test_no_line_of_a_terminal_breaks_inside_a_word(fresh: Line, arguments: str, columns: int) -> None:
    app: Any = None
    fresh.home.mkdir(mode=0o700)
    with LocalDoor(Wordy(app), fresh.home):
        shown = on_terminal(fresh, *arguments.split(), columns=columns)
    assert [line for line in shown if cell_len(line) > columns] == []
    ends = {word.strip("„“…") for line in shown for word in (line.split()[0], line.split()[-1])}
    broken = [
        end for end in ends if len(end) > 3 and any(word != end and word.startswith(end) for word in WORDS.split())
    ]
    assert broken == []
    told = " ".join(" ".join(shown).split())
    assert ("This should not have happened" if "show" in arguments else WORDS[:200].strip()) in told


def test_what_takes_several_lines_stands_below_its_beginning(fresh: Line) -> None:
    app: Any = None
    fresh.home.mkdir(mode=0o700)
    with LocalDoor(Wordy(app), fresh.home):
        shown = on_terminal(fresh, "documents")
    first = [line for line in shown if not line.startswith(" ")]
    assert [line.split()[0] for line in first] == ["indexed*", "outdated"]
    assert {line[: line.index("papers:")] for line in first} == {"indexed*   1,200  ", "outdated   1,200  "}
    assert [line for line in shown if line not in first and not line.startswith(" " * 16)] == []


def test_the_progress_on_a_terminal_never_wraps_and_leaves_the_report_alone(fresh: Line) -> None:
    folder = many(fresh.folder / "papers", 3)
    long = folder / ("ein-ordner-mit-einem-sehr-langen-namen/" * 3)
    long.mkdir(parents=True)
    (long / "ein-dokument-mit-einem-sehr-langen-namen.txt").write_text(TRUE)
    with owner(fresh):
        shown = on_terminal(fresh, "ingest", str(folder))
    assert [line for line in shown if cell_len(line) > 79] == []
    assert any("looking through papers …" in line for line in shown)
    assert any("of 4 documents" in line for line in shown)
    assert shown[-1].startswith("4 added, 0 unchanged · 4 chunks in ")


PLAN: dict[str, Any] = {
    **{kind: [] for kind in ("add", "replace", "move", "reprotect", "remove", "held", "later", "failed")},
    "held_because": {},
    "offline": {},
    "shut": [],
}


def test_a_plan_names_shut_folders_moves_and_what_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(
        {
            **PLAN,
            "move": [["a:x", "a:y"]],
            "shut": [{"folder": "a:hr/", "reason": "no permission"}],
            "failed": [{"document": "a:z", "reason": "no permission to read the file"}],
        }
    )
    said = capsys.readouterr().out
    assert said.startswith("1 to move, 1 to fail, 1 shut\n")
    for line in ("    a:x → a:y", "    a:hr/: no permission", "    a:z: no permission to read the file"):
        assert line in said.splitlines()
    print_plan(PLAN)
    assert capsys.readouterr().out == "Nothing to do.\n"


REPORT: dict[str, Any] = {
    **dict.fromkeys(
        ("added", "replaced", "moved", "reprotected", "removed", "unchanged", "chunks", "held", "later"), 0
    ),
    "seconds": 1.0,
    "failed_before": 0,
    "failed": [],
    "held_because": {},
    "offline": {},
}


def test_files_being_written_and_reasons_beyond_twenty_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    failed = [{"document": f"a:{number}", "reason": f"reason {number}"} for number in range(23)]
    print_report({**REPORT, "later": 3, "failed": failed})
    said = capsys.readouterr().out
    assert "3 files left for the next run: being written, or gone between two looks." in said
    assert "  and 3 for other reasons: rag documents --failed" in said.splitlines()


def test_a_document_with_something_to_be_known_is_marked_and_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    note = "only the first 5,000 of 7,301 chunks"
    entry = {"document_id": "a:x.pdf", "title": "Title", "state": "indexed", "reason": None, "chunks": 5000}
    documents([{**entry, "notes": [note]}, {**entry, "notes": []}])
    marked, told, plain = capsys.readouterr().out.splitlines()
    assert (marked.split()[:2], told.strip(), plain.split()[:2]) == (
        ["indexed*", "5,000"],
        f"* {note}",
        ["indexed", "5,000"],
    )


def test_status_tells_how_fast_removals_were_followed_and_how_a_source_is_watched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = {"name": "a", "path": "/a", "documents": 1, "failed": 0, "from": "ingest", "readers": ["everyone"]}
    source |= {"class": "internal", "state": "level", "reached_at": AT, "watched": "polling", "remarks": []}
    found = {"home": "/h", "documents": 1, "failed": 0, "chunks": 2, "embedder": "e", "sources": [source]}
    found["language_model"] = {"provider": "ollama", "model": "m"}
    status({**found, "removals": {"count": 12, "p50_s": 2.1, "p95_s": 2.94, "max_s": 3.4}})
    said = capsys.readouterr().out
    assert "12 followed: half within 2.1 s, 95 % within 2.9 s, all within 3.4 s" in said
    assert "watched by polling" in said
    status({**found, "removals": {"count": 0, "p50_s": None, "p95_s": None, "max_s": None}})
    assert "none followed since the sources are watched" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("encrypted: needs a password", "without a password"),
        ("encrypted: needs its recipient's key", "decrypted"),
        ("no text: scan and OCR is off", "ocr in rag.toml"),
        ("no text: picture and this machine has no OCR engine", "Install an OCR engine"),
        ("over the limit of 200 MiB (ingest.max_body_mb)", "ingest.max_body_mb"),
        ("over the 1024 MB memory limit", "ingest.memory_mb"),
        ("over the 120 s limit (of CPU time)", "ingest.timeout_s"),
        ("over the limit of 5,000 pages", "Split it into smaller files."),
        ("no permission to read the file", "Let the account that runs Archivar read it."),
        ("something new", "save it as PDF"),
    ],
)
def test_every_reason_has_something_to_do(reason: str, said: str) -> None:
    assert said in advice(reason)


def test_a_fault_of_the_owner_is_said_between_words(fresh: Line) -> None:
    app: Any = None
    fresh.home.mkdir(mode=0o700)
    with LocalDoor(Wordy(app), fresh.home):
        done = subprocess.run(
            fresh.command("show", "x"), env=fresh.environ, capture_output=True, encoding="utf-8", check=False
        )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, "whole where no terminal reads it"
