"""The small Markdown dialect in which the sample's documents are written.

A source file is front matter (``key: value`` lines between two ``---`` lines) and a body of blocks: headings
(``#``, ``##``, ``###``), paragraphs, ``- `` or ``1. `` lists, ``| a | b |`` tables, a lone ``<<<`` for a new page.
Reading only; the formats are written in `write_flow` and `write_office`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Block:
    """One block of a document: ``kind`` is heading, paragraph, bullet, number, table or page."""

    kind: str
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Source:
    """One document's source: its options, its raw body and the blocks the body holds."""

    path: Path
    options: dict[str, str]
    body: str
    blocks: tuple[Block, ...]

    @property
    def title(self) -> str:
        return self.options.get("title", self.path.name)


def load_source(path: Path) -> Source:
    """Read one source file (UTF-8)."""
    text = path.read_text(encoding="utf-8")
    if not text.startswith("---\n"):
        raise ValueError(f"{path} has no front matter. Begin it with a line of three dashes.")
    head, body = text[4:].split("\n---\n", 1)
    options = dict(line.split(": ", 1) for line in head.splitlines() if line.strip())
    body = body.strip("\n") + "\n"
    return Source(path=path, options=options, body=body, blocks=tuple(_blocks(body)))


def plain(text: str) -> str:
    """Drop the bold marks."""
    return text.replace("**", "")


def bold_runs(text: str) -> list[tuple[str, bool]]:
    """Split at the bold marks: (piece, is bold)."""
    return [(piece, bool(i % 2)) for i, piece in enumerate(text.split("**")) if piece]


def _blocks(body: str) -> list[Block]:
    found: list[Block] = []
    lines: list[str] = []

    def flush() -> None:
        if lines:
            found.append(Block("paragraph", " ".join(lines)))
            lines.clear()

    rows: list[tuple[str, ...]] = []
    for line in [*body.splitlines(), ""]:
        if line.startswith("|"):
            flush()
            if not re.fullmatch(r"[|\s:-]+", line):
                rows.append(tuple(cell.strip() for cell in line.strip().strip("|").split("|")))
            continue
        if rows:
            found.append(Block("table", rows=tuple(rows)))
            rows = []
        single = _single_line(line)
        if single is not None:
            flush()
            found.append(single)
        elif line.strip():
            lines.append(line.strip())
        else:
            flush()
    return found


def _single_line(line: str) -> Block | None:
    if line.strip() == "<<<":
        return Block("page")
    if match := re.match(r"(#{1,3}) (.+)", line):
        return Block("heading", match[2], level=len(match[1]))
    if line.startswith("- "):
        return Block("bullet", line[2:])
    if match := re.match(r"(\d+)\. (.+)", line):
        return Block("number", match[2], level=int(match[1]))
    return None
